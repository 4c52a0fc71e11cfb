/** Waits, in milliseconds. */
const limits = {
  /** The thread is blocked at most this long at a time: a pass of a small model is over by then. */
  block: 2,
  /** And goes without its event loop about this long at most. */
  withoutTurn: 4,
} as const;

interface Waiter {
  readonly control: Int32Array;
  readonly place: number;
  readonly value: number;
  readonly resolve: () => void;
}

let waiting: Waiter[] = [];
let lastTurn = 0;

/**
 * Resolves when a word of shared memory has reached this value, from which it must not fall before that is seen;
 * whoever changes it notifies. All that is waited for in one turn of the microtasks is waited for together. A thread
 * that blocks is awake again sooner than one that is called back by its event loop: so it blocks for a moment, and only
 * then leaves the word to the event loop.
 */
export function whenReached(control: Int32Array, place: number, value: number): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push({ control, place, value, resolve }) === 1) queueMicrotask(settle);
  });
}

/** Blocks while a word of shared memory has this value, or so long. Returns whether it still has. */
export function blockWhile(control: Int32Array, place: number, value: number, milliseconds: number): boolean {
  if (mayBlock && milliseconds > 0) Atomics.wait(control, place, value, milliseconds);
  return Atomics.load(control, place) === value;
}

function settle(): void {
  const waiters = waiting;
  waiting = [];
  const deadline = performance.now() + limits.block;
  for (const { control, place, value } of waiters) {
    for (
      let seen = Atomics.load(control, place);
      isBefore(seen, value);
      seen = Atomics.load(control, place)
    ) {
      if (blockWhile(control, place, seen, deadline - performance.now())) break;
    }
  }
  if (performance.now() - lastTurn < limits.withoutTurn) conclude(waiters);
  else
    setImmediate(() => {
      lastTurn = performance.now();
      conclude(waiters);
    });
}

function conclude(waiters: readonly Waiter[]): void {
  for (const waiter of waiters) concludeOne(waiter);
}

async function concludeOne({ control, place, value, resolve }: Waiter): Promise<void> {
  for (let seen = Atomics.load(control, place); isBefore(seen, value); seen = Atomics.load(control, place)) {
    const change = Atomics.waitAsync(control, place, seen);
    if (change.async) await change.value;
  }
  resolve();
}

/** The numbers begin anew after 2³² of them. */
function isBefore(count: number, value: number): boolean {
  return ((count - value) | 0) < 0;
}

/** Some hosts forbid their main thread to block. */
const mayBlock = (() => {
  try {
    return Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0) === 'not-equal';
  } catch {
    return false;
  }
})();
