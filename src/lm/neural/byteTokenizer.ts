import { Tokenizer } from '@huggingface/tokenizers';
import * as z from 'zod';
import { MemberError } from '../../config/memberError.ts';
import {
  byteOfCharacter,
  checkTokenizer,
  type TokenizerFile,
  tokenizerFileSchema,
} from './tokenizerChecks.ts';

/** A pre-token and its canonical tokens. The tokenizer merges inside a piece and never across two. */
export interface Piece {
  /** Length in bytes. */
  readonly length: number;
  readonly tokens: readonly number[];
  readonly isWhiteSpace: boolean;
}

/** A byte-level BPE tokenizer (tokenizer.json), as the byte strings its tokens stand for. */
export class ByteTokenizer {
  /** By token id: the bytes, or null for a marker. Not to be changed. */
  readonly tokens: readonly (Uint8Array | null)[];
  readonly #markers: ReadonlyMap<string, number>;
  readonly #preTokenize: (text: string) => readonly string[];
  readonly #merge: (piece: string) => readonly string[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #pieces = new Map<string, Piece>();

  /**
   * @param json the parsed tokenizer.json
   * @throws MemberError for a tokenizer that cannot say every text byte for byte
   */
  constructor(json: unknown) {
    const parsed = tokenizerFileSchema.safeParse(json);
    if (!parsed.success) {
      throw new MemberError(
        `its tokenizer.json is not one that can be used: ${z.prettifyError(parsed.error)}`,
        'Use a model with a byte-level BPE tokenizer in the Hugging Face format.',
      );
    }
    checkTokenizer(parsed.data);
    this.#markers = new Map(parsed.data.added_tokens.map((token) => [token.content, token.id]));
    this.tokens = tokenBytes(parsed.data);
    this.#ids = new Map(Object.entries(parsed.data.model.vocab));
    // Text is taken as it is: without its normalizer, and with markers in the text read as ordinary characters.
    const library = new Tokenizer({ ...parsed.data, normalizer: null }, {});
    this.#preTokenize = (text) => library.pre_tokenizer?.pre_tokenize_text(text) ?? [];
    this.#merge = (piece) => library.model?.encode([piece]) ?? [];
    this.#checkLossless();
  }

  /** The id of a marker such as `<|fim_middle|>`; undefined where the text is not one single token. */
  marker(content: string): number | undefined {
    return this.#markers.get(content);
  }

  /** Splits a text into pieces; their lengths add up to that of the text in UTF-8. */
  pieces(text: string): Piece[] {
    return this.#preTokenize(text).map((characters) => this.#piece(characters));
  }

  encode(text: string): number[] {
    return this.pieces(text).flatMap((piece) => piece.tokens);
  }

  #piece(characters: string): Piece {
    const known = this.#pieces.get(characters);
    if (known) return known;
    const tokens = this.#merge(characters).map((token) => this.#ids.get(token) ?? -1);
    const length = tokens.reduce((sum, token) => sum + (this.tokens[token]?.length ?? 0), 0);
    if (length !== characters.length) {
      throw new MemberError(
        `its tokenizer loses bytes: ${characters.length} became ${length}`,
        'Its vocabulary and merges do not fit together; get the tokenizer.json that belongs to the model.',
      );
    }
    const isWhiteSpace = [...characters].every((character) => {
      const byte = byteOfCharacter.get(character);
      return byte === 32 || byte === 9 || byte === 10 || byte === 13;
    });
    if (this.#pieces.size >= MAXIMUM_CACHED_PIECES) this.#pieces.clear();
    const piece = { length, tokens, isWhiteSpace };
    if (length <= 64) this.#pieces.set(characters, piece);
    return piece;
  }

  /** What the checks cannot know of a pre-tokenizer, a text that has a bit of everything shows. */
  #checkLossless(): void {
    let bytes: Buffer;
    try {
      bytes = Buffer.concat(this.encode(PROBE).map((token) => this.tokens[token] ?? new Uint8Array()));
    } catch (error) {
      if (error instanceof MemberError) throw error;
      throw new MemberError(
        `its tokenizer fails on source text: ${error}`,
        'Its pre-tokenizer is not supported.',
      );
    }
    if (bytes.toString('utf8') === PROBE) return;
    throw new MemberError(
      'its tokenizer does not give back the text it was given',
      'Only tokenizers that keep every byte of the text can be used.',
    );
  }
}

const MAXIMUM_CACHED_PIECES = 20_000;
const PROBE =
  'def f(x1, y="näïve—日本"):\r\n\t  return x1_234 + 0xFF  # 🎼👩‍👩‍👧 don\'t\n\n\n   \u00a0ﬁ e\u0301 \u{1d518}\n// <|x|> ∑≠\0\x7f\n';

function tokenBytes(file: TokenizerFile): (Uint8Array | null)[] {
  const markers = new Set(file.added_tokens.map((token) => token.id));
  const tokens: (Uint8Array | null)[] = [];
  for (const [text, id] of Object.entries(file.model.vocab)) {
    if (markers.has(id)) continue;
    const bytes = Uint8Array.from(text, (character) => byteOfCharacter.get(character) ?? 0);
    while (tokens.length <= id) tokens.push(null);
    tokens[id] = bytes;
  }
  for (const id of markers) while (tokens.length <= id) tokens.push(null);
  return tokens;
}
