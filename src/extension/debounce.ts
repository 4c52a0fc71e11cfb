export interface DebounceBounds {
  /** Milliseconds. */
  readonly minimum: number;
  /** Milliseconds. */
  readonly maximum: number;
}

/** How long to wait after a keystroke, following how long the answers take. */
export interface AdaptiveDebounce {
  /** An answer took this many milliseconds. */
  observe(latencyMs: number): void;
  /** The wait to use now, in milliseconds. */
  delay(bounds: DebounceBounds): number;
}

const initialDelayMs = 60;
/** Weight of the newest answer in the running mean. */
const newestWeight = 0.2;
/** Half an answer's time: a fast machine is asked at nearly every pause, a slow one is spared lost work. */
const delayPerLatency = 0.5;

export function createAdaptiveDebounce(): AdaptiveDebounce {
  let meanLatencyMs: number | undefined;
  return {
    observe(latencyMs) {
      meanLatencyMs =
        meanLatencyMs === undefined ? latencyMs : meanLatencyMs + newestWeight * (latencyMs - meanLatencyMs);
    },
    delay({ minimum, maximum }) {
      const wanted = meanLatencyMs === undefined ? initialDelayMs : delayPerLatency * meanLatencyMs;
      return Math.min(maximum, Math.max(minimum, wanted));
    },
  };
}
