import { RECENT_BYTES } from '../member.ts';
import type { ForesightVisitor } from '../remoteHost.ts';
import { END, NEWLINE } from '../symbols.ts';
import { ByteBigrams } from './byteBigrams.ts';
import type { DecoderCache } from './decoder.ts';
import { IF_AT_HAND, NONE, REQUIRED } from './decoder.ts';
import { Frontier, type FrontierOptions } from './frontier.ts';
import type { Prompt, PromptBuilder } from './prompt.ts';
import type { RowPool } from './rowPool.ts';
import type { SortedVocabulary } from './sortedVocabulary.ts';
import { afterBatch, CacheReader, TokenBatch } from './tokenReader.ts';
import { ROOT } from './tokenTree.ts';

export interface DocumentReaderOptions {
  readonly frontier: FrontierOptions;
  /** Tokens of one forward pass of a prefill. */
  readonly prefillTokens: number;
  /**
   * A forward pass that nobody has asked for yet is worth making for bytes that the member itself gives at least this
   * probability; above 1, none is.
   */
  readonly leastAheadProbability: number;
}

/** What was scored of a token: ln p of each of its bytes, and that the token then ends. */
interface TokenScore {
  readonly token: number;
  readonly bytes: Float64Array;
  readonly ends: number;
}

/**
 * A member's reading of one document: the cache of its tokens, kept from request to request. What a request has
 * in common with those before it (the prompt's beginning, the word being typed, an accepted completion) is
 * not read again.
 */
