import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/unit/**/*.test.ts'],
    // ONNX Runtime neither sends nor keeps anything while members are tested without the server around them.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    // Nothing is timed: a busy machine must not fail a test.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Members compute in threads of their own.
    maxWorkers: 2,
  },
});
