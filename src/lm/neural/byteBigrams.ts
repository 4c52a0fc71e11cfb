import { SYMBOLS } from '../symbols.ts';

/**
 * Which byte follows which in a text, smoothed by how frequent each byte is: the guess for what follows a token
 * that has not been read. A function of the text alone, so that the same text always gives the same guess.
 */
export class ByteBigrams {
  readonly #pairs = new Uint16Array(256 * 256);
  readonly #firsts = new Uint16Array(256);
  /** Probability of each symbol wherever it stands. */
  readonly #frequency = new Float64Array(SYMBOLS).fill(1 / SYMBOLS);

  /** Forgets all and counts this text, of at most 65,535 bytes. */
  count(text: Uint8Array): void {
    this.#pairs.fill(0);
    this.#firsts.fill(0);
    this.#frequency.fill(LEAST_COUNT);
    for (let i = 0; i < text.length; i++) {
      this.#frequency[text[i]]++;
      if (i === 0) continue;
      this.#firsts[text[i - 1]]++;
      this.#pairs[256 * text[i - 1] + text[i]]++;
    }
    const total = text.length + SYMBOLS * LEAST_COUNT;
    for (let i = 0; i < SYMBOLS; i++) this.#frequency[i] /= total;
  }

  probability(byte: number, next: number): number {
    const pairs = this.#pairs[256 * byte + next];
    return (pairs + PRIOR_WEIGHT * this.#frequency[next]) / (this.#firsts[byte] + PRIOR_WEIGHT);
  }

  /** Adds `mass` × the distribution over what follows the byte. */
  addNext(byte: number, mass: number, out: Float64Array): void {
    const scale = mass / (this.#firsts[byte] + PRIOR_WEIGHT);
    for (let i = 0; i < 256; i++) out[i] += scale * this.#pairs[256 * byte + i];
    const rest = scale * PRIOR_WEIGHT;
    for (let i = 0; i < SYMBOLS; i++) out[i] += rest * this.#frequency[i];
  }
}

/** How often every symbol counts as seen before anything has been. */
const LEAST_COUNT = 0.1;
/** How many observations the plain frequencies weigh. */
const PRIOR_WEIGHT = 30;
