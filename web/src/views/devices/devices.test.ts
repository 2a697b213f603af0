import { describe, expect, it } from 'vitest';
import { hex, inBytes, parseSize } from './partitionSize.ts';
import { listQuery, sortOf } from './query.ts';

describe('the query of the table', () => {
  const asked = (query: string) => listQuery(new URLSearchParams(query));

  it('asks for the newest devices first', () => expect(asked('')).toEqual({ limit: 50, sort: '-created_at' }));

  it('takes search, model, order and page from the address', () =>
    expect(asked('q=+kitchen+&model=3&sort=-name&cursor=abc')).toEqual({
      limit: 50,
      sort: '-name',
      q: 'kitchen',
      device_model_id: 3,
      cursor: 'abc',
    }));

  it.each(['model=x', 'model=0', 'model=-1', 'model=1.5', 'sort=size', 'q=++', 'cursor='])('leaves out %s', (query) =>
    expect(asked(query)).toEqual({ limit: 50, sort: '-created_at' }),
  );

  it('takes both directions of a column', () => {
    expect(sortOf(new URLSearchParams('sort=key'))).toBe('key');
    expect(sortOf(new URLSearchParams('sort=-key'))).toBe('-key');
  });
});

describe('the size of a partition', () => {
  it.each([
    ['4096', 0x1000],
    ['0x6000', 0x6000],
    [' 0X6000 ', 0x6000],
    ['24K', 0x6000],
    ['1M', 0x10_0000],
    ['16777216', 0x100_0000],
  ])('%s', (text, size) => expect(parseSize(text)).toBe(size));

  it.each(['', 'x', '0', '4095', '4097', '16777217', '17M', '-4096', '1e4', '0x', '24 KB', '4096.0'])(
    '%s is none',
    (text) => expect(parseSize(text)).toBeUndefined(),
  );

  it('is shown in hexadecimal and in KiB', () => {
    expect([hex(0x6000), inBytes(0x6000, 'en'), inBytes(0x18_0000, 'de')]).toEqual(['0x6000', '24 KiB', '1,5 MiB']);
  });
});
