const BUCKETS = 32;
/** Observations that the starting value of a weight counts for. */
const PRIOR = 8;
/** Beyond this many observations old ones fade. */
const MEMORY = 1000;

/**
 * How far each context is trusted before shorter ones are asked: learned online by expectation maximisation, one
 * weight per (level, how many observations, how many different successors). Weights start at Witten & Bell's.
 */
export class Interpolation {
  readonly stopped: Float64Array;
  readonly reached: Float64Array;

  constructor(nLevels: number) {
    this.stopped = new Float64Array(nLevels * BUCKETS);
    this.reached = new Float64Array(nLevels * BUCKETS);
  }

  bucket(level: number, total: number, distinct: number): number {
    const n = Math.max(1, Math.round(total));
    const size = n < 4 ? n - 1 : Math.min(7, 32 - Math.clz32(n));
    return level * BUCKETS + Math.min(distinct - 1, 3) * 8 + size;
  }

  weight(bucket: number, total: number, distinct: number): number {
    return (this.stopped[bucket] + (PRIOR * total) / (total + distinct)) / (this.reached[bucket] + PRIOR);
  }

  learn(bucket: number, stopped: number, reached: number): void {
    if (this.reached[bucket] > MEMORY) {
      this.stopped[bucket] *= 0.5;
      this.reached[bucket] *= 0.5;
    }
    this.stopped[bucket] += stopped;
    this.reached[bucket] += reached;
  }
}
