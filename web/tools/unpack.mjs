// unpack.mjs FROM TO: the modules that are checked in, if they are what its SHA-256 says.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
  mkdirSync(dirname(join(to, name)), { recursive: true });
  writeFileSync(join(to, name), bytes);
}
