import { SYMBOLS } from '../symbols.ts';
import type { ByteBigrams } from './byteBigrams.ts';
import type { TokenReader } from './tokenReader.ts';

/** A fork that has not been paid for: a path's last node, held, and the token that may have ended after it. */
export interface LateFork {
  readonly node: number;
  readonly token: number;
  /** Probability of the path with the token. */
  readonly mass: number;
  /** Where in the text the token ended. */
  readonly end: number;
}

/** The forks that wait, with a guess of how much of their mass the bytes since have left. */
export class PendingForks {
  readonly #reader: TokenReader;
  #count = 0;
  readonly #node = new Int32Array(MAXIMUM_PENDING);
  readonly #token = new Int32Array(MAXIMUM_PENDING);
  readonly #mass = new Float64Array(MAXIMUM_PENDING);
  readonly #guess = new Float64Array(MAXIMUM_PENDING);
  readonly #end = new Int32Array(MAXIMUM_PENDING);

  readonly #bigrams: ByteBigrams;

  constructor(reader: TokenReader, bigrams: ByteBigrams) {
    this.#reader = reader;
    this.#bigrams = bigrams;
  }

  /** Adds a fork whose token ended at the text's end; returns mass that is no longer accounted for. */
  add(node: number, token: number, mass: number, end: number): number {
    let at = this.#count;
    let lost = 0;
    if (at === MAXIMUM_PENDING) {
      at = 0;
      for (let i = 1; i < MAXIMUM_PENDING; i++) if (this.#guess[i] < this.#guess[at]) at = i;
      if (this.#guess[at] >= mass) return mass;
      lost = this.#guess[at];
      this.#reader.release(this.#node[at]);
    } else this.#count++;
    this.#reader.hold(node);
    this.#node[at] = node;
    this.#token[at] = token;
    this.#mass[at] = mass;
    this.#guess[at] = mass;
    this.#end[at] = end;
    return lost;
  }

  /** The text goes on with a byte; `length` is that of the text with it. */
  narrow(byte: number, length: number): void {
    for (let i = 0; i < this.#count; i++) {
      const isFirst = this.#end[i] === length - 1;
      this.#guess[i] *= isFirst ? this.#bigrams.probability(this.#lastByte(i), byte) : LATER_BYTE;
    }
  }

  /** Adds what probably follows the text, which is `length` long, to `out`; the forks' whole mass. */
  addNext(length: number, out: Float64Array): void {
    let flat = 0;
    for (let i = 0; i < this.#count; i++) {
      if (this.#end[i] === length) this.#bigrams.addNext(this.#lastByte(i), this.#guess[i], out);
      else flat += this.#guess[i] / SYMBOLS;
    }
    if (flat > 0) for (let i = 0; i < SYMBOLS; i++) out[i] += flat;
  }

  #lastByte(at: number): number {
    const { byte, nodeOfToken } = this.#reader.vocabulary;
    return byte[nodeOfToken[this.#token[at]]];
  }

  /** Sum of the guesses. */
  get guessed(): number {
    let sum = 0;
    for (let i = 0; i < this.#count; i++) sum += this.#guess[i];
    return sum;
  }

  get heaviest(): number {
    let heaviest = 0;
    for (let i = 0; i < this.#count; i++) if (this.#guess[i] > heaviest) heaviest = this.#guess[i];
    return heaviest;
  }

  /** Removes the heaviest; who takes it holds its node. */
  take(): LateFork | undefined {
    if (this.#count === 0) return undefined;
    let at = 0;
    for (let i = 1; i < this.#count; i++) if (this.#guess[i] > this.#guess[at]) at = i;
    const late = { node: this.#node[at], token: this.#token[at], mass: this.#mass[at], end: this.#end[at] };
    this.#remove(at);
    return late;
  }

  /** Multiplies all masses; forgets what has become negligible and returns its mass. */
  rescale(factor: number): number {
    let lost = 0;
    for (let i = this.#count - 1; i >= 0; i--) {
      this.#mass[i] *= factor;
      this.#guess[i] *= factor;
      if (this.#guess[i] > NEGLIGIBLE) continue;
      lost += this.#guess[i];
      this.#reader.release(this.#node[i]);
      this.#remove(i);
    }
    return lost;
  }

  clear(): void {
    for (let i = 0; i < this.#count; i++) this.#reader.release(this.#node[i]);
    this.#count = 0;
  }

  copyFrom(other: PendingForks): void {
    this.clear();
    this.#count = other.#count;
    for (let i = 0; i < other.#count; i++) {
      this.#reader.hold(other.#node[i]);
      this.#node[i] = other.#node[i];
      this.#token[i] = other.#token[i];
      this.#mass[i] = other.#mass[i];
      this.#guess[i] = other.#guess[i];
      this.#end[i] = other.#end[i];
    }
  }

  #remove(at: number): void {
    const last = --this.#count;
    this.#node[at] = this.#node[last];
    this.#token[at] = this.#token[last];
    this.#mass[at] = this.#mass[last];
    this.#guess[at] = this.#guess[last];
    this.#end[at] = this.#end[last];
  }
}

const MAXIMUM_PENDING = 8;
const NEGLIGIBLE = 1e-7;
/** What each byte but the first after an unread token leaves of its fork's mass: most of these forks are wrong. */
const LATER_BYTE = 1 / 32;
