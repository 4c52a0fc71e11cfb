import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { recordCompletion } from '../../src/server/ledger/completions.ts';
import { grantConsent } from '../../src/server/ledger/consents.ts';
import { acquireLease, releaseLease } from '../../src/server/ledger/leases.ts';
import { type Ledger, openLedger } from '../../src/server/ledger/ledger.ts';
import {
  addPolicyVersion,
  chooseChampion,
  listPolicyVersions,
  type NewPolicyVersion,
  promote,
  readPolicyFile,
  reject,
  rollBack,
  servingVersions,
} from '../../src/server/ledger/policyVersions.ts';
import { applyRetention, retentionDefaults } from '../../src/server/ledger/retention.ts';
import { recordText } from '../../src/server/ledger/survivingTexts.ts';
import { completion, survivingText, value, workspace } from '../support/ledgerRecords.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let nLedgers = 0;
async function newLedger(): Promise<Ledger> {
  const ledger = value(await openLedger(join(folder, `${++nLedgers}.sqlite`)));
  value(grantConsent(ledger, workspace, 0));
  return ledger;
}

function add(ledger: Ledger, changes: Partial<NewPolicyVersion> = {}): number {
  const version = value(
    addPolicyVersion(ledger, {
      parent: null,
      origin: 'trained',
      state: 'challenger',
      changes: { texts: 10 },
      file: '{}',
      time: 1,
      ...changes,
    }),
  );
  if (version === 'leaseLost') throw new Error(version);
  return version;
}

/** The states of all versions, the oldest first. */
function states(ledger: Ledger): readonly string[] {
  return value(listPolicyVersions(ledger))
    .map(({ state }) => state)
    .toReversed();
}

const decision = { time: 5, evaluation: { lossHigh: -0.01, rewardLow: Number.NaN } };

describe('policy versions', () => {
  test('a file is read as it was added, and kept with what changed', async () => {
    const ledger = await newLedger();
    const file = JSON.stringify({ weights: 'ä'.repeat(100_000) });
    const version = add(ledger, { file, changes: { texts: 12, kl: 0.02 } });
    expect(value(readPolicyFile(ledger, version))).toBe(file);
    expect(value(readPolicyFile(ledger, version + 1))).toBeNull();
    expect(value(listPolicyVersions(ledger))).toMatchObject([{ version, changes: { texts: 12, kl: 0.02 } }]);
  });

  test('what came before a version is not held out for it, whatever the clock says', async () => {
    const ledger = await newLedger();
    for (let i = 0; i < 3; i++) value(recordCompletion(ledger, workspace, completion({ time: 1e12 })));
    value(recordText(ledger, workspace, survivingText({ time: 1e12 })));
    add(ledger, { time: 5 });
    add(ledger, { trainedTo: { lastCompletion: 2, lastText: 0 } });
    expect(value(listPolicyVersions(ledger))).toMatchObject([
      { lastCompletion: 2, lastText: 0 },
      { lastCompletion: 3, lastText: 1 },
    ]);
  });

  test('there is one champion and one challenger; who is replaced retires', async () => {
    const ledger = await newLedger();
    expect(value(servingVersions(ledger))).toEqual({ champion: null, challenger: null });
    const shipped = add(ledger, { origin: 'shipped', state: 'champion' });
    const first = add(ledger, { parent: shipped });
    const second = add(ledger, { parent: shipped });
    expect(states(ledger)).toEqual(['champion', 'retired', 'challenger']);
    expect(value(promote(ledger, first, decision))).toBe('stale');
    expect(value(promote(ledger, second, decision))).toBe('done');
    expect(states(ledger)).toEqual(['retired', 'retired', 'champion']);
    expect(value(servingVersions(ledger))).toEqual({ champion: second, challenger: null });
    expect(value(listPolicyVersions(ledger))[0]).toMatchObject({
      stateSince: 5,
      evaluation: { lossHigh: -0.01, rewardLow: null },
    });
    expect(value(promote(ledger, second, decision))).toBe('stale');
  });

  test('a rejected challenger leaves the champion alone', async () => {
    const ledger = await newLedger();
    const shipped = add(ledger, { origin: 'shipped', state: 'champion' });
    expect(value(reject(ledger, add(ledger, { parent: shipped }), decision))).toBe('done');
    expect(states(ledger)).toEqual(['champion', 'retired']);
    expect(value(reject(ledger, shipped, decision))).toBe('stale');
  });

  test('rolling back goes to the nearest ancestor that was champion, at last to Hedge', async () => {
    const ledger = await newLedger();
    const shipped = add(ledger, { origin: 'shipped', state: 'champion' });
    // Was never champion, so it does not come back.
    const untried = add(ledger, { parent: shipped });
    const trained = add(ledger, { parent: untried });
    value(promote(ledger, trained, decision));
    add(ledger, { parent: trained });
    expect(value(rollBack(ledger, trained, decision))).toBe('done');
    expect(states(ledger)).toEqual(['champion', 'retired', 'rolledBack', 'retired']);
    expect(value(rollBack(ledger, trained, decision))).toBe('stale');
    expect(value(rollBack(ledger, shipped, decision))).toBe('done');
    expect(value(servingVersions(ledger))).toEqual({ champion: null, challenger: null });
  });

  test('a person may choose any version, or Hedge', async () => {
    const ledger = await newLedger();
    const shipped = add(ledger, { origin: 'shipped', state: 'champion' });
    value(promote(ledger, add(ledger, { parent: shipped }), decision));
    add(ledger, { parent: shipped });
    expect(value(chooseChampion(ledger, shipped, 7))).toBe('done');
    expect(states(ledger)).toEqual(['champion', 'retired', 'retired']);
    expect(value(chooseChampion(ledger, 99, 7))).toBe('unknown');
    expect(value(chooseChampion(ledger, null, 7))).toBe('done');
    expect(value(servingVersions(ledger)).champion).toBeNull();
  });

  test('retention keeps the newest, those that serve and the shipped one', async () => {
    const ledger = await newLedger();
    const shipped = add(ledger, { origin: 'shipped', state: 'champion' });
    const serving = add(ledger, { parent: shipped, state: 'champion' });
    const later = Array.from({ length: 6 }, () => add(ledger, { parent: serving }));
    value(applyRetention(ledger, 0, { ...retentionDefaults, maximumVersions: 3 }));
    const kept = value(listPolicyVersions(ledger)).map(({ version }) => version);
    expect(kept).toEqual([...later.slice(-3).toReversed(), serving, shipped]);
    // A parent that is not kept is no reason to refuse its child.
    add(ledger, { parent: later[0] });
    expect(value(listPolicyVersions(ledger))[0].parent).toBeNull();
  });
});

