import { beforeAll, expect, test, vi } from 'vitest';
import { featureGroups, formatPolicyFile, type PolicyFile } from '../../src/config/policyFile.ts';
import { formatTrainingCheckpoint, parseTrainingCheckpoint } from '../../src/config/trainingCheckpoint.ts';
import { scoreLine } from '../../src/decoding/decode.ts';
import { createActorPolicy } from '../../src/policy/actorPolicy.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { gateDefaults, ppoDefaults, stopDefaults } from '../../src/training/hyperParameters.ts';
import { completed } from '../../src/training/rollouts.ts';
import { openBackend } from '../../src/training/tensorflow.ts';
import {
  type TrainingCursor,
  type TrainingOptions,
  type TrainingState,
  trainPolicy,
} from '../../src/training/trainPolicy.ts';
import { oneIsRight } from '../support/oneIsRight.ts';
import { toyCursor } from '../support/toyCursor.ts';
import { says } from '../support/toyStream.ts';

// Seconds where nothing else runs.
vi.setConfig({ testTimeout: 300_000 });

beforeAll(async () => {
  await openBackend('wasm');
});

const options: TrainingOptions = {
  name: 'toy',
  algorithm: 'ppo',
  gateKind: 'slots',
  combiner: 'linear',
  granularity: 'token',
  spanLength: 4,
  groups: featureGroups,
  seed: 1,
  train: oneIsRight,
  heldOut: oneIsRight,
  stop: null,
  gate: { ...gateDefaults, batchSize: 16, nEpochs: 40, learningRate: 0.01 },
  ppo: {
    ...ppoDefaults,
    nSteps: 64,
    batchSize: 64,
    nEpochs: 6,
    learningRate: 0.01,
    targetKl: null,
    logLossCoef: 0,
  },
  initialLogSigma: 0,
  warmStart: 'hedge',
  nUpdates: 24,
  evaluateEvery: 24,
  notes: {},
  shouldStop: () => false,
  clock: () => 0,
  onEvent() {},
  onState() {},
};

/** The mean weight of the member `ngram` at the steps of the true text. */
async function weightOfTheRight(cursor: TrainingCursor, policy: Policy): Promise<number> {
  const right = cursor.members.findIndex(({ id }) => id === 'ngram');
  const weights: number[] = [];
  const watched: Policy = {
    name: 'watched',
    begin: (situation) => policy.begin(situation),
    observe: (symbol, state) => policy.observe?.(symbol, state),
    weights(out, state) {
      policy.weights(out, state);
      weights.push(out[right] / out.reduce((sum, weight) => sum + weight, 0));
    },
  };
  const signal = new AbortController().signal;
  const bytes = new TextEncoder().encode(cursor.target);
  await scoreLine(
    { ...cursor, streams: cursor.streams(), policy: watched, combiner: 'linear', signal },
    bytes,
  );
  return weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
}

const served = (file: PolicyFile, { members }: TrainingCursor) =>
  createActorPolicy(
    file,
    members.map(({ id }) => id),
  );

const learners = [
  { algorithm: 'gate', gateKind: 'slots' },
  { algorithm: 'gate', gateKind: 'perMember' },
  { algorithm: 'ppo' },
  {
    algorithm: 'mappo',
    nUpdates: 20,
    evaluateEvery: 20,
    ppo: { ...options.ppo, nSteps: 128, batchSize: 128, nEpochs: 8, learningRate: 0.003 },
  },
  { algorithm: 'ppo', granularity: 'span' },
] satisfies Partial<TrainingOptions>[];

test.each(learners)('the member that is always right gets the weight: %o', async (chosen) => {
  const file = await trainPolicy({ ...options, ...chosen });
  for (const cursor of oneIsRight) {
    expect(await weightOfTheRight(cursor, served(file, cursor))).toBeGreaterThan(0.9);
  }
});

test('the same seed gives the same file, bit for bit, and another seed another', async () => {
  const chosen = {
    ...options,
    warmStart: 'gate',
    gate: { ...options.gate, nEpochs: 2 },
    nUpdates: 2,
  } as const;
  const first = formatPolicyFile(await trainPolicy(chosen));
  expect(formatPolicyFile(await trainPolicy(chosen))).toBe(first);
  expect(formatPolicyFile(await trainPolicy({ ...chosen, seed: 2 }))).not.toBe(first);
});

test('training goes on from a checkpoint as if it had not been ended', async () => {
  const states: TrainingState[] = [];
  const chosen: TrainingOptions = { ...options, nUpdates: 4, evaluateEvery: 1 };
  await trainPolicy({ ...chosen, onState: (state) => void states.push(state) });
  expect(states.map(({ update }) => update)).toEqual([0, 1, 2, 3, 4]);

  const checkpoint = parseTrainingCheckpoint(formatTrainingCheckpoint('toy', states[2]));
  expect(checkpoint?.identity).toBe('toy');
  const resumed: TrainingState[] = [];
  await trainPolicy({
    ...chosen,
    ...(checkpoint ? { resume: checkpoint.state } : {}),
    onState: (state) => void resumed.push(state),
  });
  expect(resumed.map(({ update }) => update)).toEqual([3, 4]);
  const weights = ({ actor }: TrainingState) => [...actor.network.action.weights];
  for (const [i, weight] of weights(states[4]).entries()) {
    expect(weights(resumed[1])[i]).toBeCloseTo(weight, 4);
  }
});

test('it ends after the update in hand when asked to', async () => {
  const updates: number[] = [];
  await trainPolicy({
    ...options,
    shouldStop: () => updates.length === 2,
    onEvent: (event) => void (event.stage === 'update' && updates.push(event.update)),
  });
  expect(updates).toEqual([1, 2]);
});

test.each(['gate', 'stop'])('what was cut short in the stage %s is no state to go on from', async (stage) => {
  const states: TrainingState[] = [];
  let isReached = false;
  await trainPolicy({
    ...options,
    warmStart: 'gate',
    gate: { ...options.gate, nEpochs: 2 },
    stop: { ...stopDefaults, nEpochs: 2 },
    shouldStop: () => isReached,
    onEvent: (event) => {
      isReached ||= event.stage === stage;
    },
    onState: (state) => void states.push(state),
  });
  expect(isReached).toBe(true);
  expect(states).toEqual([]);
});

/** Where text follows on the line, the members are right; elsewhere they are wrong, and as sure. */
const rightWhereTextFollows = ['a + b', 'get(it)'].flatMap((target) => {
  const models = { neural: says(target), ngram: says(target) };
  return [toyCursor({ target, models, suffix: ');\n' }), toyCursor({ target: '{}', models })];
});

const silenceLearners: readonly Partial<TrainingOptions>[] = [
  {
    algorithm: 'ppo',
    nUpdates: 0,
    stop: { ...stopDefaults, learningRate: 0.01, nEpochs: 200, patience: 200, logLossRows: 16 },
  },
  {
    algorithm: 'mappo',
    nUpdates: 0,
    stop: { ...stopDefaults, learningRate: 0.01, nEpochs: 200, patience: 200, logLossRows: 16 },
  },
];

test.each(silenceLearners)('it is silent where it would be wrong: $algorithm', async (chosen) => {
  const file = await trainPolicy({
    ...options,
    train: rightWhereTextFollows,
    heldOut: rightWhereTextFollows,
    ...chosen,
  });
  for (const cursor of rightWhereTextFollows) {
    const policy = served(file, cursor);
    const { text } = await completed(cursor, { policy, combiner: 'linear', isExplicit: false });
    expect(text).toBe(cursor.target === '{}' ? '' : cursor.target);
  }
});
