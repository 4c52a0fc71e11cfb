import { describe, expect, test } from 'vitest';
import { complete } from '../../src/decoding/complete.ts';
import { type DecodeOptions, scoreLine } from '../../src/decoding/decode.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { lexemeClass } from '../../src/lm/lexeme.ts';
import { createActorPolicy, type RecordedStep } from '../../src/policy/actorPolicy.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from '../../src/policy/features.ts';
import { Hedge } from '../../src/policy/hedge.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { RecordedPolicy, type SampledAction, type ServedStep } from '../../src/policy/recordedPolicy.ts';
import { randomPolicy } from '../support/policyFiles.ts';
import { says, toyStream } from '../support/toyStream.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const members = ['a', 'b', 'c'].map((id, i) => ({ id, kind: i === 0 ? 'ngram' : 'neural' }) as const);
const ids = members.map(({ id }) => id);
const context = { documentId: 'a', languageId: 'python', prefix: bytes('x = 1\n'), suffix: bytes('\n') };
const lines = ['alpha(beta) + 1;', 'alpha(gamma)', 'alpha = "größe" + x;'];

function options(policy: Policy, changes: Partial<DecodeOptions> = {}): DecodeOptions {
  return {
    context,
    streams: lines.map((line, i) =>
      toyStream(says(line, 0.9 - 0.1 * i), { recent: [-1, -0.5 * i, -1.5, -0.2, -1, -2], slow: i === 1 }),
    ),
    members,
    policy,
    combiner: 'linear',
    maximumBytes: 80,
    minimumProbability: 1e-30,
    skipBelow: 0,
    signal: new AbortController().signal,
    ...changes,
  };
}

/** Completes with the steps taken down, and without, which must say the same. */
async function record(newPolicy: () => Policy, changes: Partial<DecodeOptions> = {}) {
  const steps: ServedStep[] = [];
  const policy = new RecordedPolicy(newPolicy(), { nMembers: 3, record: (step) => steps.push(step) });
  const completion = await complete(options(policy, changes));
  const plain = await complete(options(newPolicy(), changes));
  expect({ ...completion, policyMs: 0 }).toEqual({ ...plain, policyMs: 0 });
  return { steps, completion };
}

/** ln Σ wᵢ Aᵢ − ln Σ wᵢ aᵢ. */
function logProbability({ weights, logLikelihoods, logStarts }: ServedStep): number {
  const sum = (logs: Float32Array) => logs.reduce((total, log, i) => total + weights[i] * Math.exp(log), 0);
  return Math.log(sum(logLikelihoods)) - Math.log(sum(logStarts));
}

const total = (steps: readonly ServedStep[]) => steps.reduce((sum, step) => sum + logProbability(step), 0);
const actor = (stopBias: number) => createActorPolicy(randomPolicy('*', {}, stopBias), ids);

test('the recorded numbers give back the probability of the text, under any policy', async () => {
  for (const policy of [() => new Hedge(3), () => actor(-100)]) {
    // Nothing is taken off the end of a text that something follows.
    const { steps, completion } = await record(policy, { context: { ...context, suffix: bytes('@\n') } });
    expect(completion.stopReason).toBe('endOfLine');
    expect(total(steps)).toBeCloseTo(completion.logProbability, 4);
    expect(steps.map(({ nBytes }) => nBytes)).toEqual([
      ...completion.steps.map(({ text }) => bytes(text).length),
      0,
    ]);
    expect(steps.at(-1)?.lexemeClass).toBe(lexemeClass.end);
    expect(new Set(steps.map(({ stops }) => stops))).toEqual(new Set([false]));
  }
});

test('true text is taken down in the same way', async () => {
  const steps: ServedStep[] = [];
  const policy = new RecordedPolicy(actor(0), { nMembers: 3, record: (step) => steps.push(step) });
  const score = await scoreLine(options(policy), bytes('alpha(größe)'));
  expect(total(steps)).toBeCloseTo(score, 3);
  expect(steps.map(({ nBytes }) => nBytes)).toEqual([5, 1, 7, 1, 0]);
});

test('what is seen has all features of all members, and Hedge’s weights', async () => {
  const { steps } = await record(() => new Hedge(3));
  for (const { observation, hedgeLogWeights, weights } of steps) {
    expect(observation.length).toBe(3 * MEMBER_FEATURES + SHARED_FEATURES);
    expect([...hedgeLogWeights].map((log) => Math.fround(Math.exp(log)))).toEqual(
      [...weights].map((weight) => expect.closeTo(weight, 6)),
    );
  }
  expect(new Set(steps.map(({ observation }) => observation.join())).size).toBe(steps.length);
});

test('sampled actions are those that the actor took, with their probabilities', async () => {
  const file = randomPolicy('*', {}, -1);
  const expected: RecordedStep[] = [];
  const random = randomNumbers(3);
  await complete(options(createActorPolicy(file, ids, { random, record: (step) => expected.push(step) })));

  const steps: ServedStep[] = [];
  let last: SampledAction | null = null;
  const sampled = createActorPolicy(file, ids, {
    random: randomNumbers(3),
    record: ({ action, couldStop, stopLogProbability }) => {
      last = { action, couldStop, logProbability: stopLogProbability };
    },
  });
  const takeAction = () => last;
  const policy = new RecordedPolicy(sampled, { nMembers: 3, record: (step) => steps.push(step), takeAction });
  await complete(options(policy));
  expect(steps.length).toBeGreaterThan(0);
  expect(steps.map(({ action }) => action)).toEqual(expected.map(({ action }) => action));
  expect(steps.map(({ actionLogProbability }) => actionLogProbability)).toEqual(
    expected.map(({ stopLogProbability }) => stopLogProbability),
  );
  const seen = expected.map(({ memberFeatures, sharedFeatures }) => [...memberFeatures, ...sharedFeatures]);
  expect(steps.map(({ observation }) => [...observation])).toEqual(seen);
});

describe('the end', () => {
  test('by the policy is a step without bytes that costs nothing', async () => {
    const { steps, completion } = await record(() => actor(100));
    expect(completion.text).toBe('');
    expect(steps).toMatchObject([{ stops: true, nBytes: 0, lexemeClass: lexemeClass.none }]);
    expect(logProbability(steps[0])).toBeCloseTo(0, 6);
  });

  test('for want of confidence keeps what was begun', async () => {
    const { steps, completion } = await record(() => new Hedge(3), { minimumProbability: 0.3 });
    expect(completion.stopReason).toBe('lowConfidence');
    const nBytes = steps.reduce((sum, step) => sum + step.nBytes, 0);
    expect(nBytes).toBeGreaterThanOrEqual(bytes(completion.text).length);
    expect(steps.every(({ stops }) => !stops)).toBe(true);
  });
});

test('a member that was not asked has no numbers', async () => {
  const alone: Policy = { name: 'alone', begin() {}, weights: (out) => out.set([1, 0, 0]) };
  const { steps } = await record(() => alone, { skipBelow: 0.01 });
  for (const { logLikelihoods, logStarts } of steps.slice(1)) {
    for (const logs of [logLikelihoods, logStarts]) {
      expect([...logs].map((log) => Number.isNaN(log))).toEqual([false, true, true]);
    }
  }
});
