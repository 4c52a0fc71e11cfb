import { bytesOf } from './slicePool.ts';
import { startingWeights } from './startingWeights.ts';

/** Buckets of a level: four for how many different successors there were, times eight for how many observations. */
export const BUCKETS = 32;
/** Observations that the starting value of a weight counts for. */
const PRIOR = 12;

/**
 * How far each context is trusted before shorter ones are asked: learned online by expectation maximisation, one
 * weight per (level, how many observations, how many different successors).
 */
export class Interpolation {
  /** Beyond this many observations of a bucket old ones fade. */
  memory = 1000;
  readonly stopped: Float64Array;
  readonly reached: Float64Array;
  readonly #start = startingWeights();

  constructor(nLevels: number) {
    this.stopped = new Float64Array(nLevels * BUCKETS);
    this.reached = new Float64Array(nLevels * BUCKETS);
  }

  bucket(level: number, total: number, distinct: number): number {
    const n = Math.max(1, Math.round(total));
    const size = n < 4 ? n - 1 : Math.min(7, 32 - Math.clz32(n));
    return level * BUCKETS + Math.min(distinct - 1, 3) * 8 + size;
  }

  weight(bucket: number): number {
    return (this.stopped[bucket] + PRIOR * this.#start[bucket]) / (this.reached[bucket] + PRIOR);
  }

  learn(bucket: number, stopped: number, reached: number): void {
    if (this.reached[bucket] > this.memory) {
      this.stopped[bucket] *= 0.5;
      this.reached[bucket] *= 0.5;
    }
    this.stopped[bucket] += stopped;
    this.reached[bucket] += reached;
  }

  /** What `load` takes back. Views. */
  save(): { readonly stopped: Uint8Array; readonly reached: Uint8Array } {
    return { stopped: bytesOf(this.stopped), reached: bytesOf(this.reached) };
  }

  load({ stopped, reached }: { readonly stopped: Uint8Array; readonly reached: Uint8Array }): void {
    bytesOf(this.stopped).set(stopped);
    bytesOf(this.reached).set(reached);
  }
}
