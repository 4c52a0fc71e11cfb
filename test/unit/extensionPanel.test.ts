import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LearningStatus } from '../../src/protocol/messages.ts';
import { learningText } from '../../src/webview/learningText.ts';
import {
  drawnMembers,
  fill,
  formatBytes,
  formatMilliseconds,
  formatPercent,
  leadingMember,
  percentages,
  totalShares,
} from '../../src/webview/shares.ts';

const sum = (shares: Readonly<Record<string, number>>) =>
  Object.values(shares).reduce((total, share) => total + share, 0);

/** Shares of some members that sum to 1. */
const anyShares = fc
  .array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 })
  .filter((weights) => weights.some((weight) => weight > 1e-9))
  .map((weights) => {
    const total = weights.reduce((left, right) => left + right);
    return Object.fromEntries(weights.map((weight, index) => [`m${index}`, weight / total]));
  });

test('percentages that are read sum to 100.0 and stay within a tenth', () => {
  fc.assert(
    fc.property(anyShares, (shares) => {
      const percents = percentages(shares);
      expect(Math.round(sum(percents) * 10)).toBe(1000);
      for (const [id, share] of Object.entries(shares)) {
        expect(Math.abs(percents[id] - 100 * share)).toBeLessThan(0.1 + 1e-9);
      }
    }),
  );
});

test('thirds', () => {
  const third = 1 / 3;
  expect(percentages({ a: third, b: third, c: third })).toEqual({ a: 33.4, b: 33.3, c: 33.3 });
});

test('the total weighs tokens by their lengths and sums to 1', () => {
  const tokens = [
    { text: 'for', shares: { a: 1, b: 0 } },
    { text: '(', shares: { a: 0.2, b: 0.8 } },
  ];
  const totals = totalShares(tokens);
  expect(totals.a).toBeCloseTo((3 * 1 + 1 * 0.2) / 4);
  expect(sum(totals)).toBeCloseTo(1);
  expect(totalShares([])).toEqual({});
});

test('the leading member', () => {
  expect(leadingMember({ a: 0.2, b: 0.5, c: 0.3 })).toBe('b');
  expect(leadingMember({ a: 0.5, b: 0.5 })).toBe('a');
  expect(leadingMember({})).toBeUndefined();
});

test('a member keeps its mark whoever takes part; one that left is still named', () => {
  const members = ['ngram', 'ts', 'py'].map((id) => ({
    id,
    kind: 'neural' as const,
    name: id.toUpperCase(),
    state: 'ready' as const,
    sizeBytes: 1,
    latencyMs: null,
  }));
  const ensemble = {
    members,
    policy: { name: 'hedge', version: '1' },
    index: { state: 'idle' as const, files: 0, bytes: 0 },
    learning: { state: 'off' as const, version: null },
  };
  expect(drawnMembers(ensemble, { py: 0.5, gone: 0.5 })).toEqual([
    { id: 'ngram', name: 'NGRAM', mark: 0 },
    { id: 'ts', name: 'TS', mark: 1 },
    { id: 'py', name: 'PY', mark: 2 },
    { id: 'gone', name: 'gone', mark: 3 },
  ]);
  expect(drawnMembers(null, { a: 1 })).toEqual([{ id: 'a', name: 'a', mark: 0 }]);
});

describe('what the panel says about learning', () => {
  const texts = {
    learningOff: 'off',
    learningOn: 'none serves',
    learnedVersion: '{0} serves',
    gathering: '{0} of {1} texts',
    gathered: 'when you rest',
    onTrial: '{0} on trial: {1} of {2} completions, {3} of {4} texts',
    uncertain: '{0} on trial: uncertain',
  };
  const count = (have: number, need: number) => ({ have, need });
  const trial = (completions: number, nTexts: number) => ({
    kind: 'onTrial' as const,
    version: 4,
    completions: count(completions, 20),
    texts: count(nTexts, 50),
  });
  const cases: readonly [string, LearningStatus][] = [
    ['off', { state: 'off', version: null }],
    ['off', { state: 'unavailable', version: null }],
    ['3 serves', { state: 'on', version: 3 }],
    [
      'none serves · 31 of 50 texts',
      { state: 'on', version: null, progress: { kind: 'gathering', texts: count(31, 50) } },
    ],
    [
      '3 serves · when you rest',
      { state: 'on', version: 3, progress: { kind: 'gathering', texts: count(90, 90) } },
    ],
    [
      '3 serves · 4 on trial: 12 of 20 completions, 50 of 50 texts',
      { state: 'on', version: 3, progress: trial(12, 50) },
    ],
    [
      '3 serves · 4 on trial: 20 of 20 completions, 9 of 50 texts',
      { state: 'on', version: 3, progress: trial(20, 9) },
    ],
    ['none serves · 4 on trial: uncertain', { state: 'on', version: null, progress: trial(20, 50) }],
  ];
  test.each(cases)('%s', (expected, status) => expect(learningText(status, texts)).toBe(expected));
});

describe('numbers as a person reads them', () => {
  const cases: readonly [string, string][] = [
    [formatBytes(0, 'en'), '0 byte'],
    [formatBytes(1240, 'en'), '1.2 kB'],
    [formatBytes(999_960, 'en'), '1 MB'],
    [formatBytes(14_300_000, 'en'), '14 MB'],
    [formatMilliseconds(0.84, 'en'), '0.8'],
    [formatMilliseconds(38.2, 'en'), '38'],
    [formatPercent(12, 'en'), '12.0%'],
    [formatPercent(12.5, 'de').replace('\u00a0', ' '), '12,5 %'],
    [fill('{1} of {0}, {0} {2}', 'a', 1), '1 of a, a {2}'],
  ];
  test.each(cases)('%s', (actual, expected) => expect(actual).toBe(expected));
});
