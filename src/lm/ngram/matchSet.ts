import { hashAt, MAXIMUM_MATCH, MINIMUM_MATCH, type SearchableText } from './searchableText.ts';

/** How far the search for matches goes in one text. */
export interface MatchLimits {
  /** Matches kept. */
  readonly matches: number;
  /** Positions looked at for one byte. */
  readonly recalled: number;
  /** Fewer matches than this start a new search. */
  readonly searchBelow: number;
}

/** The earlier occurrences of the context in one text, kept from byte to byte so that each is looked up once. */
export class MatchSet {
  count = 0;
  /** Where each match ends; its prediction is the byte after. */
  readonly positions: Int32Array;
  /** How many bytes agree, MAXIMUM_MATCH at most. */
  readonly lengths: Uint8Array;
  readonly weights: Float64Array;
  readonly #text: SearchableText;
  readonly #limits: MatchLimits;
  readonly #found: Int32Array;
  /** Keeps reads that only warm the cache from being optimised away. */
  #touched = 0;

  constructor(text: SearchableText, limits: MatchLimits) {
    this.#text = text;
    this.#limits = limits;
    this.#found = new Int32Array(limits.recalled);
    this.positions = new Int32Array(limits.matches);
    this.lengths = new Uint8Array(limits.matches);
    this.weights = new Float64Array(limits.matches);
  }

  clear(): void {
    this.count = 0;
  }

  /** Becomes a copy of another set over the same text, with the same limits. */
  copyFrom(other: MatchSet): void {
    this.count = other.count;
    this.positions.set(other.positions);
    this.lengths.set(other.lengths);
    this.weights.set(other.weights);
  }

  /** The context grew by the byte before `end`: matches that predicted it stay, and new ones are looked for. */
  advance(context: Uint8Array, end: number): void {
    const { text } = this.#text;
    const { positions, lengths, weights } = this;
    const byte = context[end - 1];
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const at = positions[i] + 1;
      if (text[at] !== byte || text[at + 1] === 0) continue;
      const weight = this.#text.weightOf(at);
      if (weight === 0) continue;
      positions[kept] = at;
      weights[kept] = weight;
      lengths[kept++] = lengths[i] < MAXIMUM_MATCH ? lengths[i] + 1 : MAXIMUM_MATCH;
    }
    this.count = kept;
    if (kept < this.#limits.searchBelow) this.#search(context, end);
  }

  /** Looks for matches of the context's last six bytes, newest first. */
  #search(context: Uint8Array, end: number): void {
    if (end < MINIMUM_MATCH) return;
    const found = this.#found;
    const nFound = this.#text.recall(hashAt(context, end - 1), found);
    const { text } = this.#text;
    let touched = 0;
    for (let i = 0; i < nFound; i++) touched ^= text[found[i]];
    this.#touched ^= touched;
    const { positions, lengths, weights } = this;
    const survivors = this.count;
    let count = survivors;
    for (let i = 0; i < nFound && count < positions.length; i++) {
      const at = found[i];
      if (text[at + 1] === 0) continue;
      let length = 0;
      while (length < MAXIMUM_MATCH && length < end) {
        const byte = text[at - length];
        if (byte === 0 || byte !== context[end - 1 - length]) break;
        length++;
      }
      if (length < MINIMUM_MATCH) continue;
      if (length > MINIMUM_MATCH && isAmong(positions, survivors, at)) continue;
      const weight = this.#text.weightOf(at);
      if (weight === 0) continue;
      positions[count] = at;
      weights[count] = weight;
      lengths[count++] = length;
    }
    this.count = count;
  }
}

function isAmong(positions: Int32Array, count: number, at: number): boolean {
  for (let i = 0; i < count; i++) if (positions[i] === at) return true;
  return false;
}
