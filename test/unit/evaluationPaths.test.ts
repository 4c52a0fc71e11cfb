import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeHeader, encodeHeader, headerLength } from '../../src/evaluation/pathStore.ts';
import { contenders } from '../../src/evaluation/policies.ts';
import { END } from '../../src/lm/symbols.ts';
import { never, readTexts, stored, toyCursor } from '../support/collected.ts';
import { says, type ToyModel } from '../support/toyStream.ts';

test('what is collected comes back as it was', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'é', '('), maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(text, { maxLength: 5 }),
      text,
      fc.array(fc.double({ max: 0, min: -50 })),
      async (texts, line, recent) => {
        const target = line.trimEnd();
        const live = await toyCursor([says('ab'), says('b(é')], target, [recent, [-0.5]]);
        await readTexts(live, [target, ...texts]);
        const back = stored(live);
        expect(back).toMatchObject({
          packageName: 'toy',
          target,
          languageId: 'typescript',
          members: live.members,
        });
        expect(back.context.prefix).toEqual(Uint8Array.from(live.context.prefix));
        expect(back.exponents).toEqual(live.exponents);
        expect(back.recent[0]).toEqual(Float64Array.from(recent));
        expect(back.tree.nNodes).toBe(live.tree.nNodes);
        for (let node = 0; node < live.tree.nNodes; node++) {
          for (const [i, { answers }] of live.paths.entries()) {
            expect(back.distribution(i, node)).toEqual(answers[node]?.distribution);
            expect([...back.evidence(i, node)]).toEqual(
              [...(answers[node]?.evidence ?? [])].map(Math.fround),
            );
          }
        }
        expect(back.truePath.length).toBe(Buffer.from(target).length + 1);
      },
    ),
    { numRuns: 40, seed: 5 },
  );
});

test('a header comes back, and other files are told apart', () => {
  const header = {
    packageName: 'é',
    members: [{ id: 'a', kind: 'ngram' as const }],
    digest: 'x',
    seed: 3,
    limit: 4,
    nCursors: 2,
    contenders: ['gac'],
    exploration: 'none' as const,
  };
  const bytes = encodeHeader(header);
  const length = headerLength(bytes.subarray(0, 16));
  expect(bytes.length).toBe(16 + (length ?? 0));
  expect(decodeHeader(bytes.subarray(16))).toEqual(header);
  expect(headerLength(Buffer.from('not such a file, but longer'))).toBeUndefined();
});

const models: ToyModel[] = [says('foo(bar, 1)', 0.8), says('foo(baz)', 0.9), says('fob + 2', 0.6)];

test('every contender writes and scores over collected paths what it does with the members', async () => {
  const live = await toyCursor(models, 'foo(bar)');
  const all = contenders(['m0', 'm1', 'm2'], {
    languages: {
      typescript: {
        bestSingle: 'm1',
        fixed: { m0: 0.5, m1: 0.3, m2: 0.2 },
        fixedGeometric: { m0: 1, m1: 0.4, m2: 0.1 },
      },
    },
    minimumConfidence: {},
  });
  const outcomes = [];
  for (const contender of all) outcomes.push(await contender.run(live, never));
  for (const path of live.paths) await path.complete();
  const back = stored(live);
  for (const [i, contender] of all.entries()) {
    const outcome = await contender.run(back, never);
    expect(outcome).toEqual(outcomes[i]);
    expect(outcome?.hasLeft).toBe(false);
  }
  expect(new Set(outcomes.map((outcome) => outcome?.text)).size).toBeGreaterThan(2);
});

test('a text that leaves the collected paths ends there and is counted', async () => {
  const live = await toyCursor([says('foo(bar)')], 'fox');
  await readTexts(live, ['fox', 'foo']);
  const back = stored(live);
  const [stream] = back.streams();
  for (const byte of Buffer.from('foo(')) stream.advance(byte);
  expect(stream.hasLeft).toBe(true);
  expect(stream.distribution[END]).toBeGreaterThan(0.999);
  expect(stream.distribution.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
  stream.advance(Buffer.from('x')[0]);
  expect(stream.distribution[END]).toBeGreaterThan(0.999);
  const [single] = contenders(['m0']);
  expect(await single.run(back, never)).toMatchObject({ text: 'foo(', hasLeft: true });
});

test('a cursor whose own target was not read is refused', async () => {
  const live = await toyCursor([says('a')], 'other');
  await readTexts(live, ['a']);
  expect(() => stored(live)).toThrow(/lacks its own target/);
});
