import { describe, expect, test } from 'vitest';
import { createBackOff } from '../../src/extension/backOff.ts';
import { createAdaptiveDebounce } from '../../src/extension/debounce.ts';
import { hostStatus } from '../../src/extension/hostStatus.ts';

describe('debounce', () => {
  const bounds = { minimum: 20, maximum: 200 };
  const delayAfter = (...latencies: readonly number[]) => {
    const debounce = createAdaptiveDebounce();
    for (const latency of latencies) debounce.observe(latency);
    return debounce.delay(bounds);
  };
  test('starts at 60 ms', () => expect(delayAfter()).toBe(60));
  test('is half an answer', () => expect(delayAfter(100)).toBe(50));
  test('stays within the bounds', () => {
    expect(delayAfter(1)).toBe(20);
    expect(delayAfter(5000)).toBe(200);
    expect(createAdaptiveDebounce().delay({ minimum: 0, maximum: 0 })).toBe(0);
  });
  test('one slow answer among fast ones moves it a fifth of the way', () => {
    expect(delayAfter(100, 100, 200)).toBeCloseTo(60);
  });
  test('follows a machine that gets slower', () => {
    expect(delayAfter(40, ...Array(40).fill(300))).toBeCloseTo(150, 0);
  });
});

describe('back-off', () => {
  const delays = (...endsAt: readonly number[]) => {
    let now = 0;
    const backOff = createBackOff(() => now);
    return endsAt.map((time) => {
      now = time;
      return backOff.next();
    });
  };
  test('grows to eight seconds and then gives up', () => {
    expect(delays(1, 2, 3, 4, 5, 6, 7, 8)).toEqual([250, 500, 1000, 2000, 4000, 8000, 8000, null]);
  });
  test('a process that was well for a minute counts afresh', () => {
    expect(delays(0, 1000, 62_000)).toEqual([250, 500, 250]);
  });
  test('a person may start it again', () => {
    const backOff = createBackOff(() => 0);
    while (backOff.next() !== null);
    backOff.reset();
    expect(backOff.next()).toBe(250);
  });
});

describe('status', () => {
  const running = {
    process: { kind: 'running' },
    enabled: true,
    languageEnabled: true,
    server: null,
  } as const;
  const server = { busy: false, kind: 'Normal', message: '' } as const;
  const cases: readonly [string, Parameters<typeof hostStatus>[0], string][] = [
    ['ready', running, 'ready none'],
    ['working', { ...running, server: { ...server, busy: true } }, 'busy none'],
    [
      'switched off wins over a crash',
      { ...running, enabled: false, process: { kind: 'stopped', message: 'x' } },
      'off disabled',
    ],
    ['off for a language', { ...running, languageEnabled: false }, 'off languageDisabled'],
    [
      'a crash wins over the language',
      { ...running, languageEnabled: false, process: { kind: 'stopped', message: 'x' } },
      'failed failed',
    ],
    ['started again', { ...running, process: { kind: 'restarting', delayMs: 250 } }, 'starting restarting'],
    [
      'an error of the server',
      { ...running, server: { ...server, kind: 'Error', message: 'no members' } },
      'failed failed',
    ],
  ];
  test.each(cases)('%s', (_, known, expected) => {
    const { state, reason } = hostStatus(known);
    expect(`${state} ${reason}`).toBe(expected);
  });
});
