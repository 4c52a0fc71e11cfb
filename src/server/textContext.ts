import type { TextContext } from '../lm/member.ts';

/** A text with a cursor; offsets count UTF-16 units, as in the Language Server Protocol. */
export interface TextAtCursor {
  readonly uri: string;
  readonly languageId: string;
  readonly text: string;
  readonly offset: number;
}

/** UTF-16 units of text given to the members before and after the cursor. */
const prefixUnits = 16_384;
const suffixUnits = 4_096;
/**
 * The prefix begins at a multiple of this. While a person types it then mostly begins at the same place, so that
 * members can keep what they computed for it.
 */
const prefixGrain = 4_096;

const encoder = new TextEncoder();

/** The text around the cursor as members read it. The cursor must not be inside a character. */
export function buildContext({ uri, languageId, text, offset }: TextAtCursor): TextContext {
  let start = Math.max(0, Math.floor((offset - prefixUnits) / prefixGrain) * prefixGrain);
  if (isInsideCharacter(text, start)) start++;
  let end = Math.min(text.length, offset + suffixUnits);
  if (isInsideCharacter(text, end)) end--;
  return {
    documentId: uri,
    languageId,
    prefix: encoder.encode(text.slice(start, offset)),
    suffix: encoder.encode(text.slice(offset, end)),
  };
}

/** Whether the offset lies between the two halves of a surrogate pair. */
export function isInsideCharacter(text: string, offset: number): boolean {
  if (offset <= 0 || offset >= text.length) return false;
  return isHighSurrogate(text.charCodeAt(offset - 1)) && isLowSurrogate(text.charCodeAt(offset));
}

function isHighSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}

function isLowSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xdc00;
}
