import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { recordCompletion } from '../../src/server/ledger/completions.ts';
import { grantConsent, hasConsent } from '../../src/server/ledger/consents.ts';
import { eraseLedger } from '../../src/server/ledger/erase.ts';
import { openLedger } from '../../src/server/ledger/ledger.ts';
import { applicationId, migrations } from '../../src/server/ledger/migrations.ts';
import { ledgerStats } from '../../src/server/ledger/stats.ts';
import { consort } from '../support/consort.ts';
import { completion, value, workspace } from '../support/ledgerRecords.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let nFolders = 0;
function newPath(): string {
  const path = join(folder, `${++nFolders}`, 'ledger.sqlite');
  mkdirSync(dirname(path));
  return path;
}

/** Runs a command in this process. */
const onLedger = (action: string, path: string, ...args: readonly string[]) =>
  consort('ledger', action, '--ledger', path, ...(action === 'erase' ? ['--yes'] : []), ...args);

/** Names, modes and bytes of everything in the path's folder. */
function around(path: string) {
  return readdirSync(dirname(path))
    .sort()
    .map((name) => {
      const file = join(dirname(path), name);
      const { mode } = statSync(file);
      return { name, mode: mode.toString(8), bytes: readFileSync(file).toString('base64') };
    });
}

function database(path: string, sql: string): void {
  const opened = new DatabaseSync(path);
  opened.exec(sql);
  opened.close();
}

/** With one completion in it, open as an editor has it. */
async function openedLedger(path: string) {
  const ledger = value(await openLedger(path));
  value(grantConsent(ledger, workspace, 0));
  value(recordCompletion(ledger, workspace, completion()));
  return ledger;
}

async function closedLedger(path: string, sql = ''): Promise<void> {
  (await openedLedger(path)).close();
  database(path, sql);
}

function overwrite(path: string, from: number, length: number): void {
  const bytes = readFileSync(path);
  bytes.fill(0xa5, from, from + length);
  writeFileSync(path, bytes);
}

type Expected = 'works' | 'notLedger' | RegExp;
const damaged = /^consort: The ledger .* is damaged\./;
const needsEditor =
  /^consort: The ledger .* is of an older version .* nothing was changed\. Start the editor/;
const notLedger =
  /^consort: .*ledger\.sqlite is not a ledger of Consort; nothing was changed\. Name the ledger with --ledger/;

const notes = "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine');";
const version2 =
  'ALTER TABLE steps DROP COLUMN could_stop; ALTER TABLE outcomes DROP COLUMN agreed_length; PRAGMA user_version = 2; PRAGMA application_id = 0';

