// The picture of a partition: its pages, each with 126 slots of 32 bytes, as cells that a person can walk through.
//
//   page 0  ┌─┬─┬───────┬─┬─────┐   a value of several slots is one bar; a cell knows where its bar begins and ends
//           │N│u│ str   │u│ str │
//           └─┴─┴───────┴─┴─────┘
import type { Entry, Listing, Map as Partition, MapItem, MapPage, MapSlot } from '../../nvs/index.ts';

export const SLOTS = 126;
export const SLOT_BYTES = 32;
/** Bytes of a page before its first slot: the header and the states of the slots. */
export const BEFORE_SLOTS = 64;

/** A slot of a partition. `page` is the page's number. */
export interface Place {
  readonly page: number;
  readonly slot: number;
}

export interface Cell {
  readonly slot: number;
  readonly look: 'free' | 'used' | 'erased' | 'illegal';
  readonly content: MapSlot['content'];
  /** The slot where its item begins. */
  readonly first: number;
  /** The item that the slot is a part of, if it can be read. */
  readonly item: MapItem | undefined;
  /** The value that the slot is a part of: an index in `Listing.entries`. */
  readonly entry: number | undefined;
  /** Whether the slot before it, or after it, is a part of the same item. */
  readonly joinsBefore: boolean;
  readonly joinsAfter: boolean;
}

const LOOKS = { empty: 'free', written: 'used', erased: 'erased', illegal: 'illegal' } as const;

export function cellsOf(page: MapPage): Cell[] {
  const { slots } = page;
  return slots.map((slot, number) => {
    const first = slot.first ?? number;
    const whole = slot.first !== undefined;
    return {
      slot: number,
      look: LOOKS[slot.state],
      content: slot.content,
      first,
      item: slots[first]?.item,
      entry: slot.entry,
      joinsBefore: whole && number > first && slots[number - 1]?.first === first,
      joinsAfter: whole && slots[number + 1]?.first === first,
    };
  });
}

/** The slots that belong together: those of a value, on all its pages, or of another item. A free slot is alone. */
export function groupAt(map: Partition, { page, slot }: Place): Place[] {
  const slots = map.pages[page]?.slots;
  const here = slots?.[slot];
  if (slots === undefined || here === undefined) return [];
  if (here.entry !== undefined) {
    return map.pages.flatMap(({ number, slots }) =>
      slots.flatMap((one, slot) => (one.entry === here.entry ? [{ page: number, slot }] : [])),
    );
  }
  if (here.first === undefined) return [{ page, slot }];
  return slots.flatMap((one, slot) => (one.first === here.first ? [{ page, slot }] : []));
}

export function offsetOf(page: MapPage, slot: number): number {
  return page.offset + BEFORE_SLOTS + slot * SLOT_BYTES;
}

/** Where a value begins in the picture. The firmware's start may move it, so the picture itself says where it is now. */
export function placeOf(map: Partition, entry: Entry): Place | undefined {
  const named = map.pages[entry.page]?.slots[entry.slot];
  if (named?.entry === entry.index) return { page: entry.page, slot: entry.slot };
  for (const page of map.pages) {
    const slot = page.slots.findIndex((one) => one.entry === entry.index);
    if (slot >= 0) return { page: page.number, slot };
  }
  return undefined;
}

// ---- Colours ----------------------------------------------------------------------------------------------------------------

export const HUES = 8;
export const PATTERNS = 5;

/** A namespace's colour and pattern: no two of the first 40 look alike, and no two of the first 5 have the same pattern. */
export interface Paint {
  readonly hue: number;
  readonly pattern: number;
}

export interface Paints {
  /** Of the namespace with this index; `undefined` where no namespace has it. */
  ofIndex(index: number): Paint | undefined;
  /** Of the namespace with this name. */
  ofName(name: string): Paint | undefined;
}

