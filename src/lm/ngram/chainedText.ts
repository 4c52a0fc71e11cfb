/** The shortest match that is looked up in the text; shorter contexts are counted in a table. In bytes. */
export const MINIMUM_MATCH = 6;
/** Matches are compared up to this length. In bytes. */
export const MAXIMUM_MATCH = 32;

/**
 * Text in which earlier occurrences of a context are found through one hash chain. A position `at` stands for the
 * context that ends with `text[at]`; it predicts `text[at + 1]`. 0 in the text separates, and matches nothing;
 * position 0 is never used, so that 0 ends a chain. The arrays are replaced when the text grows: read them anew.
 */
export interface ChainedText {
  readonly text: Uint8Array;
  /** The newest position of each hash bucket. */
  readonly head: Int32Array;
  /** The next older position in the bucket of each position. */
  readonly previous: Int32Array;
  /** What `contextHash` is shifted by: 32 less the number of bits of a bucket. */
  readonly shift: number;
  /** How much a match at this position counts; 0 if it must not be used. */
  weightOf(at: number): number;
  /** Where a match goes on whose next byte is a separator, or 0. */
  continuation(at: number): number;
}

/** The hash of a context's last six bytes, `older` and `newer` holding three each. */
export function contextHash(older: number, newer: number): number {
  let hash = Math.imul(newer, 0x9e3779b1) ^ Math.imul(older + 0x7f4a7c15, 0x85ebca6b);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d);
}
