import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OnlineExponents } from '../../src/evaluation/onlineExponents.ts';
import type { CollectedCursor } from '../../src/evaluation/pathStore.ts';
import { contenders } from '../../src/evaluation/policies.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { chooseFromUnion, type TokenState, UnionVocabulary } from '../../src/evaluation/tokenUnion.ts';
import { fitExponents, fitThreshold, fitWeights, stepStatistics } from '../../src/evaluation/tuning.ts';
import { simulatedReward } from '../../src/evaluation/typist.ts';
import { END, SYMBOLS } from '../../src/lm/symbols.ts';
import { never, readTexts, stored, toyCursor } from '../support/collected.ts';
import { says, type ToyModel } from '../support/toyStream.ts';

const models: ToyModel[] = [says('foo(bar, 1)', 0.8), says('fool(bar)', 0.7), says('f (bar', 0.6)];

test('the oracle needs no more bits than any member alone, and writes what one of them could', async () => {
  const text = fc.string({
    unit: fc.constantFrom('f', 'o', '(', 'bar', ' ', ',', 'l'),
    minLength: 1,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(text, async (line) => {
      const cursor = await toyCursor(models, line.trimEnd());
      const outcomes = new Map<string, number>();
      for (const { name, run } of contenders(['m0', 'm1', 'm2'])) {
        outcomes.set(name, (await run(cursor, never))?.bits ?? Number.NaN);
      }
      const oracle = outcomes.get('oracleToken') ?? Number.NaN;
      for (const id of ['m0', 'm1', 'm2'])
        expect(oracle).toBeLessThanOrEqual((outcomes.get(`single:${id}`) ?? 0) + 1e-9);
    }),
    { numRuns: 12, seed: 2 },
  );
  const oracle = contenders(['m0', 'm1', 'm2']).find(({ name }) => name === 'oracleToken');
  // The first lexeme is foreseen by one member, the rest by another.
  expect(await oracle?.run(await toyCursor(models, 'fool(bar'), never)).toMatchObject({ text: 'fool(bar' });
  const mixed = await toyCursor([says('foo bar', 0.9), says('foo(baz)', 0.8)], 'foo(baz)');
  expect(await oracle?.run(mixed, never)).toMatchObject({ text: 'foo(baz)' });
});

test('fitted weights are those of the mixture that made the steps', () => {
  const random = randomNumbers(3);
  const truth = [0.7, 0.3];
  const taken: Float64Array[] = [];
  for (let t = 0; t < 4000; t++) {
    // Each of two members gives its own word 0.9 and the other's 0.1.
    const source = random() < truth[0] ? 0 : 1;
    const word = random() < 0.9 ? source : 1 - source;
    taken.push(Float64Array.from([word === 0 ? 0.9 : 0.1, word === 1 ? 0.9 : 0.1]));
  }
  const possible = taken.map(() => new Float64Array(2).fill(1));
  const weights = fitWeights({ taken, possible }, 60);
  expect(weights[0]).toBeCloseTo(truth[0], 1);
  expect(weights[0] + weights[1]).toBeCloseTo(1, 12);
});

test('fitted weights give true text more than equal ones and than either member alone', async () => {
  const lines = ['foo(bar, 1)', 'fool(bar)', 'foo(bar)', 'f (bar'];
  const cursors: CollectedCursor[] = [];
  for (const line of lines) {
    const live = await toyCursor(models, line);
    await readTexts(live, [line]);
    cursors.push(stored(live));
  }
  const weights = fitWeights(stepStatistics(cursors));
  const bitsOf = async (fixed: ArrayLike<number>) => {
    const tuned = {
      languages: {
        typescript: {
          bestSingle: 'm0',
          fixed: { m0: fixed[0], m1: fixed[1], m2: fixed[2] },
          fixedGeometric: {},
        },
      },
      minimumConfidence: {},
    };
    const contender = contenders(['m0', 'm1', 'm2'], tuned).find(({ name }) => name === 'fixed');
    let bits = 0;
    for (const cursor of cursors) bits += (await contender?.run(cursor, never))?.bits ?? Number.NaN;
    return bits;
  };
  const fitted = await bitsOf(weights);
  for (const other of [
    [1 / 3, 1 / 3, 1 / 3],
    [0.5, 0.25, 0.25],
    [0.25, 0.5, 0.25],
    [weights[0] + 0.05, weights[1], Math.max(0, weights[2] - 0.05)],
  ]) {
    expect(fitted).toBeLessThanOrEqual((await bitsOf(other)) + 1e-6);
  }
});

test('fitted exponents are where the gradient is zero', () => {
  const random = randomNumbers(8);
  const symbols: number[] = [];
  const logs: Float32Array[][] = [];
  for (let t = 0; t < 90; t++) {
    const symbol = 97 + (t % 3);
    const rows = [0.6, 0.3].map((share) => {
      const p = new Float32Array(SYMBOLS).fill(0.05 / SYMBOLS);
      p[random() < share ? symbol : 97 + Math.floor(random() * 3)] += 0.95;
      return p.map(Math.log);
    });
    symbols.push(symbol);
    logs.push(rows);
  }
  const exponents = fitExponents({ symbols, logs });
  const gain = (w: ArrayLike<number>) =>
    symbols.reduce((sum, symbol, t) => {
      const scores = Array.from({ length: SYMBOLS }, (_, b) => w[0] * logs[t][0][b] + w[1] * logs[t][1][b]);
      return sum + scores[symbol] - Math.log(scores.reduce((total, score) => total + Math.exp(score), 0));
    }, 0);
  const best = gain(exponents);
  for (const [i, d] of [
    [0, 0.02],
    [0, -0.02],
    [1, 0.02],
    [1, -0.02],
  ]) {
    const aside = Float64Array.from(exponents);
    aside[i] += d;
    expect(gain(aside)).toBeLessThan(best);
  }
  expect(exponents[0]).toBeGreaterThan(exponents[1]);
});

test('online exponents trust the member that is right, and move by the gradient', () => {
  const distribution = (symbol: number) => {
    const p = new Float64Array(SYMBOLS).fill(0.1 / (SYMBOLS - 3));
    p[10] = 0;
    p[13] = 0;
    p[symbol] = 0.9;
    return p;
  };
  const learner = new OnlineExponents(2);
  learner.observe([distribution(97), distribution(98)], 97);
  // Independently: p ∝ (p₁ p₂)^0.6, gradient ln pᵢ(97) − Σ p ln pᵢ.
  const logs = [97, 98].map((symbol) => distribution(symbol).map((p) => Math.log(Math.max(1e-6, p))));
  const raw = logs[0].map((log, b) => Math.exp(0.6 * (log + logs[1][b])));
  const sum = raw.reduce((total, x) => total + x, 0);
  const expected = logs.map(
    (log) => 0.6 + 0.005 * (log[97] - log.reduce((total, x, b) => total + (raw[b] / sum) * x, 0)),
  );
  expect([...learner.exponents]).toEqual(expected.map((x) => expect.closeTo(x, 10)));
  for (let i = 0; i < 100; i++) learner.observe([distribution(97), distribution(98)], 97);
  expect(learner.exponents[0]).toBeGreaterThan(learner.exponents[1] + 0.3);
  const ends = new OnlineExponents(1);
  ends.observe([distribution(END)], 10);
  expect(ends.exponents[0]).toBeGreaterThan(0.6);
});

/** Toy models over letters; `end` is what is left. */
const vocabularies = [
  ['a', 'b', 'ab', 'abc', '\n', 'c'],
  ['a', 'b', 'bc', 'abc', 'c', 'ca', '\n\n'],
];

function unionByBruteForce(
  rule: 'gac' | 'unite',
  probabilities: readonly (readonly number[])[],
): string | null {
  const lists = vocabularies.map((words, i) => {
    const list = new Map<string, number>();
    words.forEach((word, j) => {
      const key = word.startsWith('\n') ? 'END' : word;
      list.set(key, (list.get(key) ?? 0) + probabilities[i][j]);
    });
    list.set('END', (list.get('END') ?? 0) + 1 - probabilities[i].reduce((sum, p) => sum + p, 0));
    return list;
  });
  const candidates = new Set(
    lists.flatMap((list) =>
      [...list]
        .sort((a, b) => b[1] - a[1])
        .slice(0, 10)
        .map(([word]) => word),
    ),
  );
  const words = rule === 'gac' ? new Set(lists.flatMap((list) => [...list.keys()])) : candidates;
  const of = (list: Map<string, number>, word: string) => {
    const own = list.get(word);
    if (own !== undefined || rule === 'gac') return own ?? 0;
    const beginnings = [...list.keys()].filter(
      (known) => known !== 'END' && word !== 'END' && word.startsWith(known),
    );
    return list.get(beginnings.sort((a, b) => b.length - a.length)[0] ?? '') ?? 0;
  };
  const scored = [...words].map((word) => {
    const score = lists.reduce((sum, list) => {
      const total = rule === 'gac' ? 1 : [...words].reduce((all, other) => all + of(list, other), 0);
      return sum + of(list, word) / total / 2;
    }, 0);
    return { word, score };
  });
  scored.sort((a, b) => b.score - a.score);
  return scored[0].word === 'END' ? null : scored[0].word;
}

for (const rule of ['gac', 'unite'] as const) {
  test(`${rule} chooses as a union of the vocabularies by hand`, () => {
    const random = randomNumbers(11);
    const states = vocabularies.map((words): TokenState & { p: number[] } => ({
      model: { tokens: words.map((word) => Buffer.from(word)) },
      p: [],
      read() {
        return { tokens: Float64Array.from(this.p), end: 1 - this.p.reduce((sum, x) => sum + x, 0) };
      },
    }));
    const bound = states.map((state) => ({ model: state.model, read: () => state.read() }));
    const union = new UnionVocabulary(bound.map(({ model }) => model));
    const seen = new Set<string | null>();
    for (let run = 0; run < 300; run++) {
      for (const [i, state] of states.entries()) {
        const raw = [...vocabularies[i], 'END'].map(() => random() ** 3);
        const sum = raw.reduce((total, x) => total + x, 0);
        state.p = raw.slice(0, -1).map((x) => x / sum);
      }
      const { bytes } = chooseFromUnion(rule, union, bound, new Uint8Array(0));
      const chosen = bytes && Buffer.from(bytes).toString();
      expect(chosen).toBe(
        unionByBruteForce(
          rule,
          states.map(({ p }) => p),
        ),
      );
      seen.add(chosen);
      const forced = chooseFromUnion(rule, union, bound, Buffer.from('ca')).bytes ?? new Uint8Array(0);
      expect(['c', 'ca']).toContain(Buffer.from(forced).toString());
    }
    expect(seen.size).toBeGreaterThan(4);
  });
}

test('the threshold with the highest reward is chosen, and the reward is that of the design', () => {
  expect(simulatedReward('', 'abc')).toBe(0);
  expect(simulatedReward('foo(bar)', 'foo(bar)')).toBeCloseTo(0.75 + 0.25 * (8 / 80), 12);
  expect(simulatedReward('foo(baz)', 'foo(bar)')).toBeCloseTo(0.75 * 0.5 - 0.25 * 0.5 + 0.25 * (4 / 80), 12);
  expect(simulatedReward('nothing', 'foo')).toBeCloseTo(-0.25, 12);
  const right = { steps: [{ text: 'foo', total: Math.log(0.5) }], target: 'foo' };
  const wrong = { steps: [{ text: 'bar', total: Math.log(0.3) }], target: 'foo' };
  const threshold = fitThreshold([right, wrong, wrong, wrong, wrong]);
  expect(threshold).toBeGreaterThan(0.3);
  expect(threshold).toBeLessThanOrEqual(0.5);
});
