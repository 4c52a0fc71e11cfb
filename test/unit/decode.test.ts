import { expect, test } from 'vitest';
import { complete } from '../../src/decoding/complete.ts';
import type { DecodeOptions } from '../../src/decoding/decode.ts';
import { Hedge } from '../../src/policy/hedge.ts';
import { says, type ToyModel, toyStream } from '../support/toyStream.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** Completes at the █ in a document, with members that follow rules. */
function completeAt(document: string, models: readonly ToyModel[], options: Partial<DecodeOptions> = {}) {
  const [before, after] = document.split('█');
  return complete({
    context: {
      documentId: 'file:///a.ts',
      languageId: 'typescript',
      prefix: bytes(before),
      suffix: bytes(after),
    },
    streams: models.map((model) => toyStream(model)),
    members: models.map((_, i) => ({ id: `m${i}`, kind: 'neural' })),
    policy: new Hedge(models.length),
    combiner: 'linear',
    maximumBytes: 80,
    minimumProbability: 1e-9,
    signal: new AbortController().signal,
    ...options,
  });
}

const stops: {
  name: string;
  document: string;
  says: string;
  text: string;
  stopReason: string;
  options?: Partial<DecodeOptions>;
}[] = [
  {
    name: 'the end of the line',
    document: 'let a = █',
    says: 'b + 1;',
    text: 'b + 1;',
    stopReason: 'endOfLine',
  },
  { name: 'a newline', document: 'let a = █', says: 'b;\nlet c', text: 'b;', stopReason: 'endOfLine' },
  {
    name: 'a carriage return',
    document: 'let a = █\r\n',
    says: 'b;\r\nlet c',
    text: 'b;',
    stopReason: 'endOfLine',
  },
  { name: 'a closed bracket', document: 'f(█)', says: 'x);', text: 'x', stopReason: 'suffixOverlap' },
  {
    name: 'the rest of the line',
    document: 'f(█) => {\n',
    says: 'x, y) => {',
    text: 'x, y',
    stopReason: 'suffixOverlap',
  },
  { name: 'own brackets stay', document: 'f(█)', says: 'g(x)', text: 'g(x)', stopReason: 'endOfLine' },
  { name: 'a word is no overlap', document: 'a█ x', says: 'max', text: 'max', stopReason: 'endOfLine' },
  {
    name: 'a loop',
    document: '█',
    says: 'ab, '.repeat(30),
    text: 'ab,',
    stopReason: 'repetition',
    options: { minimumProbability: 1e-9 },
  },
  {
    name: 'the limit',
    document: '█',
    says: 'abcdefgh',
    text: '',
    stopReason: 'maximumLength',
    options: { maximumBytes: 4 },
  },
  { name: 'space before the rest', document: 'f(█)', says: 'a, ', text: 'a, ', stopReason: 'endOfLine' },
  { name: 'trailing space', document: '█', says: 'a = ', text: 'a =', stopReason: 'endOfLine' },
];
for (const { name, document, says: said, text, stopReason, options } of stops) {
  test(`stops at ${name}`, async () => {
    const completion = await completeAt(document, [says(said, 0.999), says(said, 0.99)], options);
    expect({ text: completion.text, stopReason: completion.stopReason }).toEqual({ text, stopReason });
  });
}

const silences = [
  { name: 'nothing to say', document: 'a;█\n', says: '', reason: 'empty' },
  { name: 'only white space', document: 'a;█\n', says: '   ', reason: 'empty' },
  {
    name: 'the next line says it',
    document: '  █\n\n  return x;\n',
    says: 'return x;',
    reason: 'alreadyThere',
  },
] as const;
for (const { name, document, says: said, reason } of silences) {
  test(`is silent: ${name}`, async () => {
    const completion = await completeAt(document, [says(said, 0.999)]);
    expect({ text: completion.text, reason: completion.noCompletionReason }).toEqual({ text: '', reason });
  });
}

test('shows only the steps it is sure enough of', async () => {
  const surePart: ToyModel = (soFar) =>
    soFar.length < 3 ? says('ab cdefgh', 0.99)(soFar) : says('ab cdefgh', 0.6)(soFar);
  const completion = await completeAt('█', [surePart], { minimumProbability: 0.5 });
  expect(completion).toMatchObject({ text: 'ab', stopReason: 'lowConfidence', noCompletionReason: null });
  const silent = await completeAt('█', [says('abc', 0.5)], { minimumProbability: 0.5 });
  expect(silent).toMatchObject({ text: '', noCompletionReason: 'lowConfidence' });
});

test('steps are lexemes; they make up the text, and their shares sum to 1', async () => {
  const completion = await completeAt('let total =█', [
    says(' first + x1;', 0.98),
    says(' first - x2;', 0.9),
  ]);
  expect(completion.steps.map((step) => step.text)).toEqual([' ', 'first', ' ', '+', ' ', 'x1', ';']);
  expect(completion.steps.map((step) => step.text).join('')).toBe(completion.text);
  for (const { shares } of completion.steps) expect(shares[0] + shares[1]).toBeCloseTo(1, 12);
  const plus = completion.steps[3].shares;
  expect(plus[0]).toBeGreaterThan(0.98);
});

test('a word of several members is said by the mixture, whoever leads', async () => {
  // Neither member alone says "ab": one knows the first byte, the other the second.
  const first: ToyModel = (soFar) =>
    soFar === '' ? { a: 0.9, x: 0.1 } : soFar === 'a' ? { END: 0.4, y: 0.6 } : { END: 1 };
  const second: ToyModel = (soFar) =>
    soFar === '' ? { a: 0.3, b: 0.7 } : soFar === 'a' ? { b: 0.99 } : { END: 1 };
  const completion = await completeAt('█', [first, second]);
  expect(completion.text).toBe('ay');
});

test('output is valid UTF-8 though a member prefers half a character', async () => {
  const lead = new TextEncoder().encode('é');
  const model: ToyModel = (soFar) =>
    soFar.length === 0 ? { [String.fromCharCode(lead[0])]: 0.9 } : { END: 0.9, x: 0.1 };
  const completion = await completeAt('█', [model], { minimumProbability: 1e-12 });
  expect(completion.text).toMatch(/^[\u00c0-\u00ff]/);
  expect(completion.text).not.toContain('\ufffd');
});

test('a member that answers later changes nothing', async () => {
  const models = [says('alpha(beta);', 0.97), says('alpha(gamma)', 0.8)];
  const [quick, slow] = await Promise.all([
    completeAt('█', models),
    completeAt('█', models, { streams: models.map((model) => toyStream(model, { slow: true })) }),
  ]);
  expect({ ...slow, policyMs: 0 }).toEqual({ ...quick, policyMs: 0 });
});

test('a stale request ends with the reason of its signal', async () => {
  const controller = new AbortController();
  const stopping: ToyModel = (soFar) => {
    if (soFar.length === 3) controller.abort(new Error('stale'));
    return says('abcdef', 0.99)(soFar);
  };
  await expect(completeAt('█', [stopping], { signal: controller.signal })).rejects.toThrow('stale');
});
