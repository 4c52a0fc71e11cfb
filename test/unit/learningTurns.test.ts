import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePolicyFile } from '../../src/config/policyFile.ts';
import { type LearnOptions, learnOnce, type Turn } from '../../src/server/learning/learn.ts';
import { readProgress } from '../../src/server/learning/progress.ts';
import { onlinePromotion, scheduleDefaults } from '../../src/server/learning/schedule.ts';
import { recordCompletion } from '../../src/server/ledger/completions.ts';
import { grantConsent } from '../../src/server/ledger/consents.ts';
import { acquireLease } from '../../src/server/ledger/leases.ts';
import { type Ledger, openLedger } from '../../src/server/ledger/ledger.ts';
import { recordOutcome } from '../../src/server/ledger/outcomes.ts';
import {
  listPolicyVersions,
  readPolicyFile,
  servingVersions,
} from '../../src/server/ledger/policyVersions.ts';
import { recordText } from '../../src/server/ledger/survivingTexts.ts';
import { onlineDefaults } from '../../src/training/hyperParameters.ts';
import { onlineUpdate } from '../../src/training/onlineUpdate.ts';
import { openBackend } from '../../src/training/tensorflow.ts';
import { value, workspace } from '../support/ledgerRecords.ts';
import { silentPolicy, toyCompletion, toyText } from '../support/onlineMaterial.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-turns-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() => openBackend('wasm'));

let nLedgers = 0;

async function newLedger(sqlite?: () => Promise<{ DatabaseSync: typeof DatabaseSync }>): Promise<Ledger> {
  const options = { retryAfterMs: 0, ...(sqlite && { loadSqlite: sqlite }) };
  const ledger = value(await openLedger(join(folder, `${++nLedgers}.sqlite`), options));
  value(grantConsent(ledger, workspace, 0));
  return ledger;
}

/** So many lines are typed, every second one a trap. */
function type(ledger: Ledger, nTexts: number, isTrap = (i: number) => i % 2 === 1): void {
  for (let i = 0; i < nTexts; i++) value(recordText(ledger, workspace, toyText(isTrap(i))));
}

/** Requests that the arms serve in turn; Hedge and the shipped policy fall into every trap. */
function request(ledger: Ledger, n: number, acceptedBy: (arm: string, isTrap: boolean) => boolean): void {
  const versions = value(servingVersions(ledger));
  for (let i = 0; i < n; i++) {
    const isTrap = i % 2 === 1;
    const arm = i % 4 < 2 ? 'champion' : versions.challenger === null ? 'hedge' : 'challenger';
    const policyVersion = arm === 'hedge' ? null : versions[arm];
    const propensities = {
      champion: 0.5,
      challenger: 0,
      hedge: 0,
      [arm === 'champion' ? 'hedge' : arm]: 0.5,
    };
    if (versions.challenger !== null) Object.assign(propensities, { challenger: 0.5, hedge: 0 });
    const draw = { arm, policyVersion, propensities, versions } as const;
    const completion = toyCompletion(isTrap, { draw });
    value(recordCompletion(ledger, workspace, completion));
    const isAccepted = acceptedBy(arm, isTrap);
    value(
      recordOutcome(ledger, {
        completionId: completion.id,
        time: i,
        kind: isAccepted ? 'accepted' : 'rejected',
        acceptedLength: isAccepted ? 6 : 0,
      }),
    );
  }
}

const silent: LearnOptions['train'] = async () => ({
  policy: silentPolicy(),
  changes: {
    outcomes: 0,
    sampled: 0,
    texts: 60,
    reliability: 1,
    expectedReward: 0,
    logLoss: 0,
    divergence: 0,
  },
});

function options(ledger: Ledger, changes: Partial<LearnOptions> = {}): LearnOptions {
  return {
    ledger,
    holder: 'me',
    shipped: null,
    hyperParameters: onlineDefaults,
    schedule: scheduleDefaults,
    promotion: onlinePromotion,
    now: () => 1000,
    train: onlineUpdate,
    pause: async () => {},
    ...changes,
  };
}

async function turn(ledger: Ledger, changes: Partial<LearnOptions> = {}): Promise<Turn> {
  return value(await learnOnce(options(ledger, changes)));
}

const deserved = (_: string, isTrap: boolean) => !isTrap;

