/** Why a board cannot be reached, read or written: names that stay the same, each with a text of its own in `texts`. */
export type BoardProblem =
  // The port.
  | 'port-busy'
  | 'port-blocked'
  // The connection.
  | 'no-answer'
  | 'application-runs'
  | 'unknown-chip'
  | 'not-connected'
  | 'secure-download'
  | 'no-stub'
  | 'no-flash'
  | 'unplugged'
  | 'timeout'
  | 'refused'
  | 'read-differs'
  | 'write-differs'
  | 'out-of-flash'
  // Several tabs.
  | 'other-tab'
  // The backup, and a write that was cut off.
  | 'backup-failed'
  | 'backup-unreadable'
  | 'partition-moved'
  | 'partition-erased'
  // The person.
  | 'cancelled';

/** What the person's tool was doing: for the detail of a message, and for a flash's `reason`. */
export type Step = 'connect' | 'read' | 'write' | 'verify' | 'reset' | 'backup';

/**
 * What went wrong on the cable. The classes of esptool-js's errors have other names in a built page, so they are translated at
 * the one place that calls it.
 */
export class BoardError extends Error {
  readonly kind: BoardProblem;
  readonly step: Step;

  constructor(kind: BoardProblem, step: Step, detail = '') {
    super(detail);
    this.name = 'BoardError';
    this.kind = kind;
    this.step = step;
  }
}
