import type { Comparison, Distribution } from './statistics.ts';

export function milliseconds(value: number): string {
  return `${round(value)} ms`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** A ratio, such as 1.27. */
export function ratio(value: number): string {
  return value.toFixed(2);
}

export function percent(part: number): string {
  return `${(part * 100).toFixed(part < 0.095 ? 1 : 0)} %`;
}

/** The quartiles of a distribution. */
export function times({ p25, p75 }: Distribution, format: (value: number) => string): string {
  return `${format(p25)} – ${format(p75)}`;
}

/** How a comparison's rounds differ: quartiles, then extremes. */
export function roundsOf({ rounds }: Comparison): string {
  return `rounds ${ratio(rounds.p25)} – ${ratio(rounds.p75)} (${ratio(rounds.minimum)} – ${ratio(rounds.maximum)}, n ${rounds.n})`;
}

/** Three digits that count. */
function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}
