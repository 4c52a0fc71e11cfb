import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as sqlite from 'node:sqlite';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import {
  choosePolicy,
  didDiscardCompletion,
  didShowCompletion,
  ensembleStatus,
  eraseLearned,
  exportLearned,
  learningReport,
  setConsent,
} from '../../src/protocol/messages.ts';
import type { LearningOptions } from '../../src/server/learning/learning.ts';
import { complete, endSessions, type Session, startSession, uri } from '../support/protocolSession.ts';
import { toyMember } from '../support/toyMember.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-learning-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(endSessions);

let nFolders = 0;
const newFolder = () => join(folder, `${++nFolders}`);
const fileIn = (path: string) => join(path, 'ledger.sqlite');

/** A session in an editor that keeps data in a folder, and agrees if told so. */
async function start(
  options: {
    storage?: string;
    settings?: object;
    trusted?: boolean;
    agrees?: boolean;
    /** What differs in the server's learning. */
    learning?: Partial<LearningOptions>;
  } = {},
) {
  const { storage = newFolder(), settings = {}, trusted = true, agrees = true, learning } = options;
  const editor = { globalStoragePath: storage, trusted };
  // Hedge shows whole lines; how much a learned policy shows of a toy's depends on its training.
  const chosen = { policy: 'hedge', ...settings };
  const session = await startSession([toyMember('one', 'foo();')], 'x = \n', chosen, {}, editor, learning);
  // Whether there can be a ledger is known once something has been answered about it.
  await session.client.sendRequest(learningReport);
  if (agrees) await session.client.sendRequest(setConsent, { granted: true });
  return { session, storage };
}

let version = 2;
function type({ client }: Session, character: number, text: string, line = 0): Promise<void> {
  const at = { line, character };
  return client.sendNotification('textDocument/didChange', {
    textDocument: { uri, version: version++ },
    contentChanges: [{ range: { start: at, end: at }, text }],
  });
}

async function accept(session: Session): Promise<void> {
  const [item] = (await complete(session, 4)) ?? [];
  await session.client.sendNotification(didShowCompletion, { item });
  await type(session, 4, 'foo();');
  await session.client.sendRequest('workspace/executeCommand', item.command);
}

const reported = ({ client }: Session) => client.sendRequest(learningReport);
const learningOf = async ({ client }: Session) =>
  (await client.sendRequest<{ learning: object }>(ensembleStatus)).learning;

test('without consent there is no ledger after editing', async () => {
  const { session, storage } = await start({ agrees: false });
  await accept(session);
  await session.close();
  expect(existsSync(storage)).toBe(false);
});

test('in Restricted Mode nothing can be agreed to, and there is no ledger', async () => {
  const { session, storage } = await start({ trusted: false });
  expect(await learningOf(session)).toEqual({ state: 'unavailable', version: null });
  expect(await session.client.sendRequest(setConsent, { granted: true })).toEqual({
    problem: expect.stringMatching(/trusted/),
  });
  await accept(session);
  expect(existsSync(storage)).toBe(false);
});

test('with consent: accepted, survived, and scored when idle', async () => {
  const { session, storage } = await start();
  expect(await learningOf(session)).toEqual({
    state: 'on',
    version: null,
    progress: { kind: 'gathering', texts: { have: 0, need: 50 } },
  });
  await accept(session);
  await type(session, 0, 'y', 1);
  await session.client.sendRequest(ensembleStatus);
  session.clock.advance(300_000);
  await expect
    .poll(() => reported(session))
    .toMatchObject({
      value: { completions: 1, shown: 1, outcomes: { accepted: 1, rejected: 0 }, texts: 1, versions: [] },
    });
  const out = join(storage, 'export.jsonl');
  expect(await session.client.sendRequest(exportLearned, { path: out })).toEqual({ value: 3 });
  const lines = readFileSync(out, 'utf8').trim().split('\n');
  const [, completion, text] = lines.map((line) => JSON.parse(line));
  expect(completion).toMatchObject({
    members: ['one'],
    shownLength: 6,
    outcome: {
      kind: 'accepted',
      acceptedLength: 6,
      retained: { 30: 6, 120: 6, 300: 6 },
      agreedLength: 6,
    },
  });
  expect(text).toMatchObject({ type: 'text', nBytes: 6 });
  expect(text.steps.map(({ nBytes }: { nBytes: number }) => nBytes)).toEqual([3, 3, 0]);
  expect(lines.join()).not.toMatch(/foo|a\.ts|file:/);
});

