/**
 * Confidence sequences for means of bounded observations, by betting: intervals that hold at all times at once, so
 * one may look after every observation and stop whenever one likes.
 * Sources: Karampatziakis, Mineiro & Ramdas 2021 (arXiv 2102.09540), the off-policy case and gated deployment;
 * Waudby-Smith & Ramdas 2024 (arXiv 2010.09686), a grid of bets; Waudby-Smith et al. 2024 (arXiv 2210.10768), the
 * difference of two policies with a baseline known beforehand.
 */

/** One observation and the bounds it had to keep, which were known before it. */
export interface Observation {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface Range {
  readonly low: number;
  readonly high: number;
}

export interface ConfidenceBounds extends Range {
  readonly nObservations: number;
  /** The plain mean of the observations; NaN without any. */
  readonly mean: number;
}

export interface BettingOptions {
  /** α: the probability that the sequence ever leaves out the true mean is at most this. */
  readonly alpha: number;
  /**
   * f: the parts of what could be lost that are bet; the wealth is the mean over all of them. The best one is about
   * mean difference × range ÷ variance, so small ones serve small differences.
   */
  readonly fractions: readonly number[];
}

export const bettingDefaults: BettingOptions = { alpha: 0.05, fractions: [0.6, 0.25, 0.1, 0.04, 0.015] };

/**
 * The means that nobody has grown rich betting against: {m : both wealths < 2/α}, Ville's inequality. The true mean
 * given the past must stay the same throughout; nothing else is assumed, no independence and no shape.
 * @param limits where the mean must lie, whatever is observed
 */
export function confidenceSequence(
  observations: readonly Observation[],
  limits: Range,
  options = bettingDefaults,
): ConfidenceBounds {
  const mirrored = observations.map(({ value, low, high }) => ({ value: -value, low: -high, high: -low }));
  const sum = observations.reduce((total, { value }) => total + value, 0);
  return {
    nObservations: observations.length,
    mean: sum / observations.length,
    low: lowerBound(observations, limits, options),
    high: -lowerBound(mirrored, { low: -limits.high, high: -limits.low }, options),
  };
}

/**
 * ln of the wealth of who bets that the mean is above m. With f of what could be lost on each bet, one observation x
 * with lower bound a multiplies the wealth by 1 + f ((x − a) / (m − a) − 1) ≥ 1 − f. If the mean is m or less this
 * is a non-negative supermartingale from 1; the mean over several f is one too. It falls as m grows.
 */
export function logWealth(
  observations: readonly Observation[],
  mean: number,
  { fractions }: Pick<BettingOptions, 'fractions'> = bettingDefaults,
): number {
  const logs = fractions.map((fraction) => {
    let sum = 0;
    for (const { value, low } of observations) {
      // A mean below what an observation can be at all is refuted.
      if (mean <= low) return Number.POSITIVE_INFINITY;
      sum += Math.log1p(fraction * ((value - low) / (mean - low) - 1));
    }
    return sum;
  });
  const greatest = Math.max(...logs);
  if (!Number.isFinite(greatest)) return greatest;
  const sum = logs.reduce((total, log) => total + Math.exp(log - greatest), 0);
  return greatest + Math.log(sum / logs.length);
}

/** Bisection: the wealth is monotone in the mean. */
const nBisections = 20;

/** The greatest m with wealth ≥ 2/α, from below: a hair too low rather than too high. */
function lowerBound(observations: readonly Observation[], limits: Range, options: BettingOptions): number {
  const threshold = Math.log(2 / options.alpha);
  const isRefuted = (mean: number) => logWealth(observations, mean, options) >= threshold;
  if (!isRefuted(limits.low)) return limits.low;
  let { low, high } = limits;
  for (let i = 0; i < nBisections; i++) {
    const middle = (low + high) / 2;
    if (isRefuted(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** What became of one request that was served by one of two arms. */
export interface ArmSample {
  /** Which of the two served it. */
  readonly arm: 'treatment' | 'control';
  /** π: the probability, given one of the two, that it was the treatment. Strictly between 0 and 1. */
  readonly propensity: number;
  readonly reward: number;
}

/**
 * Per request an unbiased estimate of value(treatment) − value(control), weighted by inverse propensity:
 * (r − c) · (1[treatment] / π − 1[control] / (1 − π)). The baseline c is the mean of the earlier rewards: it takes
 * away variance and, known before the draw, no validity.
 * @param rewards the range of a reward
 */
export function armDifferences(samples: readonly ArmSample[], rewards: Range): readonly Observation[] {
  let sum = 0;
  return samples.map(({ arm, propensity, reward }, index) => {
    const baseline = sum / (index + 1);
    sum += reward;
    const toTreatment = 1 / propensity;
    const toControl = 1 / (1 - propensity);
    const below = rewards.low - baseline;
    const above = rewards.high - baseline;
    return {
      value: (reward - baseline) * (arm === 'treatment' ? toTreatment : -toControl),
      low: Math.min(below * toTreatment, -above * toControl),
      high: Math.max(above * toTreatment, -below * toControl),
    };
  });
}
