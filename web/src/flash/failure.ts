/** From an error to what a person is shown of it. */
import { NvsError } from '../nvs/index.ts';
import { BackupUnreadable, type Journal } from './journal.ts';
import { BoardError, type BoardProblem } from './problem.ts';
import type { Failure, Refusal } from './state.ts';

const REASON_MAX = 500;

/** What a person can do something about while the board stays connected. */
export function refusalOf(error: unknown, journal: Journal | undefined): Refusal | undefined {
  const interrupted = (restorable: boolean) =>
    journal
      ? { what: journal.facts.what, started: journal.facts.started, partition: journal.facts.partition, restorable }
      : undefined;
  if (error instanceof NvsError && error.kind !== 'internal') {
    const { kind, message, overwritable, aboutKeys, names } = error;
    return { kind, message, overwritable, aboutKeys, names, interrupted: interrupted(true) };
  }
  if (error instanceof BackupUnreadable) {
    const { what, started, partition } = error.facts;
    const { kind, message } = error;
    return refusal(kind, message, { what, started, partition, restorable: false });
  }
  if (!(error instanceof BoardError)) return undefined;
  const { kind, message } = error;
  if (kind === 'partition-moved') return refusal(kind, message, interrupted(false));
  if (kind === 'partition-erased') return refusal(kind, message, interrupted(true));
  return undefined;
}

function refusal(kind: BoardProblem, message: string, interrupted: Refusal['interrupted']): Refusal {
  return { kind, message, overwritable: false, aboutKeys: false, names: [], interrupted };
}

/** What ends a write, or keeps it from beginning. */
export function failureOf(error: unknown, begun: number): Failure {
  if (error instanceof BoardError) return { kind: error.kind, step: error.step, detail: error.message, begun };
  if (error instanceof NvsError) return { kind: error.kind, step: 'read', detail: error.message, begun };
  return { kind: 'server', step: 'server', detail: '', begun, cause: error };
}

/** For the server's record of the flash: no secret. */
export function reasonOf(error: unknown): string {
  const text = error instanceof BoardError ? `${error.step}: ${error.kind} ${error.message}` : 'the page failed';
  return text.trim().slice(0, REASON_MAX);
}
