import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 15_000,
    hookTimeout: 15_000,
    // A test that leaves a timer or a socket behind fails its own file.
    isolate: true,
  },
});
