import { SYMBOLS } from '../lm/symbols.ts';

/** How several distributions over the next symbol become one, inside one step. */
export interface Combiner {
  /** A step begins under these weights, one per member. */
  begin(weights: Float64Array): void;
  /** Writes the combination of the members' distributions (SYMBOLS probabilities each) to `out`; it sums to 1. */
  combine(distributions: readonly Float64Array[], out: Float64Array): void;
  /** This symbol, drawn from those distributions, belongs to the step. */
  observe(distributions: readonly Float64Array[], symbol: number): void;
  /** Writes each member's contribution to the step so far: ≥ 0, summing to 1. */
  shares(out: Float64Array): void;
}

export type CombinerName = 'linear' | 'geometric';

export function createCombiner(name: CombinerName, nMembers: number): Combiner {
  return name === 'linear' ? new LinearCombiner(nMembers) : new GeometricCombiner(nMembers);
}

/**
 * p(b) = Σ wᵢ pᵢ(b), and wᵢ ← wᵢ pᵢ(b) / p(b) for every symbol of the step: the mixture of the members'
 * probabilities of the whole string, however each tokenizes it. The shares are the posterior
 * wᵢ Pᵢ(step) / Σⱼ wⱼ Pⱼ(step).
 */
class LinearCombiner implements Combiner {
  readonly #posterior: Float64Array;

  constructor(nMembers: number) {
    this.#posterior = new Float64Array(nMembers);
  }

  begin(weights: Float64Array): void {
    normalise(weights, this.#posterior);
  }

  combine(distributions: readonly Float64Array[], out: Float64Array): void {
    out.fill(0);
    for (let i = 0; i < distributions.length; i++) {
      const weight = this.#posterior[i];
      const distribution = distributions[i];
      if (weight > 0) for (let b = 0; b < SYMBOLS; b++) out[b] += weight * distribution[b];
    }
  }

  observe(distributions: readonly Float64Array[], symbol: number): void {
    for (let i = 0; i < distributions.length; i++) this.#posterior[i] *= distributions[i][symbol];
    normalise(this.#posterior, this.#posterior);
  }

  shares(out: Float64Array): void {
    out.set(this.#posterior);
  }
}

/** Under this, a member's probability counts as this: one member's certainty must not veto all others. */
const probabilityFloor = 1e-6;

/**
 * p(b) ∝ Π pᵢ(b)^wᵢ (a product of experts, as in PAQ's logistic mixing), exponents in [0, 2]. A member's
 * contribution is Σ over the step's symbols of max(0, wᵢ · ln(SYMBOLS · pᵢ(b))): how far it pulled the chosen
 * symbol above chance.
 */
class GeometricCombiner implements Combiner {
  readonly #exponents: Float64Array;
  readonly #pull: Float64Array;

  constructor(nMembers: number) {
    this.#exponents = new Float64Array(nMembers);
    this.#pull = new Float64Array(nMembers);
  }

  begin(weights: Float64Array): void {
    for (let i = 0; i < weights.length; i++) this.#exponents[i] = Math.min(2, Math.max(0, weights[i]));
    this.#pull.fill(0);
  }

  combine(distributions: readonly Float64Array[], out: Float64Array): void {
    out.fill(0);
    for (let i = 0; i < distributions.length; i++) {
      const exponent = this.#exponents[i];
      const distribution = distributions[i];
      if (exponent > 0) {
        for (let b = 0; b < SYMBOLS; b++) {
          out[b] += exponent * Math.log(Math.max(probabilityFloor, distribution[b]));
        }
      }
    }
    let sum = 0;
    for (let b = 0; b < SYMBOLS; b++) sum += out[b] = Math.exp(out[b]);
    for (let b = 0; b < SYMBOLS; b++) out[b] /= sum;
  }

  observe(distributions: readonly Float64Array[], symbol: number): void {
    for (let i = 0; i < distributions.length; i++) {
      const log = Math.log(SYMBOLS * Math.max(probabilityFloor, distributions[i][symbol]));
      this.#pull[i] += Math.max(0, this.#exponents[i] * log);
    }
  }

  shares(out: Float64Array): void {
    normalise(this.#pull.some((pull) => pull > 0) ? this.#pull : this.#exponents, out);
  }
}

/** Scales non-negative numbers to sum 1; equal parts where all are 0. */
function normalise(values: Float64Array, out: Float64Array): void {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  for (let i = 0; i < values.length; i++) out[i] = sum > 0 ? values[i] / sum : 1 / values.length;
}
