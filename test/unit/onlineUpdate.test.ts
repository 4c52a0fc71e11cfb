import { beforeAll, describe, expect, test } from 'vitest';
import { formatPolicyFile, type PolicyFile } from '../../src/config/policyFile.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from '../../src/policy/features.ts';
import { onlineDefaults } from '../../src/training/hyperParameters.ts';
import { judgeTexts } from '../../src/training/judgedTexts.ts';
import { type JudgedCompletion, sampledDecisions, worthOf } from '../../src/training/onlineMaterial.ts';
import { hedgePolicy, onlineUpdate } from '../../src/training/onlineUpdate.ts';
import { reliabilityOf } from '../../src/training/reliability.ts';
import { openBackend } from '../../src/training/tensorflow.ts';
import { silentPolicy, stoppingPolicy, toyCompletion, toyText } from '../support/onlineMaterial.ts';

beforeAll(() => openBackend('wasm'));

const isTrap = (i: number) => i % 2 === 1;
const many = <Item>(n: number, create: (i: number) => Item) => Array.from({ length: n }, (_, i) => create(i));

/** Judged as they deserve, or by a toss of a coin that knows nothing; the person's own text is right in any case. */
function judged(n: number, isAccepted: (i: number) => boolean): JudgedCompletion[] {
  return many(n, (i) => {
    const acceptedLength = isAccepted(i) ? 6 : 0;
    const agreedLength = isTrap(i) ? 0 : 6;
    const retained = Math.min(acceptedLength, agreedLength);
    return { ...toyCompletion(isTrap(i)), acceptedLength, retained, agreedLength };
  });
}

async function learn(
  material: {
    readonly shipped?: PolicyFile;
    readonly completions?: readonly JudgedCompletion[];
    readonly nTexts?: number;
  },
  seed = 1,
): Promise<PolicyFile> {
  const { shipped = hedgePolicy(), completions = [], nTexts = 0 } = material;
  const { policy } = await onlineUpdate({
    shipped,
    completions,
    texts: many(nTexts, (i) => toyText(isTrap(i))),
    hyperParameters: onlineDefaults,
    seed,
    pause: async () => {},
  });
  return policy;
}

const { rejectionCost, retainedGain } = onlineDefaults;
const rightWorth = 0.75 + (0.25 + retainedGain) * (6 / 80);
const wrongWorth = -0.25 - rejectionCost;

/** Worth of what is shown where it would be right, and where it is a trap. */
function shownBy(policy: PolicyFile | null): number[] {
  return judgeTexts(policy, [toyText(false), toyText(true)], onlineDefaults).map(({ worth }) => worth);
}

describe('learning from what is kept', () => {
  test('Hedge shows what is right and falls into the trap', () => {
    const [right, trap] = shownBy(null);
    expect(right).toBeCloseTo(rightWorth);
    expect(trap).toBeCloseTo(wrongWorth);
    expect(shownBy(hedgePolicy())).toEqual([right, trap]);
  });

  test('from text alone: silent in the trap, and the better member is trusted more', async () => {
    const policy = await learn({ nTexts: 120 });
    const [right, trap] = shownBy(policy);
    expect(right).toBeCloseTo(rightWorth);
    expect(trap).toBe(0);
    const loss = (of: PolicyFile | null) => judgeTexts(of, [toyText(false)], onlineDefaults)[0].loss;
    expect(loss(policy)).toBeLessThan(loss(null) - 0.01);
  });

  test('from outcomes: what nobody accepts is shown no more', async () => {
    const policy = await learn({ completions: judged(120, (i) => !isTrap(i)), nTexts: 4 });
    const [right, trap] = shownBy(policy);
    expect(right).toBeCloseTo(rightWorth);
    expect(trap).toBe(0);
  });

  test('from a toss of a coin: what is shown stays as it was shipped, and the better member is trusted more', async () => {
    const coin = randomNumbers(5);
    const completions = judged(300, () => coin() < 0.5);
    expect(reliabilityOf(completions)).toBe(0);
    // It would be silent for little more.
    const shipped = stoppingPolicy(-0.4);
    const policy = await learn({ shipped, completions, nTexts: 300 });
    expect(shownBy(policy)).toEqual([expect.closeTo(rightWorth), expect.closeTo(wrongWorth)]);
    const probability = (of: PolicyFile | null) =>
      Math.exp(-judgeTexts(of, [toyText(false)], onlineDefaults)[0].loss);
    expect(probability(policy)).toBeGreaterThan(probability(null) + 0.01);
  });

  test('from somebody who errs now and then it is learned all the same', async () => {
    const coin = randomNumbers(5);
    const completions = judged(300, (i) => (coin() < 0.2 ? coin() < 0.5 : !isTrap(i)));
    const policy = await learn({ completions, nTexts: 300 });
    expect(shownBy(policy)).toEqual([expect.closeTo(rightWorth), 0]);
  });

  test('the same material and seed give the same policy, another seed another', async () => {
    const [first, again, other] = [
      await learn({ nTexts: 8 }),
      await learn({ nTexts: 8 }),
      await learn({ nTexts: 8 }, 2),
    ];
    expect(formatPolicyFile(again)).toBe(formatPolicyFile(first));
    expect(formatPolicyFile(other)).not.toBe(formatPolicyFile(first));
  });

  test('without material it is the shipped policy', async () => {
    expect((await learn({})).network).toEqual(hedgePolicy().network);
  });

  test('a greater price of leaving the shipped policy keeps it nearer', async () => {
    const divergence = async (klCoef: number) => {
      const { changes } = await onlineUpdate({
        shipped: hedgePolicy(),
        completions: [],
        texts: many(40, (i) => toyText(isTrap(i))),
        hyperParameters: { ...onlineDefaults, klCoef },
        seed: 1,
        pause: async () => {},
      });
      return changes.divergence;
    };
    expect(await divergence(3)).toBeLessThan((await divergence(0)) / 2);
  });

  test('drawn actions with a good end become likelier, by the logged probability', async () => {
    const drawn = (reward: number): JudgedCompletion[] =>
      many(60, (i) => {
        const favours = i % 2 === 0 ? 1 : -1;
        const action = Float32Array.of(favours * 0.4, favours * -0.4);
        const accepted = favours > 0 ? reward : 6 - reward;
        const { steps, ...completion } = toyCompletion(false);
        const sampled = steps.map((step) => ({ ...step, action, actionLogProbability: -1, couldStop: true }));
        return {
          ...completion,
          steps: sampled,
          acceptedLength: accepted,
          retained: accepted,
          agreedLength: accepted,
        };
      });
    const firstWeight = async (reward: number) => {
      const { policy } = await onlineUpdate({
        shipped: hedgePolicy(),
        completions: drawn(reward),
        texts: [toyText(false)],
        hyperParameters: { ...onlineDefaults, nMinibatches: 40, logLossCoef: 0, klCoef: 0, policyCoef: 1 },
        seed: 1,
        pause: async () => {},
      });
      return -judgeTexts(policy, [toyText(false)], onlineDefaults)[0].loss;
    };
    expect(await firstWeight(6)).toBeGreaterThan(await firstWeight(0));
  });
});

