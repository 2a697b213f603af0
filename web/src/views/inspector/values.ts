// A revealed value, in the forms that an engineer reads it in.
import type { Value, ValueType } from '../../nvs/index.ts';
import { visible } from '../../nvs/visible.ts';

export type Form = 'decimal' | 'text' | 'hex';

export interface Shown {
  readonly forms: readonly Form[];
  /** What is put on the screen. */
  show(form: Form): string;
  /** What is copied: the same without what makes it readable. */
  copy(form: Form): string;
}

const BITS: Partial<Record<ValueType, number>> = { u8: 8, i8: 8, u16: 16, i16: 16, u32: 32, i32: 32, u64: 64, i64: 64 };

export function shown(value: Value): Shown {
  const bits = BITS[value.type];
  if (bits !== undefined) return integer(value.text ?? '', bits);
  if (value.type === 'float' || value.type === 'double') return decimal(value.text ?? '', value.bits ?? '');
  return value.text === undefined ? binary(bytesOfHex(value.hex ?? '')) : text(value.text);
}

function integer(digits: string, bits: number): Shown {
  const hex = `0x${BigInt.asUintN(bits, BigInt(digits))
    .toString(16)
    .padStart(bits / 4, '0')}`;
  const of = (form: Form): string => (form === 'hex' ? hex : digits);
  return { forms: ['decimal', 'hex'], show: of, copy: of };
}

function decimal(digits: string, pattern: string): Shown {
  const of = (form: Form): string => (form === 'hex' ? `0x${pattern}` : digits);
  return { forms: ['decimal', 'hex'], show: of, copy: of };
}

function text(value: string): Shown {
  const bytes = new TextEncoder().encode(value);
  return {
    forms: ['text', 'hex'],
    show: (form) => (form === 'hex' ? hexDump(bytes) : lines(value)),
    copy: (form) => (form === 'hex' ? hexOf(bytes) : value),
  };
}

function binary(bytes: Uint8Array): Shown {
  const decoded = decode(bytes);
  return {
    forms: decoded === undefined ? ['hex'] : ['hex', 'text'],
    show: (form) => (form === 'text' && decoded !== undefined ? lines(decoded) : hexDump(bytes)),
    copy: (form) => (form === 'text' && decoded !== undefined ? decoded : hexOf(bytes)),
  };
}

/** Line ends stay: a certificate is read by its lines. */
function lines(value: string): string {
  return value.split('\n').map(visible).join('\n');
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

export function bytesOfHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

export function hexOf(bytes: Uint8Array): string {
  const digits: string[] = [];
  for (const byte of bytes) digits.push(byte.toString(16).padStart(2, '0'));
  return digits.join('');
}

const WIDTH = 16;

/** Lines of an offset, 16 bytes, and the same as ASCII; short ones without the offset. */
export function hexDump(bytes: Uint8Array, from = 0): string {
  if (bytes.length <= WIDTH && from === 0) return hexOf(bytes).replace(/(..)(?=.)/g, '$1 ');
  const dump: string[] = [];
  for (let at = 0; at < bytes.length; at += WIDTH) {
    const row = bytes.subarray(at, at + WIDTH);
    const hex = hexOf(row)
      .replace(/(..)(?=.)/g, '$1 ')
      .padEnd(3 * WIDTH - 1);
    let ascii = '';
    for (const byte of row) ascii += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
    dump.push(`${(from + at).toString(16).padStart(6, '0')}  ${hex}  ${ascii}`);
  }
  return dump.join('\n');
}
