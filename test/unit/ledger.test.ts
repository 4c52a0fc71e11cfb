import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { readCompletions, recordCompletion } from '../../src/server/ledger/completions.ts';
import { grantConsent, hasConsent, withdrawConsent } from '../../src/server/ledger/consents.ts';
import { eraseLedger } from '../../src/server/ledger/erase.ts';
import { exportLines } from '../../src/server/ledger/exportLedger.ts';
import { type Ledger, openLedger } from '../../src/server/ledger/ledger.ts';
import { latestVersion, migrate, migrations, versionOf } from '../../src/server/ledger/migrations.ts';
import {
  outcomeKinds,
  readComparison,
  recordAgreement,
  recordOutcome,
  recordSurvival,
} from '../../src/server/ledger/outcomes.ts';
import { addPolicyVersion } from '../../src/server/ledger/policyVersions.ts';
import { applyRetention, retentionDefaults } from '../../src/server/ledger/retention.ts';
import { Session } from '../../src/server/ledger/session.ts';
import { ledgerStats } from '../../src/server/ledger/stats.ts';
import { readTexts, recordText } from '../../src/server/ledger/survivingTexts.ts';
import { completion, servedStep, survivingText, value, workspace } from '../support/ledgerRecords.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let nLedgers = 0;
function newPath(): string {
  return join(folder, `${++nLedgers}`, 'ledger.sqlite');
}

/** A ledger to which the workspace has agreed. */
async function newLedger(path = newPath()): Promise<Ledger> {
  const ledger = value(await openLedger(path));
  value(grantConsent(ledger, workspace, 0));
  return ledger;
}

const schemaRow = z.object({ name: z.string(), sql: z.string().nullable() });
const consentRow = z.object({ workspace: z.string(), state: z.string(), time: z.number() });
const all = { afterRow: 0, limit: 1000 };
const day = 86_400_000;

describe('consent', () => {
  test('without it there is no file, whatever is tried', async () => {
    const path = newPath();
    const ledger = value(await openLedger(path));
    const { id } = completion();
    expect(recordCompletion(ledger, workspace, completion()).problem?.kind).toBe('absent');
    expect(recordText(ledger, workspace, survivingText()).problem?.kind).toBe('absent');
    expect(
      recordOutcome(ledger, { completionId: id, time: 1, kind: 'accepted', acceptedLength: 3 }).problem?.kind,
    ).toBe('absent');
    expect(ledgerStats(ledger).problem?.kind).toBe('absent');
    expect(withdrawConsent(ledger, workspace, 1).problem?.kind).toBe('absent');
    expect(hasConsent(ledger, workspace)).toEqual({ value: false });
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });

  test('is of one workspace; others are not recorded', async () => {
    const ledger = await newLedger();
    expect(value(hasConsent(ledger, workspace))).toBe(true);
    expect(value(hasConsent(ledger, `${workspace}/other`))).toBe(false);
    expect(value(recordCompletion(ledger, `${workspace}/other`, completion()))).toBe('noConsent');
    expect(value(recordText(ledger, `${workspace}/other`, survivingText()))).toBe('noConsent');
    expect(value(readCompletions(ledger, all))).toEqual([]);
    expect(value(readTexts(ledger, all))).toEqual([]);
  });

  test('withdrawn, it takes what was recorded of the workspace with it, and no more', async () => {
    const ledger = await newLedger();
    const other = `${workspace}/other`;
    value(grantConsent(ledger, other, 0));
    for (const uri of [workspace, other]) {
      value(recordCompletion(ledger, uri, completion()));
      value(recordText(ledger, uri, survivingText()));
    }
    value(withdrawConsent(ledger, workspace, 1));
    expect(value(hasConsent(ledger, workspace))).toBe(false);
    expect(value(recordCompletion(ledger, workspace, completion()))).toBe('noConsent');
    expect(value(ledgerStats(ledger))).toMatchObject({ completions: 1, texts: 1, steps: 4, workspaces: 1 });
  });
});

