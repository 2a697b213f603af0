import { defineConfig } from 'vitest/config';

/** End to end: the real server and a real browser, driven from Node. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['tests/**/*.e2e.ts'],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
