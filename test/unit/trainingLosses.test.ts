import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { agentLogProbabilities, meanEntropy } from '../../src/training/actionDistribution.ts';
import { applyHidden } from '../../src/training/denseLayers.ts';
import { digamma, dirichletEntropy, dirichletLogProbability, lgamma } from '../../src/training/dirichlet.ts';
import { generalisedAdvantages, groupAdvantages } from '../../src/training/gae.ts';
import { Optimiser } from '../../src/training/optimiser.ts';
import { type PpoLossInputs, ppoLoss } from '../../src/training/ppoLoss.ts';
import { openBackend } from '../../src/training/tensorflow.ts';
import fixtures from '../fixtures/training/fixtures.json' with { type: 'json' };

/** The backend computes in float32, the fixtures in float64. */
const tolerance = 2e-5;

beforeAll(async () => {
  await openBackend('wasm');
});

/** Equal up to the tolerance, relative to 1 or to the expected number where it is greater. */
function check(actual: ArrayLike<number>, expected: readonly number[], within = tolerance) {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(actual[i] - value), `number ${i}: ${actual[i]}, not ${value}`).toBeLessThan(
      within * Math.max(1, Math.abs(value)),
    );
  }
}

test.each(fixtures.gae)(
  'advantages are the discounted sums of the errors: γ = $gamma, λ = $gaeLambda',
  (fixture) => {
    const { advantages, returns } = generalisedAdvantages(
      {
        rewards: Float64Array.from(fixture.rewards),
        values: Float64Array.from(fixture.values),
        ends: Uint8Array.from(fixture.ends),
      },
      fixture,
    );
    check(advantages, fixture.advantages, 1e-9);
    check(returns, fixture.returns, 1e-9);
  },
);

test('a reward is compared with the others of its group', () => {
  expect([...groupAdvantages([1, 0, 0.5, 7], [3, 3, 3, 4])]).toEqual([0.75, -0.75, 0, 0]);
});

test.each(fixtures.ppo)(
  'the clipped loss and its gradients: one agent $joint, values clipped $clipRangeVf',
  (fixture) => {
    const { n, m } = fixture;
    const actions = { changes: tf.tensor2d(fixture.changes, [n, m]), stops: tf.tensor1d(fixture.stops) };
    const acted = { changed: tf.tensor2d(fixture.changed, [n, m]), asked: tf.tensor1d(fixture.asked) };
    const terms = (means: tf.Tensor, stopLogits: tf.Tensor, logSigma: tf.Tensor, values: tf.Tensor) => {
      const parameters = {
        means: tf.reshape(means, [n, m]) as tf.Tensor2D,
        stopLogits: stopLogits as tf.Tensor1D,
        logSigma: tf.sum(logSigma) as tf.Scalar,
      };
      const mask = tf.concat([acted.changed, tf.expandDims<tf.Tensor2D>(acted.asked, 1)], 1);
      const each = tf.mul(agentLogProbabilities(parameters, actions), mask);
      const now: tf.Tensor2D = fixture.joint ? tf.sum(each, 1, true) : (each as tf.Tensor2D);
      const inputs: PpoLossInputs = {
        logRatios: tf.sub(now, tf.tensor2d(fixture.oldLogProbabilities, now.shape)),
        acted: fixture.joint ? tf.onesLike(now) : mask,
        advantages: tf.tensor1d(fixture.advantages),
        values: values as tf.Tensor1D,
        oldValues: tf.tensor1d(fixture.oldValues),
        returns: tf.tensor1d(fixture.returns),
        entropy: meanEntropy(parameters, acted),
      };
      const { clipRangeVf } = fixture;
      const loss = ppoLoss(inputs, { clipRange: 0.2, clipRangeVf, vfCoef: 0.5, entCoef: 0.01 });
      return { ...loss, entropy: inputs.entropy };
    };
    const parameters = [fixture.means, fixture.stopLogits, [fixture.logSigma], fixture.values].map((values) =>
      tf.tensor1d(values),
    );
    const [means, stopLogits, logSigma, values] = parameters;
    for (const [name, value] of Object.entries(terms(means, stopLogits, logSigma, values))) {
      check(value.dataSync(), [fixture.expected[name as keyof typeof fixture.expected]]);
    }
    const gradients = tf.grads((a, b, c, d) => terms(a, b, c, d).loss)(parameters);
    const { gradients: expected } = fixture;
    check(gradients[0].dataSync(), expected.means);
    check(gradients[1].dataSync(), expected.stopLogits);
    check(gradients[2].dataSync(), expected.logSigma);
    check(gradients[3].dataSync(), expected.values);
  },
);

