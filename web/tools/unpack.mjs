// unpack.mjs FROM TO: the module that is checked in, if it is what its SHA-256 says.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { brotliDecompressSync } from 'node:zlib';

const [, , from, to] = argv;
for (const line of readFileSync(join(from, 'SHA256SUMS'), 'utf8').trim().split('\n')) {
  const [expected, name] = line.split('  ');
  const bytes = brotliDecompressSync(readFileSync(join(from, `${name}.br`)));
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== expected) {
    console.error(`${join(from, name)}: SHA-256 is ${found}, expected ${expected}`);
    exit(1);
  }
  writeFileSync(join(to, name), bytes);
}