describe('what is recorded', () => {
  test('is read as it was written', async () => {
    const ledger = await newLedger();
    const first = completion();
    const second = completion({
      draw: { ...first.draw, arm: 'hedge', policyVersion: null, versions: { champion: 1, challenger: null } },
      shownLength: 0,
      steps: [],
    });
    const text = survivingText();
    for (const each of [first, second])
      expect(value(recordCompletion(ledger, workspace, each))).toBe('recorded');
    expect(value(recordText(ledger, workspace, text))).toBe('recorded');
    const completions = value(readCompletions(ledger, all));
    expect(completions).toEqual([
      { ...first, row: 1 },
      { ...second, row: 2 },
    ]);
    expect(value(readTexts(ledger, all))).toEqual([{ ...text, row: 1 }]);
    expect(value(readCompletions(ledger, { afterRow: 1, limit: 5 })).map(({ row }) => row)).toEqual([2]);
  });

  test('an outcome may change until the last word; survival comes later', async () => {
    const ledger = await newLedger();
    const { id } = completion();
    value(recordCompletion(ledger, workspace, completion({ id })));
    const told = { completionId: id, time: 5 };
    expect(value(recordSurvival(ledger, { completionId: id, after: 30, retained: 1 }))).toBe('unknown');
    expect(value(recordOutcome(ledger, { ...told, kind: 'partlyAccepted', acceptedLength: 4 }))).toBe(
      'recorded',
    );
    expect(value(recordOutcome(ledger, { ...told, kind: 'accepted', acceptedLength: 12 }))).toBe('recorded');
    for (const [after, retained] of [
      [30, 12],
      [120, 11],
    ] as const)
      expect(value(recordSurvival(ledger, { completionId: id, after, retained }))).toBe('recorded');
    expect(value(recordAgreement(ledger, { completionId: id, agreedLength: 7 }))).toBe('recorded');
    expect(value(recordAgreement(ledger, { completionId: 'gone', agreedLength: 7 }))).toBe('unknown');
    const lines = [...exportLines(ledger)];
    expect(lines.find(({ type }) => type === 'completion')?.outcome).toEqual({
      time: 5,
      kind: 'accepted',
      acceptedLength: 12,
      retained: { 30: 12, 120: 11, 300: null },
      agreedLength: 7,
    });
    expect(
      value(recordOutcome(ledger, { ...told, completionId: 'gone', kind: 'ignored', acceptedLength: 0 })),
    ).toBe('unknown');
  });

  test('two arms are compared by the completions that one of them served', async () => {
    const ledger = await newLedger();
    const { draw } = completion();
    const served = (arm: 'champion' | 'challenger' | 'hedge', challenger: number | null = 2) =>
      completion({ draw: { ...draw, arm, versions: { champion: 1, challenger } } });
    const accepted = served('challenger');
    for (const each of [served('champion'), accepted, served('hedge'), served('champion', 3)])
      value(recordCompletion(ledger, workspace, each));
    value(
      recordOutcome(ledger, { completionId: accepted.id, time: 1, kind: 'accepted', acceptedLength: 12 }),
    );
    value(recordSurvival(ledger, { completionId: accepted.id, after: 30, retained: 9 }));
    const compared = readComparison(ledger, {
      treatment: 'challenger',
      control: 'champion',
      champion: 1,
      challenger: 2,
      afterRow: 0,
    });
    const propensity = 0.15 / 0.95;
    const unknown = { kind: null, acceptedLength: 0, retained: null, shownLength: 12, propensity };
    expect(value(compared)).toEqual([
      { arm: 'control', ...unknown },
      { ...unknown, arm: 'treatment', kind: 'accepted', acceptedLength: 12, retained: 9 },
    ]);
  });

  test('is counted', async () => {
    const ledger = await newLedger();
    for (const [index, kind] of outcomeKinds.entries()) {
      const record = completion({ time: 1000 + index, languageId: index === 0 ? 'python' : 'typescript' });
      value(recordCompletion(ledger, workspace, record));
      value(recordOutcome(ledger, { completionId: record.id, time: 0, kind, acceptedLength: 0 }));
    }
    value(recordCompletion(ledger, workspace, completion({ shownLength: 0 })));
    expect(value(ledgerStats(ledger))).toMatchObject({
      workspaces: 1,
      completions: 6,
      shown: 5,
      outcomes: { accepted: 1, partlyAccepted: 1, rejected: 1, ignored: 1, censored: 1 },
      steps: 12,
      first: 1000,
      arms: [{ name: 'champion', completions: 6, accepted: 2 }],
      languages: [
        { name: 'typescript', completions: 5, accepted: 1 },
        { name: 'python', completions: 1, accepted: 1 },
      ],
      policyVersions: 0,
      serving: { champion: null, challenger: null },
    });
  });
});

