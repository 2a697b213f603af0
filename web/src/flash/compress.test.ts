// @vitest-environment node
import { inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';

import { deflate, Inflate } from './compress.ts';

test('what the browser compresses is a zlib stream of the same bytes', async () => {
  for (const size of [0, 1, 4096, 24576]) {
    const bytes = Uint8Array.from({ length: size }, (_, at) => (at * at) >> 3);
    const compressed = await deflate(bytes);
    expect(inflateSync(compressed)).toEqual(Buffer.from(bytes));
    // The stub's window has 32 KiB: deflate (8), and no dictionary.
    expect((compressed[0] ?? 0) & 0x0f).toBe(8);
    expect((compressed[1] ?? 0) & 0x20).toBe(0);
  }
});

test('each block gets the time of all', () => {
  const inflate = new Inflate(24576);
  const told: number[] = [];
  inflate.onData = ({ byteLength }) => told.push(byteLength);
  inflate.push();
  inflate.push();
  expect(told).toEqual([24576, 24576]);
});
