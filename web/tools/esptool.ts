import { resolve } from 'node:path';
import type { Plugin } from 'vite';

/**
 * esptool-js, smaller.
 *
 * - It loads one chip after the other until it knows which one answers. All of them in its own file are half as large as eleven files,
 *   and are there at once. The programs that it uploads, one for each chip, stay apart.
 * - It compresses with pako, which is a third of it. Browsers compress by themselves: src/flash/compress.ts.
 */
export function esptool(): Plugin {
  const compress = resolve(import.meta.dirname, '../src/flash/compress.ts');
  return {
    name: 'esptool',
    transform: {
      filter: { id: /node_modules\/esptool-js\/lib\/esploader\.js/ },
      handler(code) {
        const replace = (from: string | RegExp, to: string | ((match: string, chip: string) => string)) => {
          const changed = typeof to === 'string' ? code.replace(from, to) : code.replace(from, to);
          if (changed === code) this.error(`esptool-js has no ${String(from)} now`);
          code = changed;
        };
        const chips = new Set<string>();
        replace(/await import\("\.\/targets\/(\w+)\.js"\)/g, (_, chip) => {
          chips.add(chip);
          return chip;
        });
        replace('from "pako"', `from ${JSON.stringify(compress)}`);
        replace('= deflate(image, { level: 9 })', '= await deflate(image)');
        replace('new Inflate({ chunkSize: 1 })', 'new Inflate(uncsize)');
        const imports = Array.from(chips, (chip) => `import * as ${chip} from './targets/${chip}.js';`);
        return { code: [...imports, code].join('\n'), map: null };
      },
    },
  };
}
