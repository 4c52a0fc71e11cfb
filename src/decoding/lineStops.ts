import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { NEWLINE } from '../lm/symbols.ts';

/** What stands after the cursor on its line, without the white space around it. */
export function restOfLine(suffix: Uint8Array): Uint8Array {
  const newline = suffix.indexOf(NEWLINE);
  let end = newline < 0 ? suffix.length : newline;
  let start = 0;
  while (end > start && suffix[end - 1] <= 32) end--;
  while (start < end && suffix[start] <= 32) start++;
  return suffix.subarray(start, end);
}

/**
 * How many bytes at the end of `text[0..length)` are the rest of the line over again; 0 where they are not.
 * They must begin where a lexeme may begin, and, unless `atLexemeEnd`, end with an operator. A closing
 * bracket that closes one opened in the text itself repeats nothing.
 */
export function suffixOverlap(
  text: Uint8Array,
  length: number,
  rest: Uint8Array,
  atLexemeEnd: boolean,
): number {
  const start = length - rest.length;
  if (rest.length === 0 || start < 0) return 0;
  if (!atLexemeEnd && lexemeClasses[rest[rest.length - 1]] !== lexemeClass.operator) return 0;
  for (let i = 0; i < rest.length; i++) if (text[start + i] !== rest[i]) return 0;
  const first = lexemeClasses[rest[0]];
  if (start > 0 && first !== lexemeClass.operator && lexemeClasses[text[start - 1]] === first) return 0;
  let depth = 0;
  for (let i = 0; i < start; i++) depth += bracketDepth(text[i]);
  return depth > 0 && bracketDepth(rest[0]) < 0 ? 0 : rest.length;
}

/** A stretch that stands this often in a row, over at least this many bytes, is a loop. */
const loopRepeats = 3;
const loopBytes = 24;

/** How many bytes to drop from the end of `text[0..length)` so that a loop stands there only once; 0 without one. */
export function repeatedTail(text: Uint8Array, length: number): number {
  for (let period = 1; period * loopRepeats <= length; period++) {
    let run = period;
    while (run < length && text[length - 1 - run] === text[length - 1 - run + period]) run++;
    if (run >= period * loopRepeats && run >= loopBytes) return Math.floor((run - period) / period) * period;
  }
  return 0;
}

function bracketDepth(byte: number): number {
  if (byte === 0x28 || byte === 0x5b || byte === 0x7b) return 1;
  return byte === 0x29 || byte === 0x5d || byte === 0x7d ? -1 : 0;
}
