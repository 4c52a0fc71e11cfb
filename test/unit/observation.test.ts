import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { featureGroups } from '../../src/config/policyFile.ts';
import { EVIDENCE } from '../../src/lm/evidence.ts';
import { END, SYMBOLS } from '../../src/lm/symbols.ts';
import {
  type FeatureGroup,
  MEMBER_FEATURES,
  memberFeatures,
  sharedFeatures,
} from '../../src/policy/features.ts';
import { LexicalState } from '../../src/policy/lexicalState.ts';
import { createObservation, ObservationTracker } from '../../src/policy/observation.ts';
import type { PolicyMember, Situation, StepState } from '../../src/policy/policy.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** A few probable symbols over a floor that may be 0, or one that makes no distribution at all. */
const distribution = fc
  .record({
    floor: fc.constantFrom(0, 1e-12, 1 / SYMBOLS, 1),
    peaks: fc.array(fc.tuple(fc.nat(SYMBOLS - 1), fc.constantFrom(0, 1e-300, 0.1, 0.5, 1, 1e9, Number.NaN)), {
      maxLength: 6,
    }),
  })
  .map(({ floor, peaks }) => {
    const out = new Float64Array(SYMBOLS).fill(floor);
    for (const [symbol, p] of peaks) out[symbol] += p;
    return out;
  });
const text = fc.string({
  unit: fc.constantFrom('a', '"', "'", '/', '*', '#', '\n', '\t', ' ', 'é', '😀', '`'),
});
interface Anything {
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
  readonly languageId: string;
  readonly kinds: readonly PolicyMember['kind'][];
  readonly recent: readonly (readonly number[])[];
  readonly hedge: readonly number[];
  readonly written: Uint8Array;
  readonly distributions: readonly Float64Array[];
  readonly lag: readonly number[];
  readonly evidence: readonly (readonly number[])[];
  readonly logProbability: number;
}
const anything: fc.Arbitrary<Anything> = fc.integer({ min: 1, max: 6 }).chain((nMembers) => {
  const each = <Value>(value: fc.Arbitrary<Value>) =>
    fc.array(value, { minLength: nMembers, maxLength: nMembers });
  return fc.record({
    prefix: text.map(bytes),
    suffix: text.map(bytes),
    languageId: fc.constantFrom('typescript', 'javascriptreact', 'python', 'cobol', ''),
    kinds: each(fc.constantFrom('neural' as const, 'ngram' as const, 'endpoint' as const)),
    recent: each(fc.array(fc.constantFrom(-0.1, -3, -700, Number.NEGATIVE_INFINITY), { maxLength: 130 })),
    hedge: each(fc.constantFrom(0, -1, -30, Number.NEGATIVE_INFINITY)),
    written: text.map(bytes),
    distributions: each(distribution),
    lag: each(fc.constantFrom(0, 0, 1, 100)),
    evidence: each(
      fc.array(fc.constantFrom(0, 0.5, 1, 2, 3, 40, 1e6), { minLength: EVIDENCE, maxLength: EVIDENCE }),
    ),
    logProbability: fc.constantFrom(0, -0.5, -900, Number.NEGATIVE_INFINITY),
  });
});

function situationOf({ prefix, suffix, languageId, kinds, recent }: Anything): Situation {
  const logProbabilities = recent.map((scores) => Float64Array.from(scores));
  const members = kinds.map((kind, i) => ({ id: `m${i}`, kind }));
  return { prefix, suffix, languageId, members, recent: { bytes: prefix, logProbabilities } };
}

function stateOf(at: Anything, length = at.written.length): StepState {
  return {
    distributions: at.distributions,
    evidence: at.evidence.map((numbers) => Float64Array.from(numbers)),
    lag: Int32Array.from(at.lag),
    text: at.written,
    length,
    logProbability: at.logProbability,
  };
}

/** What is seen after all of the text has been written, and its end. */
function see(at: Anything, groups: readonly FeatureGroup[] = featureGroups) {
  const tracker = new ObservationTracker(at.kinds.length, groups);
  const out = createObservation(at.kinds.length);
  tracker.begin(situationOf(at));
  at.written.forEach((byte, length) => {
    tracker.observe(byte, stateOf(at, length));
  });
  tracker.write(stateOf(at), Float64Array.from(at.hedge), out);
  return out;
}

