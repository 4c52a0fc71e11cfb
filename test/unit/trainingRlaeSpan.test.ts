import { expect, test } from 'vitest';
import { scoreLine } from '../../src/decoding/decode.ts';
import { ppoDefaults } from '../../src/training/hyperParameters.ts';
import { RlaeSpanPolicy, trainRlaeSpan } from '../../src/training/rlaeSpan.ts';
import { openBackend } from '../../src/training/tensorflow.ts';
import { toyCursor } from '../support/toyCursor.ts';
import { says } from '../support/toyStream.ts';

test('the published variant serves the mean of its Dirichlet distribution', async () => {
  await openBackend('wasm');
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
  const policy = new RlaeSpanPolicy(actor);
  const signal = new AbortController().signal;
  const bytes = new TextEncoder().encode('x = y');
  await scoreLine({ ...cursor, streams: cursor.streams(), policy, combiner: 'linear', signal }, bytes);
  const out = new Float64Array(2);
  policy.weights(out, {
    distributions: [],
    evidence: [],
    lag: new Int32Array(2),
    text: bytes,
    length: 5,
    logProbability: 0,
  });
  const [a, b] = [1 + Math.log1p(Math.exp(-1)), 1 + Math.log1p(Math.exp(3))];
  expect(out[0]).toBeCloseTo(a / (a + b), 5);
  expect(out[0] + out[1]).toBeCloseTo(1, 12);
});
