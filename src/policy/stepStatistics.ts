import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { END, SYMBOLS } from '../lm/symbols.ts';
import type { StepState } from './policy.ts';

/** All that the linear combiner's probability of one step depends on beside its weights. Natural logarithms, per member. */
export interface StepTerms {
  /** ln Aᵢ: the step's bytes, one after the other, and then a symbol that ends it. For the end of the line: that alone. */
  readonly logStep: Float64Array;
  /** ln aᵢ: a symbol that may begin the step, where it begins; 0 for the first step. */
  readonly logStart: Float64Array;
}

/**
 * Takes a text apart into steps as `StepMixture` does. Under weights w a step has the log probability
 * ln Σ wᵢ Aᵢ − ln Σ wᵢ aᵢ, and the sum over all steps up to the end of the line is what `scoreLine` says.
 * It is fed as a policy is: `observe` every symbol, END included.
 */
export class StepStatistics {
  readonly #nMembers: number;
  readonly #onStep: (terms: StepTerms) => void;
  #class: number = lexemeClass.none;
  #logStep: Float64Array;
  #logStart: Float64Array;

  /** @param onStep called when a step is complete: its arrays are the receiver's own */
  constructor(nMembers: number, onStep: (terms: StepTerms) => void) {
    this.#nMembers = nMembers;
    this.#onStep = onStep;
    this.#logStep = new Float64Array(nMembers);
    this.#logStart = new Float64Array(nMembers);
  }

  /** A text begins. */
  begin(): void {
    this.#class = lexemeClass.none;
    this.#logStep = new Float64Array(this.#nMembers);
    this.#logStart = new Float64Array(this.#nMembers);
  }

  /** This symbol comes next, drawn from these distributions. */
  observe(symbol: number, state: Pick<StepState, 'distributions'>): void {
    const { distributions } = state;
    if (this.#class !== lexemeClass.none && lexemeClasses[symbol] !== this.#class) this.endStep(state);
    this.#class = lexemeClasses[symbol];
    for (let i = 0; i < this.#nMembers; i++) this.#logStep[i] += logOf(distributions[i][symbol]);
    if (symbol === END) this.#onStep({ logStep: this.#logStep, logStart: this.#logStart });
  }

  /** The step under way ends before the next symbol, whichever that is. */
  endStep({ distributions }: Pick<StepState, 'distributions'>): void {
    // What ends this step begins the next.
    const logEnding = Float64Array.from(distributions, (distribution) => {
      let mass = 0;
      for (let b = 0; b < SYMBOLS; b++) if (lexemeClasses[b] !== this.#class) mass += distribution[b];
      return logOf(mass);
    });
    for (let i = 0; i < this.#nMembers; i++) this.#logStep[i] += logEnding[i];
    this.#onStep({ logStep: this.#logStep, logStart: this.#logStart });
    this.#logStep = new Float64Array(this.#nMembers);
    this.#logStart = logEnding;
    this.#class = lexemeClass.none;
  }
}

/** ln p of a step under weights of the linear combiner. */
export function stepLogProbability(weights: Float64Array, { logStep, logStart }: StepTerms): number {
  return logSum(weights, logStep) - logSum(weights, logStart);
}

/** ln Σ wᵢ exp(xᵢ). */
function logSum(weights: Float64Array, logs: Float64Array): number {
  const most = Math.max(...logs);
  let sum = 0;
  for (let i = 0; i < logs.length; i++) sum += weights[i] * Math.exp(logs[i] - most);
  return Math.log(sum) + most;
}

/** A probability that was too small to store is not 0. */
function logOf(probability: number): number {
  return Math.log(Math.max(Number.MIN_VALUE, probability));
}