test('every number is finite and between −1 and 1, whatever the members say', () =>
  fc.assert(
    fc.property(anything, (at) => {
      const { members, shared } = see(at);
      for (const number of [...members, ...shared]) expect(Math.abs(number)).toBeLessThanOrEqual(1);
    }),
    { seed: 3, numRuns: 300 },
  ));

test('features of a group that is left out are 0, and the others stay as they are', () =>
  fc.assert(
    fc.property(anything, fc.subarray([...featureGroups]), (at, groups) => {
      const all = see(at);
      const some = see(at, groups);
      for (const { at: place, group } of Object.values(sharedFeatures)) {
        expect(some.shared[place] + 0).toBe(groups.includes(group) ? all.shared[place] : 0);
      }
      for (const { at: place, group } of Object.values(memberFeatures)) {
        expect(some.members[place] + 0).toBe(groups.includes(group) ? all.members[place] : 0);
      }
    }),
    { seed: 4, numRuns: 50 },
  ));

/** A sound distribution with all its mass on a few symbols. */
function peaked(seed: number): Float64Array {
  const out = new Float64Array(SYMBOLS).fill(1e-6);
  for (let k = 0; k < 5; k++) out[(seed * 37 + 13 * k) % SYMBOLS] += 1 / (k + 1 + (seed % 3));
  const sum = out.reduce((total, p) => total + p, 0);
  return out.map((p) => p / sum);
}

test('kept up byte by byte, it is what it is when all of the text stands before the cursor', () =>
  fc.assert(
    fc.property(text, text, fc.array(fc.nat(500), { maxLength: 40 }), (before, after, seeds) => {
      const nMembers = 3;
      const written = bytes(after);
      const at = {
        distributions: [1, 2, 3].map(peaked),
        evidence: [0, 1, 2].map((i) => Float64Array.of(4 * i, i, i / 2)),
        lag: new Int32Array(nMembers),
        text: written,
      };
      const scores = [0, 1, 2].map((i) => seeds.map((seed) => -((seed * (i + 1)) % 70) / 10));
      const members = ['ngram', 'neural', 'neural'].map((kind, i) => ({
        id: `${i}`,
        kind: kind as 'ngram' | 'neural',
      }));
      const situation = (prefix: string, recent: readonly number[][]): Situation => ({
        prefix: bytes(prefix),
        suffix: bytes(' x'),
        languageId: 'python',
        members,
        recent: {
          bytes: bytes(prefix),
          logProbabilities: recent.map((row) => Float64Array.from(row)),
        },
      });
      const hedge = Float64Array.of(-1, -1.2, -0.9);

      const growing = new ObservationTracker(nMembers, featureGroups);
      growing.begin(situation(before, scores));
      const grownScores = scores.map((row) => [...row]);
      written.forEach((byte, length) => {
        const distributions = [1, 2, 3].map((i) => peaked(i + length));
        growing.observe(byte, { ...at, distributions, length, logProbability: 0 });
        grownScores.forEach((row, i) => {
          row.push(Math.log(distributions[i][byte]));
        });
      });
      const grown = createObservation(nMembers);
      const fresh = createObservation(nMembers);
      growing.write({ ...at, length: 0, logProbability: 0 }, hedge, grown);
      const again = new ObservationTracker(nMembers, featureGroups);
      again.begin(situation(before + after, grownScores));
      again.write({ ...at, length: 0, logProbability: 0 }, hedge, fresh);
      grown.members.forEach((number, i) => {
        expect(number).toBeCloseTo(fresh.members[i], 5);
      });
      expect(grown.shared).toEqual(fresh.shared);
    }),
    { seed: 6 },
  ));

