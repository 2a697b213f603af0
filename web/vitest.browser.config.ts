import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { CHROMIUM, PROGRAM, missing } from './tests/harness/parts.ts';

// Without its parts the suite cannot run. It says so; with CI set that is a failure.
const why = missing();
if (why !== undefined) {
  const line = `SKIPPED: the page in a browser: ${why}`;
  if (process.env['CI']) throw new Error(line);
  console.error(line);
} else {
  console.error(`${CHROMIUM} against ${PROGRAM}`);
}

/** End to end: the real server and a real browser, driven from Node. */
export default defineConfig({
  // For the page's own texts.
  plugins: [svelte()],
  test: {
    environment: 'node',
    include: why === undefined ? ['tests/**/*.e2e.ts'] : [],
    passWithNoTests: why !== undefined,
    pool: 'forks',
    // Two cores are what the suite may count on: a third browser would only make the others slower.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
});