describe("the trainer's lease", () => {
  const durationMs = 60_000;
  const [first, second] = ['one', 'two'].map((holder) => ({ name: 'trainer', holder }));

  /** Who tries to take it when, and whether they get it. */
  const cases: readonly [
    name: string,
    attempts: readonly (readonly [lease: typeof first, now: number, expected: 'acquired' | 'held'])[],
  ][] = [
    [
      'one at a time',
      [
        [first, 0, 'acquired'],
        [second, 59_999, 'held'],
        [second, 60_000, 'acquired'],
        [first, 60_001, 'held'],
      ],
    ],
    [
      'renewing keeps it',
      [
        [first, 0, 'acquired'],
        [first, 50_000, 'acquired'],
        [second, 100_000, 'held'],
        [second, 110_000, 'acquired'],
      ],
    ],
    [
      'a clock that jumps back frees it',
      [
        [first, 1e9, 'acquired'],
        [second, 5000, 'acquired'],
        [first, 6000, 'held'],
      ],
    ],
    [
      'a clock that trembles does not',
      [
        [first, 10_000, 'acquired'],
        [second, 9500, 'held'],
      ],
    ],
    [
      'its own holder may go on after a jump back',
      [
        [first, 1e9, 'acquired'],
        [first, 5000, 'acquired'],
        [second, 6000, 'held'],
      ],
    ],
    [
      'a clock that jumps ahead frees it',
      [
        [first, 0, 'acquired'],
        [second, 1e9, 'acquired'],
        [first, 10, 'acquired'],
        [second, 20, 'held'],
      ],
    ],
  ];
  test.each(cases)('%s', async (_, attempts) => {
    const ledger = await newLedger();
    const other = value(await openLedger(ledger.path));
    const got = attempts.map(([lease, now]) =>
      value(acquireLease(lease === first ? ledger : other, { ...lease, now, durationMs })),
    );
    expect(got).toEqual(attempts.map(([, , expected]) => expected));
  });

  test('given back, it is free at once; by another, it is not', async () => {
    const ledger = await newLedger();
    value(acquireLease(ledger, { ...first, now: 0, durationMs }));
    value(releaseLease(ledger, second));
    expect(value(acquireLease(ledger, { ...second, now: 1, durationMs }))).toBe('held');
    value(releaseLease(ledger, first));
    expect(value(acquireLease(ledger, { ...second, now: 2, durationMs }))).toBe('acquired');
  });

  test('who has lost it cannot add what was trained under it', async () => {
    const ledger = await newLedger();
    value(acquireLease(ledger, { ...first, now: 0, durationMs }));
    value(acquireLease(ledger, { ...second, now: 70_000, durationMs }));
    const version = {
      parent: null,
      origin: 'trained',
      state: 'challenger',
      changes: {},
      file: '{}',
      time: 0,
    } as const;
    expect(value(addPolicyVersion(ledger, { ...version, lease: first }))).toBe('leaseLost');
    expect(value(addPolicyVersion(ledger, { ...version, lease: second }))).toBe(1);
    expect(states(ledger)).toEqual(['challenger']);
  });
});
