import { expect, test } from 'vitest';
import { compare } from '../../src/evaluation/comparison.ts';
import type { LineResult } from '../../src/evaluation/metrics.ts';

const lines = (packageIdxs: readonly number[], bits: (i: number) => number): LineResult[] =>
  packageIdxs.map((packageIdx, i) => ({
    packageIdx,
    target: 'x',
    targetBytes: 1,
    exact: true,
    bits: bits(i),
    text: 'x',
    steps: [],
    shownText: 'x',
    logProbability: 0,
    confidence: 1,
    hasLeft: false,
  }));

test.each([
  { what: 'of packages', packageIdxs: [0, 0, 1, 1, 2, 2, 3, 3] },
  { what: 'of the cursors of a single package', packageIdxs: [0, 0, 0, 0, 0, 0, 0, 0] },
])('a difference has an interval, by drawing $what', ({ packageIdxs }) => {
  const [{ bitsPerByte }] = compare(
    { first: lines(packageIdxs, () => 1), second: lines(packageIdxs, (i) => 1 + i) },
    [],
    1,
  );
  expect(bitsPerByte.mean).toBe(3.5);
  expect(bitsPerByte.low).toBeGreaterThan(0);
  expect(bitsPerByte.low).toBeLessThan(3);
  expect(bitsPerByte.high).toBeGreaterThan(4);
});
