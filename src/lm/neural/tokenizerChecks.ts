import * as z from 'zod';
import { MemberError } from '../../config/memberError.ts';

/** The parts of a Hugging Face tokenizer.json that decide whether every byte survives it. */
export const tokenizerFileSchema = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().nonnegative(), content: z.string() })).default([]),
  normalizer: z.looseObject({ type: z.string() }).nullish(),
  pre_tokenizer: z.looseObject({ type: z.string() }).nullish(),
  model: z.looseObject({
    type: z.string(),
    vocab: z.record(z.string(), z.int().nonnegative()),
    merges: z.array(z.union([z.string(), z.array(z.string())])),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
  }),
});
export type TokenizerFile = z.infer<typeof tokenizerFileSchema>;

/** GPT-2's printable stand-ins for bytes (github.com/openai/gpt-2, encoder.py): character → byte. */
export const byteOfCharacter: ReadonlyMap<string, number> = new Map(
  (function* () {
    let extra = 256;
    for (let byte = 0; byte < 256; byte++) {
      const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      yield [String.fromCharCode(printable ? byte : extra++), byte] satisfies [string, number];
    }
  })(),
);

/** Refuses tokenizers that cannot say every text byte for byte. @throws MemberError */
export function checkTokenizer(file: TokenizerFile): void {
  const problem =
    modelProblem(file) ??
    normalizerProblem(file.normalizer) ??
    splitterProblem(file) ??
    vocabularyProblem(file);
  if (problem) {
    throw new MemberError(
      `its tokenizer cannot be used: ${problem}`,
      'Use a model with a byte-level BPE tokenizer (as GPT-2, Qwen, StarCoder and Llama 3 have).',
    );
  }
}

function modelProblem({ model }: TokenizerFile): string | undefined {
  if (model.type !== 'BPE') return `its type is ${model.type}, not BPE`;
  if (model.continuing_subword_prefix || model.end_of_word_suffix) {
    return 'it marks the parts of words, so its tokens are not the bytes of the text';
  }
  return undefined;
}

/** Canonical composition is left out (the text is taken as it is); anything else changes bytes for good. */
function normalizerProblem(normalizer: unknown): string | undefined {
  const parsed = z
    .looseObject({ type: z.string(), normalizers: z.array(z.unknown()).optional() })
    .safeParse(normalizer);
  if (!parsed.success) return undefined;
  const { type, normalizers } = parsed.data;
  if (type === 'NFC') return undefined;
  if (type === 'Sequence') return normalizers?.map(normalizerProblem).find((found) => found !== undefined);
  return `its normalizer ${type} changes the text, so the text's own bytes cannot be told`;
}

const splitterSchema = z.looseObject({
  type: z.string(),
  add_prefix_space: z.boolean().optional(),
  behavior: z.string().optional(),
  pretokenizers: z.array(z.unknown()).optional(),
});

function splitters(value: unknown): z.infer<typeof splitterSchema>[] {
  const parsed = splitterSchema.safeParse(value);
  if (!parsed.success) return [];
  return parsed.data.type === 'Sequence'
    ? (parsed.data.pretokenizers ?? []).flatMap(splitters)
    : [parsed.data];
}

function splitterProblem({ pre_tokenizer }: TokenizerFile): string | undefined {
  const all = splitters(pre_tokenizer);
  const byteLevel = all.find((splitter) => splitter.type === 'ByteLevel');
  if (!byteLevel) return 'it is not byte-level, so some bytes have no token';
  if (byteLevel.add_prefix_space) return 'it puts a space before the text (add_prefix_space)';
  if (all.some((splitter) => splitter.behavior?.toLowerCase() === 'removed')) {
    return 'its pre-tokenizer removes characters';
  }
  return undefined;
}

function vocabularyProblem({ model, added_tokens }: TokenizerFile): string | undefined {
  const markers = new Map(added_tokens.map((token) => [token.id, token.content]));
  const singles = new Set<number>();
  for (const [text, id] of Object.entries(model.vocab)) {
    if (markers.has(id)) continue;
    const first = byteOfCharacter.get(text[0] ?? '');
    if (text.length === 1 && first !== undefined) singles.add(first);
    for (const character of text) {
      if (byteOfCharacter.has(character)) continue;
      return `its token ${JSON.stringify(text)} is no sequence of bytes (its character ${JSON.stringify(character)} stands for none)`;
    }
  }
  for (let byte = 0; byte < 256; byte++) {
    if (!singles.has(byte) && isUtf8Byte(byte)) {
      return `it has no token for the byte 0x${byte.toString(16).padStart(2, '0').toUpperCase()}, so some texts cannot be said`;
    }
  }
  for (const content of markers.values()) {
    if (!looksLikeMarker(content)) {
      return `its added token ${JSON.stringify(content)} overlaps with ordinary text, so a text has readings that this vocabulary cannot tell apart`;
    }
  }
  return undefined;
}

/** C0, C1 and F5 to FF occur in no UTF-8 text. */
function isUtf8Byte(byte: number): boolean {
  return byte !== 0xc0 && byte !== 0xc1 && byte < 0xf5;
}

/** `<|name|>`, `<name>`, `</name>`, `[NAME]`, `<｜name▁x｜>`: what nobody writes by hand in source. */
function looksLikeMarker(content: string): boolean {
  return /^(<[^\s<>]+>|\[[A-Z_0-9]+\])$/u.test(content) && content.length > 2;
}
