// A state of a board in words.
import type { MaskedChange, MaskedValue, Warning } from '../../nvs/types.ts';
import type { Failure, Planned, Refusal, State, ValueFinding } from '../../flash/state.ts';
import type { Advice } from '../../texts/en-provision.ts';
import { visible } from '../../nvs/visible.ts';
import { t } from '../../texts/index.ts';

/** The steps that a person sees, in their order. */
export const STEPS = ['connect', 'read', 'confirm', 'write', 'done'] as const;
export type ShownStep = (typeof STEPS)[number];

export function shownStep(state: State): ShownStep {
  switch (state.step) {
    case 'idle':
    case 'connecting':
      return 'connect';
    case 'reading':
    case 'occupied':
    case 'refused':
      return 'read';
    case 'planned':
      return 'confirm';
    case 'saving':
    case 'writing':
    case 'verifying':
    case 'resetting':
      return 'write';
    case 'failed':
      return state.failure.begun > 0 ? 'write' : state.board ? 'read' : 'connect';
    case 'done':
    case 'cancelled':
      return 'done';
  }
}

/** Whether something runs that must not be left. */
export function isWriting(state: State): boolean {
  return ['saving', 'writing', 'verifying', 'resetting'].includes(state.step);
}

/** Where nothing is asked and nothing is over. */
export function isBusy(state: State): boolean {
  return isWriting(state) || ['connecting', 'reading'].includes(state.step);
}

/** What a screen reader is told: once for each step, not for each sector. */
export function spoken(state: State): string {
  switch (state.step) {
    case 'connecting':
      return t.provision.connecting;
    case 'reading':
      return t.provision.reading;
    case 'occupied':
      return t.provision.occupied;
    case 'refused':
      return adviceOf(state.refusal.kind).title;
    case 'planned':
      return t.provision.toWrite(state.plan.changed, state.plan.sectors);
    case 'saving':
      return t.provision.saving;
    case 'writing':
    case 'verifying':
      return t.provision.writing(0, state.total);
    case 'resetting':
      return t.provision.resetting;
    case 'done':
      return doneText(state);
    case 'failed':
      return failureAdvice(state.failure)?.title ?? t.provision.failed;
    case 'cancelled':
      return t.provision.stopped;
    case 'idle':
      return '';
  }
}

/** What runs, and how far it is. */
export function progressOf(state: State): { label: string; value: number | undefined; max: number } {
  switch (state.step) {
    case 'reading':
      return { label: t.provision.reading, value: state.done, max: state.total };
    case 'saving':
      return { label: t.provision.saving, value: undefined, max: 1 };
    case 'writing':
      return { label: t.provision.writing(state.done, state.total), value: state.done, max: state.total };
    case 'verifying':
      return { label: t.provision.verifying(state.done, state.total), value: state.done, max: state.total };
    case 'resetting':
      return { label: t.provision.resetting, value: undefined, max: 1 };
    default:
      return { label: t.provision.connecting, value: undefined, max: 1 };
  }
}

export function doneText(state: State & { step: 'done' }): string {
  const what = state.plan?.what.replace(/^device /, '') ?? '';
  switch (state.outcome) {
    case 'written':
      return t.provision.doneWritten(what, state.sectors);
    case 'unchanged':
      return t.provision.doneUnchanged(what);
    case 'restored':
      return t.provision.doneRestored(state.sectors);
  }
}

/** What keeps the board that was just provisioned from working. */
export function unreached(plan: Planned | undefined): readonly ValueFinding[] {
  return plan?.findings.filter(({ code }) => code !== 'plain-text-url') ?? [];
}

/** The page's words for a refusal; the program's own are the detail. */
export function adviceOf(kind: Refusal['kind']): Advice {
  return kind in t.provision.problems
    ? t.provision.problems[kind as keyof typeof t.provision.problems]
    : t.refusals[kind as keyof typeof t.refusals];
}

/** `undefined` for a problem of the server, which has words of its own. */
export function failureAdvice({ kind }: Failure): Advice | undefined {
  return kind === 'server' ? undefined : adviceOf(kind);
}

export function warningText(warning: Warning): string {
  return warning.kind === 'other-device'
    ? t.provision.otherDevice(visible(warning.key))
    : t.provision.warnings[warning.kind];
}

/** What was written, as a backup has it: `device vibxdl4f`, as the program's own, or the name of a list. */
export function whatName(what: string): string {
  return what.replace(/^device /, `${t.devices.titleOne} `);
}

export function keyName({ namespace, namespace_hex, key, key_hex }: MaskedChange): string {
  const name = namespace !== undefined ? visible(namespace) : `0x${namespace_hex ?? ''}`;
  if (key === undefined && key_hex === undefined) return name;
  return `${name}/${key !== undefined ? visible(key) : `0x${key_hex ?? ''}`}`;
}

export function masked(value: MaskedValue | undefined): string {
  if (value === undefined) return '';
  if (value.error !== undefined) return `${value.type}, ${t.provision.unreadable}`;
  const text = t.provision.masked(value.type, value.size);
  return value.fingerprint === undefined ? text : `${text} #${value.fingerprint}`;
}

export function hex(number: number): string {
  return `0x${number.toString(16)}`;
}

export function flashSize(bytes: number): string {
  return bytes >= 1 << 20 ? `${bytes / (1 << 20)} MiB` : `${bytes / (1 << 10)} KiB`;
}

/** A whole number as a person types it: `0x8000`, `32768`; `undefined` if it is none. */
export function parseNumber(text: string): number | undefined {
  const number = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text.trim()) ? Number(text.trim()) : Number.NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}
