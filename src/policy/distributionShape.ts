import { END, SYMBOLS } from '../lm/symbols.ts';

/**
 * Symbols to which the members together give less than this are not looked at one by one: they add nothing worth
 * the time to any number below.
 */
const leastProbability = 1e-4;

/** A distribution over the next symbol as a few numbers, which are all finite whatever it holds. */
export class DistributionShape {
  /** The most probable symbol; −1 where nothing has a probability. */
  best = -1;
  top = 0;
  second = 0;
  /** Mass of the symbols that end the lexeme at hand. */
  boundary = 0;
  end = 0;
  /** In nats. */
  entropy = 0;
  /** Entropy of the even mixture of this distribution and the other, in nats. */
  entropyBetween = 0;

  /**
   * @param other a distribution to compare with
   * @param symbols the symbols to look at, `symbols[0..nSymbols)`
   * @param endsLexeme 1 for each symbol that ends the lexeme at hand, 0 for the others
   */
  read(
    distribution: Float64Array,
    other: Float64Array,
    symbols: Uint16Array,
    nSymbols: number,
    endsLexeme: Uint8Array,
  ): void {
    let best = -1;
    let top = 0;
    let second = 0;
    let boundary = 0;
    let entropy = 0;
    let entropyBetween = 0;
    for (let k = 0; k < nSymbols; k++) {
      const b = symbols[k];
      const p = distribution[b];
      if (p > second) {
        if (p > top) {
          second = top;
          top = p;
          best = b;
        } else second = p;
      }
      boundary += p * endsLexeme[b];
      entropy += entropyTerm(p);
      entropyBetween += entropyTerm((p + other[b]) / 2);
    }
    this.best = best;
    this.top = top;
    this.second = second;
    this.boundary = boundary;
    this.entropy = entropy;
    this.entropyBetween = entropyBetween;
    this.end = distribution[END];
  }
}

/** Writes which symbols of a distribution are worth a look; returns how many. */
export function likelySymbols(distribution: Float64Array, out: Uint16Array): number {
  let n = 0;
  for (let b = 0; b < SYMBOLS; b++) {
    out[n] = b;
    if (distribution[b] >= leastProbability) n++;
  }
  return n;
}

/** −p ln p at 0, 1/entropySteps, …, 1, and once more at 1. */
const entropySteps = 4096;
const entropyTerms = Float64Array.from({ length: entropySteps + 2 }, (_, i) => {
  const p = Math.min(1, i / entropySteps);
  return p > 0 ? -p * Math.log(p) : 0;
});

/** −p ln p within 1e-4, between the places of a table; 0 for what is no probability. */
function entropyTerm(p: number): number {
  if (!(p > 0 && p <= 1)) return 0;
  const place = p * entropySteps;
  const at = place | 0;
  const low = entropyTerms[at];
  return low + (place - at) * (entropyTerms[at + 1] - low);
}