describe('turns of learning', () => {
  test('nothing is trained from little', async () => {
    const ledger = await newLedger();
    type(ledger, 20);
    expect(await turn(ledger)).toEqual({ kind: 'notEnoughTexts', have: 20, need: 50 });
    expect(value(listPolicyVersions(ledger))).toEqual([]);
  });

  test('a challenger is trained, put on trial, promoted by what was shown and kept, and says what it learned from', async () => {
    const ledger = await newLedger();
    type(ledger, 30);
    const progress = () => value(readProgress(ledger));
    expect(progress()).toEqual({ kind: 'gathering', texts: { have: 30, need: 50 } });
    type(ledger, 30);
    expect(progress()).toEqual({ kind: 'gathering', texts: { have: 50, need: 50 } });
    request(ledger, 40, deserved);
    expect(await turn(ledger)).toEqual({ kind: 'trained', version: 1 });
    const onTrial = (completions: number, texts: number) => ({
      kind: 'onTrial',
      version: 1,
      completions: { have: completions, need: 20 },
      texts: { have: texts, need: 50 },
    });
    expect(progress()).toEqual(onTrial(0, 0));
    expect(await turn(ledger)).toMatchObject({
      kind: 'notEnoughEvidence',
      version: 1,
      missing: [
        { what: 'texts', have: 0, need: 50 },
        { what: 'completions', have: 0, need: 20 },
      ],
    });
    type(ledger, 12);
    request(ledger, 8, deserved);
    expect(await turn(ledger)).toMatchObject({ kind: 'notEnoughEvidence' });
    expect(progress()).toEqual(onTrial(4, 12));
    type(ledger, 108);
    request(ledger, 72, deserved);
    expect(await turn(ledger)).toMatchObject({ kind: 'promoted', version: 1 });
    expect(progress()).toEqual({ kind: 'gathering', texts: { have: 90, need: 90 } });
    expect(value(servingVersions(ledger))).toEqual({ champion: 1, challenger: null });
    const [version] = value(listPolicyVersions(ledger));
    expect(version).toMatchObject({ changes: { texts: 60, outcomes: 40 }, evaluation: { texts: 120 } });
    expect(version.evaluation.worthLow).toBeGreaterThan(0);
    expect(parsePolicyFile(value(readPolicyFile(ledger, 1)) ?? '').problem).toBeUndefined();
  });

  test('one that is silent where the text was right is rejected', async () => {
    const ledger = await newLedger();
    const never = () => false;
    type(ledger, 60, never);
    await turn(ledger, { train: silent });
    type(ledger, 120, never);
    expect(await turn(ledger)).toMatchObject({ kind: 'rejected', version: 1 });
    expect(value(servingVersions(ledger))).toEqual({ champion: null, challenger: null });
  });

  test('a champion that does harm is rolled back', async () => {
    const ledger = await newLedger();
    type(ledger, 60);
    await turn(ledger);
    type(ledger, 120);
    request(ledger, 80, deserved);
    expect(await turn(ledger)).toMatchObject({ kind: 'promoted' });
    request(ledger, 400, (arm) => arm === 'hedge');
    expect(await turn(ledger)).toMatchObject({ kind: 'rolledBack', version: 1 });
    expect(value(servingVersions(ledger)).champion).toBeNull();
  });

  test('the next one is trained when there is more to learn from', async () => {
    const ledger = await newLedger();
    type(ledger, 60);
    await turn(ledger, { train: silent });
    type(ledger, 421);
    // It loses at what is right what it gains at the traps, so it stays on trial until it is out of date.
    const promotion = { ...onlinePromotion, minimumTexts: 1e6, alpha: 1e-9 };
    expect(await turn(ledger, { train: silent, promotion })).toMatchObject({ kind: 'trained', version: 2 });
  });
});

describe('faults', () => {
  test('two windows: one trains, the other does not wait', async () => {
    const ledger = await newLedger();
    type(ledger, 60);
    let other: Turn | undefined;
    const train: LearnOptions['train'] = async (update) => {
      other = await turn(ledger, { holder: 'other' });
      return silent(update);
    };
    expect(await turn(ledger, { train })).toMatchObject({ kind: 'trained' });
    expect(other).toEqual({ kind: 'busyElsewhere' });
  });

  test('a clock that has gone back does not stop learning for good', async () => {
    const ledger = await newLedger();
    type(ledger, 60);
    const lease = { name: 'trainer', holder: 'gone' };
    value(acquireLease(ledger, { ...lease, now: 9e12, durationMs: 120_000 }));
    expect(await turn(ledger, { train: silent })).toMatchObject({ kind: 'trained' });
  });

  test('the clock goes back while a window trains: another takes over, and only its result counts', async () => {
    const ledger = await newLedger();
    type(ledger, 60);
    const train: LearnOptions['train'] = async (update) => {
      expect(await turn(ledger, { holder: 'other', now: () => -1e9, train: silent })).toMatchObject({
        kind: 'trained',
      });
      // The other has finished and given the lease back.
      return silent(update);
    };
    expect(await turn(ledger, { train })).toEqual({ kind: 'stale' });
    expect(value(listPolicyVersions(ledger))).toHaveLength(1);
  });

  test('a full disk: one message, no half version, and learning goes on when there is room', async () => {
    let opened: DatabaseSync | undefined;
    class Watched extends DatabaseSync {
      constructor(path: string) {
        super(path);
        opened = this;
      }
    }
    const ledger = await newLedger(async () => ({ DatabaseSync: Watched }));
    type(ledger, 60);
    const limit = (pages: number) => opened?.exec(`PRAGMA max_page_count = ${pages}`);
    const train: LearnOptions['train'] = async (update) => {
      limit(1);
      return silent(update);
    };
    const failed = await learnOnce(options(ledger, { train }));
    expect(failed.problem).toMatchObject({
      kind: 'diskFull',
      message: expect.stringMatching(/Free some space/),
    });
    limit(1_000_000);
    expect(value(listPolicyVersions(ledger))).toEqual([]);
    expect(await turn(ledger, { train: silent })).toMatchObject({ kind: 'trained', version: 1 });
  });

  test('a turn that is told to end leaves nothing behind', async () => {
    const ledger = await newLedger();
    type(ledger, 60);
    const pause = () => Promise.reject(new Error('told to end'));
    await expect(learnOnce(options(ledger, { pause }))).rejects.toThrow('told to end');
    expect(value(listPolicyVersions(ledger))).toEqual([]);
    expect(await turn(ledger, { train: silent, holder: 'other' })).toMatchObject({ kind: 'trained' });
  });
});
