/** What the inspector does with a board: read it, and write changes back by the same plan as *Provision*. */
import type { Changes, Nvs } from '../nvs/index.ts';
import { Chip, type Entry, type Identity, type Progress } from './chip.ts';
import { type Content, type Given, Reader } from './content.ts';
import { browserKeys, type BackupKeys, Journals } from './journal.ts';
import { Provisioning, type State } from './provision.ts';

/** A board as it was read. The port is closed again, and the board's firmware runs. */
export interface BoardContent extends Content {
  board: Identity;
  /** Names of partitions that a write was cut off to: *Provision* or a write back completes it. The board was not reset then. */
  interrupted: string[];
}

export interface Reading {
  nvs: Nvs;
  given?: Given | undefined;
  entry?: Entry | undefined;
  signal?: AbortSignal | undefined;
  progress?: Progress | undefined;
}

/** Reads the NVS partition of a board, with the keys that are on it. Throws a `BoardError` or an `NvsError`. */
export async function readBoard(
  port: SerialPort,
  { nvs, given, entry, signal, progress }: Reading,
): Promise<BoardContent> {
  const chip = await Chip.connect(port, { entry: entry ?? 'reset-lines', md5: nvs.md5, signal });
  try {
    const board = chip.identity;
    const interrupted = await new Journals(browserKeys).partitions(board.mac);
    try {
      const content = await new Reader(chip, nvs).content(given ?? {}, progress ?? (() => {}));
      return { ...content, board, interrupted };
    } finally {
      if (interrupted.length === 0) await chip.reset().catch(() => {});
    }
  } finally {
    await chip.close();
  }
}

/**
 * A write of changes to a board: `run(port)`, then `answer({kind: 'write', …})` in the state `planned`. Without a server the backup
 * is sealed by a key of this browser; with one give `serverKeys`, so that nobody without a sign-in opens it.
 */
export function writeBack(
  nvs: Nvs,
  changes: Changes,
  name: string,
  report: (state: State) => void,
  keys: BackupKeys = browserKeys,
): Provisioning {
  return new Provisioning({ nvs, journals: new Journals(keys), report }, { kind: 'changes', name, changes });
}
