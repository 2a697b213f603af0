/** A write to a partition that was cut off, and how far it came: the rules of `fleetmint flash`. */
import { SECTOR } from './chip.ts';
import type { Facts, Journal } from './journal.ts';
import { BoardError } from './problem.ts';

export interface Interrupted {
  facts: Facts;
  /** Sectors that it was to write. */
  sectors: number;
  /** Those of them that hold the new bytes. */
  written: number;
  /** Sectors that have changed since, because the firmware has started. */
  since: number;
  /** Whether the board has lost nothing and was used since: what it holds now is newer than the journal, and stays. */
  outdated: boolean;
}

/**
 * Compares a journal with what the partition holds now. `hasAll` tells whether the partition still has every key that both states
 * of the journal have: a write that was cut off before it erased anything must not put back what is older than the board.
 */
export function assess(
  journal: Journal,
  place: { offset: number; size: number },
  now: Uint8Array,
  hasAll: (before: Uint8Array, after: Uint8Array) => boolean,
): Interrupted {
  const { facts, before, after } = journal;
  if (facts.offset !== place.offset || facts.size !== place.size) {
    throw new BoardError('partition-moved', 'backup', `0x${facts.size.toString(16)} at 0x${facts.offset.toString(16)}`);
  }
  let sectors = 0;
  let written = 0;
  let since = 0;
  for (let start = 0; start < now.length; start += SECTOR) {
    const [old, wanted, held] = [before, after, now].map((bytes) => bytes.subarray(start, start + SECTOR)) as Three;
    if (same(old, wanted)) {
      if (!same(held, old)) since += 1;
    } else {
      sectors += 1;
      if (same(held, wanted)) written += 1;
      if (!isMoreErased(held, old) && !isMoreErased(held, wanted)) since += 1;
    }
  }
  const outdated = since > 0 && hasAll(before, after);
  if (since > 0 && !outdated && now.every((byte) => byte === 0xff)) {
    throw new BoardError('partition-erased', 'backup');
  }
  return { facts, sectors, written, since, outdated };
}

type Three = [Uint8Array, Uint8Array, Uint8Array];

/** The numbers of the sectors that differ. */
export function changedSectors(before: Uint8Array, after: Uint8Array): number[] {
  const changed: number[] = [];
  for (let start = 0; start < after.length; start += SECTOR) {
    if (!same(before.subarray(start, start + SECTOR), after.subarray(start, start + SECTOR)))
      changed.push(start / SECTOR);
  }
  return changed;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/**
 * Whether a sector is what an erase or a write leaves that is cut off before it comes to `whole`, or after: erasing only sets
 * bits, and writing only clears them.
 */
function isMoreErased(sector: Uint8Array, whole: Uint8Array): boolean {
  return sector.every((byte, index) => (whole[index]! & ~byte & 0xff) === 0);
}
