export interface BackOff {
  /** Milliseconds to wait before the next start, or null: it ended too often, don't start again. */
  next(): number | null;
  /** A person asked for a start: count afresh. */
  reset(): void;
}

const firstDelayMs = 250;
const longestDelayMs = 8000;
const nAttempts = 7;
/** A process that lived this long was well: the next end counts as the first. */
const healthyAfterMs = 60_000;

/** How a background process that ends is started again: at once, then ever later, then not at all. */
export function createBackOff(now: () => number): BackOff {
  let nEnds = 0;
  let lastEnd = Number.NEGATIVE_INFINITY;
  return {
    next() {
      const time = now();
      if (time - lastEnd > healthyAfterMs) nEnds = 0;
      lastEnd = time;
      nEnds += 1;
      return nEnds > nAttempts ? null : Math.min(longestDelayMs, firstDelayMs * 2 ** (nEnds - 1));
    },
    reset() {
      nEnds = 0;
    },
  };
}
