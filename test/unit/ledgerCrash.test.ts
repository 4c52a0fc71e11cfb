import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { parsePolicyFile } from '../../src/config/policyFile.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { grantConsent } from '../../src/server/ledger/consents.ts';
import { type Ledger, openLedger } from '../../src/server/ledger/ledger.ts';
import {
  listPolicyVersions,
  readPolicyFile,
  servingVersions,
} from '../../src/server/ledger/policyVersions.ts';
import { value, workspace } from '../support/ledgerRecords.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-ledger-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Bundled: hundreds of them start, and a single file starts in half the time. */
const writer = join(folder, 'ledgerWriter.mjs');
const learner = join(folder, 'ledgerLearner.mjs');
beforeAll(async () => {
  const entryPoints = [
    new URL('../support/ledgerWriter.ts', import.meta.url),
    new URL('../support/ledgerLearner.ts', import.meta.url),
  ].map((url) => fileURLToPath(url));
  await build({
    entryPoints,
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
  });
});

/** A process that writes; what it acknowledges is gathered line by line. */
function startWriter(path: string, ...args: readonly string[]) {
  return start(writer, path, ...args);
}

function start(program: string, path: string, ...args: readonly string[]) {
  const child = spawn(process.execPath, [program, path, ...args], {
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, 'compiled') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { acknowledged: '', errors: '' };
  const closed = new Promise((resolve) => {
    child.once('close', resolve);
  });
  child.stdout.on('data', (chunk) => {
    output.acknowledged += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output.errors += chunk;
  });
  /** Settles when so many lines have been acknowledged, or the process has ended. */
  const reached = async (nLines: number) => {
    while (output.acknowledged.split('\n').length <= nLines && child.exitCode === null) {
      await Promise.race([closed, new Promise((resolve) => child.stdout.once('data', resolve))]);
    }
  };
  return { child, reached, finished: closed.then(() => output) };
}

async function newLedger(name: string): Promise<Ledger> {
  const ledger = value(await openLedger(join(folder, name)));
  value(grantConsent(ledger, workspace, 0));
  return ledger;
}

/** The words of each acknowledged line that begins with the first one. */
function acknowledgedOf(output: string, what: string): readonly string[] {
  const lines = output.slice(0, output.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1));
}

function isOutcomeKept(ledger: Ledger, id: string): boolean {
  return isAccepted(ledger, id, 7);
}

function isAccepted(ledger: Ledger, id: string, length: number): boolean {
  const kept = value(
    ledger.read((session) =>
      session.first(
        z.object({ accepted_length: z.int() }),
        'SELECT accepted_length FROM outcomes JOIN completions ON completion = row WHERE id = ?',
        id,
      ),
    ),
  );
  return kept?.accepted_length === length;
}

test('two hundred processes killed as they write leave a whole ledger with all that was acknowledged', async () => {
  const nKills = 200;
  const nAtOnce = 4;
  const random = randomNumbers(1);
  const path = (await newLedger('killed.sqlite')).path;
  const notices: string[] = [];
  const outcomes: string[] = [];
  let nPromoted = 0;
  const kill = async ({ child, reached }: ReturnType<typeof startWriter>) => {
    // Every fourth one may still be starting; the others are anywhere between two acknowledgements.
    if (random() < 0.75) await reached(1 + Math.floor(random() * 8));
    await wait(random() * 10);
    child.kill('SIGKILL');
  };
  for (let round = 0; round < nKills; round += nAtOnce) {
    const writers = Array.from({ length: nAtOnce }, () => startWriter(path));
    await Promise.all(writers.map(kill));
    const outputs = await Promise.all(writers.map(({ finished }) => finished));
    expect(outputs.map(({ errors }) => errors).join('')).toBe('');
    // Opening checks the file's integrity, and moves it aside with a notice where it is damaged.
    const ledger = value(await openLedger(path, { onNotice: (notice) => notices.push(notice) }));
    const acknowledged = outputs.flatMap((output) => acknowledgedOf(output.acknowledged, 'outcome'));
    expect(acknowledged.filter((id) => !isOutcomeKept(ledger, id))).toEqual([]);
    outcomes.push(...acknowledged);
    nPromoted += outputs.flatMap((output) => acknowledgedOf(output.acknowledged, 'promoted')).length;
    for (const { version } of value(listPolicyVersions(ledger))) {
      expect(value(readPolicyFile(ledger, version))).toMatch(/^\{"weights":"(consort){6000}"\}$/);
    }
    const halfWritten = value(
      ledger.read((session) =>
        session.all(
          z.object({ row: z.int() }),
          'SELECT row FROM completions LEFT JOIN steps ON completion = row GROUP BY row HAVING count(step) <> 2',
        ),
      ),
    );
    expect(halfWritten).toEqual([]);
    ledger.close();
  }
  const ledger = value(await openLedger(path));
  expect(outcomes.filter((id) => !isOutcomeKept(ledger, id))).toEqual([]);
  expect(notices).toEqual([]);
  // The processes did get to write, and to promote.
  expect(outcomes.length).toBeGreaterThan(nKills);
  expect(nPromoted).toBeGreaterThan(nKills / 4);
  ledger.close();
}, 300_000);

