/** One number per decision, completions one after another. */
export interface Trajectories {
  readonly rewards: Float64Array;
  /** The critic's estimate of what is still to come, at each decision. */
  readonly values: Float64Array;
  /** 1 at the last decision of a completion, else 0; the last of all is a last one. */
  readonly ends: Uint8Array;
}

export interface Advantages {
  readonly advantages: Float64Array;
  /** What the critic should have said: the advantage plus its value. */
  readonly returns: Float64Array;
}

/**
 * Generalised advantage estimation (Schulman et al. 2016, equation 16):
 * δₜ = rₜ + γ V(sₜ₊₁) − V(sₜ), Âₜ = δₜ + γλ Âₜ₊₁, with V = Â = 0 after the end.
 */
export function generalisedAdvantages(
  { rewards, values, ends }: Trajectories,
  { gamma, gaeLambda }: { readonly gamma: number; readonly gaeLambda: number },
): Advantages {
  const advantages = new Float64Array(rewards.length);
  const returns = new Float64Array(rewards.length);
  let nextValue = 0;
  let nextAdvantage = 0;
  for (let t = rewards.length - 1; t >= 0; t--) {
    if (ends[t]) {
      nextValue = 0;
      nextAdvantage = 0;
    }
    const delta = rewards[t] + gamma * nextValue - values[t];
    nextAdvantage = delta + gamma * gaeLambda * nextAdvantage;
    nextValue = values[t];
    advantages[t] = nextAdvantage;
    returns[t] = nextAdvantage + values[t];
  }
  return { advantages, returns };
}

/** Of each reward, what it is more than the mean of the others in its group; 0 where it is alone. */
export function groupAdvantages(rewards: readonly number[], groups: readonly number[]): Float64Array {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const [i, group] of groups.entries()) {
    const { sum, count } = sums.get(group) ?? { sum: 0, count: 0 };
    sums.set(group, { sum: sum + rewards[i], count: count + 1 });
  }
  return Float64Array.from(rewards, (reward, i) => {
    const { sum, count } = sums.get(groups[i]) ?? { sum: 0, count: 0 };
    return count > 1 ? reward - (sum - reward) / (count - 1) : 0;
  });
}
