import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { formatPolicyFile, type PolicyFile } from '../../src/config/policyFile.ts';
import { defaultSettings } from '../../src/config/settings.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { Engine } from '../../src/server/engine.ts';
import { Recorder, type RecorderOptions } from '../../src/server/learning/recorder.ts';
import { readCompletions } from '../../src/server/ledger/completions.ts';
import { grantConsent, withdrawConsent } from '../../src/server/ledger/consents.ts';
import { eraseLedger } from '../../src/server/ledger/erase.ts';
import { type Ledger, openLedger } from '../../src/server/ledger/ledger.ts';
import { addPolicyVersion, chooseChampion } from '../../src/server/ledger/policyVersions.ts';
import { PolicyStore } from '../../src/server/policyStore.ts';
import { value, workspace } from '../support/ledgerRecords.ts';
import { randomPolicy } from '../support/policyFiles.ts';
import { toyLibrary, toyMember } from '../support/toyMember.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-recorder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

let nLedgers = 0;

/** An engine whose completions are recorded, by two members that say much the same. */
async function start(changes: Partial<RecorderOptions> = {}) {
  const ledger = value(await openLedger(join(folder, `${++nLedgers}.sqlite`)));
  const settings = { ...defaultSettings, minimumConfidence: 0.001, policy: 'hedge' as const };
  const store = new PolicyStore(settings, { trusted: true, log: { warn() {} } });
  const problems: string[] = [];
  const deferred: (() => void)[] = [];
  const recorder = new Recorder({
    ledger,
    workspace,
    configured: store,
    isExcluded: () => false,
    random: randomNumbers(1),
    now: () => 1_700_000_000_000,
    defer: (work) => deferred.push(work),
    onProblem: ({ kind }) => problems.push(kind),
    ...changes,
  });
  const engine = new Engine({
    settings,
    sources: [toyMember('a', 'b(c, d);'), toyMember('b', 'b(c);')],
    policies: { choose: (...asked) => recorder.choose(...asked), status: () => store.status() },
    library: toyLibrary(),
    onChange: () => {},
    memberDeadlineMs: 1000,
    loadingDeadlineMs: 1000,
  });
  engines.push(engine);
  await engine.ready();
  let nRequests = 0;
  const complete = async (isExplicit = false) => {
    const text = `x${nRequests++} = \n`;
    const request = {
      uri: 'file:///a',
      languageId: 'python',
      text,
      offset: text.length - 1,
      isExplicit,
    };
    const { report } = await engine.complete(request, new AbortController().signal);
    for (const work of deferred.splice(0)) work();
    return report;
  };
  const add = (state: 'champion' | 'challenger', file: PolicyFile | string) =>
    addPolicyVersion(ledger, {
      parent: null,
      origin: 'trained',
      state,
      changes: {},
      file: typeof file === 'string' ? file : formatPolicyFile(file),
      time: 1,
    }).value;
  const recorded = () => value(readCompletions(ledger, { afterRow: 0, limit: 1000 }));
  return { ledger, recorder, complete, add, recorded, problems };
}

test('without consent nothing is taken down, and no file is made', async () => {
  const { ledger, recorder, complete, problems } = await start();
  expect((await complete()).text).not.toBe('');
  expect(recorder.hasConsent).toBe(false);
  expect([existsSync(ledger.path), problems]).toEqual([false, []]);
});

test('with consent a completion is kept as it was told, with its steps', async () => {
  const { ledger, recorder, complete, recorded } = await start();
  grantConsent(ledger, workspace, 1);
  recorder.refresh();
  const report = await complete();
  const [{ steps, ...kept }] = recorded();
  expect(kept).toMatchObject({
    id: report.id,
    time: 1_700_000_000_000,
    languageId: 'python',
    members: ['a', 'b'],
    observationVersion: 1,
    draw: { arm: 'champion', policyVersion: null, versions: { champion: null, challenger: null } },
    shownLength: report.text.length,
    logProbability: report.logProbability,
  });
  expect(steps.reduce((sum, { nBytes }) => sum + nBytes, 0)).toBe(report.text.length);
  expect(JSON.stringify(recorded())).not.toContain(report.text);
});

