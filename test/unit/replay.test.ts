import { describe, expect, test } from 'vitest';
import { checkpoints, differenceOf, figures, shownAt } from '../../src/cli/replayFigures.ts';
import { type ReplayedRequest, type ReplayOptions, startReplay } from '../../src/cli/replayRun.ts';
import { attentive, react, type TypistNoise } from '../../src/cli/replayTypist.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import type { Turn } from '../../src/server/learning/learn.ts';
import { onlinePromotion, scheduleDefaults } from '../../src/server/learning/schedule.ts';
import { onlineDefaults } from '../../src/training/hyperParameters.ts';
import { openBackend } from '../../src/training/tensorflow.ts';
import { never, readTexts, toyCursor } from '../support/collected.ts';
import { says } from '../support/toyStream.ts';

const request = (changes: Partial<ReplayedRequest> = {}): ReplayedRequest => ({
  packageIdx: 0,
  shownLength: 5,
  accepted: 'whole',
  keysSaved: 4,
  reward: 0.75,
  targetLength: 10,
  policyVersion: null,
  ...changes,
});
const rejected = request({ accepted: 'none', keysSaved: 0, reward: -0.25 });
const silent = request({ shownLength: 0, accepted: 'none', keysSaved: 0, reward: 0 });

describe('figures', () => {
  test('rates are of what is shown, of the requests and of the characters', () => {
    expect(figures([request(), request({ accepted: 'part', keysSaved: 1 }), rejected, silent])).toEqual({
      requests: 4,
      shown: 3,
      acceptRate: 2 / 3,
      shownRate: 3 / 4,
      keystrokesSaved: 5 / 40,
      reward: (0.75 + 0.75 - 0.25) / 4,
    });
  });

  test('a checkpoint stands after so many shown, not after so many requests', () => {
    const requests = [request(), silent, rejected, silent, request({ policyVersion: 3 }), rejected, silent];
    expect(shownAt(requests, 2)).toEqual([3, 6]);
    const [first, second] = checkpoints(requests, 2);
    expect(first).toMatchObject({ shown: 2, requests: 3, acceptRate: 0.5, policyVersion: null });
    expect(second).toMatchObject({ shown: 4, acceptRate: 0.5, since: { shown: 2, requests: 3 } });
  });

  test('a paired difference has an interval that is narrow where the two differ alike everywhere', () => {
    const control = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? request() : rejected));
    const treatment = control.map((one) => (one === rejected ? silent : one));
    const { acceptRate, shown, keystrokesSaved } = differenceOf(
      [{ name: 'a', start: 0, treatment, control }],
      1,
    );
    expect(acceptRate.mean).toBeCloseTo(1);
    expect(acceptRate.low).toBeGreaterThan(0.9);
    expect(shown.mean).toBeCloseTo(-0.5);
    expect(keystrokesSaved).toEqual({ mean: 0, low: 0, high: 0 });
  });

  test('the same requests under more seeds are no more evidence', () => {
    const random = randomNumbers(1);
    const control = Array.from({ length: 200 }, () => (random() < 0.5 ? request() : rejected));
    const treatment = control.map((one) => (random() < 0.5 ? request() : one));
    const pair = { name: 'a', start: 0, treatment, control };
    expect(differenceOf([pair, pair, pair], 1)).toEqual(differenceOf([pair], 1));
  });
});

describe('the simulated typist', () => {
  const reaction = (shown: string, noise = attentive, seed = 1) =>
    react(shown, 'foo(bar)', noise, randomNumbers(seed));
  test.each([
    ['foo(bar)', 'accepted', 8],
    ['foo(baz)', 'partlyAccepted', 4],
    ['bar', 'rejected', 0],
  ] as const)('%s is %s', (shown, kind, acceptedLength) => {
    expect(reaction(shown)).toMatchObject({ kind, acceptedLength, retained: acceptedLength });
  });

  test('a careless one accepts what is wrong and deletes it; the figures count what it deserved', () => {
    expect(reaction('bar', { random: 0, careless: 1 })).toMatchObject({
      kind: 'accepted',
      acceptedLength: 3,
      retained: 0,
      deserved: { accepted: 'none' },
    });
  });

  test('a random one accepts and rejects about as often, whatever it is', () => {
    const kinds = Array.from(
      { length: 200 },
      (_, seed) => reaction('foo(bar)', { random: 1, careless: 0 }, seed).kind,
    );
    const nAccepted = kinds.filter((kind) => kind === 'accepted').length;
    expect(nAccepted).toBeGreaterThan(70);
    expect(nAccepted).toBeLessThan(130);
  });
});

describe('a replay', () => {
  /** Where the members agree they are right; where they do not, both are wrong. */
  async function cursors(n: number) {
    const right = await toyCursor([says('foo', 0.95), says('foo', 0.95)], 'foo');
    const wrong = await toyCursor([says('bar', 0.7), says('bat', 0.7)], 'qux');
    for (const cursor of [right, wrong]) await readTexts(cursor, ['foo', 'bar', 'bat', 'qux']);
    return Array.from({ length: n }, (_, i) => (i % 4 === 3 ? wrong : right));
  }

  async function replay(n: number, changes: Partial<ReplayOptions>) {
    const session = await startReplay({
      policy: null,
      learning: null,
      noise: attentive,
      seed: 1,
      ...changes,
    });
    const requests: ReplayedRequest[] = [];
    for (const cursor of await cursors(n)) requests.push(await session.request(cursor, never));
    session.close();
    return requests;
  }

  test('without learning everything goes on as it was', async () => {
    const requests = await replay(40, {});
    expect(figures(requests)).toMatchObject({ shown: 40, acceptRate: 0.75 });
    expect(new Set(requests.map(({ policyVersion }) => policyVersion))).toEqual(new Set([null]));
  });

  async function learn(noise: TypistNoise) {
    await openBackend('wasm');
    const turns: Turn['kind'][] = [];
    const requests = await replay(320, {
      noise,
      learning: {
        hyperParameters: onlineDefaults,
        schedule: scheduleDefaults,
        promotion: onlinePromotion,
        idleEvery: 20,
        onTurn: ({ kind }) => turns.push(kind),
      },
    });
    return { requests, turns, last: figures(requests.slice(-60)) };
  }

  test('with it, what is wrong is shown less and less, under a version that was promoted; the same again', async () => {
    const { requests, turns, last } = await learn(attentive);
    expect(turns).toEqual(
      expect.arrayContaining(['notEnoughTexts', 'trained', 'notEnoughEvidence', 'promoted']),
    );
    expect(requests.slice(-60).every(({ policyVersion }) => policyVersion !== null)).toBe(true);
    expect(last.acceptRate).toBeGreaterThan(0.9);
    expect(last.shownRate).toBeGreaterThan(0.6);
    expect(await learn(attentive)).toEqual({ requests, turns, last });
  }, 120_000);

  test('what a careless typist accepts and deletes again counts as not accepted', async () => {
    const { last } = await learn({ random: 0, careless: 0.5 });
    expect(last.acceptRate).toBeGreaterThan(0.9);
    expect(last.shownRate).toBeGreaterThan(0.6);
  }, 120_000);

  test('from tosses of a coin nothing is learned about what to show; a trial draws a silence now and then', async () => {
    const { requests, last } = await learn({ random: 1, careless: 0 });
    expect(figures(requests).shownRate).toBeGreaterThan(0.97);
    expect(last.acceptRate).toBeCloseTo(0.75, 1);
  }, 120_000);
});
