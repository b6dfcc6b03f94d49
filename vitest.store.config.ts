import { defineConfig } from 'vitest/config';

/** Tests that need a real Valkey or Redis server: `npm run test:store`. */
export default defineConfig({
  test: {
    include: ['test/store/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    isolate: true,
  },
});
