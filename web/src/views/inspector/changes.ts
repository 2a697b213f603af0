// The list of changes that a person makes to a partition, before anything is written anywhere.
import type { Encoding, ValueType } from '../../nvs/index.ts';

/** How the value of a type is given: what a field of the form holds. */
export type Input = ValueType | 'blob-hex' | 'blob-text' | 'blob-base64' | 'blob-file';

/** In the order in which they are offered. */
export const INPUTS: readonly Input[] = [
  'str',
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'u64',
  'i64',
  'float',
  'double',
  'blob-hex',
  'blob-text',
  'blob-base64',
  'blob-file',
];

export function encodingOf(input: Input): Encoding {
  switch (input) {
    case 'str':
      return 'string';
    case 'blob':
    case 'blob-hex':
    case 'blob-file':
      return 'hex2bin';
    case 'blob-text':
      return 'binary';
    case 'blob-base64':
      return 'base64';
    default:
      return input;
  }
}

export function inputOf(type: ValueType): Input {
  return type === 'blob' ? 'blob-hex' : type;
}

/** The value as a call takes it: hexadecimal may have blanks and line ends, as hex editors copy it. */
export function valueOf(input: Input, typed: string): string {
  if (input === 'blob-hex') return typed.replace(/\s|^0x/gi, '');
  if (input === 'str' || input === 'blob-text') return typed;
  return typed.trim();
}

/** The type that a call writes, as the table of values names it. */
export function typeOf(encoding: Encoding): ValueType {
  switch (encoding) {
    case 'string':
      return 'str';
    case 'binary':
    case 'hex2bin':
    case 'base64':
      return 'blob';
    default:
      return encoding;
  }
}

/** The whole file with its partition changed: the partition alone, or the dump around it. */
export function withPartition(file: Uint8Array, offset: number, partition: Uint8Array): Uint8Array {
  const changed = file.slice();
  changed.set(partition, offset);
  return changed;
}

/** `board.bin` → `board-changed.bin`. */
export function changedName(name: string, suffix: string): string {
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)}-${suffix}${name.slice(dot)}` : `${name}-${suffix}`;
}