/** What `stats` and `export` do with a file, and what `erase` does. */
const files: readonly [
  name: string,
  make: (path: string) => void | Promise<void>,
  expected: { readonly read: Expected; readonly erase: Expected },
][] = [
  [
    'a text',
    (path) => writeFileSync(path, 'my notes\n'.repeat(100)),
    { read: 'notLedger', erase: 'notLedger' },
  ],
  ['an empty file', (path) => writeFileSync(path, ''), { read: 'notLedger', erase: 'notLedger' }],
  ['a folder', (path) => mkdirSync(path), { read: 'notLedger', erase: 'notLedger' }],
  ["another program's database", (path) => database(path, notes), { read: 'notLedger', erase: 'notLedger' }],
  [
    'one with a write-ahead log',
    (path) => database(path, `PRAGMA journal_mode = WAL; ${notes}`),
    { read: 'notLedger', erase: 'notLedger' },
  ],
  [
    'one with a version like a ledger',
    (path) => database(path, `${notes} PRAGMA user_version = 3`),
    { read: 'notLedger', erase: 'notLedger' },
  ],
  [
    'one with some tables named like those of a ledger',
    (path) => database(path, 'CREATE TABLE completions (id); PRAGMA user_version = 1'),
    { read: 'notLedger', erase: 'notLedger' },
  ],
  [
    'one with the tables of a ledger and its own name',
    (path) => closedLedger(path, 'PRAGMA application_id = 77'),
    { read: 'notLedger', erase: 'notLedger' },
  ],
  [
    'one with the version that an erased ledger has',
    (path) => database(path, `${notes} PRAGMA user_version = -1`),
    { read: 'notLedger', erase: 'notLedger' },
  ],
  [
    'a database without tables',
    (path) => database(path, 'CREATE TABLE gone (a); DROP TABLE gone'),
    { read: 'notLedger', erase: 'notLedger' },
  ],
  [
    'a damaged database of another program',
    (path) => {
      database(path, notes);
      overwrite(path, 100, 500);
    },
    { read: 'notLedger', erase: 'notLedger' },
  ],
  ['a ledger', (path) => closedLedger(path), { read: 'works', erase: 'works' }],
  [
    'a ledger of before it had an application id',
    (path) => closedLedger(path, 'PRAGMA application_id = 0'),
    { read: 'works', erase: 'works' },
  ],
  ['a ledger of version 2', (path) => closedLedger(path, version2), { read: needsEditor, erase: 'works' }],
  [
    'a ledger of version 1',
    (path) => database(path, `${migrations[0]} PRAGMA user_version = 1`),
    { read: needsEditor, erase: 'works' },
  ],
  [
    'a ledger of a newer version',
    (path) => closedLedger(path, 'PRAGMA user_version = 99'),
    { read: /newer version of Consort/, erase: 'works' },
  ],
  [
    'a ledger that others may read',
    async (path) => {
      await closedLedger(path);
      chmodSync(path, 0o644);
    },
    { read: 'works', erase: 'works' },
  ],
  [
    'a ledger without a table',
    (path) => closedLedger(path, 'DROP TABLE leases'),
    { read: damaged, erase: 'works' },
  ],
  [
    'a ledger with its middle overwritten',
    async (path) => {
      await closedLedger(path);
      overwrite(path, 4096, 12_000);
    },
    { read: damaged, erase: 'works' },
  ],
  [
    'a ledger with its schema overwritten',
    async (path) => {
      await closedLedger(path);
      overwrite(path, 100, 3000);
    },
    { read: damaged, erase: 'works' },
  ],
  ['a copy of an open ledger and its log', copiedLedger, { read: needsEditor, erase: 'works' }],
];

async function copiedLedger(path: string): Promise<void> {
  const original = newPath();
  await closedLedger(original);
  const ledger = await openedLedger(original);
  for (const companion of ['', '-wal']) copyFileSync(original + companion, path + companion);
  ledger.close();
}

function check(result: Awaited<ReturnType<typeof consort>>, expected: Expected): void {
  const { status, stdout, stderr } = result;
  if (expected === 'works') {
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).not.toBe('');
  } else {
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(expected === 'notLedger' ? notLedger : expected);
  }
}

