import { describe, expect, test } from 'vitest';
import { SECTOR } from './chip.ts';
import { assess, changedSectors } from './interrupted.ts';
import type { Journal } from './journal.ts';

const PLACE = { offset: 0x9000, size: 3 * SECTOR };

/** Three sectors, each of one byte over and over. */
function sectors(...bytes: number[]): Uint8Array {
  const all = new Uint8Array(bytes.length * SECTOR);
  bytes.forEach((byte, number) => all.fill(byte, number * SECTOR, (number + 1) * SECTOR));
  return all;
}

/** A write of the first two sectors that was cut off. */
function journal(): Journal {
  const facts = { mac: '24:0a:c4:00:00:01', partition: 'nvs', ...PLACE, started: '', what: 'device a' };
  return { facts, before: sectors(0x0f, 0x0f, 0x55), after: sectors(0xf0, 0xf0, 0x55) };
}

const never = (): boolean => {
  throw new Error('nobody asked');
};

describe('a write that was cut off', () => {
  test('before the first sector, between two, and after the last', () => {
    const seen = [sectors(0x0f, 0x0f, 0x55), sectors(0xf0, 0x0f, 0x55), sectors(0xf0, 0xf0, 0x55)].map((now) =>
      assess(journal(), PLACE, now, never),
    );
    expect(seen.map(({ sectors: all, written, since }) => [all, written, since])).toEqual([
      [2, 0, 0],
      [2, 1, 0],
      [2, 2, 0],
    ]);
  });

  test('in the middle of an erase, or of a write', () => {
    const erased = sectors(0xff, 0x0f, 0x55);
    expect(assess(journal(), PLACE, erased, never)).toMatchObject({ written: 0, since: 0 });
    const half = sectors(0xff, 0x0f, 0x55);
    half.fill(0xf0, 0, 100);
    expect(assess(journal(), PLACE, half, never)).toMatchObject({ written: 0, since: 0 });
  });

  test('and then firmware that started: what it wrote is newer only if every key is still there', () => {
    const now = sectors(0xff, 0x0f, 0x44);
    expect(assess(journal(), PLACE, now, () => true)).toMatchObject({ since: 1, outdated: true });
    expect(assess(journal(), PLACE, now, () => false)).toMatchObject({ since: 1, outdated: false });
    // In a sector that was to be written, too.
    expect(assess(journal(), PLACE, sectors(0x00, 0x0f, 0x55), () => true)).toMatchObject({ since: 1, outdated: true });
  });

  test('and then erased, or moved: a person decides', () => {
    expect(() => assess(journal(), PLACE, sectors(0xff, 0xff, 0xff), () => false)).toThrow(
      expect.objectContaining({ kind: 'partition-erased' }),
    );
    expect(() => assess(journal(), { ...PLACE, offset: 0xa000 }, sectors(0xff, 0xff, 0xff), never)).toThrow(
      expect.objectContaining({ kind: 'partition-moved' }),
    );
  });
});

test('the sectors that differ', () => {
  expect(changedSectors(sectors(1, 2, 3), sectors(1, 2, 3))).toEqual([]);
  expect(changedSectors(sectors(1, 2, 3), sectors(0, 2, 4))).toEqual([0, 2]);
});
