import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PolicyFile } from '../../src/config/policyFile.ts';
import { complete } from '../../src/decoding/complete.ts';
import { type DecodeOptions, scoreLine } from '../../src/decoding/decode.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import type { MemberStream } from '../../src/lm/member.ts';
import { SYMBOLS } from '../../src/lm/symbols.ts';
import { createActorPolicy, type RecordedStep } from '../../src/policy/actorPolicy.ts';
import { Dense } from '../../src/policy/dense.ts';
import { SHARED_FEATURES, sharedFeatures } from '../../src/policy/features.ts';
import { Hedge } from '../../src/policy/hedge.ts';
import type { Policy, Situation, StepState } from '../../src/policy/policy.ts';
import { randomPolicy, untrainedPolicy } from '../support/policyFiles.ts';
import { says, toyStream } from '../support/toyStream.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const ids = ['a', 'b', 'c', 'd', 'e', 'f'];

/** What members say, and said of the text before the cursor, made up from a seed each. */
function placeOf(memberIds: readonly string[], seeds: readonly number[]) {
  const kinds = seeds.map((seed) => (seed % 3 === 0 ? ('ngram' as const) : ('neural' as const)));
  const situation: Situation = {
    recent: {
      bytes: bytes('let a = b;\n'),
      logProbabilities: seeds.map((seed) => {
        const random = randomNumbers(seed);
        return Float64Array.from({ length: 11 }, () => -4 * random());
      }),
    },
    languageId: 'typescript',
    members: memberIds.map((id, i) => ({ id, kind: kinds[i] })),
    prefix: bytes('let a = b;\n'),
    suffix: bytes(''),
  };
  const state: StepState = {
    distributions: seeds.map((seed) => {
      const random = randomNumbers(seed + 100);
      const out = Float64Array.from({ length: SYMBOLS }, () => random() ** 20);
      const sum = out.reduce((total, p) => total + p, 0);
      return out.map((p) => p / sum);
    }),
    evidence: seeds.map((seed) => Float64Array.of(seed % 40, seed % 4, (seed % 7) / 7)),
    lag: new Int32Array(seeds.length),
    text: new Uint8Array(80),
    length: 0,
    logProbability: 0,
  };
  return { situation, state };
}

function weightsOf(policy: Policy, { situation, state }: ReturnType<typeof placeOf>): Float64Array {
  const out = new Float64Array(situation.members.length);
  policy.begin(situation);
  policy.weights(out, state);
  return out;
}

const lines = ['alpha(beta) + 1;', 'alpha(gamma)', 'alpha = "größe" + x;'];

function options(policy: Policy, changes: Partial<DecodeOptions> = {}): DecodeOptions {
  return {
    context: { documentId: 'a', languageId: 'python', prefix: bytes('x = 1\n'), suffix: bytes('\n') },
    streams: lines.map((line, i) =>
      toyStream(says(line, 0.9 - 0.1 * i), { recent: [-1, -0.5 * i, -1.5, -0.2, -1, -2], slow: i === 1 }),
    ),
    members: lines.map((_, i) => ({ id: ids[i], kind: i === 0 ? 'ngram' : 'neural' })),
    policy,
    combiner: 'linear',
    maximumBytes: 80,
    minimumProbability: 1e-30,
    signal: new AbortController().signal,
    ...changes,
  };
}

const three = ids.slice(0, 3);

