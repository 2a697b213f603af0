// How a table is sorted, as the server takes it: a column, or `-` and a column.

export type ColumnOf<Sort extends string> = Exclude<Sort, `-${string}`>;

/** The other direction of the column that the table is sorted by, else the column's own first one: of times the newest. */
export function nextSort<Sort extends string>(current: Sort, column: ColumnOf<Sort>): Sort {
  const down = `-${column}` as Sort;
  if (current === column) return down;
  if (current === down) return column;
  return column.endsWith('_at') ? down : column;
}
