// Names and texts of a partition, so that a person sees what is there.
import type { ItemName } from '../../nvs/index.ts';
import { visible } from '../../nvs/visible.ts';

export function namespaceOf(name: ItemName): string {
  return named(name.namespace, name.namespace_hex);
}

export function keyOf(name: ItemName): string {
  return named(name.key, name.key_hex);
}

/** Names that are not UTF-8 cannot be given to a call. */
export function isText(name: ItemName): boolean {
  return name.namespace_hex === undefined && name.key_hex === undefined;
}

function named(text: string | undefined, hex: string | undefined): string {
  return hex === undefined ? visible(text ?? '') : `0x${hex}`;
}

export function hexadecimal(number: number): string {
  return `0x${number.toString(16)}`;
}

/** Bytes as people write the sizes of partitions: `24 KiB`, `1 MiB`, `100 bytes`. */
export function bytes(size: number, unit: (n: number) => string): string {
  if (size >= 1 << 20 && size % (1 << 20) === 0) return `${size >> 20} MiB`;
  if (size >= 1024 && size % 1024 === 0) return `${size >> 10} KiB`;
  return unit(size);
}
