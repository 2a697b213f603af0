// The filters of the audit, as they stand in the address: all of them, so that a look at it can be passed on.
import type { operations } from '../../api/generated.ts';

type Query = NonNullable<operations['list_audit']['parameters']['query']>;
export type Action = NonNullable<Query['action']>;
export type Outcome = NonNullable<Query['outcome']>;

export const outcomes: readonly Outcome[] = ['started', 'succeeded', 'failed', 'unknown'];
export const filters = ['device', 'model', 'action', 'outcome', 'from', 'to'] as const;

/** What to ask the server for. What it would refuse is left out: an address is typed by people too. */
export function auditQuery(query: URLSearchParams): Query {
  const asked: Query = { limit: 50 };
  const device = number(query.get('device'));
  if (device !== undefined) asked.device = device;
  const model = number(query.get('model'));
  if (model !== undefined) asked.model = model;
  const action = query.get('action');
  // The server knows its operations; a newer one may have more of them than this page.
  if (action !== null && /^[a-z_]+$/.test(action)) asked.action = action as Action;
  const outcome = outcomes.find((one) => one === query.get('outcome'));
  if (outcome !== undefined) asked.outcome = outcome;
  for (const end of ['from', 'to'] as const) {
    const at = moment(query.get(end));
    if (at !== undefined) asked[end] = at;
  }
  const cursor = query.get('cursor');
  if (cursor !== null && /^[1-9][0-9]*$/.test(cursor)) asked.cursor = cursor;
  return asked;
}

function number(text: string | null): number | undefined {
  const id = Number(text ?? 0);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}

/** A moment in UTC, as the server and the address have it. */
function moment(text: string | null): string | undefined {
  if (text === null || text === '') return undefined;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** The same in the reader's time zone, for a field of the type `datetime-local`; '' if there is none. */
export function localOf(text: string | null): string {
  const utc = moment(text);
  if (utc === undefined) return '';
  const at = new Date(utc);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What such a field holds, in UTC; '' if it is empty. */
export function utcOf(local: string): string {
  // Without a zone, a date with a time is in the reader's.
  return moment(local) ?? '';
}
