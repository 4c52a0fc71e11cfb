/** The shortest match that is looked up in the text; shorter contexts are counted in a table. In bytes. */
export const MINIMUM_MATCH = 6;
/** Matches are compared up to this length. In bytes. */
export const MAXIMUM_MATCH = 32;

/**
 * Text in which earlier occurrences of a context are found by the hash of its last six bytes. A position `at` stands
 * for the context that ends with `text[at]`; it predicts `text[at + 1]`. 0 in the text separates and matches nothing.
 */
export interface SearchableText {
  /** Replaced when the text grows: read it anew. */
  readonly text: Uint8Array;
  /**
   * Puts positions whose context has this hash into `found`, newest first, until it is full; how many. A few may
   * be of another context, or of text that is gone.
   */
  recall(hash: number, found: Int32Array): number;
  /** How much a match at this position counts; 0 if it must not be used. */
  weightOf(at: number): number;
}

/** The hash of a context's last six bytes, `older` and `newer` holding three each. */
export function contextHash(older: number, newer: number): number {
  let hash = Math.imul(newer, 0x9e3779b1) ^ Math.imul(older + 0x7f4a7c15, 0x85ebca6b);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return hash ^ (hash >>> 14);
}

/** The hash of the six bytes that end at a position. */
export function hashAt(text: Uint8Array, at: number): number {
  const older = (text[at - 5] << 16) | (text[at - 4] << 8) | text[at - 3];
  const newer = (text[at - 2] << 16) | (text[at - 1] << 8) | text[at];
  return contextHash(older, newer);
}
