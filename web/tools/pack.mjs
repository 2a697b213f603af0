// pack.mjs FROM TO: the modules in the form in which it is checked in, with the SHA-256 of what it unpacks to.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { brotliCompressSync, constants } from 'node:zlib';

const [, , from, to] = argv;
const FILES = ['fleetmint_web.d.ts', 'fleetmint_web.js', 'fleetmint_web_bg.wasm', 'fleetmint_web_bg.wasm.d.ts'];
const NAMES = ['board', 'inspector'].flatMap((module) => FILES.map((file) => `${module}/${file}`));

rmSync(to, { recursive: true, force: true });
for (const module of ['board', 'inspector']) mkdirSync(join(to, module), { recursive: true });
let sums = '';
for (const name of NAMES) {
  const bytes = readFileSync(join(from, name));
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
  };
  writeFileSync(join(to, `${name}.br`), brotliCompressSync(bytes, { params }));
  sums += `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`;
}
writeFileSync(join(to, 'SHA256SUMS'), sums);
