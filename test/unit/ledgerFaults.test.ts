import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from 'vitest';
import { recordCompletion } from '../../src/server/ledger/completions.ts';
import { grantConsent, hasConsent } from '../../src/server/ledger/consents.ts';
import { eraseLedger } from '../../src/server/ledger/erase.ts';
import { type Ledger, type LedgerOptions, openLedger } from '../../src/server/ledger/ledger.ts';
import { recordOutcome } from '../../src/server/ledger/outcomes.ts';
import { addPolicyVersion, servingVersions } from '../../src/server/ledger/policyVersions.ts';
import type { ProblemKind, Result } from '../../src/server/ledger/problems.ts';
import { ledgerStats } from '../../src/server/ledger/stats.ts';
import { completion, servedStep, value, workspace } from '../support/ledgerRecords.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let nLedgers = 0;
const newPath = () => join(folder, `${++nLedgers}`, 'ledger.sqlite');

/** Tried again at once after a failure, so that a test sees it recover. */
const eager = { retryAfterMs: 0, busyTimeoutMs: 50 };

async function open(path: string, options: Partial<LedgerOptions> = {}): Promise<Ledger> {
  return value(await openLedger(path, { ...eager, ...options }));
}

/** Closed, with one completion in it. */
async function usedLedger(): Promise<string> {
  const path = newPath();
  const ledger = await open(path);
  value(grantConsent(ledger, workspace, 0));
  value(recordCompletion(ledger, workspace, completion()));
  ledger.close();
  return path;
}

function expectProblem(result: Result<unknown>, kind: ProblemKind, message: RegExp): void {
  expect(result.problem).toMatchObject({ kind, message: expect.stringMatching(message) });
}

/** Like `node:sqlite`, but every database has this done to it as it is opened. */
function sqliteWith(path: string, prepare: (database: DatabaseSync) => void) {
  class Prepared extends DatabaseSync {
    constructor(opened: string) {
      super(opened);
      if (opened === path) prepare(this);
    }
  }
  return async () => ({ DatabaseSync: Prepared });
}

test('a runtime without node:sqlite says so, and erasing still works', async () => {
  const path = await usedLedger();
  const loadSqlite = () => Promise.reject(new Error('No such built-in module: node:sqlite'));
  expectProblem(await openLedger(path, { loadSqlite }), 'noSqlite', /Completions work as before/);
  expect((await eraseLedger(path, { loadSqlite, busyTimeoutMs: 0 })).left).toEqual([]);
  expect(readdirSync(dirname(path))).toEqual([]);
});

test('a ledger of a newer version is refused and left as it is, and can be erased', async () => {
  const path = await usedLedger();
  const newer = new DatabaseSync(path);
  newer.exec('PRAGMA user_version = 99');
  newer.close();
  const before = readFileSync(path);
  const ledger = await open(path);
  expectProblem(
    recordCompletion(ledger, workspace, completion()),
    'newerVersion',
    /newer version of Consort/,
  );
  expectProblem(grantConsent(ledger, workspace, 1), 'newerVersion', /nothing is recorded/);
  expect(readFileSync(path).equals(before)).toBe(true);
  await eraseLedger(path);
  expect(readdirSync(dirname(path))).toEqual([]);
  value(grantConsent(ledger, workspace, 2));
});

test('a ledger that another window brings to a newer version is left alone from then on', async () => {
  const path = await usedLedger();
  const ledger = await open(path);
  expect(value(hasConsent(ledger, workspace))).toBe(true);
  const newer = new DatabaseSync(path);
  newer.exec('PRAGMA user_version = 99');
  newer.close();
  expectProblem(recordCompletion(ledger, workspace, completion()), 'newerVersion', /newer version/);
});

