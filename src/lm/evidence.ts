/**
 * What a member knows about its own prediction, beside the distribution: EVIDENCE numbers that depend on the text
 * alone. A number that does not apply to a kind of member is 0.
 */
export const EVIDENCE = 3;

/** Places in it. */
export const MATCH_LENGTH = 0; // n-gram: bytes of the longest earlier occurrence of the context that it predicts from
export const MATCH_SCOPE = 1; // n-gram: where that was found, one of matchScope
export const BOUNDARY_SHARE = 2; // network: part of the frontier's mass that stands between two tokens, 0 to 1

/** The nearer, the larger. Contexts under 6 bytes are told apart as `file` and `workspace` only. */
export const matchScope = { none: 0, workspace: 1, open: 2, file: 3 } as const;
