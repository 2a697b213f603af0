// The state of the table, as it stands in the address.
import type { operations } from '../../api/generated.ts';

type Query = NonNullable<operations['list_device_models']['parameters']['query']>;
export type Sort = NonNullable<Query['sort']>;

const sorts: readonly Sort[] = ['id', '-id', 'code', '-code', 'name', '-name', 'created_at', '-created_at'];

export function sortOf(query: URLSearchParams): Sort {
  return sorts.find((sort) => sort === query.get('sort')) ?? 'name';
}

/** What to ask the server for. What it would refuse is left out: an address is typed by people too. */
export function modelsQuery(query: URLSearchParams): Query {
  const asked: Query = { limit: 50, sort: sortOf(query) };
  const q = query.get('q')?.trim();
  if (q !== undefined && q !== '') asked.q = q.slice(0, 256);
  const cursor = query.get('cursor');
  if (cursor !== null && cursor !== '') asked.cursor = cursor;
  return asked;
}
