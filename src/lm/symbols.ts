/**
 * The alphabet that every member shares: the 256 byte values and END, "the insertion is complete".
 * A distribution over the next symbol is a Float64Array of SYMBOLS probabilities that sum to 1.
 */
export const END = 256;
export const SYMBOLS = 257;
export const NEWLINE = 10;