export function paintsOf(namespaces: Listing['namespaces']): Paints {
  const byIndex = new Map<number, Paint>();
  const byName = new Map<string, Paint>();
  [...namespaces]
    .sort((a, b) => a.index - b.index)
    .forEach(({ index, name }, position) => {
      const paint = { hue: position % HUES, pattern: position % PATTERNS };
      if (!byIndex.has(index)) byIndex.set(index, paint);
      if (!byName.has(name)) byName.set(name, paint);
    });
  return { ofIndex: (index) => byIndex.get(index), ofName: (name) => byName.get(name) };
}

/** An entry that defines a namespace has the colour of that namespace, everything else that of the namespace it is in. */
export function paintOf(paints: Paints, cell: Cell): Paint | undefined {
  if (cell.item === undefined) return undefined;
  return cell.item.ns_index === 0 ? paints.ofName(cell.item.key) : paints.ofIndex(cell.item.ns_index);
}

// ---- Walking ----------------------------------------------------------------------------------------------------------------

const last = SLOTS - 1;

/**
 * Where a key leads from a slot, or `undefined` if it is none of the picture's keys. `columns` are those of a page's grid;
 * `forward` is the arrow that leads to the next slot: the left one in a right-to-left language.
 */
export function walk(
  map: Partition,
  from: Place,
  key: string,
  { columns, rtl = false, byItem = false }: { columns: number; rtl?: boolean; byItem?: boolean },
): Place | undefined {
  const pages = map.pages.length;
  const clamp = (page: number, slot: number): Place => {
    if (page < 0) return { page: 0, slot: 0 };
    if (page >= pages) return { page: pages - 1, slot: last };
    return { page, slot };
  };
  const step = (by: 1 | -1): Place => {
    if (byItem) return nextItem(map, from, by);
    const slot = from.slot + by;
    if (slot < 0) return from.page === 0 ? from : { page: from.page - 1, slot: last };
    if (slot > last) return from.page === pages - 1 ? from : { page: from.page + 1, slot: 0 };
    return { page: from.page, slot };
  };
  switch (key) {
    case 'ArrowRight':
      return step(rtl ? -1 : 1);
    case 'ArrowLeft':
      return step(rtl ? 1 : -1);
    case 'ArrowDown': {
      const slot = from.slot + columns;
      return slot <= last ? { page: from.page, slot } : clamp(from.page + 1, from.slot % columns);
    }
    case 'ArrowUp': {
      const slot = from.slot - columns;
      const bottom = SLOTS - columns;
      return slot >= 0 ? { page: from.page, slot } : clamp(from.page - 1, bottom + (from.slot % columns));
    }
    case 'PageDown':
      return { page: Math.min(from.page + 1, pages - 1), slot: from.slot };
    case 'PageUp':
      return { page: Math.max(from.page - 1, 0), slot: from.slot };
    case 'Home':
      return byItem ? { page: 0, slot: 0 } : { page: from.page, slot: 0 };
    case 'End':
      return byItem ? { page: pages - 1, slot: last } : { page: from.page, slot: last };
    default:
      return undefined;
  }
}

/** The next slot that begins an item, over the page's end. */
function nextItem(map: Partition, from: Place, by: 1 | -1): Place {
  let { page, slot } = from;
  for (;;) {
    slot += by;
    if (slot < 0 || slot > last) {
      page += by;
      slot = by > 0 ? 0 : last;
      if (map.pages[page] === undefined) return from;
    }
    if (map.pages[page]?.slots[slot]?.item !== undefined) return { page, slot };
  }
}

// ---- How full it is ---------------------------------------------------------------------------------------------------------

/** Slots of the whole partition, as they are in the flash. They add up to all of it. */
export interface Fill {
  readonly total: number;
  readonly used: number;
  /** Erased, or unusable: free again after the firmware has moved the rest of their page. */
  readonly erased: number;
  /** Never written, without the page that always stays free. */
  readonly free: number;
  /** The page that always stays free. */
  readonly reserve: number;
}

export function fillOf(map: Partition): Fill {
  let used = 0;
  let empty = 0;
  for (const page of map.pages) {
    used += page.used;
    empty += page.free;
  }
  const total = map.pages.length * SLOTS;
  const reserve = Math.min(SLOTS, empty);
  return { total, used, erased: total - used - empty, free: empty - reserve, reserve };
}
