// The table of values: which of them are shown, and in which order. The values themselves are not here.
import type { Entry } from '../../nvs/index.ts';
import { keyOf, namespaceOf } from './names.ts';

export type Column = 'namespace' | 'key' | 'type' | 'size' | 'place';

export interface View {
  /** Words that the namespace, the key or the type contain. */
  readonly search: string;
  /** The index of a namespace; `undefined` for all. */
  readonly namespace: number | undefined;
  readonly column: Column;
  readonly descending: boolean;
}

export function select(entries: readonly Entry[], view: View): Entry[] {
  const words = view.search.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = entries.filter((entry) => {
    if (view.namespace !== undefined && entry.ns_index !== view.namespace) return false;
    const haystack = `${namespaceOf(entry)}/${keyOf(entry)} ${entry.type} ${entry.error ?? ''}`.toLowerCase();
    return words.every((word) => haystack.includes(word));
  });
  const sign = view.descending ? -1 : 1;
  return shown.sort((a, b) => sign * compare(view.column, a, b) || sign * byName(a, b) || a.index - b.index);
}

function compare(column: Column, a: Entry, b: Entry): number {
  switch (column) {
    case 'namespace':
      return byText(namespaceOf(a), namespaceOf(b));
    case 'key':
      return byText(keyOf(a), keyOf(b));
    case 'type':
      return byText(a.type, b.type);
    case 'size':
      return (a.size ?? 0) - (b.size ?? 0);
    case 'place':
      return a.page - b.page || a.slot - b.slot;
  }
}

function byName(a: Entry, b: Entry): number {
  return byText(namespaceOf(a), namespaceOf(b)) || byText(keyOf(a), keyOf(b));
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A name for each value that stays its own when the partition changes: an index does not. In the order of the entries. */
export function namesOf(entries: readonly Entry[]): string[] {
  const seen = new Map<string, number>();
  return entries.map((entry) => {
    const name = `${entry.ns_index} ${namespaceOf(entry)} ${keyOf(entry)} ${entry.type}`;
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return `${name} ${before}`;
  });
}