test('processes killed as they train, judge and promote leave whole policies and a trainer that others can follow', async () => {
  const random = randomNumbers(3);
  const { path } = await newLedger('learned.sqlite');
  const turns: string[] = [];
  const outcomes: string[] = [];
  for (let round = 0; round < 15; round++) {
    const learners = [1, 2].map(() => start(learner, path));
    const kill = async ({ child, reached }: ReturnType<typeof start>) => {
      await reached(4 + Math.floor(random() * 8));
      await wait(random() * 10);
      child.kill('SIGKILL');
    };
    await Promise.all(learners.map(kill));
    const outputs = await Promise.all(learners.map(({ finished }) => finished));
    expect(outputs.map(({ errors }) => errors).join('')).toBe('');
    const ledger = value(await openLedger(path));
    for (const { acknowledged } of outputs) {
      outcomes.push(...acknowledgedOf(acknowledged, 'outcome'));
      turns.push(...acknowledged.split('\n').map((line) => line.split(' ')[0]));
    }
    for (const { version } of value(listPolicyVersions(ledger))) {
      expect(parsePolicyFile(value(readPolicyFile(ledger, version)) ?? '').problem).toBeUndefined();
    }
    ledger.close();
  }
  const ledger = value(await openLedger(path));
  expect(outcomes.filter((id) => !isAccepted(ledger, id, 6))).toEqual([]);
  for (const kind of ['trained', 'promoted']) expect(turns).toContain(kind);
  ledger.close();
}, 120_000);

test('an acknowledged promotion or rollback outlives the process', async () => {
  const { path } = await newLedger('promoted.sqlite');
  const random = randomNumbers(2);
  for (let round = 0; round < 8; round++) {
    const { child, reached, finished } = startWriter(path);
    await reached(3 + Math.floor(random() * 12));
    child.kill('SIGKILL');
    const { acknowledged } = await finished;
    const ledger = value(await openLedger(path));
    const listed = new Map(value(listPolicyVersions(ledger)).map((version) => [version.version, version]));
    const last = (what: string) => listed.get(Number(acknowledgedOf(acknowledged, what).at(-1)));
    expect(last('added')).toMatchObject({ changes: { texts: expect.any(Number) } });
    expect(last('promoted')).toMatchObject({ state: expect.stringMatching(/champion|retired|rolledBack/) });
    expect(last('rolledBack')).toMatchObject({ state: 'rolledBack', evaluation: { reward: -0.5 } });
    const champions = [...listed.values()].filter(({ state }) => state === 'champion');
    expect(champions.map(({ version }) => version)).toEqual(
      [value(servingVersions(ledger)).champion].filter((version) => version !== null),
    );
    ledger.close();
  }
});

test('several processes write at once and nothing is lost', async () => {
  const ledger = await newLedger('shared.sqlite');
  const writers = [1, 2, 3].map(() => startWriter(ledger.path, '60'));
  const outputs = await Promise.all(writers.map(({ finished }) => finished));
  expect(outputs.map(({ errors }) => errors)).toEqual(['', '', '']);
  const ids = outputs.flatMap((output) => acknowledgedOf(output.acknowledged, 'outcome'));
  expect(new Set(ids).size).toBe(180);
  expect(ids.filter((id) => !isOutcomeKept(ledger, id))).toEqual([]);
  ledger.close();
});