describe('privacy', () => {
  const planted = 'planted';

  test('no text gets into the files: not the workspace, not a strange language', async () => {
    const path = newPath();
    const ledger = value(await openLedger(path));
    const uri = `file:///home/${planted}/project`;
    value(grantConsent(ledger, uri, 0));
    value(recordCompletion(ledger, uri, completion({ languageId: `const ${planted} = 1;` })));
    value(recordText(ledger, uri, survivingText({ languageId: `${planted} text` })));
    expect(value(readCompletions(ledger, all))[0].languageId).toBe('other');
    const files = readdirSync(join(path, '..')).map((name) => join(path, '..', name));
    const contains = (text: string) => files.some((file) => readFileSync(file).includes(text));
    // What should be there is found, so the search works.
    expect(contains('consort-typescript')).toBe(true);
    expect(contains(planted)).toBe(false);
    expect(() => recordCompletion(ledger, uri, completion({ id: `${planted} text` }))).toThrow(/CHECK/);
    expect(() =>
      addPolicyVersion(ledger, {
        parent: null,
        origin: 'trained',
        state: 'challenger',
        changes: { [`${planted} text`]: 1 },
        file: '{}',
        time: 0,
      }),
    ).toThrow(/identifier/);
    ledger.close();
  });

  test('the same workspace has another key in another ledger', async () => {
    const keys = await Promise.all(
      [newLedger(), newLedger()].map(async (made) => {
        const ledger = await made;
        ledger.close();
        const database = new DatabaseSync(ledger.path);
        const row = database.prepare('SELECT workspace FROM consents').get();
        database.close();
        return String(row?.workspace);
      }),
    );
    expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(keys[0]).not.toBe(keys[1]);
  });

  test.skipIf(process.platform === 'win32')('only the owner may read the files', async () => {
    const { path } = await newLedger();
    const names = readdirSync(join(path, '..'));
    expect(names.toSorted()).toEqual(['ledger.sqlite', 'ledger.sqlite-shm', 'ledger.sqlite-wal']);
    for (const name of names) expect(statSync(join(path, '..', name)).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  });
});

describe('retention', () => {
  test('what is too old goes, with its steps and outcome', async () => {
    const ledger = await newLedger();
    const now = 1000 * day;
    const { id } = completion();
    value(recordCompletion(ledger, workspace, completion({ id, time: now - 91 * day })));
    value(recordOutcome(ledger, { completionId: id, time: now, kind: 'accepted', acceptedLength: 3 }));
    value(recordCompletion(ledger, workspace, completion({ time: now - 89 * day })));
    value(recordText(ledger, workspace, survivingText({ time: now - 91 * day })));
    value(applyRetention(ledger, now));
    expect(value(ledgerStats(ledger))).toMatchObject({
      completions: 1,
      texts: 0,
      steps: 2,
      outcomes: { accepted: 0 },
    });
  });

  test('what is too much goes, the oldest first, and the file shrinks', async () => {
    const ledger = await newLedger();
    const step = { ...servedStep, observation: new Float32Array(2000).fill(0.5) };
    for (let i = 0; i < 100; i++) {
      // The clock runs backwards: the order is that of recording.
      value(recordCompletion(ledger, workspace, completion({ time: 1e6 - i, steps: [step] })));
    }
    ledger.close();
    const before = statSync(ledger.path).size;
    value(applyRetention(ledger, 1e6, { ...retentionDefaults, maximumMegabytes: 0.4 }));
    ledger.close();
    const kept = value(readCompletions(ledger, all));
    expect(before).toBeGreaterThan(800_000);
    expect(statSync(ledger.path).size).toBeLessThan(430_000);
    expect(kept.length).toBeGreaterThan(20);
    expect(kept.at(-1)?.row).toBe(100);
    expect(kept.at(-1)?.steps[0].observation).toEqual(step.observation);
  });
});

test('the export holds everything but the salt, and is JSON', async () => {
  const ledger = await newLedger();
  for (let i = 0; i < 250; i++) value(recordCompletion(ledger, workspace, completion()));
  value(recordText(ledger, workspace, survivingText()));
  const version = { parent: null, origin: 'shipped', state: 'champion', time: 9 } as const;
  value(addPolicyVersion(ledger, { ...version, changes: { texts: 3 }, file: '{"format":"consort-policy"}' }));
  const lines = [...exportLines(ledger)].map((line) => JSON.parse(JSON.stringify(line)));
  const count = (type: string) => lines.filter((line) => line.type === type).length;
  expect([count('ledger'), count('completion'), count('text'), count('policyVersion')]).toEqual([
    1, 250, 1, 1,
  ]);
  expect(lines[1]).toMatchObject({
    version: 1,
    state: 'champion',
    file: '{"format":"consort-policy"}',
    changes: { texts: 3 },
  });
  expect(lines.find(({ type }) => type === 'completion').steps[0]).toEqual({
    ...servedStep,
    observation: [0.5, -0.25, 1, 0],
    hedgeLogWeights: [-0.5, -1],
    logLikelihoods: [-2, -3],
    logStarts: [-0.125, 0],
    weights: [0.75, 0.25],
    action: [0.5, -0.5],
  });
});

describe('erasing', () => {
  test('removes every file; another window notices and goes on', async () => {
    const ledger = await newLedger();
    const other = value(await openLedger(ledger.path));
    value(recordCompletion(other, workspace, completion()));
    const { bytes, left } = await eraseLedger(ledger.path);
    expect(bytes).toBeGreaterThan(10_000);
    expect(left).toEqual([]);
    expect(readdirSync(join(ledger.path, '..'))).toEqual([]);
    for (const window of [ledger, other]) {
      expect(recordCompletion(window, workspace, completion()).problem?.kind).toBe('absent');
      expect(value(hasConsent(window, workspace))).toBe(false);
    }
    expect(readdirSync(join(ledger.path, '..'))).toEqual([]);
    // Learning can be switched on again, and the other window sees it.
    value(grantConsent(ledger, workspace, 1));
    expect(value(recordCompletion(other, workspace, completion()))).toBe('recorded');
    expect(value(ledgerStats(ledger)).completions).toBe(1);
  });

  test('leaves nothing in a file that cannot be removed and that another window has open', async () => {
    const ledger = await newLedger();
    value(recordCompletion(ledger, workspace, completion()));
    // As erasing leaves it where the file cannot be removed: no rows, and the mark.
    const eraser = new Session(new DatabaseSync(ledger.path));
    eraser.execute('PRAGMA foreign_keys = OFF');
    for (const table of [
      'text_steps',
      'texts',
      'outcomes',
      'steps',
      'completions',
      'consents',
      'salt',
      'leases',
      'policy_versions',
    ])
      eraser.execute(`DROP TABLE ${table}`);
    eraser.execute('PRAGMA user_version = -1');
    eraser.close();
    expect(recordCompletion(ledger, workspace, completion()).problem?.kind).toBe('absent');
    value(grantConsent(ledger, workspace, 1));
    expect(value(recordCompletion(ledger, workspace, completion()))).toBe('recorded');
    expect(value(ledgerStats(ledger)).completions).toBe(1);
  });
});

describe('migrations', () => {
  const schemaOf = (session: Session) =>
    session.all(schemaRow, 'SELECT name, sql FROM sqlite_schema ORDER BY name');

  test.each(migrations.map((_, version) => version))(
    'from version %i: rows stay, and the schema is the latest',
    (version) => {
      const session = new Session(new DatabaseSync(':memory:'));
      migrate(session, version);
      expect(versionOf(session)).toBe(version);
      if (version >= 1) session.execute("INSERT INTO consents VALUES ('abc', 'granted', 7)");
      migrate(session);
      expect(versionOf(session)).toBe(latestVersion);
      if (version >= 1) {
        expect(session.all(consentRow, 'SELECT * FROM consents')).toEqual([
          { workspace: 'abc', state: 'granted', time: 7 },
        ]);
      }
      const fresh = new Session(new DatabaseSync(':memory:'));
      migrate(fresh);
      expect(schemaOf(session)).toEqual(schemaOf(fresh));
    },
  );

  test('a ledger of version 2 is opened with all its records; what was not taken down then is unknown', async () => {
    const path = newPath();
    const ledger = await newLedger(path);
    const kept = completion();
    const { id: completionId } = kept;
    const text = survivingText();
    value(recordCompletion(ledger, workspace, kept));
    value(recordOutcome(ledger, { completionId, time: 5, kind: 'accepted', acceptedLength: 12 }));
    value(recordText(ledger, workspace, text));
    ledger.close();
    const older = new DatabaseSync(path);
    older.exec(`ALTER TABLE steps DROP COLUMN could_stop;
      ALTER TABLE outcomes DROP COLUMN agreed_length;
      PRAGMA user_version = 2`);
    older.close();

    const opened = value(await openLedger(path));
    expect(value(hasConsent(opened, workspace))).toBe(true);
    expect(value(readCompletions(opened, all))).toEqual([
      { ...kept, row: 1, steps: kept.steps.map((step) => ({ ...step, couldStop: null })) },
    ]);
    expect(value(readTexts(opened, all))).toEqual([{ ...text, row: 1 }]);
    const outcomes = () =>
      [...exportLines(opened)].flatMap((line) => (line.type === 'completion' ? [line.outcome] : []));
    expect(outcomes()).toMatchObject([{ kind: 'accepted', acceptedLength: 12, agreedLength: null }]);
    expect(value(recordAgreement(opened, { completionId, agreedLength: 7 }))).toBe('recorded');
    expect(outcomes()).toMatchObject([{ kind: 'accepted', acceptedLength: 12, agreedLength: 7 }]);
    opened.close();
  });

  test('a step that fails leaves the ledger at the version before all of them', () => {
    const session = new Session(new DatabaseSync(':memory:'));
    migrate(session, 1);
    // The second step cannot make this table.
    session.execute('CREATE TABLE leases (name TEXT)');
    const before = schemaOf(session);
    expect(() => migrate(session)).toThrow(/already exists/);
    expect(versionOf(session)).toBe(1);
    expect(schemaOf(session)).toEqual(before);
  });
});
