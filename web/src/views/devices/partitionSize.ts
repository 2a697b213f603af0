// Sizes of an NVS partition, as a partition table has them.

/** Sizes that ESP-IDF's examples and projects have; 0x6000 is that of its default table. */
export const SIZES = [0x1000, 0x3000, 0x4000, 0x5000, 0x6000, 0x8000, 0x10000, 0x20000] as const;
export const DEFAULT_SIZE = 0x6000;

const SECTOR = 0x1000;
const LARGEST = 0x100_0000;

/** A size as in a partition table: decimal, hexadecimal with `0x`, or with `K` or `M`. */
export function parseSize(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^\s*(0[xX][0-9a-fA-F]+|[0-9]+)\s*([kKmM]?)\s*$/.exec(text) ?? [];
  if (digits === '') return undefined;
  const size = Number(digits) * { '': 1, k: 0x400, m: 0x10_0000 }[unit.toLowerCase() as '' | 'k' | 'm'];
  return size % SECTOR === 0 && size >= SECTOR && size <= LARGEST ? size : undefined;
}

export function hex(size: number): string {
  return `0x${size.toString(16)}`;
}

/** In KiB or MiB, in the reader's way to write numbers. */
export function inBytes(size: number, locale: string): string {
  const [value, unit] = size >= 0x10_0000 ? [size / 0x10_0000, 'MiB'] : [size / 0x400, 'KiB'];
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }).format(value)} ${unit}`;
}
