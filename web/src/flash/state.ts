/** What a person sees of a board that is being written: one state at a time. */
import type { ErrorKind, MaskedChange, Overwritten, PartitionRow, Usage, Warning } from '../nvs/index.ts';
import type { Identity } from './chip.ts';
import type { Interrupted } from './interrupted.ts';
import type { BoardProblem, Step } from './problem.ts';

/** A device of the server. */
export interface DeviceName {
  id: number;
  key: string;
  name: string;
}

/** What the server knows that stands against a flash. */
export interface Neighbours {
  /** The other board that has this device. */
  board?: string;
  /** The other device that this board has. */
  device?: DeviceName;
}

/** Something about a value of the device that looks wrong: the board gets it all the same. */
export interface ValueFinding {
  key: string;
  severity: 'error' | 'warning' | 'notice';
  /** A name that stays the same. */
  code: string;
  /** The server's own words. */
  detail: string;
  /** The key of the setting that the value comes from; `null` for one of the device or its model. */
  setting: string | null;
}

export interface Planned {
  rows: PartitionRow[];
  partition: { name: string; offset: number; size: number };
  encrypted: boolean;
  /** What is written, such as `device vibxdl4f`. */
  what: string;
  differences: MaskedChange[];
  /** What is in other namespaces, and stays. */
  others: { values: number; namespaces: number };
  warnings: Warning[];
  findings: ValueFinding[];
  overwritten?: Overwritten | undefined;
  /** Sectors to write, and in all. */
  changed: number;
  sectors: number;
  /** How full the partition is, and will be; `null` if the firmware could not open it. */
  usage: { before: Usage | null; after: Usage | null };
  interrupted?: Interrupted | undefined;
  neighbours: Neighbours;
  /** Names of other partitions of this board that a write was cut off to. */
  otherInterrupted: string[];
}

/** Why no plan is made: of the board, or of what it holds. Other files or options may help. */
export interface Refusal {
  kind: ErrorKind | BoardProblem;
  message: string;
  overwritable: boolean;
  aboutKeys: boolean;
  /** The partitions to choose from. */
  names: string[];
  /** The write that was cut off, which can be undone or given up in any case. */
  interrupted?: { what: string; started: string; partition: string; restorable: boolean } | undefined;
}

export interface Failure {
  kind: BoardProblem | ErrorKind | 'server' | 'internal';
  step: Step | 'server';
  /** For people who look closer; no secret. */
  detail: string;
  /** Sectors that may be erased: with one, the board stays in download mode, and a backup is in this browser. */
  begun: number;
  /** The error itself, where the server sent it. */
  cause?: unknown;
}

export type State =
  | { step: 'idle' }
  | { step: 'connecting' }
  | { step: 'reading'; board: Identity; done: number; total: number }
  /** The board already carries another device, and a new one is about to be created for it. */
  | { step: 'occupied'; board: Identity; onChip: string | undefined; onServer: DeviceName | undefined }
  | { step: 'refused'; board: Identity; refusal: Refusal }
  | { step: 'planned'; board: Identity; plan: Planned }
  | { step: 'saving'; board: Identity; plan: Planned | undefined }
  | { step: 'writing' | 'verifying'; board: Identity; plan: Planned | undefined; done: number; total: number }
  | { step: 'resetting'; board: Identity; plan: Planned | undefined }
  | {
      step: 'done';
      board: Identity;
      outcome: 'written' | 'unchanged' | 'restored';
      plan: Planned | undefined;
      notes: Note[];
      sectors: number;
    }
  | { step: 'cancelled'; board: Identity | undefined; notes: Note[] }
  | { step: 'failed'; board: Identity | undefined; failure: Failure };

/** What did not work out and changes nothing about the outcome. */
export type Note = 'not-reset' | 'not-reset-interrupted' | 'outcome-unreported' | 'backup-left';

/** What a person answers where a state waits for them. */
export type Answer =
  | { kind: 'go-on' }
  | { kind: 'write'; replaceBoard: boolean }
  | { kind: 'undo' }
  | { kind: 'give-up-backup'; partition: string }
  | { kind: 'options'; options: Options }
  | { kind: 'cancel' };

export interface Options {
  partition?: string | undefined;
  tableOffset?: number | undefined;
  table?: Uint8Array | undefined;
  keys?: Uint8Array | undefined;
  overwrite?: boolean | undefined;
}
