import { expect, test } from 'vitest';
import { pairedBootstrap } from '../../src/evaluation/bootstrap.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { contenders } from '../../src/evaluation/policies.ts';
import { drawPositions, nearDuplicates } from '../../src/evaluation/positions.ts';
import { editSimilarity, judge } from '../../src/evaluation/typist.ts';
import type { Member } from '../../src/lm/member.ts';
import { says, toyStream } from '../support/toyStream.ts';

const outcomes = [
  { shown: 'foo(bar);', target: 'foo(bar);  ', accepted: 'whole', acceptedCharacters: 9, keysPressed: 1 },
  { shown: 'foo(baz);', target: 'foo(bar);', accepted: 'part', acceptedCharacters: 4, keysPressed: 2 },
  { shown: ' foo', target: ' foo + 1', accepted: 'part', acceptedCharacters: 4, keysPressed: 1 },
  { shown: 'foobar', target: 'foo', accepted: 'none', acceptedCharacters: 0, keysPressed: 0 },
  { shown: '', target: 'foo', accepted: 'none', acceptedCharacters: 0, keysPressed: 0 },
];
for (const { shown, target, ...expected } of outcomes) {
  test(`the typist given ${JSON.stringify(shown)} for ${JSON.stringify(target)}`, () => {
    expect(judge(shown, target)).toEqual(expected);
  });
}

test('edit similarity', () => {
  expect(editSimilarity('kitten', 'sitting')).toBeCloseTo(1 - 3 / 7, 12);
  expect(editSimilarity('', '')).toBe(1);
  expect(editSimilarity('abc', '')).toBe(0);
});

const source = (name: string, line: string) => ({
  name,
  files: [0, 1].map((fileIdx) => ({
    path: `${name}/${fileIdx}.ts`,
    languageId: 'typescript',
    text: Array.from({ length: 30 }, (_, i) =>
      i % 5 === 4 ? '' : `  const ${line}${fileIdx}${i} = compute(${i});`,
    ).join('\n'),
  })),
});
const packages = [source('one', 'alpha'), source('two', 'beta')];

test('positions are seeded, lie on lines with something left to say, and make up the file again', () => {
  const positions = drawPositions(packages, 50, 7);
  expect(positions).toHaveLength(50);
  expect(drawPositions(packages, 50, 7)).toEqual(positions);
  expect(drawPositions(packages, 50, 8)).not.toEqual(positions);
  for (const { packageIdx, fileIdx, before, target, after } of positions) {
    expect(before + target + after).toBe(packages[packageIdx].files[fileIdx].text);
    expect(target.trim()).not.toBe('');
    expect(target).not.toContain('\n');
  }
  expect(new Set(positions.map(({ packageIdx }) => packageIdx)).size).toBe(2);
  expect(positions.some(({ before }) => /\w$/.test(before))).toBe(true);
});

test('a file that repeats a third of another is its near-duplicate', () => {
  const file = {
    path: 'a',
    languageId: 'typescript',
    text: 'a long first line\na long second line\na long third line',
  };
  const copy = { path: 'b', languageId: 'typescript', text: 'something else here\n  a long second line' };
  const other = { path: 'c', languageId: 'typescript', text: 'something else here\nnothing in common' };
  expect(nearDuplicates(file, [file, copy, other])).toEqual([copy]);
});

test('the bootstrap finds a difference that every package shows, and none where they disagree', () => {
  const group = (difference: number) => ({ difference, size: 100 });
  const clear = pairedBootstrap([3, 4, 5, 3, 4].map(group), 1);
  expect(clear.mean).toBeCloseTo(0.038, 12);
  expect(clear.low).toBeGreaterThan(0.02);
  const mixed = pairedBootstrap([3, -4, 5, -3, -1].map(group), 1);
  expect(mixed.low).toBeLessThan(0);
  expect(mixed.high).toBeGreaterThan(0);
});

/** A member that knows the line at the cursor, or always says the same. */
function member(id: string, text: (prefix: string) => string): Member {
  return {
    id,
    kind: 'ngram',
    open: ({ prefix }) =>
      Promise.resolve(toyStream(says(text(new TextDecoder().decode(prefix)), 0.99), { slow: true })),
    close: () => Promise.resolve(),
  };
}

test('a member that knows every line is scored exact, the one that never does is not, and the index never holds the answer', async () => {
  const documents = new Map<string, string>();
  const whole = packages.flatMap(({ files }) => files.map(({ text }) => text));
  const restOfLine = (prefix: string) => {
    // All files begin with other words, which this many characters tell apart.
    for (const text of documents.values())
      expect(prefix.length > 20 && text.startsWith(prefix) && text.length > prefix.length).toBe(false);
    const text = whole.find((candidate) => candidate.startsWith(prefix)) ?? '';
    return text.slice(prefix.length).split('\n')[0];
  };
  const result = await evaluate({
    packages,
    members: [member('oracle', restOfLine), member('wrong', () => 'nonsense')],
    takesPart: () => true,
    index: {
      setDocument: async (id, text) => void documents.set(id, new TextDecoder().decode(text)),
      removeDocument: async (id) => void documents.delete(id),
    },
    contenders: contenders(['oracle', 'wrong']),
    positions: drawPositions(packages, 24, 3),
    seed: 3,
    signal: new AbortController().signal,
  });
  const { policies } = result;
  expect(result.corpus).toMatchObject({ files: 4, positions: 24 });
  expect(policies['single:oracle']).toMatchObject({ exactLine: 1, firstLexeme: 1, editSimilarity: 1 });
  expect(policies['single:oracle'].bitsPerByte).toBeLessThan(0.05);
  expect(policies['single:wrong']).toMatchObject({ exactLine: 0, firstLexeme: 0 });
  expect(policies.uniform.bitsPerByte).toBeGreaterThan(policies['single:oracle'].bitsPerByte);
  expect(policies.uniform.bitsPerByte).toBeLessThan(policies['single:wrong'].bitsPerByte);
  const [wrong, hedge] = ['single:wrong', 'hedge'].map((name) => {
    const found = result.comparisons.find((pair) => pair.name === name && pair.against === 'single:oracle');
    if (!found) throw new Error(`${name} is not compared`);
    return found;
  });
  expect(wrong.exactLine).toEqual({ mean: -1, low: -1, high: -1 });
  expect(wrong.bitsPerByte.low).toBeGreaterThan(0);
  expect(hedge.bitsPerByte.mean).toBeGreaterThan(0);
  expect(hedge.bitsPerByte.mean).toBeLessThan(wrong.bitsPerByte.mean);
});
