import type { MemberManifest } from '../../config/memberManifest.ts';
import type { TextContext } from '../member.ts';
import type { ByteTokenizer, Piece } from './byteTokenizer.ts';

/** How much of the text around the cursor a member reads. */
export interface PromptLimits {
  readonly prefixBytes: number;
  readonly suffixBytes: number;
  /** Tokens kept free for the completion. */
  readonly completionTokens: number;
}

export const defaultPromptLimits: PromptLimits = {
  prefixBytes: 2000,
  suffixBytes: 500,
  completionTokens: 48,
};

/** The ids of the fill-in-the-middle markers. */
export interface Markers {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
  readonly order: MemberManifest['fillInTheMiddle']['order'];
}

export interface Prompt {
  /** What is read in tokens. */
  readonly tokens: readonly number[];
  /** The tokens of the text before the cursor: tokens[textStart] to tokens[textEnd - 1]. */
  readonly textStart: number;
  readonly textEnd: number;
  /** The text of those tokens. */
  readonly text: Uint8Array;
  /** The bytes between those tokens and the cursor: too near to it for their tokens to be settled. */
  readonly forced: Uint8Array;
}

/**
 * Makes the prompts of one document. The window on the text before the cursor begins at a line and stays there
 * from request to request while the text fits, so that the tokens before the cursor stay the same.
 */
export class PromptBuilder {
  readonly #tokenizer: ByteTokenizer;
  readonly #markers: Markers;
  readonly #budget: number;
  readonly #limits: PromptLimits;
  /** The text of the last window. */
  #window: Buffer = Buffer.alloc(0);
  #suffixText = '';
  #suffixTokens: readonly number[] = [];

  constructor(tokenizer: ByteTokenizer, markers: Markers, contextTokens: number, limits: PromptLimits) {
    this.#tokenizer = tokenizer;
    this.#markers = markers;
    this.#budget = contextTokens - limits.completionTokens - 3;
    this.#limits = limits;
  }

  build(context: TextContext): Prompt {
    const { prefix, suffix, middle, order } = this.#markers;
    const after = this.#encodeSuffix(context.suffix);
    const { tokens: before, text, forced } = this.#encodePrefix(context.prefix, this.#budget - after.length);
    if (after.length === 0) {
      return { tokens: [prefix, ...before], textStart: 1, textEnd: 1 + before.length, text, forced };
    }
    if (order === 'spm') {
      const tokens = [prefix, suffix, ...after, middle, ...before];
      return { tokens, textStart: tokens.length - before.length, textEnd: tokens.length, text, forced };
    }
    const tokens = [prefix, ...before, suffix, ...after, middle];
    return { tokens, textStart: 1, textEnd: 1 + before.length, text, forced };
  }

  /** The tokens of a text that begins at a token's end, but for the last piece, which may go on. */
  draft(text: Uint8Array): readonly number[] {
    const pieces = this.#tokenizer.pieces(Buffer.from(text).toString('utf8'));
    return pieces.slice(0, -1).flatMap((piece) => piece.tokens);
  }

  #encodeSuffix(suffix: Uint8Array): readonly number[] {
    const { suffixBytes } = this.#limits;
    let text = decodeStart(suffix, suffixBytes);
    if (suffix.length > suffixBytes && text.includes('\n')) text = text.slice(0, text.lastIndexOf('\n') + 1);
    if (text === this.#suffixText) return this.#suffixTokens;
    this.#suffixText = text;
    this.#suffixTokens = this.#tokenizer.encode(text).slice(0, Math.floor(this.#budget / 3));
    return this.#suffixTokens;
  }

  #encodePrefix(prefix: Uint8Array, budget: number): SettledText {
    const bytes = Buffer.from(prefix.buffer, prefix.byteOffset, prefix.length);
    let window = this.#sameWindow(bytes);
    let pieces = window ? this.#pieces(window) : [];
    const nTokens = countTokens(pieces);
    const isWorthKeeping = window?.length === bytes.length || nTokens > budget * WORTH_KEEPING;
    if (!window || nTokens > budget || !isWorthKeeping) {
      window = bytes.subarray(this.#freshStart(bytes, budget));
      pieces = this.#pieces(window);
    }
    if (pieces.reduce((sum, piece) => sum + piece.length, unfinishedCharacter(window)) !== window.length) {
      // Not UTF-8: read as a viewer would show it.
      window = Buffer.from(window.toString('utf8'));
      pieces = this.#pieces(window);
    }
    this.#window = Buffer.from(window);
    return this.#settledTokens(pieces, window);
  }