export class DocumentReader {
  readonly prompts: PromptBuilder;
  readonly reader: CacheReader;
  /** Stands at the cursor. */
  readonly cursor: Frontier;
  /** Runs ahead of `cursor`: along the expected bytes, and then the most probable ones. */
  readonly #scout: Frontier;
  #expected: Uint8Array = NOTHING;
  #nScouted = 0;
  /** The byte that the scout could not take without a forward pass. */
  #unread = 0;
  /** Of the bytes since the last forward pass ahead, or since the cursor. */
  #aheadProbability = 1;
  readonly #leastAheadProbability: number;
  /** Stands at the cursor too, and stays there while `cursor` goes on. */
  readonly #anchor: Frontier;
  readonly #batch = new TokenBatch();
  /** The prompt's last token, held; and the bytes after it that `#anchor` has read, with ln p of each. */
  #promptEnd = ROOT;
  #forced = new Uint8Array(0);
  #forcedScores: number[] = [];
  /** Scores of the tokens that follow a node. */
  readonly #scores = new Map<number, TokenScore>();
  #prompt: Prompt = {
    tokens: [],
    textStart: 0,
    textEnd: 0,
    text: new Uint8Array(0),
    forced: new Uint8Array(0),
  };
  readonly #bigrams = new ByteBigrams();
  #scoreFrom = 0;
  readonly #prefillTokens: number;

  constructor(
    cache: DecoderCache,
    vocabulary: SortedVocabulary,
    prompts: PromptBuilder,
    rows: RowPool,
    { frontier, prefillTokens, leastAheadProbability }: DocumentReaderOptions,
  ) {
    this.#prefillTokens = prefillTokens;
    this.#leastAheadProbability = leastAheadProbability;
    this.prompts = prompts;
    this.reader = new CacheReader(cache, vocabulary, rows);
    this.reader.onRow = (node, sums) => this.#scoreNext(node, sums);
    cache.tree.onFree((node) => this.#scores.delete(node));
    this.cursor = new Frontier(this.reader, frontier, this.#bigrams);
    this.#anchor = new Frontier(this.reader, frontier, this.#bigrams);
    this.#scout = new Frontier(this.reader, frontier, this.#bigrams);
  }

  /**
   * Goes on from the cursor along the expected and then the most probable bytes of the line, as far as has been read.
   * Returns the next byte on this way where a forward pass for it is worth making: `readAhead` makes it.
   */
  foresee(visit: ForesightVisitor, expected: Uint8Array): number | undefined {
    this.#scout.copyFrom(this.cursor);
    this.#expected = expected;
    this.#nScouted = 0;
    this.#aheadProbability = 1;
    return this.#scoutOn(visit);
  }

  get makesPassesAhead(): boolean {
    return this.#leastAheadProbability <= 1;
  }

  /** Makes the forward pass for the byte that was returned last, and goes on from there in the same way. */
  readAhead(visit: ForesightVisitor): number | undefined {
    const scout = this.#scout;
    scout.readOn();
    this.#aheadProbability = 1;
    if (visit(this.#unread, scout.distribution, scout.evidence)) return this.#scoutOn(visit);
    scout.clear();
    return undefined;
  }

  /** What was foreseen is not gone on with. */
  stopForeseeing(): void {
    this.#scout.clear();
  }

  #scoutOn(visit: ForesightVisitor): number | undefined {
    const scout = this.#scout;
    for (;;) {
      const at = this.#nScouted++;
      const byte = at < this.#expected.length ? this.#expected[at] : scout.mostProbable;
      if (byte === END || byte === NEWLINE) break;
      this.#aheadProbability *= scout.distribution[byte];
      if (!scout.tryAdvance(byte)) {
        if (this.#aheadProbability < this.#leastAheadProbability) break;
        this.#unread = byte;
        return byte;
      }
      if (!visit(byte, scout.distribution, scout.evidence)) break;
    }
    scout.clear();
    return undefined;
  }

  /**
   * Reads what probably follows the cursor in two batches: the tokens as the tokenizer would set them, and then,
   * where a pass reads a tree, the other tokenisations that turn out to weigh enough, all along the bytes at once.
   */
  expect(bytes: Uint8Array): void {
    const { leader } = this.cursor;
    if (!leader) return;
    this.#batch.clear();
    this.#addDraft(leader.node, Buffer.concat([leader.residual, bytes]));
    this.#readBatch();
    if (!this.reader.cache.readsTrees) return;
    this.#rehearse(bytes);
    this.#readBatch();
  }

  /** Adds what the frontier will need along these bytes to the batch, as far as what has been read tells. */
  #rehearse(bytes: Uint8Array): void {
    this.#batch.clear();
    this.#scout.copyFrom(this.cursor);
    for (let i = 0, isOn = true; isOn && i < bytes.length; i++) {
      const first = this.#batch.count;
      isOn = this.#scout.rehearse(bytes[i], this.#batch);
      // All that goes on has yet to be read: the heaviest fork, and after it what the tokenizer would set.
      if (!isOn && this.#batch.count > first) this.#addDraft(afterBatch(first), bytes.subarray(i + 1));
    }
    this.#scout.clear();
  }

  /** Adds the tokens of a text that follows `parent` to the batch, but for the last, which may go on. */
  #addDraft(parent: number, text: Uint8Array): void {
    let last = parent;
    for (const token of this.prompts.draft(text).slice(0, MAXIMUM_DRAFT)) {
      this.#batch.add(last, token, REQUIRED);
      last = afterBatch(this.#batch.count - 1);
    }
  }

  #readBatch(): void {
    this.reader.read(this.#batch);
    for (let i = 0; i < this.#batch.count; i++) this.reader.release(this.#batch.nodes[i]);
  }

  /** Reads up to the cursor. Between two forward passes it stops where the signal says so, and keeps what it has. */
  async read(prompt: Prompt, signal: AbortSignal): Promise<void> {
    const promptEnd = await this.#readPrompt(prompt, signal);
    if (promptEnd !== this.#promptEnd || !startsWith(prompt.forced, this.#forced)) {
      this.#bigrams.count(prompt.text);
      this.#anchor.start(promptEnd);
      this.#forced = new Uint8Array(0);
      this.#forcedScores = [];
    }
    this.reader.release(this.#promptEnd);
    this.#promptEnd = promptEnd;
    for (let i = this.#forced.length; i < prompt.forced.length; i++) {
      signal.throwIfAborted();
      const byte = prompt.forced[i];
      this.#forcedScores.push(Math.log(this.#anchor.distribution[byte]));
      this.#forced = prompt.forced.slice(0, i + 1);
      const nPasses = this.reader.forwardPasses;
      this.#anchor.advance(byte);
      if (this.reader.forwardPasses > nPasses) await turnOfEventLoop();
    }
    this.cursor.copyFrom(this.#anchor);
  }

  /** ln p of the last bytes before the cursor along the tokens of the prompt, as far back as it is known. */
  recentLogProbabilities(): Float64Array {
    const recent: number[] = this.#forcedScores.slice(-RECENT_BYTES).reverse();
    const { tree } = this.reader.cache;
    const { textStart, textEnd, tokens } = this.#prompt;
    let node = this.#promptEnd;
    for (let i = tokens.length - 1; i >= textEnd; i--) node = tree.parent[node];
    for (let i = textEnd - 1; i >= textStart && recent.length < RECENT_BYTES; i--) {
      const parent = tree.parent[node];
      const score = this.#scores.get(parent);
      if (score?.token !== tokens[i]) break;
      // That the token ended was needed for the first byte after it.
      if (recent.length > 0) recent[recent.length - 1] += score.ends;
      for (let j = score.bytes.length - 1; j >= 0; j--) recent.push(score.bytes[j]);
      node = parent;
    }
    return Float64Array.from(recent.slice(0, RECENT_BYTES).reverse());
  }

  /** Returns the prompt's last node, held once more, with its sums kept. */
  async #readPrompt(prompt: Prompt, signal: AbortSignal): Promise<number> {
    const { tokens } = prompt;
    const { tree } = this.reader.cache;
    this.#prompt = prompt;
    this.#scoreFrom = this.#firstToScore(prompt);
    let node = ROOT;
    let nKnown = 0;
    for (; nKnown < tokens.length - 1; nKnown++) {
      const next = tree.find(node, tokens[nKnown]);
      if (next === ROOT || !this.#isScoreKnown(next)) break;
      node = next;
    }
    this.reader.hold(node);
    for (let from = nKnown; from < tokens.length; from += this.#prefillTokens) {
      if (signal.aborted) {
        // What has been read stays: it is the next request's beginning.
        this.reader.release(this.#promptEnd);
        this.#promptEnd = node;
        this.#anchor.clear();
        this.#forced = NOT_READ;
        signal.throwIfAborted();
      }
      const to = Math.min(from + this.#prefillTokens, tokens.length);
      node = this.#readChunk(node, from, to);
      await turnOfEventLoop();
    }
    return node;
  }

  /** Reads tokens from `from` to `to` after a held node, which is let go; returns the last one, held. */
  #readChunk(node: number, from: number, to: number): number {
    const { tokens } = this.#prompt;
    this.#batch.clear();
    for (let i = from; i < to; i++) {
      const scored = this.#isScored(i + 1) ? IF_AT_HAND : NONE;
      const parent = i === from ? node : afterBatch(i - from - 1);
      this.#batch.add(parent, tokens[i], i === tokens.length - 1 ? REQUIRED : scored);
    }
    this.reader.read(this.#batch);
    this.reader.release(node);
    for (let i = 0; i < to - from - 1; i++) this.reader.release(this.#batch.nodes[i]);
    return this.#batch.nodes[to - from - 1];
  }

  /** From which token on the last bytes before the cursor are covered. */
  #firstToScore({ tokens, textStart, textEnd, forced }: Prompt): number {
    const { vocabulary } = this.reader;
    let first = textEnd;
    for (let length = forced.length; first > textStart && length < RECENT_BYTES; first--) {
      length += vocabulary.depth(vocabulary.nodeOfToken[tokens[first - 1]]);
    }
    return first;
  }

  #isScored(index: number): boolean {
    return index >= this.#scoreFrom && index < this.#prompt.textEnd;
  }

  /** Whether what follows the node on the prompt's path need not be scored, or has been, or can be at once. */
  #isScoreKnown(node: number): boolean {
    const { cache } = this.reader;
    const next = cache.tree.depth[node] + 1;
    if (!this.#isScored(next) || !cache.givesAllRows) return true;
    const sums = this.reader.sums(node);
    if (sums) this.#scoreNext(node, sums);
    return this.#scores.get(node)?.token === this.#prompt.tokens[next];
  }

  #scoreNext(node: number, sums: Float64Array): void {
    const { vocabulary, cache } = this.reader;
    const next = cache.tree.depth[node] + 1;
    if (!this.#isScored(next)) return;
    const token = this.#prompt.tokens[next];
    if (this.#scores.get(node)?.token === token) return;
    const bytes = new Float64Array(vocabulary.depth(vocabulary.nodeOfToken[token]));
    this.#scores.set(node, { token, bytes, ends: vocabulary.byteLogProbabilities(sums, token, bytes) });
  }
}

/** In which an abort is heard. */
function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const NOTHING = new Uint8Array(0);
/** The most tokens that are read ahead. */
const MAXIMUM_DRAFT = 16;
/** Longer than any prompt's forced bytes, so that they never seem to have been read. */
const NOT_READ = new Uint8Array(1 << 12);

function startsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  if (beginning.length > bytes.length) return false;
  for (let i = 0; i < beginning.length; i++) if (bytes[i] !== beginning[i]) return false;
  return true;
}