describe('from the command line', () => {
  describe.each(files)('%s', (name, make, expected) => {
    test.each(['stats', 'export'])('%s changes nothing', async (action) => {
      const path = newPath();
      await make(path);
      const state = () => (name === 'a folder' ? readdirSync(dirname(path)) : around(path));
      const before = state();
      check(await onLedger(action, path), expected.read);
      expect(state()).toEqual(before);
    });

    test(`erase ${expected.erase === 'works' ? 'removes it' : 'changes nothing'}`, async () => {
      const path = newPath();
      await make(path);
      const state = () => (name === 'a folder' ? readdirSync(dirname(path)) : around(path));
      const before = state();
      check(await onLedger('erase', path), expected.erase);
      expect(state()).toEqual(expected.erase === 'works' ? [] : before);
    });
  });

  test("another program's database that is in use is left as it is", async () => {
    const path = newPath();
    const theirs = new DatabaseSync(path);
    theirs.exec(`PRAGMA journal_mode = WAL; ${notes}`);
    const state = () => around(path).filter(({ name }) => !name.endsWith('-shm'));
    const before = state();
    for (const action of ['stats', 'export', 'erase']) check(await onLedger(action, path), 'notLedger');
    expect(state()).toEqual(before);
    expect({ ...theirs.prepare('SELECT text FROM notes').get() }).toEqual({ text: 'mine' });
    theirs.close();
  });

  test('what an editor has just written is read', async () => {
    const path = newPath();
    const ledger = await openedLedger(path);
    const names = readdirSync(dirname(path));
    expect(JSON.parse((await onLedger('stats', path, '--json')).stdout)).toMatchObject({ completions: 1 });
    expect(readdirSync(dirname(path))).toEqual(names);
    ledger.close();
  });

  test('an editor that begins to write meanwhile is followed', async () => {
    const path = newPath();
    await closedLedger(path);
    const reader = value(await openLedger(path, { access: 'readOnly' }));
    expect(value(ledgerStats(reader)).completions).toBe(1);
    expect(recordCompletion(reader, workspace, completion()).problem?.kind).toBe('readOnly');
    const editor = await openedLedger(path);
    expect(value(ledgerStats(reader)).completions).toBe(2);
    reader.close();
    editor.close();
  });

  test.each(['stats', 'export'])(
    '%s does not write over the ledger or, in vain, over a file',
    async (action) => {
      const path = newPath();
      await closedLedger(path);
      const before = around(path);
      expect(await onLedger(action, path, '--out', path)).toMatchObject({ status: 2 });
      expect(around(path)).toEqual(before);
      const other = newPath();
      writeFileSync(other, 'no ledger');
      const out = join(dirname(other), 'out.json');
      writeFileSync(out, 'the last export');
      check(await onLedger(action, other, '--out', out), 'notLedger');
      expect(readFileSync(out, 'utf8')).toBe('the last export');
    },
  );

  test('erase takes what was moved aside only where it is recognisable, and says so', async () => {
    const path = newPath();
    await closedLedger(path);
    copyFileSync(path, `${path}.damaged-1`);
    writeFileSync(`${path}.damaged-2`, 'once my notes');
    const { status, stderr } = await onLedger('erase', path);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: `Left as they are, not recognisable as ledgers: ${path}.damaged-2.\n`,
    });
    expect(readdirSync(dirname(path))).toEqual(['ledger.sqlite.damaged-2']);
  });

  test.each([
    ['a text', (path: string) => writeFileSync(path, 'damaged beyond recognition'), 'works'],
    ['an empty file', (path: string) => writeFileSync(path, ''), 'works'],
    ["another program's database", (path: string) => database(path, notes), 'notLedger'],
  ] as const)('erase at the default place: %s', async (_, make, expected) => {
    const path = newPath();
    make(path);
    vi.stubEnv('CONSORT_STORAGE', dirname(path));
    const before = around(path);
    check(await onLedger('erase', path), expected);
    vi.unstubAllEnvs();
    expect(around(path)).toEqual(expected === 'works' ? [] : before);
  });
});

describe('the editor, at its own place', () => {
  test("refuses another program's database, leaves it as it is and does not erase it", async () => {
    const path = newPath();
    database(path, notes);
    chmodSync(path, 0o644);
    const before = around(path);
    const ledger = value(await openLedger(path, { retryAfterMs: 0 }));
    expect(hasConsent(ledger, workspace).problem?.kind).toBe('notLedger');
    expect(grantConsent(ledger, workspace, 0).problem?.message).toMatch(
      /nothing is recorded while it lies there/,
    );
    expect(await eraseLedger(path)).toEqual({ bytes: 0, left: [path], refused: [path] });
    expect(around(path)).toEqual(before);
    rmSync(path);
    value(grantConsent(ledger, workspace, 0));
    ledger.close();
  });

  test('makes a ledger in an empty file', async () => {
    const path = newPath();
    writeFileSync(path, '');
    const ledger = await openedLedger(path);
    expect(value(ledgerStats(ledger)).completions).toBe(1);
    ledger.close();
  });

  test.each([
    ['new', () => undefined],
    ['of the latest version', (path: string) => closedLedger(path, 'PRAGMA application_id = 0')],
    ['of version 2', (path: string) => closedLedger(path, version2)],
  ])("puts Consort's name to a ledger: %s", async (_, make) => {
    const path = newPath();
    await make(path);
    (await openedLedger(path)).close();
    const opened = new DatabaseSync(path);
    expect({ ...opened.prepare('PRAGMA application_id').get() }).toEqual({ application_id: applicationId });
    opened.close();
  });
});
