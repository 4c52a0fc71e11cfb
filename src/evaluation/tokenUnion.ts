import { NEWLINE } from '../lm/symbols.ts';

/** A language model at the level of its tokens, with a greedy continuation in mind. */
export interface TokenModel {
  /** The bytes of each token by its id; null for a marker. */
  readonly tokens: readonly (Uint8Array | null)[];
}

/** A token model after some text. */
export interface TokenState {
  readonly model: TokenModel;
  /** The probability of each token, by its id, and that nothing follows. They sum to 1. */
  read(): { readonly tokens: Float64Array; readonly end: number };
}

/** How the models' opinions on the next token become one. */
export type UnionRule = 'gac' | 'unite';

/** UniTE considers this many tokens of each model. */
const nTop = 10;

/** What comes next: the bytes of a token; null for the end of the line. */
export interface UnionChoice {
  readonly bytes: Uint8Array | null;
  /** ln of what the rule gives it; for GaC a probability. */
  readonly logProbability: number;
}

/**
 * The vocabularies of several models as one, by the tokens' bytes; a token that begins with a line break is the end of
 * the line.
 */
export class UnionVocabulary {
  /** The bytes of each entry; the first is the end of the line. */
  readonly entries: readonly (Uint8Array | null)[];
  /** Per model: the entry of each token; −1 for a marker. */
  readonly #entryOf = new Map<TokenModel, Int32Array>();

  constructor(models: readonly TokenModel[]) {
    const entries: (Uint8Array | null)[] = [null];
    const known = new Map<string, number>();
    for (const model of models) {
      this.#entryOf.set(
        model,
        Int32Array.from(model.tokens, (bytes) => {
          if (bytes === null || bytes.length === 0) return -1;
          if (bytes[0] === NEWLINE || bytes[0] === CARRIAGE_RETURN) return 0;
          const key = bytes.join();
          const entry = known.get(key) ?? entries.push(bytes) - 1;
          known.set(key, entry);
          return entry;
        }),
      );
    }
    this.entries = entries;
  }

  /** The model's probabilities by entry; 0 for what it has no token for. */
  spread({ model, read }: TokenState): Float64Array {
    const { tokens, end } = read();
    const entryOf = this.#entryOf.get(model);
    if (entryOf === undefined) throw new Error('The model is not part of the union');
    const spread = new Float64Array(this.entries.length);
    spread[0] = end;
    for (let token = 0; token < tokens.length; token++) {
      if (entryOf[token] >= 0) spread[entryOf[token]] += tokens[token];
    }
    return spread;
  }
}

/**
 * GaC (Yu et al. 2024): Σᵢ wᵢ pᵢ over the union of the vocabularies. UniTE (Yao et al. 2025): over the union of each
 * model's ten most probable tokens, where a model without such a token gives it the probability of the longest token
 * that it begins with, each model's scores normalised over these. Equal weights; the most probable is chosen.
 *
 * @param forced bytes that the text must begin with: only tokens that agree with them are considered
 */
export function chooseFromUnion(
  rule: UnionRule,
  union: UnionVocabulary,
  states: readonly TokenState[],
  forced: Uint8Array,
): UnionChoice {
  const spreads = states.map((state) => union.spread(state));
  const scores = rule === 'gac' ? averaged(spreads) : unite(union, spreads);
  let best = -1;
  for (let entry = 0; entry < scores.length; entry++) {
    if ((best < 0 || scores[entry] > scores[best]) && agrees(union.entries[entry], forced)) best = entry;
  }
  return { bytes: union.entries[best], logProbability: Math.log(scores[best]) };
}

function averaged(spreads: readonly Float64Array[]): Float64Array {
  const scores = new Float64Array(spreads[0].length);
  for (const spread of spreads)
    for (let entry = 0; entry < spread.length; entry++) scores[entry] += spread[entry] / spreads.length;
  return scores;
}

function unite({ entries }: UnionVocabulary, spreads: readonly Float64Array[]): Float64Array {
  const candidates = new Set(spreads.flatMap(topEntries));
  const scores = new Float64Array(entries.length);
  for (const spread of spreads) {
    const own = [...candidates].map((entry): [number, number] => [
      entry,
      spread[entry] > 0 ? spread[entry] : longestBeginning(entries, spread, entries[entry]),
    ]);
    const sum = own.reduce((total, [, p]) => total + p, 0);
    for (const [entry, p] of own) scores[entry] += p / sum / spreads.length;
  }
  return scores;
}

function topEntries(spread: Float64Array): number[] {
  const top: number[] = [];
  for (let entry = 0; entry < spread.length; entry++) {
    if (top.length === nTop && spread[entry] <= spread[top[nTop - 1]]) continue;
    const place = top.findIndex((other) => spread[entry] > spread[other]);
    top.splice(place < 0 ? top.length : place, 0, entry);
    if (top.length > nTop) top.pop();
  }
  return top;
}

/** The probability of the longest token of the model that the bytes begin with. */
function longestBeginning(
  entries: UnionVocabulary['entries'],
  spread: Float64Array,
  bytes: Uint8Array | null,
): number {
  let longest = 0;
  let p = 0;
  for (const [entry, other] of entries.entries()) {
    if (spread[entry] === 0 || !other || !bytes || other.length <= longest || other.length > bytes.length)
      continue;
    if (!other.every((byte, i) => byte === bytes[i])) continue;
    longest = other.length;
    p = spread[entry];
  }
  return p;
}

function agrees(bytes: Uint8Array | null, forced: Uint8Array): boolean {
  if (forced.length === 0) return true;
  if (bytes === null) return false;
  for (let i = 0; i < Math.min(bytes.length, forced.length); i++) if (bytes[i] !== forced[i]) return false;
  return true;
}

const CARRIAGE_RETURN = 13;
