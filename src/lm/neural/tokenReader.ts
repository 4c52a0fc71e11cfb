import { type DecoderCache, IF_AT_HAND, MAXIMUM_BATCH, NONE, REQUIRED } from './decoder.ts';
import { type RowOwner, RowPool } from './rowPool.ts';
import type { SortedVocabulary } from './sortedVocabulary.ts';
import { ROOT } from './tokenTree.ts';

/** Tokens to be read in one go: each after a node that has been read, or after an earlier token of the batch. */
export class TokenBatch {
  count = 0;
  tokens = new Int32Array(MAXIMUM_BATCH);
  /** A node, ROOT, or `afterBatch(i)`. */
  parents = new Int32Array(MAXIMUM_BATCH);
  /** NONE, IF_AT_HAND (visited in passing) or REQUIRED (kept for `sums`). */
  wanted = new Uint8Array(MAXIMUM_BATCH);
  /** The nodes of the tokens, once read; each is held once for whoever asked. */
  nodes = new Int32Array(MAXIMUM_BATCH);

  clear(): void {
    this.count = 0;
  }

  add(parent: number, token: number, wanted: number): void {
    if (this.count === this.tokens.length) this.#grow();
    this.parents[this.count] = parent;
    this.tokens[this.count] = token;
    this.wanted[this.count++] = wanted;
  }

  #grow(): void {
    this.tokens = grown(this.tokens);
    this.parents = grown(this.parents);
    this.nodes = grown(this.nodes);
    const wanted = new Uint8Array(2 * this.wanted.length);
    wanted.set(this.wanted);
    this.wanted = wanted;
  }
}

function grown(old: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * old.length);
  larger.set(old);
  return larger;
}

/** A parent that is the i-th token of the same batch. */
export function afterBatch(i: number): number {
  return -2 - i;
}

/** What a frontier needs of a model: nodes of a token tree, and what follows each of them as prefix sums. */
export interface TokenReader {
  readonly vocabulary: SortedVocabulary;
  /** Forward passes so far. */
  readonly forwardPasses: number;
  /** Whether the batch can be read without a forward pass, from its `from`-th token on. */
  knows(batch: TokenBatch, from?: number): boolean;
  /** Reads the batch and fills its `nodes`; takes no forward pass where all of it had been read before. */
  read(batch: TokenBatch): void;
  /** What follows the node: a row as `SortedVocabulary.prefixSums` fills it. Kept while the node is held. */
  sums(node: number): Float64Array | undefined;
  hold(node: number): void;
  release(node: number): void;
}

/** Hears the prefix sums of every row that was wanted, before they are overwritten. */
export type RowVisitor = (node: number, sums: Float64Array) => void;

/** Reads tokens through a decoder's cache. */
export class CacheReader implements TokenReader, RowOwner {
  readonly vocabulary: SortedVocabulary;
  forwardPasses = 0;
  onRow: RowVisitor | undefined;
  readonly cache: DecoderCache;
  readonly #sums: (Float64Array | undefined)[] = [];
  readonly #rows: RowPool;
  /** Which tokens of the batch have to be run. */
  #toRun = new Int32Array(MAXIMUM_BATCH);
  readonly #runNodes = new Int32Array(MAXIMUM_BATCH);
  readonly #runWanted = new Uint8Array(MAXIMUM_BATCH);
  readonly #scratch: Float64Array;

  constructor(cache: DecoderCache, vocabulary: SortedVocabulary, rows = new RowPool(vocabulary)) {
    this.cache = cache;
    this.vocabulary = vocabulary;
    this.#rows = rows;
    this.#scratch = new Float64Array(vocabulary.rowLength);
  }

  sums(node: number): Float64Array | undefined {
    return node === ROOT ? undefined : this.#sums[node];
  }

  hold(node: number): void {
    this.cache.tree.hold(node);
  }

  release(node: number): void {
    this.cache.tree.release(node);
  }

  read(batch: TokenBatch): void {
    const { tree } = this.cache;
    let nRun = 0;
    for (let i = 0; i < batch.count; i++) {
      const given = batch.parents[i];
      const parent = given < ROOT ? batch.nodes[-2 - given] : given;
      const known = tree.find(parent, batch.tokens[i]);
      const sums = known === ROOT ? undefined : this.#sums[known];
      if (known !== ROOT && (sums || !this.#mustRun(batch.wanted[i]))) {
        if (sums) this.onRow?.(known, sums);
        tree.hold(known);
        batch.nodes[i] = known;
        continue;
      }
      batch.nodes[i] = tree.add(parent, batch.tokens[i]);
      if (nRun === this.#toRun.length) this.#toRun = grown(this.#toRun);
      this.#toRun[nRun++] = i;
    }
    if (nRun > 0) this.#runAll(batch, nRun);
  }

  /** Whether it does not do that a node has been read, because its row is gone. */
  #mustRun(wanted: number): boolean {
    return wanted === REQUIRED || (wanted === IF_AT_HAND && this.cache.givesAllRows);
  }

  knows(batch: TokenBatch, from = 0): boolean {
    const { tree } = this.cache;
    for (let i = from; i < batch.count; i++) {
      const given = batch.parents[i];
      const known = tree.find(given < ROOT ? batch.nodes[-2 - given] : given, batch.tokens[i]);
      if (known === ROOT || !this.#sums[known]) return false;
      batch.nodes[i] = known;
    }
    return true;
  }

  #runAll(batch: TokenBatch, nRun: number): void {
    for (let from = 0; from < nRun; from += MAXIMUM_BATCH) {
      const count = Math.min(MAXIMUM_BATCH, nRun - from);
      for (let i = 0; i < count; i++) {
        this.#runNodes[i] = batch.nodes[this.#toRun[from + i]];
        this.#runWanted[i] = batch.wanted[this.#toRun[from + i]];
      }
      this.#run(count);
    }
  }

  #run(count: number): void {
    const { data, offsets, passes } = this.cache.run(this.#runNodes, this.#runWanted, count);
    this.forwardPasses += passes;
    for (let i = 0; i < count; i++) {
      if (offsets[i] < 0 || this.#runWanted[i] === NONE) continue;
      const node = this.#runNodes[i];
      const sums = this.#runWanted[i] === REQUIRED ? this.#keep(node) : this.#scratch;
      this.vocabulary.prefixSums(data, offsets[i], sums);
      this.onRow?.(node, sums);
    }
  }

  /** A row for the node, which is held while its row is kept. */
  #keep(node: number): Float64Array {
    const sums = this.#rows.take(this, node);
    this.#sums[node] = sums;
    this.cache.tree.hold(node);
    return sums;
  }

  needsRow(node: number): boolean {
    return this.cache.tree.holders[node] > 1;
  }

  dropRow(node: number): void {
    this.#sums[node] = undefined;
    this.cache.tree.release(node);
  }

  /** Gives its rows back; nothing may be asked of it any more. */
  close(): void {
    this.#rows.forget(this);
  }
}