test.each(fixtures.adam)(
  'three steps of Adam behind the norm limit: weight decay $weightDecay',
  (fixture) => {
    const weights = tf.variable(tf.tensor1d(fixture.start));
    const target = tf.tensor1d(fixture.target);
    const { weightDecay } = fixture;
    const options = { learningRate: 0.05, adamEpsilon: 1e-5, maxGradNorm: 0.5, weightDecay };
    const optimiser = new Optimiser([weights], options);
    for (const [step, expected] of fixture.weights.entries()) {
      const { gradNorm } = optimiser.minimise(() => tf.sum(tf.square(tf.sub(weights, target))));
      check([gradNorm], [fixture.norms[step]]);
      check(weights.dataSync(), expected);
    }
  },
);

test.each([[[]], [[2]]])('the gradient of a product, in lots of %j', (lots: number[]) => {
  const [n, k, m] = [3, 5, 4];
  const nLots = lots[0] ?? 1;
  const numbers = (length: number, seed: number) =>
    Array.from({ length }, (_, i) => Math.sin(seed + 1.7 * i));
  const [a, b, dy] = [numbers(nLots * n * k, 1), numbers(nLots * k * m, 2), numbers(nLots * n * m, 3)];
  const gradients = tf.grads((x, y) => tf.matMul(x, y))(
    [tf.tensor(a, [...lots, n, k]), tf.tensor(b, [...lots, k, m])],
    tf.tensor(dy, [...lots, n, m]),
  );
  const [forA, forB] = [a.map(() => 0), b.map(() => 0)];
  for (let lot = 0; lot < nLots; lot++) {
    for (let i = 0; i < n * k * m; i++) {
      const [row, inner, column] = [Math.floor(i / (k * m)), Math.floor(i / m) % k, i % m];
      const [atA, atB] = [(lot * n + row) * k + inner, (lot * k + inner) * m + column];
      const slope = dy[(lot * n + row) * m + column];
      forA[atA] += slope * b[atB];
      forB[atB] += slope * a[atA];
    }
  }
  expect(gradients.map(({ shape }) => shape)).toEqual([
    [...lots, n, k],
    [...lots, k, m],
  ]);
  check(gradients[0].dataSync(), forA);
  check(gradients[1].dataSync(), forB);
});

test('a hidden layer is followed by tanh, and its gradient by that of tanh', () => {
  const x = [-90, -9, -2, -0.5, -1e-3, 0, 1e-3, 0.5, 2, 9, 90];
  const one = { kernel: tf.variable(tf.tensor2d([[1]])), bias: tf.variable(tf.tensor1d([0])) };
  const layer = (inputs: tf.Tensor) => applyHidden([one], inputs as tf.Tensor2D);
  const inputs = tf.tensor2d(x, [x.length, 1]);
  check(layer(inputs).dataSync(), x.map(Math.tanh), 1e-6);
  check(
    tf.grad(layer)(inputs).dataSync(),
    x.map((value) => 1 - Math.tanh(value) ** 2),
    1e-6,
  );
});

test('an optimiser goes on from its state', async () => {
  const options = { learningRate: 0.05, adamEpsilon: 1e-5, maxGradNorm: 0.5 };
  const loss = (weights: tf.Variable) => () => tf.sum<tf.Scalar>(tf.square(tf.sub(weights, 3)));
  const straight = tf.variable(tf.tensor1d([1, -2]));
  const optimiser = new Optimiser([straight], options);
  for (let i = 0; i < 4; i++) optimiser.minimise(loss(straight));
  const resumed = tf.variable(tf.clone(straight));
  const state = await optimiser.state();
  optimiser.minimise(loss(straight));
  const other = new Optimiser([resumed], options);
  await other.restore(state);
  other.minimise(loss(resumed));
  check(resumed.dataSync(), [...straight.dataSync()], 1e-6);
});

test('ln Γ and its derivative', () => {
  const { x } = fixtures.dirichlet;
  check(lgamma(tf.tensor1d(x)).dataSync(), fixtures.dirichlet.lgamma);
  check(digamma(tf.tensor1d(x)).dataSync(), fixtures.dirichlet.digamma);
  check(tf.grad(lgamma)(tf.tensor1d(x)).dataSync(), fixtures.dirichlet.digamma);
});

test('the log-density and the entropy of Dirichlet distributions, and their gradients', () => {
  const { n, m, concentrations, weights, ...expected } = fixtures.dirichlet;
  const alpha = tf.tensor2d(concentrations, [n, m]);
  const logWeights: tf.Tensor2D = tf.log(tf.tensor2d(weights, [n, m]));
  const present = tf.onesLike(alpha);
  const density = (x: tf.Tensor) => dirichletLogProbability(x as tf.Tensor2D, logWeights, present);
  const entropy = (x: tf.Tensor) => dirichletEntropy(x as tf.Tensor2D, present);
  check(density(alpha).dataSync(), expected.logProbabilities);
  check(tf.grad(density)(alpha).dataSync(), expected.logProbabilityGradients);
  check(entropy(alpha).dataSync(), expected.entropies);
  check(tf.grad(entropy)(alpha).dataSync(), expected.entropyGradients);
});