test('arms are drawn by their shares, and only the challenger acts by chance', async () => {
  const { ledger, recorder, complete, add, recorded } = await start();
  grantConsent(ledger, workspace, 1);
  const champion = add('champion', randomPolicy('*', {}, -100));
  const challenger = add('challenger', randomPolicy(['a', 'b', 'c'], {}, -100));
  recorder.refresh();
  for (let i = 0; i < 100; i++) await complete();
  const served = { champion: 0, challenger: 0, hedge: 0 };
  for (const { draw, steps } of recorded()) {
    served[draw.arm]++;
    expect(draw.versions).toEqual({ champion, challenger });
    expect(draw.propensities).toEqual({ champion: expect.closeTo(0.65, 9), challenger: 0.3, hedge: 0.05 });
    const isSampled = draw.arm === 'challenger';
    expect(steps.every(({ action }) => (action !== null) === isSampled)).toBe(true);
    expect(steps.every(({ actionLogProbability }) => (actionLogProbability !== null) === isSampled)).toBe(
      true,
    );
  }
  for (const [arm, share] of [
    ['champion', 65],
    ['challenger', 30],
    ['hedge', 5],
  ] as const) {
    expect(Math.abs(served[arm] - share)).toBeLessThan(12);
    expect(served[arm]).toBeGreaterThan(0);
  }
});

test('whether stopping was a choice is taken down: not where the person has asked for the text', async () => {
  const { ledger, recorder, complete, add, recorded } = await start({ random: () => 0.9 });
  grantConsent(ledger, workspace, 1);
  add('challenger', { ...randomPolicy('*', {}, -100), stopThreshold: 1 });
  recorder.refresh();
  for (const isExplicit of [false, true]) {
    await complete(isExplicit);
    // At the end of the line nobody is asked.
    const asked = recorded()[isExplicit ? 1 : 0].steps.slice(0, -1);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.map(({ couldStop }) => couldStop)).toEqual(asked.map(() => !isExplicit));
  }
});

test('the action is told by member, whatever the order of the network’s rows', async () => {
  const { ledger, recorder, complete, add, recorded } = await start({ random: () => 0.9 });
  grantConsent(ledger, workspace, 1);
  add('challenger', { ...randomPolicy(['b', 'a'], { logSigma: -3 }, -100), stopThreshold: 1 });
  recorder.refresh();
  await complete();
  for (const { action, hedgeLogWeights, weights } of recorded()[0].steps) {
    // w = softmax(ln h + u)
    const unscaled = [0, 1].map((i) => Math.exp(hedgeLogWeights[i] + (action?.[i] ?? Number.NaN)));
    expect(weights[0]).toBeCloseTo(unscaled[0] / (unscaled[0] + unscaled[1]), 4);
  }
});

test('a version that cannot serve is no arm, and a change of versions counts from the next completion but one', async () => {
  const { ledger, recorder, complete, add, recorded, problems } = await start();
  grantConsent(ledger, workspace, 1);
  recorder.refresh();
  add('champion', '{}');
  await complete();
  await complete();
  const champion = add('champion', randomPolicy(['a', 'b'], {}, -100));
  await complete();
  await complete();
  chooseChampion(ledger, null, 2);
  await complete();
  await complete();
  const champions = recorded().map(({ draw }) => draw.versions.champion);
  expect(champions).toEqual([null, null, null, champion, champion, null]);
  expect(problems).toEqual([]);
});

test('consent that ends elsewhere ends recording here, and so does erasing', async () => {
  const ends = [
    (ledger: Ledger) => withdrawConsent(ledger, workspace, 2),
    (ledger: Ledger) => eraseLedger(ledger.path),
  ];
  for (const end of ends) {
    const { ledger, recorder, complete } = await start();
    grantConsent(ledger, workspace, 1);
    recorder.refresh();
    await complete();
    expect(recorder.hasConsent).toBe(true);
    await end(ledger);
    await complete();
    expect(recorder.hasConsent).toBe(false);
  }
});

test('an excluded file is served as configured and not taken down', async () => {
  const { ledger, recorder, complete, recorded } = await start({
    isExcluded: ({ uri }) => uri === 'file:///a',
  });
  grantConsent(ledger, workspace, 1);
  recorder.refresh();
  expect((await complete()).text).not.toBe('');
  expect(recorded()).toEqual([]);
});