describe('a policy that has learned nothing', () => {
  const known: PolicyFile['members'][] = [ids, three.toReversed(), '*'];
  for (const members of known) {
    for (const granularity of ['token', 'span'] as const) {
      test(`is Hedge exactly (${members}, ${granularity})`, async () => {
        const actor = createActorPolicy(untrainedPolicy(members, { granularity }), three);
        const place = placeOf(three, [1, 2, 3]);
        expect(weightsOf(actor, place)).toEqual(weightsOf(new Hedge(3), place));
        const [own, hedge] = [await complete(options(actor)), await complete(options(new Hedge(3)))];
        expect({ ...own, policyMs: 0 }).toEqual({ ...hedge, policyMs: 0 });
        expect(own.text).not.toBe('');
        const target = bytes(lines[2]);
        expect(await scoreLine(options(actor), target)).toBe(await scoreLine(options(new Hedge(3)), target));
      });
    }
  }

  test('gives every member the same exponent of a product', () => {
    const actor = createActorPolicy(untrainedPolicy('*', { combiner: 'geometric' }), ids);
    expect([...weightsOf(actor, placeOf(ids, [1, 2, 3, 4, 5, 6]))]).toEqual(ids.map(() => 0.25));
  });
});

describe('one agent per member', () => {
  const file = randomPolicy('*', { stopThreshold: 1 });

  test('works for any number of members in any order', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(1000), { minLength: 2, maxLength: 6 }),
        fc.infiniteStream(fc.nat()),
        (seeds, keys) => {
          const order = seeds
            .map((seed) => ({ seed, key: keys.next().value ?? 0 }))
            .toSorted((a, b) => a.key - b.key)
            .map(({ seed }) => seed);
          const weights = (some: readonly number[]) => {
            const names = some.map(String);
            const out = weightsOf(createActorPolicy(file, names), placeOf(names, some));
            return new Map(some.map((seed, i) => [seed, out[i]]));
          };
          const [one, other] = [weights(seeds), weights(order)];
          for (const seed of seeds) expect(other.get(seed)).toBeCloseTo(one.get(seed) ?? -1, 5);
        },
      ),
      { seed: 8, numRuns: 60 },
    ));

  test('weighs by what it sees, and alone too', () => {
    const place = placeOf(three, [1, 2, 3]);
    const hedge = weightsOf(new Hedge(3), place);
    const own = weightsOf(createActorPolicy(file, three), place);
    own.forEach((weight, i) => {
      expect(Math.abs(weight - hedge[i])).toBeGreaterThan(1e-3);
    });
    expect(weightsOf(createActorPolicy(file, ['a']), placeOf(['a'], [1]))[0]).toBeCloseTo(1, 9);
  });
});

test('one agent for all: the members’ order does not matter, absent ones neither', () => {
  const file = randomPolicy(ids);
  const forth = weightsOf(createActorPolicy(file, ['b', 'e']), placeOf(['b', 'e'], [4, 9]));
  const back = weightsOf(createActorPolicy(file, ['e', 'b']), placeOf(['e', 'b'], [9, 4]));
  expect(back[0]).toBeCloseTo(forth[1], 6);
  expect(back[1]).toBeCloseTo(forth[0], 6);
  expect(() => createActorPolicy(file, ['b', 'z'])).toThrow('does not know the member z');
});

test('exponents stay between 0 and 2, linear weights above 0', () => {
  const wild = (combiner: PolicyFile['combiner'], bias: number) => {
    const file = untrainedPolicy(three, { combiner });
    file.network.action.bias.set([bias, -bias, 0]);
    return [...weightsOf(createActorPolicy(file, three), placeOf(three, [1, 2, 3]))];
  };
  expect(wild('geometric', 1e30)).toEqual([2, 0, 0.5]);
  expect(wild('geometric', 0.25)).toEqual([0.75, 0.25, 0.5]);
  const linear = wild('linear', 1e30);
  expect(Math.min(...linear)).toBeGreaterThan(0);
  expect(linear[0] + linear[1] + linear[2]).toBeCloseTo(1, 12);
});

