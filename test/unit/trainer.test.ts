import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { constants, getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  controls,
  type LearningWorkerStart,
  type TurnAnswer,
  type TurnRequest,
} from '../../src/server/learning/learningWorker.ts';
import { isDischarging } from '../../src/server/learning/power.ts';
import { Trainer, type TrainerOptions } from '../../src/server/learning/trainer.ts';
import { grantConsent } from '../../src/server/ledger/consents.ts';
import { openLedger } from '../../src/server/ledger/ledger.ts';
import { servingVersions } from '../../src/server/ledger/policyVersions.ts';
import { recordText } from '../../src/server/ledger/survivingTexts.ts';
import { hedgePolicy } from '../../src/training/onlineUpdate.ts';
import { fakeClock } from '../support/fakeClock.ts';
import { value, workspace } from '../support/ledgerRecords.ts';
import { toyText } from '../support/onlineMaterial.ts';

/** A trainer whose thread answers when it is told to. */
function start(changes: Partial<TrainerOptions> = {}) {
  const clock = fakeClock();
  const asked: TurnRequest[] = [];
  const log: string[] = [];
  const seen = { nLearned: 0, nStarted: 0, isTerminated: false };
  let begun: LearningWorkerStart | undefined;
  let answer: (answer: TurnAnswer) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const trainer = new Trainer({
    ledgerPath: '/ledger.sqlite',
    isOn: () => true,
    shipped: () => null,
    isOnBattery: async () => false,
    schedule: clock.schedule,
    log: { info: (message) => log.push(message), warn: (message) => log.push(`warn: ${message}`) },
    onLearned: () => {
      seen.nLearned++;
    },
    startWorker(options) {
      begun = options;
      seen.nStarted++;
      return {
        postMessage: (message) => asked.push(message),
        on(event: 'message' | 'error', listener: (given: never) => void) {
          if (event === 'message') answer = listener as typeof answer;
          else fail = listener as typeof fail;
        },
        terminate: async () => {
          seen.isTerminated = true;
        },
      };
    },
    ...changes,
  });
  const pass = async (seconds: number) => {
    clock.advance(seconds * 1000);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const control = () => Atomics.load(new Int32Array(begun?.control ?? new SharedArrayBuffer(4)), 0);
  return {
    trainer,
    asked,
    log,
    seen,
    pass,
    control,
    answer: (given: TurnAnswer) => answer(given),
    fail: (error: Error) => fail(error),
  };
}

describe('when it is learned', () => {
  test('after a minute of rest, and from then on every five minutes', async () => {
    const { asked, pass, answer } = start();
    await pass(59);
    expect(asked).toEqual([]);
    await pass(1);
    expect(asked).toEqual([{ shipped: null }]);
    answer({ kind: 'turn', turn: { kind: 'notEnoughTexts', have: 3, need: 60 } });
    await pass(299);
    expect(asked).toHaveLength(1);
    await pass(1);
    expect(asked).toHaveLength(2);
  });

  test('work of the person puts it off', async () => {
    const { trainer, asked, pass } = start();
    await pass(50);
    trainer.busy();
    await pass(50);
    expect(asked).toEqual([]);
    await pass(10);
    expect(asked).toHaveLength(1);
  });

  test.each<[why: string, changes: Partial<TrainerOptions>]>([
    ['the workspace has not agreed', { isOn: () => false }],
    ['the machine runs on its battery', { isOnBattery: async () => true }],
    ['what serves cannot be learned from', { shipped: () => undefined }],
  ])('never while %s', async (_, changes) => {
    const { asked, pass } = start(changes);
    await pass(60);
    await pass(300);
    expect(asked).toEqual([]);
  });

  test('the policy that serves goes along', async () => {
    const { asked, pass } = start({ shipped: hedgePolicy });
    await pass(60);
    expect(asked[0].shipped).toContain('"consort-policy"');
  });
});

describe('while it is learned', () => {
  test('a key or a request makes it wait, for two seconds', async () => {
    const { trainer, pass, control } = start();
    await pass(60);
    trainer.busy();
    expect(control()).toBe(controls.wait);
    await pass(1);
    trainer.busy();
    await pass(1.5);
    expect(control()).toBe(controls.wait);
    await pass(1);
    expect(control()).toBe(controls.goOn);
  });

  test('what it came to is told, and taken up at once', async () => {
    const { pass, answer, log, seen } = start();
    await pass(60);
    answer({ kind: 'turn', turn: { kind: 'trained', version: 4 } });
    expect(seen.nLearned).toBe(1);
    expect(log).toEqual(['Version 4 of the policy was trained and is on trial.']);
  });

  test('problems are told, and it goes on', async () => {
    const { pass, answer, fail, log, asked, seen } = start();
    await pass(60);
    answer({ kind: 'problem', problem: { kind: 'diskFull', message: 'The disk is full.' } });
    await pass(300);
    answer({ kind: 'problem', problem: { kind: 'absent', message: 'There is no ledger.' } });
    await pass(300);
    fail(new Error('out of memory'));
    await pass(300);
    expect(asked).toHaveLength(4);
    expect(seen.nStarted).toBe(2);
    expect(log[0]).toBe('warn: The disk is full.');
    expect(log[1]).toMatch(/^warn: Learning stopped: .*out of memory/);
    expect(log).toHaveLength(2);
  });

  test('closing ends it', async () => {
    const { trainer, pass, asked, control, seen } = start();
    await pass(60);
    await trainer.close();
    trainer.busy();
    expect(control()).toBe(controls.end);
    expect(seen.isTerminated).toBe(true);
    await pass(600);
    expect(asked).toHaveLength(1);
  });
});

describe('the thread itself', () => {
  const priorityOf = (thread: string) => {
    try {
      return getPriority(Number(thread));
    } catch {
      return null; // It has ended since it was listed.
    }
  };

  test('trains from a ledger, and waits while it must', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'consort-thread-'));
    const ledger = value(await openLedger(join(folder, 'ledger.sqlite')));
    value(grantConsent(ledger, workspace, 0));
    for (let i = 0; i < 60; i++) value(recordText(ledger, workspace, toyText(i % 2 === 1)));
    const clock = fakeClock();
    const log: string[] = [];
    let learned: () => void = () => {};
    const done = new Promise<void>((resolve) => {
      learned = resolve;
    });
    const trainer = new Trainer({
      ledgerPath: ledger.path,
      isOn: () => true,
      shipped: () => null,
      isOnBattery: async () => false,
      schedule: clock.schedule,
      log: { info: (message) => log.push(message), warn: (message) => log.push(message) },
      onLearned: () => learned(),
    });
    clock.advance(60_000);
    await new Promise((resolve) => setImmediate(resolve));
    trainer.busy();
    // It waits until the clock says that the person is not at work any more.
    expect(value(servingVersions(ledger))).toEqual({ champion: null, challenger: null });
    clock.advance(2000);
    await done;
    // Where all threads have the lowest priority, this one cannot be told from them.
    if (process.platform === 'linux' && getPriority() < constants.priority.PRIORITY_LOW) {
      const priorities = readdirSync('/proc/self/task').map(priorityOf);
      expect(priorities.filter((priority) => priority === constants.priority.PRIORITY_LOW)).toHaveLength(1);
    }
    expect(value(servingVersions(ledger))).toEqual({ champion: null, challenger: 1 });
    expect(log).toEqual(['Version 1 of the policy was trained and is on trial.']);
    await trainer.close();
    ledger.close();
    rmSync(folder, { recursive: true, force: true });
    // Its thread has the lowest priority: beside other tests it hardly runs.
  }, 300_000);
});

describe('power', () => {
  const folder = mkdtempSync(join(tmpdir(), 'consort-power-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const supplies = {
    mains: { type: 'Mains', online: '1' },
    charging: { type: 'Battery', status: 'Charging' },
    discharging: { type: 'Battery', status: 'Discharging' },
    mouse: { type: 'Battery', scope: 'Device', status: 'Discharging' },
  };
  test.each<[names: (keyof typeof supplies)[], isDischarging: boolean]>([
    [[], false],
    [['mains'], false],
    [['mains', 'charging'], false],
    [['mains', 'discharging'], true],
    [['mouse'], false],
  ])('supplies %j: on its battery %s', async (names, expected) => {
    const place = join(folder, names.join('-') || 'none');
    mkdirSync(place);
    for (const name of names) {
      mkdirSync(join(place, name));
      for (const [property, text] of Object.entries(supplies[name]))
        writeFileSync(join(place, name, property), `${text}\n`);
    }
    expect(await isDischarging(place)).toBe(expected);
  });
});
