// The state of the table, as it stands in the address.
import type { operations } from '../../api/generated.ts';

type Query = NonNullable<operations['list_boards']['parameters']['query']>;
export type Sort = NonNullable<Query['sort']>;
export type State = NonNullable<Query['state']>;

const sorts: readonly Sort[] = ['mac', '-mac', 'started_at', '-started_at'];
export const states: readonly State[] = ['started', 'ended'];

export function sortOf(query: URLSearchParams): Sort {
  return sorts.find((sort) => sort === query.get('sort')) ?? '-started_at';
}

export function stateOf(query: URLSearchParams): State | undefined {
  return states.find((state) => state === query.get('state'));
}

/** What to ask the server for. What it would refuse is left out: an address is typed by people too. */
export function boardsQuery(query: URLSearchParams): Query {
  const asked: Query = { limit: 50, sort: sortOf(query) };
  const q = query.get('q')?.trim();
  if (q !== undefined && q !== '') asked.q = q.slice(0, 256);
  const state = stateOf(query);
  if (state !== undefined) asked.state = state;
  const cursor = query.get('cursor');
  if (cursor !== null && cursor !== '') asked.cursor = cursor;
  return asked;
}
