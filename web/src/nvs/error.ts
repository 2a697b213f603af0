import type { ErrorKind } from './types.ts';

/** Why something cannot be done with a partition or a board: a stable kind, and a sentence that says what to do. */
export class NvsError extends Error {
  readonly kind: ErrorKind;
  /** Whether a plan with `overwrite` would be made. */
  readonly overwritable: boolean;
  /** Whether other keys would help. */
  readonly aboutKeys: boolean;
  /** The partitions to choose from, where there are several. */
  readonly names: string[];
  /** The row of a list of changes that fails, from 1. */
  readonly row: number | undefined;

  constructor(
    kind: ErrorKind,
    message: string,
    more: { overwritable?: boolean; about_keys?: boolean; names?: string[]; row?: number } = {},
  ) {
    super(message);
    this.name = 'NvsError';
    this.kind = kind;
    this.overwritable = more.overwritable ?? false;
    this.aboutKeys = more.about_keys ?? false;
    this.names = more.names ?? [];
    this.row = more.row;
  }
}
