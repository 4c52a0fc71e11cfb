/** How a list of measurements is distributed. */
export interface Distribution {
  readonly n: number;
  readonly minimum: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p95: number;
  readonly maximum: number;
}

/** @throws RangeError for no values at all */
export function distributionOf(values: readonly number[]): Distribution {
  if (values.length === 0) throw new RangeError('nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => quantile(sorted, part);
  return {
    n: sorted.length,
    minimum: sorted[0],
    p25: at(0.25),
    p50: at(0.5),
    p75: at(0.75),
    p95: at(0.95),
    maximum: sorted[sorted.length - 1],
  };
}

/** Two things measured in turns: the ratio of their medians, and how the rounds' own ratios are distributed. */
export interface Comparison {
  readonly ratio: number;
  readonly rounds: Distribution;
}

/** Both lists are in the order of the rounds. */
export function compare(measured: readonly number[], reference: readonly number[]): Comparison {
  const ratios = measured.slice(0, reference.length).map((value, round) => value / reference[round]);
  return { ratio: median(measured) / median(reference), rounds: distributionOf(ratios) };
}

export function median(values: readonly number[]): number {
  return distributionOf(values).p50;
}

/** Linear interpolation between the neighbours. */
function quantile(sorted: readonly number[], part: number): number {
  const position = (sorted.length - 1) * part;
  const low = Math.floor(position);
  const high = Math.ceil(position);
  return sorted[low] + (sorted[high] - sorted[low]) * (position - low);
}