describe('a damaged ledger is moved aside, not deleted', () => {
  const damages: readonly [name: string, damage: (path: string) => void][] = [
    ['not a database', (path) => writeFileSync(path, 'not a database, '.repeat(1000))],
    ['the middle overwritten', (path) => overwrite(path, 4096, 12_000)],
    ['cut off', (path) => truncateSync(path, 4096 * 3 + 100)],
  ];
  test.each(damages)('%s', async (_, damage) => {
    const path = await usedLedger();
    damage(path);
    const damaged = readFileSync(path);
    const notices: string[] = [];
    const ledger = await open(path, { onNotice: (notice) => notices.push(notice) });
    expect(value(hasConsent(ledger, workspace))).toBe(false);
    const aside = readdirSync(dirname(path)).filter((name) => name.includes('.damaged-'));
    expect(aside.length).toBe(1);
    expect(readFileSync(join(dirname(path), aside[0])).equals(damaged)).toBe(true);
    expect(notices).toEqual([expect.stringMatching(/damaged and has been moved to .*\.damaged-/)]);
    // It goes on with a new one, and erasing takes both.
    value(grantConsent(ledger, workspace, 1));
    expect(value(recordCompletion(ledger, workspace, completion()))).toBe('recorded');
    await eraseLedger(path);
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  function overwrite(path: string, from: number, length: number): void {
    const bytes = readFileSync(path);
    bytes.fill(0xa5, from, from + length);
    writeFileSync(path, bytes);
  }
});

test('a write-ahead log that ends in the middle of a commit costs that commit only', async () => {
  const path = newPath();
  const ledger = await open(path);
  value(grantConsent(ledger, workspace, 0));
  value(recordCompletion(ledger, workspace, completion()));
  const whole = statSync(`${path}-wal`).size;
  value(recordCompletion(ledger, workspace, completion()));
  // As power loss leaves it: copied while it is open, the log cut inside the last commit.
  const copy = newPath();
  mkdirSync(dirname(copy), { recursive: true });
  writeFileSync(copy, readFileSync(path));
  writeFileSync(`${copy}-wal`, readFileSync(`${path}-wal`).subarray(0, whole + 2000));
  const reopened = await open(copy, { onNotice: (notice) => expect(notice).toBe('') });
  expect(value(ledgerStats(reopened)).completions).toBe(1);
});

test('a full disk: nothing half-written, and it goes on once there is space', async () => {
  const path = await usedLedger();
  let maximumPages = 60;
  const loadSqlite = sqliteWith(path, (database) => database.exec(`PRAGMA max_page_count = ${maximumPages}`));
  const ledger = await open(path, { loadSqlite });
  const step = { ...servedStep, observation: new Float32Array(5000) };
  const kept: string[] = [];
  let result: Result<unknown> = { value: null };
  while (!result.problem && kept.length < 1000) {
    const record = completion({ steps: [step, step] });
    result = recordCompletion(ledger, workspace, record);
    if (!result.problem) kept.push(record.id);
  }
  expectProblem(result, 'diskFull', /The disk is full/);
  expect(kept.length).toBeGreaterThan(0);
  const version = { parent: null, origin: 'trained', state: 'champion', changes: {}, time: 0 } as const;
  const file = 'x'.repeat(500_000);
  expectProblem(addPolicyVersion(ledger, { ...version, file }), 'diskFull', /nothing is recorded/);
  expect(value(servingVersions(ledger)).champion).toBeNull();
  expect(value(ledgerStats(ledger))).toMatchObject({
    completions: 1 + kept.length,
    steps: 2 + 2 * kept.length,
  });
  // An outcome may still fit where a completion does not; what is acknowledged is there.
  const told = recordOutcome(ledger, { completionId: kept[0], time: 0, kind: 'accepted', acceptedLength: 1 });
  expect(value(ledgerStats(ledger)).outcomes.accepted).toBe(told.problem ? 0 : 1);
  ledger.close();
  maximumPages = 100_000;
  expect(value(addPolicyVersion(ledger, { ...version, file }))).toBe(1);
});

describe('storage that cannot be written', () => {
  test('read-only: what is there can be read, nothing is recorded', async () => {
    const path = await usedLedger();
    const loadSqlite = sqliteWith(path, (database) => database.exec('PRAGMA query_only = ON'));
    const ledger = await open(path, { loadSqlite });
    expectProblem(recordCompletion(ledger, workspace, completion()), 'readOnly', /cannot be written/);
    expect(value(ledgerStats(ledger)).completions).toBe(1);
  });

  const obstacles: readonly [
    name: string,
    path: (base: string) => string,
    obstruct: (base: string) => void,
  ][] = [
    ['a folder in its place', (base) => base, (base) => mkdirSync(base, { recursive: true })],
    [
      'a file in place of its folder',
      (base) => join(base, 'ledger.sqlite'),
      (base) => {
        mkdirSync(dirname(base), { recursive: true });
        writeFileSync(base, '');
      },
    ],
  ];
  test.each(obstacles)('%s', async (_, pathOf, obstruct) => {
    const base = newPath();
    obstruct(base);
    const ledger = await open(pathOf(base));
    expectProblem(grantConsent(ledger, workspace, 0), 'unreachable', /something else is in its place/);
    rmSync(base, { recursive: true });
    value(grantConsent(ledger, workspace, 0));
  });
});

test('a failure to open is not tried again at every keystroke', async () => {
  const path = newPath();
  mkdirSync(path, { recursive: true });
  const ledger = await open(path, { retryAfterMs: 1e9 });
  expectProblem(grantConsent(ledger, workspace, 0), 'unreachable', /cannot be opened/);
  rmSync(path, { recursive: true });
  expectProblem(grantConsent(ledger, workspace, 0), 'unreachable', /cannot be opened/);
});

test('another window that holds the ledger for too long costs one record, no more', async () => {
  const path = await usedLedger();
  const ledger = await open(path);
  const holder = new DatabaseSync(path);
  holder.exec('BEGIN IMMEDIATE');
  expectProblem(recordCompletion(ledger, workspace, completion()), 'busy', /in use by another window/);
  expect(value(hasConsent(ledger, workspace))).toBe(true);
  holder.exec('COMMIT');
  holder.close();
  expect(value(recordCompletion(ledger, workspace, completion()))).toBe('recorded');
});

test.skipIf(process.platform === 'win32')(
  'a ledger deleted by hand is gone, and a new one can be made',
  async () => {
    const path = await usedLedger();
    const ledger = await open(path);
    expect(value(hasConsent(ledger, workspace))).toBe(true);
    for (const file of readdirSync(dirname(path))) unlinkSync(join(dirname(path), file));
    expectProblem(recordCompletion(ledger, workspace, completion()), 'absent', /There is no ledger/);
    value(grantConsent(ledger, workspace, 1));
    expect(value(ledgerStats(ledger)).completions).toBe(0);
  },
);
