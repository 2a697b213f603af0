import { describe, expect, it } from 'vitest';
import { bytesOfHex, hexDump, hexOf, shown } from './values.ts';

describe('a revealed value', () => {
  it('is a number in decimal, and in as many hexadecimal digits as its type has', () => {
    const cases = [
      ['u8', '7', '0x07'],
      ['i8', '-1', '0xff'],
      ['i16', '-32768', '0x8000'],
      ['u32', '4294967295', '0xffffffff'],
      ['i64', '-9223372036854775808', '0x8000000000000000'],
      ['u64', '18446744073709551615', '0xffffffffffffffff'],
    ] as const;
    for (const [type, text, hex] of cases) {
      const value = shown({ type, text });
      expect(value.forms).toEqual(['decimal', 'hex']);
      expect([value.show('decimal'), value.show('hex')]).toEqual([text, hex]);
    }
  });

  it('is a float as its shortest text and as its bits', () => {
    const value = shown({ type: 'float', text: '0.5', bits: '3f000000' });
    expect([value.show('decimal'), value.show('hex')]).toEqual(['0.5', '0x3f000000']);
  });

  it('is a text whose invisible characters can be seen, and that is copied as it is', () => {
    const text = 'a\u202eb\u0007\nsecond';
    const value = shown({ type: 'str', text });
    expect(value.show('text')).toBe('a\\u{202e}b\\u{7}\nsecond');
    expect(value.copy('text')).toBe(text);
    expect(shown({ type: 'str', text: 'é' }).show('hex')).toBe('c3 a9');
  });

  it('is a blob in hexadecimal, and as a text only where it is one', () => {
    expect(shown({ type: 'blob', hex: '3082010a' }).forms).toEqual(['hex']);
    const value = shown({ type: 'blob', hex: '6f6b' });
    expect(value.forms).toEqual(['hex', 'text']);
    expect([value.show('hex'), value.copy('hex'), value.show('text')]).toEqual(['6f 6b', '6f6b', 'ok']);
    expect(shown({ type: 'blob', hex: '' }).show('hex')).toBe('');
  });

  it('of some length is a dump with offsets and ASCII', () => {
    const bytes = new TextEncoder().encode('The quick brown fox');
    expect(hexDump(bytes)).toBe(
      '000000  54 68 65 20 71 75 69 63 6b 20 62 72 6f 77 6e 20  The quick brown \n' +
        '000010  66 6f 78                                         fox',
    );
    expect(bytesOfHex(hexOf(bytes))).toEqual(bytes);
  });
});
