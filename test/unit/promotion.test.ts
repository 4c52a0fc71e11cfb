import { describe, expect, test } from 'vitest';
import { normalNumbers, randomNumbers } from '../../src/evaluation/random.ts';
import {
  type ArmSample,
  armDifferences,
  bettingDefaults,
  confidenceSequence,
  logWealth,
  type Observation,
} from '../../src/training/confidenceSequence.ts';
import {
  type Evidence,
  judgeChallenger,
  judgeChampion,
  promotionDefaults,
  type TextComparison,
} from '../../src/training/promotion.ts';

const { rewards } = promotionDefaults;
const limits = { low: -1.25, high: 1.25 };

/** A completion is accepted with some probability; rewards as they are: 0.75 + up to 0.25, or −0.25. */
function outcomes(
  nSamples: number,
  acceptRates: { readonly treatment: number; readonly control: number },
  random: () => number,
  propensity = 0.15 / 0.95,
): readonly ArmSample[] {
  return Array.from({ length: nSamples }, () => {
    const arm = random() < propensity ? 'treatment' : 'control';
    const isAccepted = random() < acceptRates[arm];
    return { arm, propensity, reward: isAccepted ? 0.75 + 0.25 * random() : -0.25 };
  });
}

/** Losses per byte differ by the shift on average, with spread 0.1. */
function texts(nTexts: number, shift: number, random: () => number): readonly TextComparison[] {
  const normal = normalNumbers(random);
  return Array.from({ length: nTexts }, () => {
    const nBytes = 10 + Math.floor(random() * 90);
    return { nBytes, lossDifference: nBytes * (shift + 0.1 * normal()), worthDifference: 0 };
  });
}

/** The mean reward when a share is accepted. */
const meanReward = (acceptRate: number) => acceptRate * 0.875 - (1 - acceptRate) * 0.25;

const mirrored = (all: readonly Observation[]) =>
  all.map(({ value, low, high }) => ({ value: -value, low: -high, high: -low }));

describe('the confidence sequence', () => {
  const simulations: readonly [name: string, propensity: number, treatment: number, control: number][] = [
    ['no difference', 0.5, 0.3, 0.3],
    ['no difference, a rare arm', 0.1, 0.3, 0.3],
    ['a difference, a rare arm', 0.1, 0.5, 0.3],
    ['hardly ever accepted', 0.15, 0.02, 0.02],
  ];
  test.each(simulations)('%s: at no time is the truth left out more often than α', (...simulation) => {
    const [, propensity, treatment, control] = simulation;
    const truth = meanReward(treatment) - meanReward(control);
    const nRuns = 400;
    const times = Array.from({ length: 40 }, (_, i) => 10 * (i + 1));
    let nLeftOut = 0;
    for (let run = 0; run < nRuns; run++) {
      const samples = outcomes(400, { treatment, control }, randomNumbers(run), propensity);
      const observations = armDifferences(samples, rewards);
      const isRefuted = (all: readonly Observation[], mean: number) =>
        times.some((time) => logWealth(all.slice(0, time), mean) >= Math.log(2 / bettingDefaults.alpha));
      if (isRefuted(observations, truth) || isRefuted(mirrored(observations), -truth)) nLeftOut++;
    }
    // α = 0.05 of 400 runs are 20; three standard deviations more.
    expect(nLeftOut).toBeLessThanOrEqual(33);
  });

  test('an interval made for one look, looked at as often, leaves the truth out far more often', () => {
    let nLeftOut = 0;
    for (let run = 0; run < 400; run++) {
      const samples = outcomes(400, { treatment: 0.3, control: 0.3 }, randomNumbers(run), 0.5);
      const values = armDifferences(samples, rewards).map(({ value }) => value);
      const isRefuted = (nLooked: number) => {
        const looked = values.slice(0, nLooked);
        const mean = looked.reduce((sum, value) => sum + value, 0) / nLooked;
        const variance = looked.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (nLooked - 1);
        return Math.abs(mean) > 1.96 * Math.sqrt(variance / nLooked);
      };
      if (Array.from({ length: 40 }, (_, i) => 10 * (i + 1)).some(isRefuted)) nLeftOut++;
    }
    expect(nLeftOut).toBeGreaterThan(80);
  });

  test('the bounds are where the wealth reaches 2/α', () => {
    const observations = armDifferences(
      outcomes(600, { treatment: 0.7, control: 0.2 }, randomNumbers(5), 0.5),
      rewards,
    );
    const { low, high, mean } = confidenceSequence(observations, limits);
    const threshold = Math.log(2 / bettingDefaults.alpha);
    expect(logWealth(observations, low)).toBeCloseTo(threshold, 3);
    expect(logWealth(mirrored(observations), -high)).toBeCloseTo(threshold, 3);
    expect(low).toBeLessThan(mean);
    expect(mean).toBeLessThan(high);
  });

  test('without observations nothing is known, and a sure thing closes in', () => {
    expect(confidenceSequence([], limits)).toMatchObject({ ...limits, nObservations: 0 });
    const sure = Array.from({ length: 2000 }, () => ({ value: 0.2, low: -1, high: 1 }));
    const { low, high } = confidenceSequence(sure, { low: -1, high: 1 });
    expect(low).toBeGreaterThan(0.15);
    expect(high).toBeLessThan(0.25);
    expect(low).toBeLessThanOrEqual(0.2);
    expect(high).toBeGreaterThanOrEqual(0.2);
  });

  test('it narrows as evidence grows', () => {
    const observations = armDifferences(
      outcomes(4000, { treatment: 0.4, control: 0.3 }, randomNumbers(3), 0.3),
      rewards,
    );
    const widths = [0, 100, 400, 1600, 4000].map((n) => {
      const { low, high } = confidenceSequence(observations.slice(0, n), limits);
      return high - low;
    });
    for (let i = 1; i < widths.length; i++) expect(widths[i]).toBeLessThan(widths[i - 1]);
  });

  test('differences of arms are unbiased and keep their bounds', () => {
    const [treatment, control] = [0.6, 0.3];
    const samples = outcomes(50_000, { treatment, control }, randomNumbers(11), 0.1);
    const observations = armDifferences(samples, rewards);
    expect(observations.every(({ value, low, high }) => value >= low && value <= high)).toBe(true);
    const total = (pick: (value: number) => number) =>
      observations.reduce((sum, { value }) => sum + pick(value), 0) / observations.length;
    const mean = total((value) => value);
    const deviation = Math.sqrt((total((value) => value ** 2) - mean ** 2) / observations.length);
    expect(Math.abs(mean - (meanReward(treatment) - meanReward(control)))).toBeLessThan(4 * deviation);
  });
});

