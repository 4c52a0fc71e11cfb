import { defaultSettings } from '../config/settings.ts';
import type { TextContext } from '../lm/member.ts';
import type { Decoder } from '../lm/neural/decoder.ts';
import { REQUIRED } from '../lm/neural/decoder.ts';
import type { PromptBuilder } from '../lm/neural/prompt.ts';
import type { SortedVocabulary } from '../lm/neural/sortedVocabulary.ts';
import { afterBatch, CacheReader, TokenBatch } from '../lm/neural/tokenReader.ts';
import { ROOT } from '../lm/neural/tokenTree.ts';
import { NEWLINE } from '../lm/symbols.ts';
import { type Contender, type Outcome, sureEnough } from './contender.ts';
import type { Cursor } from './cursor.ts';
import { encodeText, longestCompletion } from './targetIndex.ts';
import {
  chooseFromUnion,
  type TokenModel,
  type TokenState,
  type UnionRule,
  UnionVocabulary,
} from './tokenUnion.ts';

/** A neural member as its tokens see it. */
export interface TokenMember extends TokenModel {
  readonly id: string;
  readonly decoder: Decoder;
  readonly vocabulary: SortedVocabulary;
  readonly newPrompts: () => PromptBuilder;
}

/**
 * Ensembling as published, token by token over the union of the vocabularies: `gac` and `unite`. Only the neural
 * members take part, since an n-gram over bytes has no tokens. It writes, but gives true text no probability.
 *
 * @param loadMembers asked at the first cursor whose completion has not been collected; absent where there are none
 */
export function tokenContender(
  rule: UnionRule,
  loadMembers?: () => Promise<readonly TokenMember[]>,
  minimumConfidence = defaultSettings.minimumConfidence,
): Contender {
  const unions = new Map<string, UnionVocabulary>();
  const shown = (outcome: Outcome): Outcome => ({
    ...outcome,
    shownText: sureEnough(outcome.steps, minimumConfidence),
  });
  return {
    name: rule,
    isKept: true,
    async run(cursor, signal) {
      const kept = cursor.kept?.[rule];
      if (kept) return shown(kept);
      const all = await loadMembers?.();
      const present = all?.filter(({ id }) => cursor.members.some((member) => member.id === id)) ?? [];
      if (present.length === 0) return undefined;
      const key = present.map(({ id }) => id).join();
      const union = unions.get(key) ?? new UnionVocabulary(present);
      unions.set(key, union);
      return shown(await write(rule, union, present, cursor, signal));
    },
  };
}

async function write(
  rule: UnionRule,
  union: UnionVocabulary,
  members: readonly TokenMember[],
  cursor: Cursor,
  signal: AbortSignal,
): Promise<Outcome> {
  const started = performance.now();
  const readings = members.map((member) => new TokenReading(member, cursor.context));
  await Promise.all(readings.map((reading) => reading.open()));
  let { forced } = readings[0];
  // Only what stands on the cursor's line is left open, and only where the tokenizers agree on what is settled.
  const agree = readings.every((reading) => sameBytes(reading.forced, forced));
  const nRead = agree ? forced.lastIndexOf(NEWLINE) + 1 : Number.POSITIVE_INFINITY;
  for (const reading of readings) await reading.append(reading.forced.subarray(0, nRead));
  forced = forced.subarray(Math.min(nRead, forced.length));
  const written: number[] = [];
  const steps: { text: string; total: number }[] = [];
  let total = 0;
  while (written.length < longestCompletion) {
    signal.throwIfAborted();
    const { bytes, logProbability } = chooseFromUnion(rule, union, readings, forced);
    total += logProbability;
    if (bytes === null) break;
    const fresh = bytes.subarray(Math.min(bytes.length, forced.length));
    forced = forced.subarray(Math.min(bytes.length, forced.length));
    const lineEnd = fresh.findIndex((byte) => byte === NEWLINE || byte === CARRIAGE_RETURN);
    const kept = lineEnd < 0 ? fresh : fresh.subarray(0, lineEnd);
    written.push(...kept);
    steps.push({ text: decoder.decode(kept), total });
    if (lineEnd >= 0) break;
    await Promise.all(readings.map((reading) => reading.append(bytes)));
  }
  const text = decoder.decode(Uint8Array.from(written)).trimEnd();
  return {
    bits: Number.NaN,
    text,
    steps,
    shownText: text,
    logProbability: total,
    confidence: total,
    hasLeft: false,
    cost: {
      milliseconds: performance.now() - started,
      forwardPasses: readings.reduce((sum, { forwardPasses }) => sum + forwardPasses, 0),
      bytes: encodeText(text).length + 1,
    },
  };
}

/** One member reading a prompt and what is written after it, token by token. */
class TokenReading implements TokenState {
  readonly model: TokenMember;
  readonly forced: Uint8Array;
  readonly #prompt: readonly number[];
  readonly #reader: CacheReader;
  #node = ROOT;

  constructor(member: TokenMember, context: TextContext) {
    this.model = member;
    const { tokens, forced } = member.newPrompts().build(context);
    this.#prompt = tokens;
    this.forced = forced;
    this.#reader = new CacheReader(member.decoder.createCache(), member.vocabulary);
  }

  get forwardPasses(): number {
    return this.#reader.forwardPasses;
  }

  open(): Promise<void> {
    return this.#readTokens(this.#prompt);
  }

  readonly read = (): ReturnType<TokenState['read']> => {
    const { ids, size } = this.model.vocabulary;
    const sums = this.#reader.sums(this.#node);
    if (sums === undefined) throw new Error('The last token has not been read');
    const total = sums[size + 2];
    const tokens = new Float64Array(this.model.tokens.length);
    for (let i = 0; i < size; i++) tokens[ids[i]] = (sums[i + 1] - sums[i]) / total;
    return { tokens, end: sums[size + 1] / total };
  };

  /** The text goes on with these bytes: with the token that they are, else with the longest tokens that fit. */
  append(bytes: Uint8Array): Promise<void> {
    const { vocabulary } = this.model;
    const tokens: number[] = [];
    for (let from = 0; from < bytes.length; ) {
      const node = vocabulary.longestToken(bytes, from, bytes.length);
      if (node === 0) throw new Error(`${this.model.id} has no token for a byte`);
      tokens.push(vocabulary.token[node]);
      from += vocabulary.depth(node);
    }
    return this.#readTokens(tokens);
  }

  async #readTokens(tokens: readonly number[]): Promise<void> {
    if (tokens.length === 0) return;
    const batch = new TokenBatch();
    for (const [i, token] of tokens.entries()) {
      batch.add(i === 0 ? this.#node : afterBatch(i - 1), token, i === tokens.length - 1 ? REQUIRED : 0);
    }
    await this.#reader.read(batch);
    this.#node = batch.nodes[tokens.length - 1];
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const CARRIAGE_RETURN = 13;
const decoder = new TextDecoder();
