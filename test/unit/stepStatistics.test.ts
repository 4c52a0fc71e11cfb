import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scoreLine } from '../../src/decoding/decode.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { StepStatistics, type StepTerms, stepLogProbability } from '../../src/policy/stepStatistics.ts';
import { says, toyStream } from '../support/toyStream.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const members = ['a', 'b', 'c'].map((id) => ({ id, kind: 'neural' as const }));

/** Scores a line under weights that change from step to step, and takes it apart. */
async function score(line: string, texts: readonly string[], weightsOf: (stepIdx: number) => Float64Array) {
  const steps: StepTerms[] = [];
  const statistics = new StepStatistics(texts.length, (terms) => steps.push(terms));
  const policy: Policy = {
    name: 'changing',
    begin: () => statistics.begin(),
    // The step that may begin is the one after those that are complete and the one under way.
    weights: (out, state) => out.set(weightsOf(state.length === 0 ? 0 : steps.length + 1)),
    observe: (symbol, state) => statistics.observe(symbol, state),
  };
  const context = {
    documentId: 'a',
    languageId: 'python',
    prefix: new Uint8Array(),
    suffix: new Uint8Array(),
  };
  const streams = texts.map((text, i) => toyStream(says(text, 0.6 + 0.1 * i)));
  const { signal } = new AbortController();
  const total = await scoreLine(
    { context, streams, members, policy, combiner: 'linear', signal },
    bytes(line),
  );
  return { steps, total };
}

test('the steps’ log probabilities sum to that of the line', () =>
  fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '(', '7', 'é', '.'), maxLength: 12 }),
      fc.array(fc.string({ unit: fc.constantFrom('a', 'b', ' ', '(', '.'), maxLength: 8 }), {
        minLength: 3,
        maxLength: 3,
      }),
      fc.array(fc.double({ min: 0.01, max: 1, noNaN: true }), { minLength: 45, maxLength: 45 }),
      async (line, texts, numbers) => {
        const weightsOf = (stepIdx: number) => {
          const own = numbers.slice(3 * stepIdx, 3 * stepIdx + 3);
          const sum = own.reduce((total, weight) => total + weight, 0);
          return Float64Array.from(own, (weight) => weight / sum);
        };
        const { steps, total } = await score(line, texts, weightsOf);
        const sum = steps.reduce((all, terms, i) => all + stepLogProbability(weightsOf(i), terms), 0);
        expect(sum).toBeCloseTo(total, 9);
      },
    ),
    { seed: 5 },
  ));

test('an empty line is one step: its end', async () => {
  const { steps, total } = await score('', ['', '', 'x'], () => Float64Array.of(1, 0, 0));
  expect(steps.length).toBe(1);
  expect(total).toBeCloseTo(steps[0].logStep[0], 12);
  expect([...steps[0].logStart]).toEqual([0, 0, 0]);
});
