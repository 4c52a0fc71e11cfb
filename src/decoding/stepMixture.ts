import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { SYMBOLS } from '../lm/symbols.ts';
import { type Combiner, type CombinerName, createCombiner } from './combiner.ts';

/** Where a step's weights come from: writes one weight per member. Asked at most once for each next symbol. */
export type WeightSource = (out: Float64Array) => void;

/**
 * The ensemble's distribution over the next symbol, with new weights at each step (lexeme).
 *
 * Inside a step of class c, let p be the combination under the step's weights and q that under the next
 * step's. A symbol of class c continues the step with p(b); any other ends it, which has the probability
 * B = Σ_{b∉c} p(b), and the next step's weights decide which it is: B · q(b) / Σ_{x∉c} q(x). This sums to 1, needs
 * no look-ahead, equals p where the weights do not change, and asks for new weights only where a
 * boundary is in question.
 */
export class StepMixture {
  #step: Combiner;
  #next: Combiner;
  readonly #weightSource: WeightSource;
  readonly #weights: Float64Array;
  readonly #inStep = new Float64Array(SYMBOLS);
  readonly #beyond = new Float64Array(SYMBOLS);
  #distributions: readonly Float64Array[] = [];
  #class: number = lexemeClass.none;
  #ending = 0;
  #beyondScale = -1;
  #hasNextWeights = false;

  constructor(combiner: CombinerName, nMembers: number, weightSource: WeightSource) {
    this.#step = createCombiner(combiner, nMembers);
    this.#next = createCombiner(combiner, nMembers);
    this.#weightSource = weightSource;
    this.#weights = new Float64Array(nMembers);
  }

  /** The first step begins; call it once, before `read`. */
  begin(): void {
    this.#weightSource(this.#weights);
    this.#step.begin(this.#weights);
  }

  /** Takes the members' distributions over the next symbol; they must stay as they are until `take`. */
  read(distributions: readonly Float64Array[]): void {
    this.#distributions = distributions;
    this.#step.combine(distributions, this.#inStep);
    this.#beyondScale = -1;
    this.#hasNextWeights = false;
    this.#ending = 0;
    if (this.#class === lexemeClass.none) return;
    for (let b = 0; b < SYMBOLS; b++) if (lexemeClasses[b] !== this.#class) this.#ending += this.#inStep[b];
  }

  /** The distributions of members that have no weight in the current step have changed. Asks for no weights anew. */
  readAgain(): void {
    this.#beyondScale = -1;
  }

  probability(symbol: number): number {
    if (!this.startsStep(symbol)) return this.#inStep[symbol];
    this.#prepareNext();
    return this.#beyondScale * this.#beyond[symbol];
  }

  /** The most probable symbol among `low..high` and, where `end` is given, that symbol too. */
  mostProbable(low: number, high: number, end?: number): number {
    let best = -1;
    let top = -1;
    for (let b = low; b <= high; b++) {
      if (this.#inStep[b] > top && !this.startsStep(b)) {
        top = this.#inStep[b];
        best = b;
      }
    }
    if (this.#class === lexemeClass.none) return end !== undefined && this.#inStep[end] > top ? end : best;
    if (this.#ending <= top) return best; // no boundary symbol can be more probable
    this.#prepareNext();
    top /= this.#beyondScale;
    for (let b = low; b <= high; b++) {
      if (this.#beyond[b] > top && this.startsStep(b)) {
        top = this.#beyond[b];
        best = b;
      }
    }
    return end !== undefined && this.#beyond[end] > top ? end : best;
  }

  /** Whether this symbol, next, would end the current step and begin another. */
  startsStep(symbol: number): boolean {
    return this.#class !== lexemeClass.none && lexemeClasses[symbol] !== this.#class;
  }

  /** The next symbol is this one. */
  take(symbol: number): void {
    if (this.startsStep(symbol)) {
      this.#prepareNext();
      const ended = this.#step;
      this.#step = this.#next;
      this.#next = ended;
    }
    this.#class = lexemeClasses[symbol];
    this.#step.observe(this.#distributions, symbol);
  }

  /** The members' shares of the current step so far. */
  shares(): Float64Array {
    const shares = new Float64Array(this.#weights.length);
    this.#step.shares(shares);
    return shares;
  }

  #prepareNext(): void {
    if (this.#beyondScale >= 0) return;
    if (!this.#hasNextWeights) this.#weightSource(this.#weights);
    this.#hasNextWeights = true;
    this.#next.begin(this.#weights);
    this.#next.combine(this.#distributions, this.#beyond);
    let sum = 0;
    for (let b = 0; b < SYMBOLS; b++) if (lexemeClasses[b] !== this.#class) sum += this.#beyond[b];
    this.#beyondScale = sum > 0 ? this.#ending / sum : 0;
  }
}
