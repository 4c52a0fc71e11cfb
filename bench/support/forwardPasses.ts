/**
 * Records every forward pass of every ONNX Runtime session in this process. Loaded with --import, which worker
 * threads inherit; the records are in memory that all threads share, so watching costs about a microsecond.
 */
import { createRequire } from 'node:module';
import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from 'node:worker_threads';

export interface ForwardPass {
  readonly threadId: number;
  /** By `clock`. */
  readonly start: number;
  readonly end: number;
  /** Tokens that it read; 0 where the model has no input_ids. */
  readonly nTokens: number;
}

const key = 'consort-bench-forward-passes';
const maximumPasses = 1 << 18;
const fields = 4;

const memory = sharedMemory();
const counter = new Int32Array(memory, 0, 1);
const records = new Float64Array(memory, 8);

/** Milliseconds, the same in every thread. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The passes that began after this, up to now, in order. */
export function passesSince(start: number): ForwardPass[] {
  const passes: ForwardPass[] = [];
  const count = Math.min(Atomics.load(counter, 0), maximumPasses);
  for (let i = count - 1; i >= 0; i--) {
    const [thread, began, end, nTokens] = records.subarray(i * fields, (i + 1) * fields);
    if (began >= start) passes.push({ threadId: thread, start: began, end, nTokens });
    else if (began < start - longestPassMs) break;
  }
  return passes.sort((a, b) => a.start - b.start);
}

/** Forgets everything recorded so far. No pass may be under way. */
export function forgetPasses(): void {
  Atomics.store(counter, 0, 0);
}

/** Passes of several threads are recorded in the order of their ends. */
const longestPassMs = 60_000;

function sharedMemory(): SharedArrayBuffer {
  if (isMainThread) setEnvironmentData(key, new SharedArrayBuffer(8 + 8 * fields * maximumPasses));
  const shared: unknown = getEnvironmentData(key);
  return shared instanceof SharedArrayBuffer ? shared : new SharedArrayBuffer(8 + 8 * fields * maximumPasses);
}

interface Feeds {
  readonly [name: string]: { readonly dims: readonly number[] };
}

interface NativeSession {
  run(feeds: Feeds, ...rest: unknown[]): unknown;
}

interface Binding {
  InferenceSession: new () => NativeSession;
}

/** The synchronous call itself, without the turn of the event loop that the public API adds. */
function watch(binding: Binding): void {
  binding.InferenceSession = class extends binding.InferenceSession {
    override run(feeds: Feeds, ...rest: unknown[]): unknown {
      const start = clock();
      try {
        return super.run(feeds, ...rest);
      } finally {
        const i = Atomics.add(counter, 0, 1);
        if (i < maximumPasses)
          records.set([threadId, start, clock(), feeds.input_ids?.dims[1] ?? 0], i * fields);
      }
    }
  };
}

// The product's copy of the library; beside this file, the peers may have theirs.
watch(
  createRequire(new URL('../../package.json', import.meta.url))('onnxruntime-node/dist/binding.js').binding,
);
