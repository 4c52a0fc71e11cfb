/** Of how many of the last requests the percentiles are taken. */
const windowSize = 200;

/** The last durations of something, in milliseconds. */
export class Latencies {
  readonly #samples: number[] = [];
  #next = 0;

  add(milliseconds: number): void {
    this.#samples[this.#next] = milliseconds;
    this.#next = (this.#next + 1) % windowSize;
  }

  /** Null before the first. */
  percentiles(): { readonly p50: number; readonly p95: number } | null {
    if (this.#samples.length === 0) return null;
    const sorted = this.#samples.toSorted((a, b) => a - b);
    const at = (fraction: number) =>
      sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))];
    return { p50: at(0.5), p95: at(0.95) };
  }
}