describe('judging a challenger', () => {
  const check = (
    evidence: (random: () => number) => Evidence,
    nRuns = 20,
  ): Readonly<Record<string, number>> => {
    const counts: Record<string, number> = { promote: 0, reject: 0, notEnoughEvidence: 0 };
    for (let seed = 0; seed < nRuns; seed++) counts[judgeChallenger(evidence(randomNumbers(seed))).verdict]++;
    return counts;
  };
  const same = { treatment: 0.3, control: 0.3 };

  test('one that is better on held-out text, with nothing against it, is promoted', () => {
    const counts = check((random) => ({
      texts: texts(600, -0.05, random),
      outcomes: outcomes(300, same, random),
    }));
    expect(counts.promote).toBeGreaterThanOrEqual(19);
  });

  test('one that is better in outcomes and equal on text is promoted', () => {
    const counts = check((random) => ({
      texts: texts(600, 0, random).map((text) => ({ ...text, lossDifference: text.lossDifference / 20 })),
      outcomes: outcomes(1500, { treatment: 0.6, control: 0.3 }, random),
    }));
    expect(counts.promote).toBeGreaterThanOrEqual(19);
  });

  test('one that is worse on text is rejected, whatever the outcomes', () => {
    const better = { treatment: 0.6, control: 0.3 };
    const counts = check((random) => ({
      texts: texts(600, 0.05, random),
      outcomes: outcomes(300, better, random),
    }));
    expect(counts.reject).toBeGreaterThanOrEqual(19);
    expect(counts.promote).toBe(0);
  });

  test('one that is better on text but worse in outcomes is rejected', () => {
    const worse = { treatment: 0.1, control: 0.5 };
    const counts = check((random) => ({
      texts: texts(600, -0.05, random),
      outcomes: outcomes(1500, worse, random),
    }));
    expect(counts).toEqual({ promote: 0, reject: 20, notEnoughEvidence: 0 });
  });

  test('noise promotes hardly ever, though it is asked again and again', () => {
    const nRuns = 60;
    let nPromoted = 0;
    for (let seed = 0; seed < nRuns; seed++) {
      const random = randomNumbers(1000 + seed);
      const all = { texts: texts(400, 0, random), outcomes: outcomes(400, same, random) };
      for (let n = 50; n <= 400; n += 35) {
        const evidence = { texts: all.texts.slice(0, n), outcomes: all.outcomes.slice(0, n) };
        if (judgeChallenger(evidence).verdict !== 'promote') continue;
        nPromoted++;
        break;
      }
    }
    // α = 0.05 of 60 runs is 3; three standard deviations more.
    expect(nPromoted).toBeLessThanOrEqual(8);
  });

  test('a few texts that go very wrong keep it from promotion, though each is clipped', () => {
    const random = randomNumbers(2);
    const evidence = {
      texts: [...texts(600, -0.05, random), { nBytes: 100, lossDifference: 5000, worthDifference: 0 }],
      outcomes: outcomes(300, same, random),
    };
    expect(judgeChallenger(evidence)).toMatchObject({
      verdict: 'notEnoughEvidence',
      missing: [{ what: 'certainty' }],
    });
  });

  test.each([
    ['what would have been shown is worth more', 0.2, { verdict: 'promote', because: 'worth' }],
    ['it is worth less', -0.2, { verdict: 'reject', because: 'worth' }],
  ] as const)('%s at the same lines: outcomes need not say so', (_, shift, verdict) => {
    const random = randomNumbers(8);
    const normal = normalNumbers(randomNumbers(9));
    const lines = texts(600, 0, random).map((text) => ({
      ...text,
      lossDifference: 0,
      worthDifference: shift + 0.5 * normal(),
    }));
    expect(judgeChallenger({ texts: lines, outcomes: outcomes(300, same, random) })).toMatchObject(verdict);
  });

  test('too little evidence says what is missing, with the numbers so far', () => {
    const random = randomNumbers(4);
    const evidence = { texts: texts(12, -0.05, random), outcomes: outcomes(40, same, random) };
    const { treatment } = judgeChallenger(evidence).figures;
    expect(judgeChallenger(evidence)).toMatchObject({
      verdict: 'notEnoughEvidence',
      missing: [
        { what: 'texts', have: 12, need: 50 },
        { what: 'completions', have: treatment.nCompletions, need: 30 },
      ],
      figures: { loss: { nObservations: 12 }, reward: { nObservations: 40 } },
    });
    expect(judgeChallenger({ texts: [], outcomes: [] })).toMatchObject({ verdict: 'notEnoughEvidence' });
  });

  test('the same policy twice is never enough evidence', () => {
    const nothing = Array.from({ length: 500 }, () => ({
      nBytes: 40,
      lossDifference: 0,
      worthDifference: 0,
    }));
    const random = randomNumbers(6);
    expect(judgeChallenger({ texts: nothing, outcomes: outcomes(500, same, random) })).toMatchObject({
      verdict: 'notEnoughEvidence',
      missing: [{ what: 'certainty' }],
    });
  });
});

