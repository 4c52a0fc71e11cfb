import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { featureGroups, type PolicyFile } from '../../src/config/policyFile.ts';
import type { CombinerName } from '../../src/decoding/combiner.ts';
import { scoreLine } from '../../src/decoding/decode.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { createActorPolicy, type RecordedStep } from '../../src/policy/actorPolicy.ts';
import { createActorCritic, initialActor, initialCritic } from '../../src/training/actorCritic.ts';
import { tensorsOf } from '../../src/training/decisions.ts';
import { bitsPerSymbol } from '../../src/training/gate.ts';
import { layoutFor } from '../../src/training/layout.ts';
import { ppoLoss } from '../../src/training/ppoLoss.ts';
import { collectRollouts, completed, decisionOf, recordedActor } from '../../src/training/rollouts.ts';
import { openBackend } from '../../src/training/tensorflow.ts';
import type { TrainingCursor } from '../../src/training/trainPolicy.ts';
import { readTrueText } from '../../src/training/trueText.ts';
import { toyCursor } from '../support/toyCursor.ts';
import { says } from '../support/toyStream.ts';

beforeAll(async () => {
  await openBackend('wasm');
});

/** How likely the text so far is depends on the policy; the rest of what it sees does not. */
const groups = featureGroups.filter((group) => group !== 'progress');
const neverAborted = new AbortController().signal;

/** A file whose outputs are random instead of 0. */
function randomFile(
  cursor: TrainingCursor,
  kind: 'slots' | 'perMember',
  combiner: CombinerName,
  granularity: 'token' | 'span',
) {
  const spanLength = granularity === 'span' ? 4 : 1;
  const layout = layoutFor([cursor], { kind, groups, spanLength });
  const random = randomNumbers(3);
  const { network, logSigma } = initialActor(layout.shape, random);
  // Small enough for changes and exponents to stay inside their bounds.
  for (const { weights, bias } of [network.action, network.stop]) {
    for (let i = 0; i < weights.length; i++) weights[i] = 0.4 * random() - 0.2;
    for (let i = 0; i < bias.length; i++) bias[i] = 0.2 * random() - 0.1;
  }
  const file: PolicyFile = {
    format: 'consort-policy',
    formatVersion: 1,
    name: 'random',
    version: '1',
    algorithm: kind === 'slots' ? 'ppo' : 'mappo',
    combiner,
    granularity,
    spanLength,
    observation: { version: 1, groups, memberFeatures: 20, sharedFeatures: 22 },
    members: kind === 'slots' ? [...layout.slots] : '*',
    network,
    logSigma,
    stopThreshold: 0.5,
    training: {},
  };
  return {
    file,
    layout,
    networks: createActorCritic(layout.shape, { network, logSigma }, initialCritic(layout.shape, random)),
  };
}

const scored = (['slots', 'perMember'] as const).flatMap((kind) =>
  (['linear', 'geometric'] as const).flatMap((combiner) =>
    (['token', 'span'] as const).map((granularity) => [kind, combiner, granularity] as const),
  ),
);

test.each(scored)(
  'the networks score true text as the decode loop does: %s, %s, %s',
  async (kind, combiner, granularity) => {
    const cursor = toyCursor({
      target: 'user.name = of(12, "a b") + 7',
      models: {
        b: says('user.name = of(12, "a b") + 9', 0.7),
        ngram: says('user.names', 0.8),
        a: says('use(r)', 0.5),
      },
      recent: [
        [-1, -0.5],
        [-0.2, -0.3],
        [-3, -2],
      ],
    });
    const { file, layout, networks } = randomFile(cursor, kind, combiner, granularity);
    const policy = createActorPolicy(
      file,
      cursor.members.map(({ id }) => id),
    );
    const expected = await scoreLine(
      { ...cursor, streams: cursor.streams(), policy, combiner, signal: neverAborted },
      new TextEncoder().encode(cursor.target),
    );
    const text = await readTrueText([cursor], layout, combiner);
    expect(text.nSymbols).toBe(30);
    const bits = bitsPerSymbol(networks, text);
    expect(-bits * Math.LN2 * text.nSymbols).toBeCloseTo(expected, 3);
  },
);

