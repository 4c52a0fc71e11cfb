import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCombiner } from '../../src/decoding/combiner.ts';
import { StepMixture } from '../../src/decoding/stepMixture.ts';
import { END, SYMBOLS } from '../../src/lm/symbols.ts';

const combiners = ['linear', 'geometric'] as const;

/** A distribution with a few large entries, different for each seed. */
function distributionOf(seed: number): Float64Array {
  const out = new Float64Array(SYMBOLS).fill(1e-4);
  for (let k = 0; k < 9; k++)
    out[(Math.imul(seed + 1, 2654435761 + 40503 * k) % SYMBOLS) >>> (0 % SYMBOLS)] += 1 / (k + 1);
  out[END] += 0.1;
  const sum = out.reduce((total, p) => total + p, 0);
  return out.map((p) => p / sum);
}

for (const combiner of combiners) {
  test(`${combiner}: the probabilities of all next symbols sum to 1, and the most probable is found, across steps`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(96), { minLength: 12, maxLength: 12 }),
        (seeds, symbols) => {
          let asked = 0;
          const mixture = new StepMixture(combiner, 2, (out) => {
            out[0] = 0.2 + 0.6 * ((asked * 0.37) % 1);
            out[1] = 1 - out[0];
            asked++;
          });
          mixture.begin();
          seeds.forEach((seed, at) => {
            mixture.read([distributionOf(seed), distributionOf(seed + 17)]);
            let sum = 0;
            let best = 0;
            for (let b = 0; b < SYMBOLS; b++) {
              const p = mixture.probability(b);
              sum += p;
              if (p > mixture.probability(best)) best = b;
            }
            expect(sum).toBeCloseTo(1, 9);
            expect(mixture.probability(mixture.mostProbable(0, 255, END))).toBeCloseTo(
              mixture.probability(best),
              12,
            );
            mixture.take(32 + symbols[at]);
          });
        },
      ),
    );
  });
}

test('linear: the probability of a step is the weighted sum of the members’ probabilities of its string', () => {
  const strings = ['ab', 'ba', 'aab', 'bbb'];
  const members = [3, 8, 21];
  const weights = [0.5, 0.3, 0.2];
  const at = (seed: number, text: string, length: number) =>
    distributionOf(
      seed * 31 + ([...text.slice(0, length)].reduce((h, c) => h * 7 + c.charCodeAt(0), 1) % 997),
    );
  for (const text of strings) {
    const mixture = new StepMixture('linear', 3, (out) => out.set(weights));
    mixture.begin();
    let product = 1;
    const own = [1, 1, 1];
    [...text].forEach((character, length) => {
      const distributions = members.map((seed) => at(seed, text, length));
      mixture.read(distributions);
      product *= mixture.probability(character.charCodeAt(0));
      mixture.take(character.charCodeAt(0));
      distributions.forEach((distribution, i) => {
        own[i] *= distribution[character.charCodeAt(0)];
      });
    });
    const expected = own.reduce((sum, p, i) => sum + weights[i] * p, 0);
    expect(Math.abs(product / expected - 1)).toBeLessThan(1e-9);
    mixture.shares().forEach((share, i) => {
      expect(share).toBeCloseTo((weights[i] * own[i]) / expected, 9);
    });
  }
});

const shares = [
  { combiner: 'linear', expected: [0.989, 0.011] },
  { combiner: 'geometric', expected: [0.852, 0.148] },
] as const;
for (const { combiner, expected } of shares) {
  test(`${combiner}: shares of members that gave 0.9 and 0.01 under equal weights`, () => {
    const distributions = [0.9, 0.01].map((p) =>
      new Float64Array(SYMBOLS).fill((1 - p) / (SYMBOLS - 1)).fill(p, 97, 98),
    );
    const step = createCombiner(combiner, 2);
    step.begin(Float64Array.from([0.5, 0.5]));
    step.observe(distributions, 97);
    const out = new Float64Array(2);
    step.shares(out);
    out.forEach((share, i) => {
      expect(share).toBeCloseTo(expected[i], 2);
    });
  });
}

test('equal shares of the weights where no member pulled the symbol above chance', () => {
  const distributions = [1e-3, 1e-3].map((p) =>
    new Float64Array(SYMBOLS).fill((1 - p) / (SYMBOLS - 1)).fill(p, 97, 98),
  );
  const step = createCombiner('geometric', 2);
  step.begin(Float64Array.from([0.9, 0.3]));
  step.observe(distributions, 97);
  const out = new Float64Array(2);
  step.shares(out);
  expect([...out]).toEqual([0.75, 0.25]);
});
