// The state of the table, as it stands in the address.
import type { operations } from '../../api/generated.ts';

type Query = NonNullable<operations['list_devices']['parameters']['query']>;
export type Sort = NonNullable<Query['sort']>;

export const PAGE = 50;
export const DEFAULT_SORT: Sort = '-created_at';

const sorts: ReadonlySet<string> = new Set<Sort>([
  'id',
  '-id',
  'key',
  '-key',
  'name',
  '-name',
  'device_model_id',
  '-device_model_id',
  'created_at',
  '-created_at',
  'updated_at',
  '-updated_at',
]);

function isSort(text: string): text is Sort {
  return sorts.has(text);
}

export function sortOf(query: URLSearchParams): Sort {
  const sort = query.get('sort') ?? '';
  return isSort(sort) ? sort : DEFAULT_SORT;
}

/** What the table can be sorted by. */
/** What to ask the server for. What it would refuse is left out: an address is typed by people too. */
export function listQuery(query: URLSearchParams): Query {
  const asked: Query = { limit: PAGE, sort: sortOf(query) };
  const q = query.get('q')?.trim();
  if (q !== undefined && q !== '') asked.q = q.slice(0, 256);
  const model = modelOf(query);
  if (model !== undefined) asked.device_model_id = model;
  const cursor = query.get('cursor');
  if (cursor !== null && cursor !== '') asked.cursor = cursor;
  return asked;
}

export function modelOf(query: URLSearchParams): number | undefined {
  const id = Number(query.get('model') ?? 0);
  return Number.isSafeInteger(id) && id > 0 ? id : undefined;
}
