import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // These have commands of their own: they need a server or a browser from the system, or a core for each process.
    exclude: [
      ...configDefaults.exclude,
      ...['test/store/**', 'test/browser/**', 'test/clients/**', 'test/process/**'],
    ],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A test that leaves a timer or a socket behind fails its own file.
    isolate: true,
    // Most of the time is spent waiting: three workers keep two cores busy.
    maxWorkers: 3,
  },
});
