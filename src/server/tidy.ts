import type { DecodeResult } from '../decoding/decode.ts';
import type { TokenReport } from '../protocol/completion.ts';

/**
 * What of the decoded tokens may stand in the document: a single line, whichever characters the document ends
 * lines with, without what only repeats the rest of the line, and without white space that would trail it.
 *
 * @param restOfLine the text between the cursor and the end of its line
 */
export function tidy(
  tokens: readonly TokenReport[],
  { stopReason, surplusBytes }: Pick<DecodeResult, 'stopReason' | 'surplusBytes'>,
  restOfLine: string,
): readonly TokenReport[] {
  const whole = tokens.map((token) => token.text).join('');
  const text = surplusBytes > 0 ? withoutLastBytes(whole, surplusBytes) : whole;
  const firstBreak = text.search(/[\r\n]/);
  let line = firstBreak < 0 ? text : text.slice(0, firstBreak);
  const endsLine = (firstBreak >= 0 || stopReason === 'endOfLine') && restOfLine.trim() === '';
  if (endsLine || line.trim() === '') line = line.trimEnd();
  return cut(tokens, line.length);
}

/** The tokens of the first `length` UTF-16 units. */
function cut(tokens: readonly TokenReport[], length: number): readonly TokenReport[] {
  const kept: TokenReport[] = [];
  let left = length;
  for (const token of tokens) {
    if (left <= 0) break;
    kept.push(token.text.length <= left ? token : { ...token, text: token.text.slice(0, left) });
    left -= token.text.length;
  }
  return kept;
}

function withoutLastBytes(text: string, nBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  // As a stream, so that a character cut in two is left out.
  return new TextDecoder().decode(bytes.subarray(0, bytes.length - nBytes), { stream: true });
}
