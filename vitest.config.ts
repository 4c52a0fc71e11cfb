import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/unit/**/*.test.ts'],
    // Nothing is timed: a busy machine must not fail a test.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Members compute in threads of their own.
    maxWorkers: 2,
  },
});