test('a rejected completion is told as such', async () => {
  const { session } = await start();
  const [item] = (await complete(session, 4)) ?? [];
  await session.client.sendNotification(didShowCompletion, { item });
  await session.client.sendNotification(didDiscardCompletion, { item, how: 'rejected' });
  expect(await reported(session)).toMatchObject({ value: { outcomes: { rejected: 1, censored: 0 } } });
});

describe('nothing is recorded', () => {
  const cases: Record<string, object> = {
    'while learning is switched off': { 'learning.enable': false },
    'of an excluded file': { 'learning.excludedFiles': ['*.ts'] },
    'of an excluded language': { 'learning.excludedLanguages': ['typescript'] },
  };
  for (const [name, settings] of Object.entries(cases)) {
    test(name, async () => {
      const { session } = await start({ settings });
      await accept(session);
      session.clock.advance(300_000);
      expect(await reported(session)).toMatchObject({ value: { completions: 0, texts: 0 } });
    });
  }
});

test('consent that is taken back takes the records along, and erasing the ledger', async () => {
  const { session, storage } = await start();
  await accept(session);
  await session.client.sendRequest(setConsent, { granted: false });
  expect(await reported(session)).toMatchObject({ value: { completions: 0 } });
  expect(await learningOf(session)).toMatchObject({ state: 'off' });
  expect(await session.client.sendRequest(eraseLearned)).toEqual({ value: { bytes: expect.any(Number) } });
  expect(existsSync(fileIn(storage))).toBe(false);
  expect(await reported(session)).toEqual({ problem: expect.stringMatching(/^Nothing was recorded/) });
});

test('what is older than the retention goes, and the consent stays', async () => {
  const day = 86_400_000;
  const { session: before, storage } = await start({ learning: { now: () => 0 } });
  await accept(before);
  await before.close();
  const kept = async (days: number) => {
    const settings = { 'learning.retentionDays': 30 };
    const { session } = await start({
      storage,
      settings,
      agrees: false,
      learning: { now: () => days * day },
    });
    session.clock.advance(60_000);
    expect(await learningOf(session)).toMatchObject({ state: 'on' });
    return reported(session);
  };
  expect(await kept(30)).toMatchObject({ value: { completions: 1 } });
  expect(await kept(31)).toMatchObject({ value: { completions: 0 } });
});

test('a version that is not there cannot be chosen; the shipped policy always can', async () => {
  const { session } = await start();
  const choose = (chosen: number | null) => session.client.sendRequest(choosePolicy, { version: chosen });
  expect(await choose(7)).toEqual({ problem: expect.stringMatching(/no version 7/) });
  expect(await choose(null)).toEqual({ value: null });
  expect(await session.client.sendRequest(choosePolicy, { version: 'x' })).toHaveProperty('problem');
});

describe('a ledger that cannot be used is told once, and completions go on', () => {
  const messagesOf = ({ received }: Session) =>
    received.filter(({ method }) => method === 'window/showMessage').map(({ params }) => params);

  /** SQLite with something run on every database that is opened. */
  const sqliteWith = (sql: string) => async () => {
    class Spoilt extends sqlite.DatabaseSync {
      constructor(path: string) {
        super(path);
        this.exec(sql);
      }
    }
    return { ...sqlite, DatabaseSync: Spoilt };
  };

  const cases: Record<string, { loadSqlite: () => Promise<typeof sqlite>; says: RegExp }> = {
    'it is read-only': { loadSqlite: sqliteWith('PRAGMA query_only = ON'), says: /cannot be written/ },
    // There is as much room as it takes already.
    'the disk is full': { loadSqlite: sqliteWith('PRAGMA max_page_count = 1'), says: /disk is full/ },
    'it is of a newer version': { loadSqlite: sqliteWith('PRAGMA user_version = 99'), says: /newer version/ },
    'there is no SQLite': { loadSqlite: () => Promise.reject(new Error('none')), says: /has no SQLite/ },
  };
  for (const [name, { loadSqlite, says }] of Object.entries(cases)) {
    test(name, async () => {
      const { session: before, storage } = await start();
      for (let i = 0; i < 20; i++) await complete(before, 4, { triggerKind: 1 });
      await before.close();
      const { session } = await start({ storage, agrees: false, learning: { loadSqlite } });
      for (let i = 0; i < 40; i++) {
        const [item] = (await complete(session, 4, { triggerKind: 1 })) ?? [];
        expect(item.insertText).toBe('foo();');
        await session.client.sendRequest('workspace/executeCommand', item.command);
      }
      expect(messagesOf(session)).toEqual([{ type: 2, message: expect.stringMatching(says) }]);
      expect(await learningOf(session)).toMatchObject({ message: expect.stringMatching(says) });
    });
  }
});
