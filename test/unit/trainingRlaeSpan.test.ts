import { beforeAll, expect, test, vi } from 'vitest';
import { scoreLine } from '../../src/decoding/decode.ts';
import { type RlaeSpanActor, RlaeSpanPolicy } from '../../src/evaluation/rlaeSpanPolicy.ts';
import { ppoDefaults } from '../../src/training/hyperParameters.ts';
import { trainRlaeSpan } from '../../src/training/rlaeSpan.ts';
import { openBackend } from '../../src/training/tensorflow.ts';
import { oneIsRight } from '../support/oneIsRight.ts';
import { toyCursor } from '../support/toyCursor.ts';
import { says } from '../support/toyStream.ts';

vi.setConfig({ testTimeout: 120_000 });

beforeAll(async () => {
  await openBackend('wasm');
});

test('the published variant serves the mean of its Dirichlet distribution', async () => {
  const models = { a: says('x = y', 0.7), b: says('x + z', 0.8) };
  const cursor = toyCursor({ target: 'x = y', models });
  const hyperParameters = { ...ppoDefaults, nSteps: 8, batchSize: 8, nEpochs: 1 };
  const actor = await trainRlaeSpan({
    cursors: [cursor],
    spanLength: 4,
    hyperParameters,
    nUpdates: 1,
    seed: 1,
  });
  actor.network.action.weights.fill(0);
  actor.network.action.bias.set([-1, 3]);
  const [weights] = await weightsAlong(actor, cursor);
  const [a, b] = [1 + Math.log1p(Math.exp(-1)), 1 + Math.log1p(Math.exp(3))];
  expect(weights[0]).toBeCloseTo(a / (a + b), 5);
  expect(weights[0] + weights[1]).toBeCloseTo(1, 12);
});

test('it moves the weight to the member that is always right', async () => {
  const actor = await trainRlaeSpan({
    cursors: oneIsRight,
    spanLength: 4,
    hyperParameters: {
      ...ppoDefaults,
      nSteps: 64,
      batchSize: 64,
      nEpochs: 6,
      learningRate: 0.02,
      targetKl: null,
      entCoef: 0,
    },
    nUpdates: 12,
    seed: 1,
  });
  for (const cursor of oneIsRight) {
    const right = cursor.members.findIndex(({ id }) => id === 'ngram');
    for (const weights of await weightsAlong(actor, cursor)) expect(weights[right]).toBeGreaterThan(0.9);
  }
});

/** The weights of every place where a step may begin in the true text. */
async function weightsAlong(
  actor: RlaeSpanActor,
  cursor: (typeof oneIsRight)[number],
): Promise<readonly Float64Array[]> {
  const policy = new RlaeSpanPolicy(actor);
  const seen: Float64Array[] = [];
  const watched = {
    name: 'watched',
    begin: policy.begin.bind(policy),
    observe: policy.observe.bind(policy),
    weights(...[out, state]: Parameters<typeof policy.weights>) {
      policy.weights(out, state);
      seen.push(out.slice());
    },
  };
  const signal = new AbortController().signal;
  const bytes = new TextEncoder().encode(cursor.target);
  await scoreLine(
    { ...cursor, streams: cursor.streams(), policy: watched, combiner: 'linear', signal },
    bytes,
  );
  return seen;
}