  #pieces(window: Buffer): Piece[] {
    return this.#tokenizer.pieces(window.toString('utf8', 0, window.length - unfinishedCharacter(window)));
  }

  /** Where the last window's beginning is found again, the text from there; undefined where it no longer fits. */
  #sameWindow(prefix: Buffer): Buffer | undefined {
    const old = this.#window;
    if (old.length === 0) return undefined;
    const needle = old.subarray(0, Math.min(old.length, 64));
    const earliest = Math.max(0, prefix.length - this.#limits.prefixBytes);
    let best: Buffer | undefined;
    let bestShared = Math.min(old.length, prefix.length) / 4;
    for (let at = prefix.indexOf(needle, earliest); at >= 0; at = prefix.indexOf(needle, at + 1)) {
      const candidate = prefix.subarray(at);
      const shared = sharedLength(old, candidate);
      if (shared < bestShared) continue;
      best = candidate;
      bestShared = shared;
    }
    return best;
  }

  /** The first line from which the text fits with some room to grow; all of it if it fits as it is. */
  #freshStart(prefix: Buffer, budget: number): number {
    const { prefixBytes } = this.#limits;
    if (prefix.length <= prefixBytes && countTokens(this.#pieces(prefix)) <= budget) return 0;
    const earliest = Math.max(0, prefix.length - Math.floor(prefixBytes * ROOM));
    const rough = characterStart(prefix, earliest);
    const pieces = this.#pieces(prefix.subarray(rough));
    let tokens = 0;
    let start = prefix.length;
    for (let i = pieces.length - 1; i >= 0; i--) {
      tokens += pieces[i].tokens.length;
      if (tokens > budget * ROOM) break;
      start -= pieces[i].length;
    }
    if (start === prefix.length) start -= Math.floor(budget * ROOM); // one endless word: a byte is a token at most
    start = characterStart(prefix, Math.max(rough, start));
    if (start === 0 || prefix[start - 1] === NEWLINE) return start;
    const nextLine = prefix.indexOf(NEWLINE, start) + 1;
    const isShort = prefix.length - nextLine < (prefix.length - start) / 4;
    return nextLine === 0 || isShort ? start : nextLine;
  }

  /**
   * The tokens that no continuation can change, and the bytes after them. What is typed next can lengthen the
   * last piece, and can regroup white space before the cursor.
   */
  #settledTokens(pieces: readonly Piece[], window: Uint8Array): SettledText {
    let nSettled = Math.max(0, pieces.length - 1);
    if (pieces.at(-1)?.isWhiteSpace) while (nSettled > 0 && pieces[nSettled - 1].isWhiteSpace) nSettled--;
    const tokens = pieces.slice(0, nSettled).flatMap((piece) => piece.tokens);
    let length = pieces.slice(0, nSettled).reduce((sum, piece) => sum + piece.length, 0);
    if (window.length - length > MAXIMUM_FORCED) {
      // Endless words (a minified line, data) are cut inside: their first tokens stand, only the rest is open.
      for (const token of pieces.slice(nSettled).flatMap((piece) => piece.tokens)) {
        const nBytes = this.#tokenizer.tokens[token]?.length ?? 0;
        if (window.length - length - nBytes < MAXIMUM_FORCED / 2) break;
        tokens.push(token);
        length += nBytes;
      }
    }
    return { tokens, text: window.subarray(0, length), forced: window.subarray(length) };
  }
}

interface SettledText {
  readonly tokens: number[];
  readonly text: Uint8Array;
  readonly forced: Uint8Array;
}

/** Of its limits, how much a window takes when it is chosen anew. */
const ROOM = 0.85;
/** Of the tokens there could be, how many a window must still have when its beginning is kept. */
const WORTH_KEEPING = 0.6;
const NEWLINE = 10;
/** The most bytes before the cursor that are read byte by byte. */
const MAXIMUM_FORCED = 64;

function countTokens(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.tokens.length, 0);
}

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}

function decodeStart(bytes: Uint8Array, maximum: number): string {
  if (bytes.length <= maximum) return Buffer.from(bytes).toString('utf8');
  let end = maximum;
  while (end > 0 && isContinuation(bytes[end])) end--;
  return Buffer.from(bytes.subarray(0, end)).toString('utf8');
}

function characterStart(bytes: Uint8Array, from: number): number {
  let start = from;
  while (start < bytes.length && isContinuation(bytes[start])) start++;
  return start;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** How many bytes at the end are the beginning of a character that is not complete. */
function unfinishedCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (isContinuation(byte)) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}
