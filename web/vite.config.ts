import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

import { esptool } from './tools/esptool.ts';

/** The server that `npm run dev` passes API calls to; set FLEETMINT_URL for another one. */
const server = process.env['FLEETMINT_URL'] ?? 'http://127.0.0.1:8080';
const proxy = { target: server, changeOrigin: true, headers: { origin: server } };

/** What nearly every view needs. */
const PAGE = new RegExp(
  '/node_modules/openapi-fetch/|vite/preload-helper|/src/(api|shell|texts/(index|language|plural)|(root|router|routes)\\b)' +
    '|/src/components/(announce|Announcements|Dialog|Field|Finding|Heading|loaded|Pager|Problem|SearchField|Skeleton|sort|SortHeader' +
    '|TableSkeleton|Time)\\b' +
    '|/src/views/signin/',
);

export default defineConfig({
  plugins: [svelte(), esptool()],
  // The server makes the references of index.html absolute, below the path of server.public_url.
  base: './',
  server: { proxy: { '/api': proxy, '/oauth2': proxy } },
  build: {
    target: ['chrome109', 'firefox115', 'safari16.4'],
    outDir: 'dist',
    assetsDir: 'assets',
    // The page's policy allows no data: URLs and no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    // What the files contain of others, with its licences.
    license: { fileName: 'licenses.md' },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What nearly every view needs is one file, not thirty: fewer requests, and it compresses better. Svelte's runtime
          // stays apart, because it changes less often.
          groups: [
            { name: 'svelte', test: /node_modules\/(svelte|esm-env|clsx)\//, priority: 1 },
            { name: 'page', test: PAGE },
            { name: 'esptool', test: /node_modules\/esptool-js\/(?!.*stub_flasher)/ },
          ],
        },
      },
    },
  },
});
