import { expect, test } from 'vitest';
import { Hedge } from '../../src/policy/hedge.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

function weightsAfter(
  text: string,
  logProbabilities: readonly number[][],
  options?: { learningRate: number; share: number },
) {
  const hedge = new Hedge(logProbabilities.length, options);
  hedge.begin({
    recent: {
      bytes: bytes(text),
      logProbabilities: logProbabilities.map((row) => Float64Array.from(row)),
    },
  });
  const out = new Float64Array(logProbabilities.length);
  hedge.weights(out);
  return [...out];
}

test('without anything scored the weights are the prior', () => {
  expect(weightsAfter('abc', [[], []])).toEqual([0.5, 0.5]);
});

test('one step: h ← (1 − α) h·P^η / Σ + α · prior', () => {
  const [first, second] = [0.8 ** 0.5 * 0.5 ** 0.5, 0.2 ** 0.5 * 0.5 ** 0.5];
  const expected = 0.8 * (first / (first + second)) + 0.2 * 0.5;
  const weights = weightsAfter('ab', [
    [Math.log(0.8), Math.log(0.5)],
    [Math.log(0.2), Math.log(0.5)],
  ]);
  expect(weights[0]).toBeCloseTo(expected, 12);
  expect(weights[0] + weights[1]).toBeCloseTo(1, 12);
});

test('a step ends where the class of the bytes changes', () => {
  const rows = (n: number) => [Array(n).fill(-0.1), Array(n).fill(-1)];
  const oneStep = weightsAfter('abcd', rows(4));
  const fourSteps = weightsAfter('a b ', rows(4));
  expect(fourSteps[0]).not.toBeCloseTo(oneStep[0], 3);
});

test('the member that foresees the text gains; with a switch the other comes back', () => {
  const good = Array(40).fill(-0.1);
  const bad = Array(40).fill(-2);
  const text = 'ab, '.repeat(20);
  expect(
    weightsAfter(text, [
      [...good, ...good],
      [...bad, ...bad],
    ])[0],
  ).toBeGreaterThan(0.85);
  expect(
    weightsAfter(text, [
      [...good, ...bad],
      [...bad, ...good],
    ])[1],
  ).toBeGreaterThan(0.85);
});

test('scores of different lengths are aligned at the newest byte, and a new completion starts afresh', () => {
  const hedge = new Hedge(2);
  const out = new Float64Array(2);
  const begin = (rows: number[][]) => {
    const logProbabilities = rows.map((row) => Float64Array.from(row));
    hedge.begin({ recent: { bytes: bytes('abc def'), logProbabilities } });
    hedge.weights(out);
    return [...out];
  };
  const short = begin([
    [-0.1, -0.1],
    [-3, -3],
  ]);
  begin([
    [-5, -5, -5],
    [-0.1, -0.1, -0.1],
  ]);
  expect(
    begin([
      [-9, -9, -0.1, -0.1],
      [-3, -3],
    ]),
  ).toEqual(short);
});