describe('how far outcomes tell what was wanted', () => {
  const coin = randomNumbers(7);
  const cases: readonly [string, (i: number) => boolean, [low: number, high: number]][] = [
    ['always', (i) => !isTrap(i), [1, 1]],
    ['as a coin does: not at all', () => coin() < 0.5, [0, 0]],
    ['never, where all is accepted', () => true, [0, 0]],
    ['never, where all is rejected', () => false, [0, 0]],
    ['never, where it is the other way round', isTrap, [0, 0]],
    [
      'mostly, where every fifth is a toss of a coin',
      (i) => (i % 5 === 0 ? coin() < 0.5 : !isTrap(i)),
      [0.6, 0.85],
    ],
    ['half, where half of what is right is let be', (i) => !isTrap(i) && i % 4 === 0, [0.35, 0.5]],
  ];
  test.each(cases)('%s', (_, isAccepted, [low, high]) => {
    const reliability = reliabilityOf(judged(200, isAccepted));
    expect(reliability).toBeGreaterThanOrEqual(low);
    expect(reliability).toBeLessThanOrEqual(high);
  });

  test('of somebody unknown the best is assumed; a few outcomes of a coin do not pass for more', () => {
    const unknown = judged(20, () => false).map((completion) => ({ ...completion, agreedLength: null }));
    expect(reliabilityOf(unknown)).toBe(1);
    const samples = many(200, () => reliabilityOf(judged(20, () => coin() < 0.5)));
    expect(samples.filter((reliability) => reliability === 0).length).toBeGreaterThan(170);
  });
});

describe('what was drawn', () => {
  const layout = {
    shape: {
      kind: 'perMember' as const,
      nMembers: 2,
      memberFeatures: MEMBER_FEATURES,
      sharedFeatures: SHARED_FEATURES,
    },
    placesOf: (members: readonly string[]) => members.map((_, i) => i),
    memberMask: new Float32Array(MEMBER_FEATURES).fill(1),
    sharedMask: new Float32Array(SHARED_FEATURES).fill(1),
  };
  const stoppedOf = (couldStop: boolean | null, stops: boolean) => {
    const { steps, ...completion } = toyCompletion(false);
    const drawn = { action: Float32Array.of(1, -1), actionLogProbability: -1, couldStop, stops };
    return sampledDecisions(
      {
        ...completion,
        acceptedLength: 6,
        retained: 6,
        agreedLength: 6,
        steps: steps.map((step) => ({ ...step, ...drawn })),
      },
      layout,
      onlineDefaults,
    ).map(({ decision }) => decision.stopped);
  };

  test.each<[string, boolean | null, boolean, (boolean | null)[]]>([
    ['to go on, where that was a choice', true, false, [false]],
    ['to stop', true, true, [true]],
    ['nothing about stopping, where the person has asked for the text', false, false, [null]],
    ['nobody knows what, in a record from before it was taken down', null, false, []],
  ])('%s', (_, couldStop, stops, expected) => expect(stoppedOf(couldStop, stops)).toEqual(expected));
});

describe('what a text is worth', () => {
  test.each([
    ['silence', { shown: 0, accepted: 0, retained: null }, 0],
    ['all kept', { shown: 6, accepted: 6, retained: 6 }, rightWorth],
    ['rejected', { shown: 6, accepted: 0, retained: null }, wrongWorth],
    ['accepted and deleted again', { shown: 6, accepted: 6, retained: 0 }, wrongWorth],
  ])('%s', (_, kept, worth) => expect(worthOf(kept, onlineDefaults)).toBeCloseTo(worth));

  test('a policy that says nothing gains and loses nothing', () => {
    expect(shownBy(silentPolicy())).toEqual([0, 0]);
  });

  test('members that a policy does not know are not judged', () => {
    const policy = { ...hedgePolicy(), members: ['good'] };
    expect(judgeTexts(policy, [toyText(false)], onlineDefaults)).toEqual([
      { loss: Number.NaN, worth: Number.NaN },
    ]);
  });
});
