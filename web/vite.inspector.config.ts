import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

import { esptool } from './tools/esptool.ts';

const here = import.meta.dirname;
const wasm = resolve(here, 'src/nvs/generated/inspector/fleetmint_web_bg.wasm');

/**
 * The NVS inspector as a folder of its own, for `fleetmint page export`: index.html, one classic script with the WebAssembly
 * module in it, one style sheet. From file:// a browser loads no module script and fetches nothing.
 */
export default defineConfig({
  plugins: [svelte(), esptool(), moduleInside(), folder()],
  publicDir: false,
  // A classic script has no address of its own.
  define: { 'import.meta.url': 'document.baseURI', 'import.meta.resolve': 'undefined' },
  build: {
    target: ['chrome109', 'firefox115', 'safari16.4'],
    outDir: 'dist-inspector',
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    chunkSizeWarningLimit: 2048,
    sourcemap: false,
    // What the files contain of others, with its licences.
    license: { fileName: 'licenses.md' },
    reportCompressedSize: false,
    rolldownOptions: {
      input: resolve(here, 'src/offline/main.ts'),
      output: {
        format: 'iife',
        codeSplitting: false,
        entryFileNames: 'inspector.js',
        assetFileNames: 'inspector[extname]',
      },
    },
  },
});

/** Puts the WebAssembly module where the page would fetch it. */
function moduleInside(): Plugin {
  const replaced = resolve(here, 'src/nvs/inspector-module.ts');
  const unused = resolve(here, 'src/nvs/board.ts');
  return {
    name: 'fleetmint-module-inside',
    async load(id) {
      // The inspector's module has all that the other one has.
      if (id === unused) return 'export function start() { throw new Error(); }';
      if (id !== replaced) return undefined;
      this.addWatchFile(wasm);
      const base64 = (await readFile(wasm)).toString('base64');
      return `export function module() {
  return Uint8Array.from(atob(${JSON.stringify(base64)}), (character) => character.charCodeAt(0));
}`;
    },
  };
}

function folder(): Plugin {
  return {
    name: 'fleetmint-folder',
    async generateBundle() {
      const page = await readFile(resolve(here, 'src/offline/index.html'));
      const icon = await readFile(resolve(here, 'public/favicon.svg'));
      this.emitFile({ type: 'asset', fileName: 'index.html', source: page });
      this.emitFile({ type: 'asset', fileName: 'favicon.svg', source: icon });
    },
  };
}
