import { lexemeClasses } from '../lm/lexeme.ts';
import type { Policy, Situation } from './policy.ts';

export interface HedgeOptions {
  /** η: how strongly one step's likelihood moves the weights. */
  readonly learningRate: number;
  /** α: the part of the weights that returns to the prior after each step, so that a member can come back. */
  readonly share: number;
}

/** The product's own: cautious with each step, and quick to let a member come back. */
const hedgeDefaults: HedgeOptions = { learningRate: 0.5, share: 0.2 };
/** Fixed share as published: every step counts as what it is, and little returns to the prior. */
export const fixedShare: HedgeOptions = { learningRate: 1, share: 0.05 };

/**
 * Hedge with fixed share (Herbster & Warmuth 1998): at the end of each step of text that the person has,
 * hᵢ ← hᵢ · Pᵢ(step)^η, normalised, then h ← (1 − α) h + α · prior. The ensemble's own output never
 * moves it, so during a completion the weights at each step's start stay the same. Needs no training.
 */
export class Hedge implements Policy {
  readonly name = 'hedge';
  readonly #prior: Float64Array;
  readonly #options: HedgeOptions;
  readonly #weights: Float64Array;
  readonly #stepLogProbability: Float64Array;

  /** @param prior one positive weight per member, summing to 1; equal weights by default */
  constructor(
    nMembers: number,
    options = hedgeDefaults,
    prior = new Float64Array(nMembers).fill(1 / nMembers),
  ) {
    this.#prior = prior;
    this.#options = options;
    this.#weights = Float64Array.from(prior);
    this.#stepLogProbability = new Float64Array(nMembers);
  }

  begin({ recent }: Pick<Situation, 'recent'>): void {
    this.#weights.set(this.#prior);
    this.#stepLogProbability.fill(0);
    const { bytes, logProbabilities } = recent;
    const nScored = Math.min(bytes.length, ...logProbabilities.map((scores) => scores.length));
    for (let back = nScored; back > 0; back--) {
      const byte = bytes[bytes.length - back];
      if (back < nScored && lexemeClasses[byte] !== lexemeClasses[bytes[bytes.length - back - 1]])
        this.#endStep();
      for (let i = 0; i < logProbabilities.length; i++) {
        this.#stepLogProbability[i] += logProbabilities[i][logProbabilities[i].length - back];
      }
    }
    this.#endStep();
  }

  weights(out: Float64Array): void {
    out.set(this.#weights);
  }

  #endStep(): void {
    const { learningRate, share } = this.#options;
    const best = Math.max(...this.#stepLogProbability);
    let sum = 0;
    for (let i = 0; i < this.#weights.length; i++) {
      this.#weights[i] *= Math.exp(learningRate * (this.#stepLogProbability[i] - best));
      sum += this.#weights[i];
    }
    for (let i = 0; i < this.#weights.length; i++) {
      this.#weights[i] = ((1 - share) * this.#weights[i]) / sum + share * this.#prior[i];
    }
    this.#stepLogProbability.fill(0);
  }
}
