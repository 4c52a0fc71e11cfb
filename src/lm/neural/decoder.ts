import type { TokenTree } from './tokenTree.ts';

/** A token-level language model: tells what follows tokens placed in a tree over its KV caches. */
export interface Decoder {
  /** Length of a row. */
  readonly vocabularySize: number;
  /** Tokens that one text may have; those beyond are read as if they stood at the last place. */
  readonly nPositions: number;
  createCache(): DecoderCache;
  close(): Promise<void>;
}

/** The keys and values of the tokens of one tree. */
export interface DecoderCache {
  readonly tree: TokenTree;
  /** Whether every row that is wanted is given, not only a run's last. */
  readonly givesAllRows: boolean;
  /** Whether one forward pass reads tokens on different paths. */
  readonly readsTrees: boolean;
  /** Bytes of memory that it holds. */
  readonly bytes: number;
  /**
   * Evaluates `count` nodes of the tree, parents before their children; all other ancestors have been evaluated.
   * @param wanted per node: NONE, or IF_AT_HAND, or REQUIRED
   * @returns what follows them; valid until the next run
   */
  run(nodes: Int32Array, wanted: Uint8Array, count: number): TokenRows;
}

/** What follows tokens: rows of weights ≥ 0, vocabularySize long each; over their sum they are probabilities. */
export interface TokenRows {
  readonly data: Float32Array | Float64Array;
  /** Per evaluated node: where its row starts in `data`, or -1 where it has none. */
  readonly offsets: Int32Array;
  /** How many forward passes were run. */
  readonly passes: number;
}

export const NONE = 0;
export const IF_AT_HAND = 1;
export const REQUIRED = 2;

/** Most tokens of one forward pass: throughput is full there, and cancellation is checked between passes. */
export const MAXIMUM_BATCH = 64;
