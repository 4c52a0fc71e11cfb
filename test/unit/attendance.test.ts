import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { complete } from '../../src/decoding/complete.ts';
import type { MemberStream } from '../../src/lm/member.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { says, type ToyModel, toyStream } from '../support/toyStream.ts';

/** Weights by step, the last for all that follow. */
function scripted(steps: readonly (readonly number[])[]): Policy {
  return {
    name: 'scripted',
    begin: () => {},
    weights: (out) => out.set(steps[Math.min(asked++, steps.length - 1)]),
  };
}
let asked = 0;

/** Notes what a stream is told. */
function noting(model: ToyModel, log: string[]): MemberStream {
  const stream = toyStream(model, { slow: true });
  return {
    ...stream,
    advance(byte) {
      log.push(String.fromCharCode(byte));
      return stream.advance(byte);
    },
    async expect(bytes) {
      log.push(`[${new TextDecoder().decode(bytes)}]`);
    },
  };
}

async function run(models: readonly ToyModel[], policy: Policy, skipBelow: number) {
  const logs: string[][] = models.map(() => []);
  asked = 0;
  const completion = await complete({
    context: { documentId: 'a', languageId: 'a', prefix: new Uint8Array(), suffix: new Uint8Array() },
    streams: models.map((model, i) => noting(model, logs[i])),
    members: models.map((_, i) => ({ id: `m${i}`, kind: 'neural' })),
    policy,
    combiner: 'linear',
    maximumBytes: 60,
    minimumProbability: 0,
    skipBelow,
    signal: new AbortController().signal,
  });
  return { completion, logs: logs.map((log) => log.join('')) };
}

describe('a member of almost no weight', () => {
  test('is not asked while it has none', async () => {
    const { completion, logs } = await run([says('ab cd ef'), says('xy')], scripted([[0.995, 0.005]]), 0.01);
    expect(completion.text).toBe('ab cd ef');
    expect(logs).toEqual(['ab cd ef', '']);
  });

  test('reads all it has missed in one batch when a step that may begin wants it, and decides with the others', async () => {
    // From the second asking on, the weights are the other way round: the second member takes over at the first boundary.
    const second: ToyModel = (soFar) => (soFar === 'ab' ? { '+': 0.9, z: 0.1 } : { END: 1 });
    const policy = scripted([
      [1, 0],
      [0, 1],
    ]);
    const skipping = await run([says('ab cd'), second], policy, 0.01);
    expect(skipping.completion.text).toBe('ab+');
    expect(skipping.logs[1]).toBe('[ab]ab+');
    const plain = await run([says('ab cd'), second], policy, 0);
    expect(skipping.completion).toMatchObject({ text: plain.completion.text, stopReason: 'endOfLine' });
    expect(skipping.completion.logProbability).toBeCloseTo(plain.completion.logProbability, 9);
  });

  test('moves the probability of a step by at most the weight that is left out', () =>
    fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0.0001, max: 0.0099, noNaN: true }),
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        fc.constantFrom('ab', 'ab cd', 'x', 'abc'),
        async (weight, confidence, other) => {
          const models = [says('ab', confidence), says(other, 0.99)];
          const policy = scripted([[1 - weight, weight]]);
          const [skipped, plain] = [await run(models, policy, 0.01), await run(models, policy, 0)];
          const first = [skipped, plain].map(({ completion }) => completion.steps[0]);
          expect(skipped.logs[1]).toBe('');
          if (first[0]?.text !== first[1]?.text || first[0] === undefined) return;
          const [p, q] = first.map((step) => Math.exp(step.logProbability));
          expect(Math.abs(p - q)).toBeLessThanOrEqual(weight + 1e-12);
          expect(skipped.completion.steps[0].shares[1]).toBe(0);
        },
      ),
      { numRuns: 60, seed: 2 },
    ));
});