test('what a member says that has not read all of the text does not count', () => {
  const at: Anything = {
    prefix: bytes('let a'),
    suffix: bytes(''),
    languageId: 'typescript',
    kinds: ['ngram', 'neural'],
    recent: [
      [-1, -2],
      [-1, -1],
    ],
    hedge: [-0.5, -0.9],
    written: bytes(''),
    distributions: [peaked(1), peaked(2)],
    lag: [3, 0],
    evidence: [
      [9, 3, 0],
      [0, 0, 0.5],
    ],
    logProbability: 0,
  };
  const { members, shared } = see(at);
  const kept = Object.entries(memberFeatures).filter(([, feature]) => members[feature.at] !== 0);
  expect(kept.map(([name]) => name)).toEqual([
    'hedgeLogWeight',
    'recent16',
    'recent64',
    'recent256',
    'responsibility',
    'isNgram',
    'lags',
  ]);
  const top = Math.max(...peaked(2));
  expect(shared[sharedFeatures.top.at]).toBeCloseTo(top, 6);
  expect(members[MEMBER_FEATURES + memberFeatures.divergence.at]).toBeCloseTo(0, 6);
});

test('entropies and the divergence are those of the definition', () => {
  const a = peaked(1);
  const b = peaked(5);
  const entropy = (p: Float64Array) => p.reduce((sum, x) => sum - x * Math.log(x), 0);
  const mixture = a.map((p, x) => (p + b[x]) / 2);
  const between = a.map((p, x) => (p + mixture[x]) / 2);
  const at: Anything = {
    prefix: bytes(''),
    suffix: bytes(''),
    languageId: 'typescript',
    kinds: ['neural', 'neural'],
    recent: [[], []],
    hedge: [-1, -1],
    written: bytes(''),
    distributions: [a, b],
    lag: [0, 0],
    evidence: [
      [0, 0, 0],
      [0, 0, 0],
    ],
    logProbability: 0,
  };
  const { members, shared } = see(at);
  expect(members[memberFeatures.entropy.at]).toBeCloseTo(entropy(a) / Math.log(SYMBOLS), 2);
  expect(shared[sharedFeatures.entropy.at]).toBeCloseTo(entropy(mixture) / Math.log(SYMBOLS), 2);
  const divergence = entropy(between) - (entropy(a) + entropy(mixture)) / 2;
  expect(members[memberFeatures.divergence.at]).toBeCloseTo(divergence / Math.LN2, 2);
  expect(shared[sharedFeatures.end.at]).toBeCloseTo(mixture[END], 6);
});

describe('where in the text', () => {
  const places: { text: string; in: 'code' | 'string' | 'comment'; languageId?: string }[] = [
    { text: 'let a = ', in: 'code' },
    { text: 'let a = "b', in: 'string' },
    { text: 'let a = "b\\"', in: 'string' },
    { text: 'let a = "b\\\\"', in: 'code' },
    { text: 'let a = "b\n', in: 'code' },
    { text: "x = ''", in: 'code' },
    { text: 'let a = `b\n  c', in: 'string' },
    { text: 'let a = `b\n` + ', in: 'code' },
    { text: 'a // b "c', in: 'comment' },
    { text: 'a // b\n', in: 'code' },
    { text: 'a /* b\n c', in: 'comment' },
    { text: 'a /*/ b', in: 'comment' },
    { text: 'a /* b */ c', in: 'code' },
    { text: 'a /* b *// c', in: 'code' },
    { text: '"// "', in: 'code' },
    { text: 'a # b', in: 'code' },
    { text: 'a # b', in: 'comment', languageId: 'python' },
    { text: 'a // b', in: 'code', languageId: 'python' },
    { text: '"""a\n', in: 'string', languageId: 'python' },
    { text: '"""a "b" \n', in: 'string', languageId: 'python' },
    { text: '"""a\n"""', in: 'code', languageId: 'python' },
    { text: '"""a\n""" + "', in: 'string', languageId: 'python' },
    { text: '\'\'\'a"""', in: 'string', languageId: 'python' },
    { text: '"" + "a', in: 'string', languageId: 'python' },
  ];
  for (const { text: place, in: where, languageId = 'typescript' } of places) {
    test(`${languageId}: ${JSON.stringify(place)} is ${where}`, () => {
      const state = new LexicalState();
      state.begin(languageId);
      for (const byte of bytes(place)) state.push(byte);
      expect(state.isInString ? 'string' : state.isInComment ? 'comment' : 'code').toBe(where);
    });
  }

  test('column and indentation', () => {
    const state = new LexicalState();
    state.begin('python');
    for (const byte of bytes('a\n \tif b')) state.push(byte);
    expect([state.column, state.indentation]).toEqual([6, 5]);
  });
});
