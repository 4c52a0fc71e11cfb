import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { blockWhile, whenReached } from '../../src/lm/sharedWaiting.ts';

/** Counts a word up to `value`, each time after so many milliseconds, in a thread of its own. */
const countUp = `
  const { control, value, milliseconds } = require('node:worker_threads').workerData;
  for (let i = 1; i <= value; i++) {
    Atomics.wait(control, 1, 0, milliseconds);
    Atomics.add(control, 0, 1);
    Atomics.notify(control, 0);
  }`;

test.each([
  ['at once', 0],
  ['while the thread blocks', 0.2],
  ['long after it has ceased to block', 30],
])('hears of an answer that comes %s', async (_, milliseconds) => {
  const control = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(countUp, { eval: true, workerData: { control, value: 3, milliseconds } });
  for (const value of [1, 2, 3]) {
    await whenReached(control, 0, value);
    expect(Atomics.load(control, 0)).toBeGreaterThanOrEqual(value);
  }
  await worker.terminate();
});

test('what has been passed has been reached, also where the count begins anew', async () => {
  const control = Int32Array.of(5, -(2 ** 31));
  const shared = new Int32Array(new SharedArrayBuffer(8));
  shared.set(control);
  await Promise.all([whenReached(shared, 0, 4), whenReached(shared, 1, 2 ** 31 - 1)]);
  expect(shared).toEqual(control);
});

test('the event loop has its turn, however fast the answers come', async () => {
  const control = new Int32Array(new SharedArrayBuffer(4));
  let hasTurned = false;
  setImmediate(() => {
    hasTurned = true;
  });
  for (let i = 0; i < 1e6 && !hasTurned; i++) await whenReached(control, 0, 0);
  expect(hasTurned).toBe(true);
});

test('blocking ends with the change, or after a moment', () => {
  const control = new Int32Array(new SharedArrayBuffer(4));
  expect(blockWhile(control, 0, 1, 5000)).toBe(false);
  expect(blockWhile(control, 0, 0, 1)).toBe(true);
});
