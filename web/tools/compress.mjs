// compress.mjs FOLDER: beside each file its .br and its .gz, where they are smaller. The same bytes on every machine.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const folder = argv[2];
const brotli = (bytes) =>
  brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
const gzip = (bytes) => {
  const compressed = gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION });
  // The operating system, which the format wants named: unknown.
  compressed[9] = 255;
  return compressed;
};

for (const name of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!name.isFile() || /\.(br|gz)$/.test(name.name)) continue;
  const path = join(name.parentPath, name.name);
  const bytes = readFileSync(path);
  for (const [suffix, compress] of [
    ['.br', brotli],
    ['.gz', gzip],
  ]) {
    const compressed = compress(bytes);
    if (compressed.length < bytes.length) writeFileSync(path + suffix, compressed);
  }
}