/** What training goes down, as a function of the networks' variables. */
const objectives = scored
  .filter(([, , granularity]) => granularity === 'token')
  .flatMap(([kind, combiner]) => [
    { kind, combiner, objective: 'log-loss' as const },
    { kind, combiner, objective: 'ppo' as const },
  ]);

test.each(objectives)('the gradient is what the loss does: $objective, $kind, $combiner', async (chosen) => {
  const { kind, combiner, objective } = chosen;
  const models = { a: says('if (x) { y }', 0.7), b: says('if (x) return', 0.6) };
  const cursor = toyCursor({ target: 'if (x) return', models });
  const { file, layout, networks } = randomFile(cursor, kind, combiner, 'token');
  const random = randomNumbers(9);
  const text = await readTrueText([cursor], layout, combiner);
  const rows = Array.from({ length: text.nRows }, (_, row) => row);
  const rollouts = await collectRollouts([cursor], {
    actor: recordedActor(file, random),
    combiner,
    random,
    hyperParameters: { nSteps: 60, rolloutsPerCursor: 1, explicitShare: 0 },
  });
  const decisions = rollouts.flatMap((rollout) => rollout.decisions);
  const advantages = tf.tensor1d(decisions.map(() => 2 * random() - 1));
  const returns = tf.tensor1d(decisions.map(() => random()));
  const tensors = tensorsOf(decisions, layout.shape);
  const then = networks.evaluate(tensors).logProbabilities;
  const loss = (): tf.Scalar => {
    if (objective === 'log-loss') return tf.neg(tf.mean(text.logProbabilities(networks, rows)));
    const { logProbabilities, acted, entropy } = networks.evaluate(tensors);
    const values = networks.value(tensors.observations);
    const logRatios: tf.Tensor2D = tf.sub(logProbabilities, then);
    const inputs = { logRatios, acted, advantages, values, oldValues: values, returns, entropy };
    return ppoLoss(inputs, { clipRange: 0.2, clipRangeVf: null, vfCoef: 0.5, entCoef: 0.01 }).loss;
  };
  const { actorVariables, criticVariables, meanVariables } = networks;
  const variables = objective === 'ppo' ? [...actorVariables, ...criticVariables] : [...meanVariables];
  const { grads } = tf.variableGrads(loss, variables);
  const norm = Math.sqrt(tf.addN(Object.values(grads).map((each) => tf.sum(tf.square(each)))).dataSync()[0]);
  expect(norm).toBeGreaterThan(0.01);
  const step = 0.002;
  const moved = (by: number) => {
    for (const variable of variables)
      variable.assign(tf.add(variable, tf.mul(grads[variable.name], by / norm)));
    return loss().dataSync()[0];
  };
  const [above, below] = [moved(step), moved(-2 * step)];
  // Along its own direction a loss rises by the norm of its gradient, and along no other by as much.
  expect((above - below) / (2 * step) / norm).toBeCloseTo(1, 1.6);
});

test('an action is as likely to the networks that train as to the actor that drew it', async () => {
  for (const kind of ['slots', 'perMember'] as const) {
    const cursor = toyCursor({ target: 'a = b', models: { a: says('a = b', 0.6), b: says('a == c', 0.7) } });
    const { file, layout, networks } = randomFile(cursor, kind, 'linear', 'token');
    const recorded: RecordedStep[] = [];
    const random = randomNumbers(4);
    const policy = createActorPolicy(file, ['a', 'b'], { random, record: (step) => recorded.push(step) });
    for (let i = 0; i < 8; i++) await completed(cursor, { policy, combiner: 'linear', isExplicit: false });
    expect(recorded.length).toBeGreaterThan(8);
    expect(recorded.some(({ stop }) => stop)).toBe(true);
    const { logProbabilities } = networks.evaluate(tensorsOf(recorded.map(decisionOf), layout.shape));
    const actual = [...logProbabilities.dataSync()];
    const expected = recorded.flatMap((step) => {
      const each = [...step.actionLogProbabilities.map((x) => (step.stop ? 0 : x))];
      each.push(step.couldStop ? step.stopLogProbability : 0);
      return kind === 'perMember' ? each : [each.reduce((sum, x) => sum + x, 0)];
    });
    expect(actual.length).toBe(expected.length);
    for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 3);
  }
});
