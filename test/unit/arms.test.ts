import { expect, test } from 'vitest';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { type ArmDraw, armShares, drawArm, type ServingVersions } from '../../src/policy/arms.ts';

function draws(versions: ServingVersions, nDraws: number, seed = 1): readonly ArmDraw[] {
  const random = randomNumbers(seed);
  return Array.from({ length: nDraws }, () => drawArm(versions, random));
}

const cases: readonly [name: string, versions: ServingVersions, expected: ArmDraw['propensities']][] = [
  ['all three', { champion: 3, challenger: 4 }, armShares],
  ['no challenger', { champion: 3, challenger: null }, { champion: 0.95, challenger: 0, hedge: 0.05 }],
  ['Hedge is the champion', { champion: null, challenger: 4 }, { champion: 0.7, challenger: 0.3, hedge: 0 }],
  ['Hedge alone', { champion: null, challenger: null }, { champion: 1, challenger: 0, hedge: 0 }],
];

test.each(cases)('%s: arms are drawn as often as their propensities say', (_, versions, expected) => {
  const nDraws = 20_000;
  const drawn = draws(versions, nDraws);
  for (const arm of ['champion', 'challenger', 'hedge'] as const) {
    expect(drawn[0].propensities[arm]).toBeCloseTo(expected[arm], 12);
    const share = drawn.filter((draw) => draw.arm === arm).length / nDraws;
    // Five standard deviations.
    expect(Math.abs(share - expected[arm])).toBeLessThanOrEqual(
      5 * Math.sqrt((expected[arm] * (1 - expected[arm])) / nDraws),
    );
  }
  const { champion, challenger, hedge } = drawn[0].propensities;
  expect(champion + challenger + hedge).toBeCloseTo(1, 12);
});

test('a draw names the version that serves, and those that it was drawn among', () => {
  const versions = { champion: 3, challenger: 4 };
  const served = { champion: 3, challenger: 4, hedge: null };
  const drawn = draws(versions, 200);
  expect(new Set(drawn.map(({ arm }) => arm)).size).toBe(3);
  for (const draw of drawn) expect(draw).toMatchObject({ policyVersion: served[draw.arm], versions });
});

test('the same seed draws the same arms', () => {
  const versions = { champion: 1, challenger: 2 };
  expect(draws(versions, 100, 7)).toEqual(draws(versions, 100, 7));
  expect(draws(versions, 100, 7)).not.toEqual(draws(versions, 100, 8));
});
