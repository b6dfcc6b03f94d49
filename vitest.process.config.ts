import { defineConfig } from 'vitest/config';

/** Tests of whole processes, and of threads and processes that the product starts, which take a core of their own each: `npm run test:process`. */
export default defineConfig({
  test: {
    include: ['test/process/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    isolate: true,
    maxWorkers: 2,
  },
});
