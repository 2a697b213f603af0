import { describe, expect, it } from 'vitest';
import type { Entry } from '../../nvs/index.ts';
import { namesOf, select, type View } from './list.ts';
import { visible } from '../../nvs/visible.ts';
import { bytes } from './names.ts';

const entry = (index: number, namespace: string, key: string, more: Partial<Entry> = {}): Entry => ({
  index,
  namespace,
  key,
  type: 'u8',
  ns_index: namespace.length,
  page: 0,
  slot: index,
  ...more,
});

const entries = [
  entry(0, 'wifi', 'ssid', { type: 'str', size: 7 }),
  entry(1, 'app', 'boots', { type: 'u32', page: 1 }),
  entry(2, 'app', 'ca', { type: 'blob', size: 700 }),
  entry(3, 'app', 'boots', { type: 'u16' }),
];
const all: View = { search: '', namespace: undefined, column: 'namespace', descending: false };
const indexes = (view: Partial<View>): number[] => select(entries, { ...all, ...view }).map(({ index }) => index);

describe('the table of values', () => {
  it('is sorted by namespace and key, and by any column', () => {
    expect(indexes({})).toEqual([1, 3, 2, 0]);
    expect(indexes({ column: 'size', descending: true })).toEqual([2, 0, 1, 3]);
    expect(indexes({ column: 'place' })).toEqual([0, 2, 3, 1]);
    expect(indexes({ column: 'type' })).toEqual([2, 0, 3, 1]);
  });

  it('is searched by all words, in namespace, key and type', () => {
    expect(indexes({ search: 'BOOTS' })).toEqual([1, 3]);
    expect(indexes({ search: 'app u32' })).toEqual([1]);
    expect(indexes({ search: 'app/ca' })).toEqual([2]);
    expect(indexes({ search: 'nothing' })).toEqual([]);
  });

  it('has a name for each value that another order does not change', () => {
    const twice = [...entries, entry(4, 'app', 'boots', { type: 'u16', repeat: true })];
    const names = namesOf(twice);
    expect(new Set(names).size).toBe(twice.length);
    const [first, ...others] = twice;
    expect(namesOf([...others, first!])).toEqual([...names.slice(1), names[0]]);
  });

  it('is filtered by namespace', () => {
    expect(indexes({ namespace: 4 })).toEqual([0]);
  });
});

describe('names', () => {
  it('show what cannot be seen', () => {
    expect(visible('a\u0000b\u200d\u202e')).toBe('a\\u{0}b\\u{200d}\\u{202e}');
    expect(visible('naïve 日本')).toBe('naïve 日本');
  });

  it('of sizes are those of partition tables', () => {
    const unit = (n: number): string => `${n} bytes`;
    expect([bytes(0x6000, unit), bytes(1 << 20, unit), bytes(100, unit), bytes(0, unit)]).toEqual([
      '24 KiB',
      '1 MiB',
      '100 bytes',
      '0 bytes',
    ]);
  });
});