test('a dense layer is inputs · weights + bias', () => {
  const layer = { inputs: 3, outputs: 5, weights: new Float32Array(15), bias: new Float32Array(5) };
  layer.weights.forEach((_, i) => {
    layer.weights[i] = ((i * 7) % 11) - 5;
  });
  layer.bias.set([1, 2, 3, 4, 5]);
  const input = Float64Array.of(0.5, -2, 3);
  const expected = Array.from({ length: 5 }, (_, o) =>
    input.reduce((sum, x, i) => sum + x * layer.weights[i * 5 + o], layer.bias[o]),
  );
  const dense = new Dense(layer);
  expect([...dense.run(input)]).toEqual(expected);
  [...dense.runTanh(input.map((x) => x / 20))].forEach((output, o) => {
    const sum = (expected[o] - layer.bias[o]) / 20 + layer.bias[o];
    expect(output).toBeCloseTo(Math.tanh(sum), 6);
  });
});

describe('stopping', () => {
  const policy = (stopBias: number, changes: Partial<PolicyFile> = {}) =>
    createActorPolicy(randomPolicy(three, changes, stopBias), three);
  const run = (stopBias: number, changes: Partial<DecodeOptions> = {}, file: Partial<PolicyFile> = {}) =>
    complete(options(policy(stopBias, file), changes));

  test('before the first step it is silence', async () => {
    const silent = await run(100);
    expect(silent).toMatchObject({ text: '', stopReason: 'policy', noCompletionReason: 'lowConfidence' });
  });

  test('is ignored where the person has asked', async () => {
    const asked = await run(100, { ignoresStops: true });
    expect(asked).toMatchObject({ stopReason: 'endOfLine', noCompletionReason: null });
    expect(asked.text).toBe((await run(-100)).text);
  });

  test('ends the text before a step', async () => {
    // This policy's logit of stopping grows with what is written and with nothing else.
    const file = untrainedPolicy('*', { stopThreshold: 0.5 });
    const { network } = file;
    for (const layer of [...network.hidden, ...network.stopHidden, network.stop]) layer.weights.fill(0);
    const writtenLog = network.stopHidden[0].inputs - SHARED_FEATURES + sharedFeatures.writtenLog.at;
    network.stopHidden[0].weights[writtenLog * network.stopHidden[0].outputs] = 1;
    network.stop.weights[0] = 100;
    network.stop.bias[0] = -100 * Math.tanh(Math.log(6.5) / Math.log(201));
    const completion = await complete(options(createActorPolicy(file, three)));
    expect(completion).toMatchObject({ text: 'alpha(', stopReason: 'policy', noCompletionReason: null });
  });

  test('one that never learned it does not stop', () => {
    expect(policy(100, { algorithm: 'gate' }).stops).toBeUndefined();
  });
});

describe('nothing depends on drafts', () => {
  /** Foresees a text, right or wrong. */
  const foreseeing = (stream: MemberStream, text: string): MemberStream => {
    let nRead = 0;
    return {
      ...stream,
      advance(byte) {
        nRead++;
        return stream.advance(byte);
      },
      expect: () => Promise.resolve(),
      foreseen: () => bytes(text).subarray(nRead),
    };
  };
  for (const granularity of ['token', 'span'] as const) {
    for (const combiner of ['linear', 'geometric'] as const) {
      test(`the same completion, stops and lagging members included (${granularity}, ${combiner})`, async () => {
        const texts = new Set<string>();
        for (let bias = -30; bias <= 30; bias += 5) {
          for (const skipBelow of [0, 0.3]) {
            const run = async (drafting?: null) => {
              const policy = createActorPolicy(randomPolicy('*', { granularity, combiner }, bias), three);
              const own = options(policy, { combiner, skipBelow });
              const streams = own.streams.map((stream) => foreseeing(stream, 'alpha(beta) - 2'));
              return complete({ ...own, streams, ...(drafting === null && { drafting }) });
            };
            const [drafted, plain] = [await run(), await run(null)];
            expect({ ...drafted, policyMs: 0 }).toEqual({ ...plain, policyMs: 0 });
            texts.add(plain.text);
          }
        }
        expect(texts.size).toBeGreaterThan(1);
      });
    }
  }
});

