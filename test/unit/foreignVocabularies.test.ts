import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measureAgreement, totalVariation } from '../../bench/support/agreement.ts';
import {
  type ForeignVocabulary,
  openForeignMember,
  readForeignTokenizer,
} from '../../bench/support/foreignMember.ts';
import { ByteTokenizer } from '../../src/lm/neural/byteTokenizer.ts';
import { defaultNeuralMemberOptions, type NeuralMember } from '../../src/lm/neural/neuralMember.ts';

const never = new AbortController().signal;
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'foreign-'));
});
afterAll(() => rm(folder, { recursive: true }));

const texts = [
  'export const total = values.reduce((sum, value) => sum + value, 0);',
  "it's don't we'll I'M",
  'x = 1234567890; y=0xFF',
  'a\r\n\r\n\t  b\r\nc',
  '   \n\n\n     if (y)',
  'naïve 日本語 Ωmega e\u0301',
  '👩‍👩‍👧🏳️‍🌈 🎼',
  '<|fim_prefix|> as text',
];

/** Each is one piece to every pre-tokenizer here. */
const words = [' valueOfTotal', ' naïve', ' Ωmega', ' 日本語テキスト', ' 👩‍👩‍👧🎼', ' ======'];

function contextOf(prefix: Uint8Array, documentId: string) {
  return { documentId, languageId: 'typescript', prefix, suffix: Buffer.from('\n}\n') };
}

describe.each<ForeignVocabulary>(['qwen2_5', 'llama3'])('the vocabulary of %s', (vocabulary) => {
  let member: NeuralMember;
  let tokenizer: ByteTokenizer;
  beforeAll(async () => {
    member = await openForeignMember(folder, vocabulary);
    tokenizer = new ByteTokenizer(await readForeignTokenizer(vocabulary));
  });
  afterAll(() => member.close());

  test.each(texts)('every byte of %j survives it', (text) => {
    const bytes = tokenizer.encode(text).map((token) => tokenizer.tokens[token] ?? new Uint8Array());
    expect(Buffer.concat(bytes).toString('utf8')).toBe(text);
  });

  test.each(texts)('along %j every distribution sums to 1 and excludes nothing', async (text) => {
    const stream = await member.open(contextOf(Buffer.from('let a;\n'), text), never);
    for (const byte of Buffer.from(text)) {
      await stream.advance(byte);
      expect(Math.abs(stream.distribution.reduce((a, b) => a + b) - 1)).toBeLessThan(1e-9);
      expect(Math.min(...stream.distribution)).toBeGreaterThan(0);
    }
    stream.release();
  });

  test('a cursor inside a word or a character gives what the text with more of the word gives', () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(...words), fc.nat(), fc.nat(), async (word, from, to) => {
        const text = Buffer.from(`let a =${word}`);
        const start = text.length - Buffer.byteLength(word);
        const end = start + 1 + (to % (text.length - start));
        const cut = start + 1 + (from % (end - start));
        const inside = await member.open(contextOf(text.subarray(0, cut), `${word} ${cut}`), never);
        for (const byte of text.subarray(cut, end)) await inside.advance(byte);
        const read = inside.distribution.slice();
        inside.release();
        const further = await member.open(contextOf(text.subarray(0, end), `${word} ${cut} ${end}`), never);
        further.release();
        expect(totalVariation(read, further.distribution)).toBeLessThan(0.01);
      }),
      { numRuns: 30, seed: 6 },
    ));

  test('the shipped frontier stays near one that follows many more tokenisations', async () => {
    const wide = await openForeignMember(folder, vocabulary, 'twoPart', {
      ...defaultNeuralMemberOptions,
      frontier: { hypotheses: 32, threshold: 0 },
    });
    const passages = [texts[0], texts[2]].map((text) => ({
      context: contextOf(Buffer.from('let a;\n'), text),
      bytes: Buffer.from(text).subarray(0, 16),
    }));
    const agreement = await measureAgreement(passages, { member }, { member: wide });
    await wide.close();
    expect(agreement.sameGreedy).toBeGreaterThan(0.9);
    expect(agreement.meanVariation).toBeLessThan(0.05);
  });
});
