import { END, NEWLINE, SYMBOLS } from '../lm/symbols.ts';

export interface OnlineExponentOptions {
  /** Where each exponent begins. */
  readonly initial: number;
  /** Of the gradient of ln p, after each byte. */
  readonly learningRate: number;
  readonly smallest: number;
  readonly largest: number;
}

const onlineExponentDefaults: OnlineExponentOptions = {
  initial: 0.6,
  learningRate: 0.005,
  smallest: 0.01,
  largest: 2,
};

/** As in the geometric combiner. */
const probabilityFloor = 1e-6;

/**
 * The exponents of p(b) ∝ Π pᵢ(b)^wᵢ, learned by online gradient on text that the person has, as in PAQ's logistic
 * mixing: after each byte wᵢ ← wᵢ + η (ln pᵢ(byte) − Σ_b p(b) ln pᵢ(b)), clipped.
 */
export class OnlineExponents {
  readonly exponents: Float64Array;
  readonly #options: OnlineExponentOptions;
  readonly #logs: Float64Array[];
  readonly #combined = new Float64Array(SYMBOLS);

  constructor(nMembers: number, options = onlineExponentDefaults) {
    this.#options = options;
    this.exponents = new Float64Array(nMembers).fill(options.initial);
    this.#logs = Array.from({ length: nMembers }, () => new Float64Array(SYMBOLS));
  }

  /** The members foresaw this byte with these distributions; a line end in any form is END. */
  observe(distributions: readonly Float64Array[], byte: number): void {
    const { learningRate, smallest, largest } = this.#options;
    const combined = this.#combined.fill(0);
    for (const [i, distribution] of distributions.entries()) {
      const logs = this.#logs[i];
      for (let b = 0; b < SYMBOLS; b++) {
        logs[b] = Math.log(Math.max(probabilityFloor, folded(distribution, b)));
        combined[b] += this.exponents[i] * logs[b];
      }
    }
    let sum = 0;
    for (let b = 0; b < SYMBOLS; b++) sum += combined[b] = Math.exp(combined[b]);
    const symbol = byte === NEWLINE || byte === CARRIAGE_RETURN ? END : byte;
    for (const [i, logs] of this.#logs.entries()) {
      let mean = 0;
      for (let b = 0; b < SYMBOLS; b++) mean += (combined[b] / sum) * logs[b];
      const moved = this.exponents[i] + learningRate * (logs[symbol] - mean);
      this.exponents[i] = Math.min(largest, Math.max(smallest, moved));
    }
  }
}

const CARRIAGE_RETURN = 13;

function folded(distribution: Float64Array, symbol: number): number {
  if (symbol === NEWLINE || symbol === CARRIAGE_RETURN) return 0;
  return symbol === END
    ? distribution[END] + distribution[NEWLINE] + distribution[CARRIAGE_RETURN]
    : distribution[symbol];
}
