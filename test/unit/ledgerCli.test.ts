import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { recordCompletion } from '../../src/server/ledger/completions.ts';
import { grantConsent } from '../../src/server/ledger/consents.ts';
import { openLedger } from '../../src/server/ledger/ledger.ts';
import { defaultLedgerPath } from '../../src/server/ledger/location.ts';
import { recordOutcome } from '../../src/server/ledger/outcomes.ts';
import { recordText } from '../../src/server/ledger/survivingTexts.ts';
import { consort } from '../support/consort.ts';
import { completion, survivingText, value, workspace } from '../support/ledgerRecords.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = join(folder, 'ledger.sqlite');
beforeEach(async () => {
  const ledger = value(await openLedger(path));
  value(grantConsent(ledger, workspace, 0));
  const record = completion();
  value(recordCompletion(ledger, workspace, record));
  value(recordOutcome(ledger, { completionId: record.id, time: 1, kind: 'accepted', acceptedLength: 12 }));
  value(recordText(ledger, workspace, survivingText()));
  ledger.close();
  return () => rmSync(path, { force: true });
});

/** Runs a command on the ledger, in this process. */
const onLedger = (...args: readonly string[]) => consort('ledger', ...args, '--ledger', path);

test('stats says in words and in JSON what is in it', async () => {
  const { status, stdout, stderr } = await onLedger('stats');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^completions +1, 1 shown; first 2023-11-14T/m);
  expect(stdout).toMatch(/^serving +Hedge$/m);
  const json = await onLedger('stats', '--json', '--out', join(folder, 'stats.json'));
  expect(JSON.parse(json.stdout)).toMatchObject({
    path,
    completions: 1,
    texts: 1,
    outcomes: { accepted: 1 },
  });
  expect(readFileSync(join(folder, 'stats.json'), 'utf8')).toBe(json.stdout);
});

test('export prints JSON lines, or one JSON document, and writes the same to a file', async () => {
  const out = join(folder, 'export.jsonl');
  const { status, stdout } = await onLedger('export', '--out', out);
  expect(status).toBe(0);
  expect(readFileSync(out, 'utf8')).toBe(stdout);
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ type }) => type)).toEqual(['ledger', 'completion', 'text']);
  const document = await onLedger('export', '--json');
  expect(JSON.parse(document.stdout)).toEqual(lines);
});

test('erase needs --yes where nobody can be asked, and then removes the ledger', async () => {
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const asked = spawnSync(process.execPath, [main, 'ledger', 'erase', '--ledger', path], {
    encoding: 'utf8',
    input: 'y\n',
  });
  expect(asked).toMatchObject({
    status: 2,
    stdout: '',
    stderr: expect.stringContaining('erase needs --yes'),
  });
  expect(existsSync(path)).toBe(true);
  const { status, stdout } = await onLedger('erase', '--yes', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ path, left: [] });
  expect(existsSync(path)).toBe(false);
  expect(await onLedger('erase', '--yes')).toMatchObject({
    status: 0,
    stdout: `There was no ledger at ${path}.\n`,
  });
});

describe('what cannot be done', () => {
  test.each([['stats'], ['export']])('%s without a ledger', async (action) => {
    rmSync(path);
    const { status, stdout, stderr } = await onLedger(action);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^consort: There is no ledger at .*learning is switched on\.\n$/);
    expect(existsSync(path)).toBe(false);
  });

  const wrong: readonly [args: readonly string[], reason: RegExp][] = [
    [[], /say what to do/],
    [['forget'], /cannot do "forget"/],
    [['toString'], /cannot do "toString"/],
    [['stats', 'more'], /cannot do "stats more"/],
  ];
  test.each(wrong)('%j', async (args, reason) => {
    const { status, stderr } = await onLedger(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(reason);
  });
});

const places: readonly [
  environment: Record<string, string>,
  platform: NodeJS.Platform,
  expected: string | RegExp,
][] = [
  [{ CONSORT_STORAGE: folder, XDG_DATA_HOME: '/data' }, 'linux', path],
  [{ XDG_DATA_HOME: '/data' }, 'linux', /^.data.consort.ledger\.sqlite$/],
  [{}, 'linux', /.local.share.consort.ledger\.sqlite$/],
  [{}, 'darwin', /Library.Application Support.Consort.ledger\.sqlite$/],
  [{ LOCALAPPDATA: '/local' }, 'win32', /^.local.Consort.ledger\.sqlite$/],
];
test.each(places)('by default, with %j on %s, it is where it belongs', (environment, platform, expected) => {
  expect(defaultLedgerPath(environment, platform)).toMatch(expected);
});