describe('judging a champion', () => {
  const verdicts = (evidence: (random: () => number) => Evidence) =>
    Array.from({ length: 20 }, (_, seed) => judgeChampion(evidence(randomNumbers(seed))).verdict);
  const count = (all: readonly string[], verdict: string) => all.filter((each) => each === verdict).length;

  test('harm rolls it back', () => {
    const fewHedges = 0.05;
    const harmful = verdicts((random) => ({
      texts: [],
      // Champion and Hedge change places: the champion is the treatment.
      outcomes: outcomes(1500, { treatment: 0.05, control: 0.6 }, random, 1 - fewHedges),
    }));
    expect(count(harmful, 'rollBack')).toBeGreaterThanOrEqual(19);
    const forgetful = verdicts((random) => ({ texts: texts(600, 0.05, random), outcomes: [] }));
    expect(count(forgetful, 'rollBack')).toBeGreaterThanOrEqual(19);
  });

  test('noise, a better champion and no evidence keep it', () => {
    const steady = verdicts((random) => ({
      texts: texts(300, -0.02, random),
      outcomes: outcomes(300, { treatment: 0.3, control: 0.3 }, random),
    }));
    expect(count(steady, 'keep')).toBeGreaterThanOrEqual(19);
    expect(judgeChampion({ texts: [], outcomes: [] }).verdict).toBe('keep');
  });
});
