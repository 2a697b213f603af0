// @vitest-environment node
import { beforeAll, describe, expect, it } from 'vitest';
import { loadAll, type Map as Partition, type AllNvs } from '../../nvs/index.ts';
import { bytes, goldens, keysOf, moduleBytes } from '../../nvs/reference.ts';
import { cellsOf, fillOf, groupAt, offsetOf, paintsOf, PATTERNS, placeOf, SLOTS, walk, type Place } from './picture.ts';

let nvs: AllNvs;
beforeAll(async () => {
  nvs = await loadAll(moduleBytes());
});

const of = (name: string): Uint8Array => bytes('golden', `${name}.bin`);
/** Where a value of many slots lies on more than one page. */
const LARGE = 'blob_10000';

describe.each(goldens().filter(({ name }) => name !== 'random_bytes'))('the picture of $name', (one) => {
  it('adds up: each slot is drawn once, and a bar begins and ends where its item does', () => {
    const map = nvs.map(bytes('golden', one.image), keysOf('golden', one));
    const fill = fillOf(map);
    expect(fill.used + fill.erased + fill.free + fill.reserve).toBe(fill.total);
    expect(fill.total).toBe(map.pages.length * SLOTS);
    for (const page of map.pages) {
      const cells = cellsOf(page);
      expect(cells.map(({ slot }) => slot)).toEqual(Array.from({ length: SLOTS }, (_, slot) => slot));
      const count = (look: string): number => cells.filter((cell) => cell.look === look).length;
      expect(count('free')).toBe(page.free);
      for (const [slot, cell] of cells.entries()) {
        expect(cell.joinsBefore).toBe(slot > cell.first);
        expect(cells[slot + 1]?.joinsBefore ?? false).toBe(cell.joinsAfter);
      }
      const bitmap = one.pages[page.number]?.bitmap;
      if (bitmap !== undefined) expect([page.used, page.free]).toEqual([bitmap.written, bitmap.empty]);
    }
  });
});

describe('a value', () => {
  it('of many slots is one group over all its pages', () => {
    const image = of(LARGE);
    const map = nvs.map(image);
    const { entries } = nvs.entries(image);
    const large = entries.find(({ size }) => size === 10_000);
    expect(large).toBeDefined();
    const place = placeOf(map, large!);
    const group = groupAt(map, place!);
    expect(new Set(group.map(({ page }) => page)).size).toBeGreaterThan(1);
    // 10,000 bytes, a head for each chunk, and the index.
    const chunks = group.filter(({ page, slot }) => map.pages[page]?.slots[slot]?.item?.chunk !== undefined).length;
    expect(group.length).toBe(Math.ceil(10_000 / 32) + chunks + 1);
  });

  it('has its offset in the partition', () => {
    const page = nvs.map(of('prim_minmax')).pages[0]!;
    expect([offsetOf(page, 0), offsetOf(page, 125)]).toEqual([0x40, 0xfe0]);
  });

  it('is found where it is before the firmware’s start has moved it', () => {
    for (const name of ['cut_gc_02', 'cut_gc_05', 'reboots']) {
      const map = nvs.map(of(name));
      for (const entry of nvs.entries(of(name)).entries) {
        const place = placeOf(map, entry);
        if (place !== undefined) expect(map.pages[place.page]?.slots[place.slot]?.entry).toBe(entry.index);
      }
    }
  });
});

describe('colours', () => {
  it('differ for the first 40 namespaces, and neighbours differ in their pattern too', () => {
    const names = Array.from({ length: 40 }, (_, n) => ({ name: `n${n}`, index: n + 1 }));
    const paints = paintsOf(names);
    const looks = names.map(({ index }) => JSON.stringify(paints.ofIndex(index)));
    expect(new Set(looks).size).toBe(40);
    for (let index = 1; index < 40; index += 1) {
      expect(paints.ofIndex(index)?.pattern).not.toBe(paints.ofIndex(index + 1)?.pattern);
    }
    expect(PATTERNS).toBeGreaterThan(3);
  });

  it('do not depend on the order of the list', () => {
    const names = [
      { name: 'b', index: 2 },
      { name: 'a', index: 1 },
    ];
    expect(paintsOf(names).ofName('a')).toEqual(paintsOf([...names].reverse()).ofName('a'));
    expect(paintsOf(names).ofIndex(3)).toBeUndefined();
  });
});

describe('the keys of the picture', () => {
  const columns = 14;
  let map: Partition;
  beforeAll(() => {
    map = nvs.map(of('prim_minmax'));
  });
  const from = (page: number, slot: number, key: string, more = {}): Place | undefined =>
    walk(map, { page, slot }, key, { columns, ...more });

  it('go to the neighbours, over the ends of rows and pages', () => {
    expect(from(0, 3, 'ArrowRight')).toEqual({ page: 0, slot: 4 });
    expect(from(0, 125, 'ArrowRight')).toEqual({ page: 1, slot: 0 });
    expect(from(1, 0, 'ArrowLeft')).toEqual({ page: 0, slot: 125 });
    expect(from(0, 3, 'ArrowDown')).toEqual({ page: 0, slot: 17 });
    expect(from(0, 115, 'ArrowDown')).toEqual({ page: 1, slot: 3 });
    expect(from(1, 3, 'ArrowUp')).toEqual({ page: 0, slot: 115 });
    expect(from(0, 3, 'PageDown')).toEqual({ page: 1, slot: 3 });
    expect(from(0, 3, 'End')).toEqual({ page: 0, slot: 125 });
  });

  it('stop at the first and the last slot', () => {
    const end = map.pages.length - 1;
    expect(from(0, 0, 'ArrowLeft')).toEqual({ page: 0, slot: 0 });
    expect(from(0, 3, 'ArrowUp')).toEqual({ page: 0, slot: 0 });
    expect(from(end, 125, 'ArrowRight')).toEqual({ page: end, slot: 125 });
    expect(from(end, 120, 'ArrowDown')).toEqual({ page: end, slot: 125 });
    expect(from(end, 7, 'PageDown')).toEqual({ page: end, slot: 7 });
  });

  it('follow the direction of the language', () => {
    expect(from(0, 3, 'ArrowLeft', { rtl: true })).toEqual({ page: 0, slot: 4 });
    expect(from(0, 3, 'ArrowRight', { rtl: true })).toEqual({ page: 0, slot: 2 });
  });

  it('go from item to item with Ctrl', () => {
    const large = nvs.map(of(LARGE));
    const start = { page: 0, slot: 0 };
    const next = walk(large, start, 'ArrowRight', { columns, byItem: true })!;
    expect(large.pages[next.page]?.slots[next.slot]?.item).toBeDefined();
    const after = walk(large, next, 'ArrowRight', { columns, byItem: true })!;
    const item = large.pages[next.page]?.slots[next.slot]?.item;
    expect(after.page * SLOTS + after.slot).toBeGreaterThanOrEqual(next.page * SLOTS + next.slot + (item?.span ?? 0));
    expect(walk(large, after, 'ArrowLeft', { columns, byItem: true })).toEqual(next);
  });

  it('are no others', () => {
    expect(from(0, 3, 'a')).toBeUndefined();
    expect(from(0, 3, 'Tab')).toBeUndefined();
  });
});