describe('exploring', () => {
  async function explore(file: PolicyFile, seed: number, score = false) {
    const steps: RecordedStep[] = [];
    const record = (step: RecordedStep) => void steps.push(step);
    const policy = createActorPolicy(file, three, { random: randomNumbers(seed), record });
    if (score) {
      await scoreLine(options(policy), bytes(lines[0]));
      return { steps, text: lines[0] };
    }
    return { steps, text: (await complete(options(policy, { ignoresStops: true }))).text };
  }

  test('records one action for each step, the end of the line included', async () => {
    const { steps } = await explore(untrainedPolicy('*'), 1, true);
    // alpha ( beta ) ␣ + ␣ 1 ; END
    expect(steps.length).toBe(11 - 1);
    expect(steps.every(({ stop, couldStop }) => !stop && !couldStop)).toBe(true);
    const spans = await explore(untrainedPolicy('*', { granularity: 'span', spanLength: 4 }), 1, true);
    expect(spans.steps.length).toBe(3);
  });

  test('is the same under the same seed, and another under another', async () => {
    const file = randomPolicy('*', { logSigma: 0.5 }, -5);
    const [one, again, other] = [await explore(file, 1), await explore(file, 1), await explore(file, 2)];
    expect(again).toEqual(one);
    expect(other.steps[0].action).not.toEqual(one.steps[0].action);
  });

  test('the action is distributed as it says', async () => {
    const file = untrainedPolicy(ids, { logSigma: -0.5 });
    const actions: number[] = [];
    for (let seed = 0; seed < 60; seed++) {
      for (const step of (await explore(file, seed, true)).steps) {
        expect([...step.mask]).toEqual([1, 1, 1, 0, 0, 0]);
        step.action.forEach((action, row) => {
          if (step.mask[row] === 0) return;
          actions.push(action);
          const sigma = Math.exp(-0.5);
          const density = Math.exp(-(action ** 2) / (2 * sigma ** 2)) / (sigma * Math.sqrt(2 * Math.PI));
          expect(Math.exp(step.actionLogProbabilities[row])).toBeCloseTo(density, 4);
        });
      }
    }
    const mean = actions.reduce((sum, action) => sum + action, 0) / actions.length;
    const variance = actions.reduce((sum, action) => sum + (action - mean) ** 2, 0) / actions.length;
    expect(Math.abs(mean)).toBeLessThan(0.05);
    expect(Math.sqrt(variance)).toBeCloseTo(Math.exp(-0.5), 1);
  });

  test('a stop ends the recording, with how likely it was', async () => {
    const steps: RecordedStep[] = [];
    const file = untrainedPolicy('*');
    file.network.stop.bias[0] = Math.log(0.25 / 0.75);
    let nStopped = 0;
    for (let seed = 0; seed < 100; seed++) {
      const record = (step: RecordedStep) => void steps.push(step);
      const policy = createActorPolicy(file, three, { random: randomNumbers(seed), record });
      if ((await complete(options(policy))).stopReason === 'policy') nStopped++;
      expect(steps.findIndex(({ stop }) => stop)).toBe(steps.at(-1)?.stop ? steps.length - 1 : -1);
      for (const { stop, stopLogProbability } of steps) {
        expect(Math.exp(stopLogProbability)).toBeCloseTo(stop ? 0.25 : 0.75, 6);
      }
      steps.length = 0;
    }
    expect(nStopped).toBeGreaterThan(40);
  });
});

test('a policy carries nothing over from one completion to the next', async () => {
  const file = randomPolicy('*', { granularity: 'span' }, -30);
  const policy = createActorPolicy(file, three);
  const fresh = async () => complete(options(createActorPolicy(file, three)));
  const first = await complete(options(policy));
  await complete(
    options(policy, { ...options(policy), context: { ...options(policy).context, languageId: 'x' } }),
  );
  const again = await complete(options(policy));
  const expected = { ...(await fresh()), policyMs: 0 };
  expect([first, again].map((completion) => ({ ...completion, policyMs: 0 }))).toEqual([expected, expected]);
});
