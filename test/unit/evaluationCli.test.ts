import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { readPaths } from '../../src/cli/pathFiles.ts';
import { formatPolicyFile } from '../../src/config/policyFile.ts';
import { consort } from '../support/consort.ts';
import { randomPolicy } from '../support/policyFiles.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-evaluation-'));
afterAll(() => rmSync(folder, { recursive: true }));

const source = join(folder, 'typescript', 'shapes');
const paths = join(folder, 'paths');
const pathFile = join(paths, 'typescript', 'shapes.paths');
const one = ['--members', 'consort-typescript'];

beforeAll(async () => {
  mkdirSync(source, { recursive: true });
  for (const name of ['circle', 'square', 'triangle']) {
    const lines = Array.from({ length: 12 }, (_, i) => `export const ${name}${i} = area(${name}, ${i});`);
    writeFileSync(join(source, `${name}.ts`), `import { area } from './area.ts';\n\n${lines.join('\n')}\n`);
  }
  const collected = await consort(
    'collect',
    source,
    '--out',
    paths,
    '--limit',
    '4',
    '--policies',
    'gac,unite,hedge',
    ...one,
  );
  expect(collected).toMatchObject({ status: 0 });
}, 180_000);

const rate = z.number().min(0).max(1);
const interval = z.object({ mean: z.number(), low: z.number(), high: z.number() });
/** What other tools rely on; what is not measured over paths is null. */
const contract = z.object({
  corpus: z.object({ files: z.int().min(1), positions: z.literal(4), bytes: z.int().min(4) }),
  seed: z.int(),
  policies: z.record(
    z.string(),
    z.object({
      bitsPerByte: z.number().min(0).nullable(),
      exactLine: rate,
      firstLexeme: rate,
      editSimilarity: rate,
      acceptedCharacters: z.number().min(0),
      acceptRate: rate,
      shownRate: rate,
      keystrokesSaved: z.number().max(1),
      latencyMs: z.object({ p50: z.number().positive().nullable(), p95: z.number().positive().nullable() }),
      forwardsPerByte: z.number().min(0).nullable(),
    }),
  ),
  comparisons: z.array(z.looseObject({ name: z.string(), against: z.string(), exactLine: interval })),
});

test('evaluate keeps its contract, live and over paths, where both say the same of the text', async () => {
  const live = await consort(
    'evaluate',
    source,
    '--limit',
    '4',
    '--policies',
    'hedge,single:workspace,geometric',
    '--json',
    ...one,
  );
  expect(live.status).toBe(0);
  const liveResult = contract.parse(JSON.parse(live.stdout));
  for (const { bitsPerByte, latencyMs, forwardsPerByte } of Object.values(liveResult.policies)) {
    expect([bitsPerByte, latencyMs.p50, forwardsPerByte]).not.toContain(null);
  }
  expect(liveResult.comparisons.map(({ name, against }) => `${name} ${against}`)).toEqual([
    'single:workspace hedge',
    'geometric hedge',
  ]);
  const stored = await consort('evaluate', '--paths', paths, '--policies', 'hedge,gac', '--json', ...one);
  expect(stored.status).toBe(0);
  const storedResult = contract.parse(JSON.parse(stored.stdout));
  expect(Object.keys(storedResult.policies)).toEqual(['hedge', 'gac']);
  expect(storedResult.policies.gac.bitsPerByte).toBeNull();
  // The same seed draws the same cursors of one package; a batch and a single run round differently.
  const [a, b] = [liveResult, storedResult].map(({ policies }) => policies.hedge);
  expect(b.bitsPerByte).toBeCloseTo(a.bitsPerByte ?? 0, 2);
  expect(b).toMatchObject({ exactLine: a.exactLine, editSimilarity: a.editSimilarity });
}, 180_000);

test('one policy alone has no comparison, and its table none either', async () => {
  const { status, stdout } = await consort('evaluate', '--paths', paths, '--policies', 'hedge', ...one);
  expect(status).toBe(0);
  expect(stdout).toContain('4 cursors in');
  expect(stdout).not.toContain('less hedge');
}, 180_000);

test('a member that was collected can be left out', async () => {
  const { stdout } = await consort('evaluate', '--paths', paths, '--without-ngram', '--json', ...one);
  const { policies, members } = JSON.parse(stdout);
  expect(members).toEqual([{ id: 'consort-typescript', kind: 'neural' }]);
  const alone = policies['single:consort-typescript'].bitsPerByte;
  for (const name of ['uniform', 'hedge', 'oracleToken'])
    expect(policies[name].bitsPerByte).toBeCloseTo(alone, 9);
  expect(Object.keys(policies)).not.toContain('single:workspace');
}, 180_000);

test('policies from another folder, under several thresholds of stopping', async () => {
  const learned = join(folder, 'learned');
  mkdirSync(learned, { recursive: true });
  writeFileSync(join(learned, 'mappo.json'), formatPolicyFile(randomPolicy('*')));
  const common = ['evaluate', '--paths', paths, '--learned', learned, '--json', ...one];
  const { status, stdout } = await consort(...common, '--stop-thresholds', '0,0.5,1');
  expect(status).toBe(0);
  const { policies } = JSON.parse(stdout);
  expect(Object.keys(policies).filter((name) => /ppo|gate/.test(name))).toEqual([
    ...['mappo', 'mappo@0', 'mappo@0.5', 'mappo@1'],
  ]);
  expect(policies['mappo@0'].shownRate).toBe(0);
  expect(policies['mappo@0.5']).toEqual(policies.mappo);
  expect(policies['mappo@1'].shownRate).toBe(1);
  expect(policies['mappo@1'].exactLine).toBe(policies.mappo.exactLine);
  const wrong = await consort(...common, '--stop-thresholds', '2');
  expect(wrong).toMatchObject({ status: 2, stderr: expect.stringMatching(/from 0 to 1, not "2"/) });
}, 180_000);

test('baselines are tuned on collected paths', async () => {
  const { status, stdout } = await consort('tune', paths);
  expect(status).toBe(0);
  const { languages, minimumConfidence, tunedOn } = JSON.parse(stdout);
  expect(tunedOn).toMatchObject({ packages: ['shapes'], cursors: 4 });
  const { bestSingle, fixed, fixedGeometric } = languages.typescript;
  expect(['workspace', 'consort-typescript']).toContain(bestSingle);
  expect(fixed.workspace + fixed['consort-typescript']).toBeCloseTo(1, 3);
  expect(Object.keys(fixedGeometric)).toEqual(['workspace', 'consort-typescript']);
  expect(Object.keys(minimumConfidence)).toEqual(expect.arrayContaining(['hedge', 'fixed', 'gac']));
}, 180_000);

test('collected paths are not collected twice, and those of other members are refused', async () => {
  const again = await consort(
    'collect',
    source,
    '--out',
    paths,
    '--limit',
    '4',
    '--policies',
    'hedge',
    '--json',
    ...one,
  );
  expect(JSON.parse(again.stdout)).toMatchObject({ files: [], cursors: 0 });
  expect([...readPaths(pathFile)]).toHaveLength(4);
  expect(() => [...readPaths(pathFile, { digest: 'another' })]).toThrow(/other members.*consort collect/);
  const noMembers = join(folder, 'models');
  mkdirSync(noMembers, { recursive: true });
  const others = await consort('evaluate', '--paths', paths, '--models', noMembers);
  expect(others).toMatchObject({ status: 1, stdout: '' });
  expect(others.stderr).toMatch(/other members.*Collect them again/);
  const bytes = readFileSync(pathFile);
  const cut = join(folder, 'cut.paths');
  writeFileSync(cut, bytes.subarray(0, bytes.length - 100));
  expect(() => [...readPaths(cut)]).toThrow(/ends too soon/);
  writeFileSync(cut, 'something else entirely');
  expect(() => [...readPaths(cut)]).toThrow(/not a file of collected paths/);
}, 180_000);

test('the report shows every contender, in both forms', async () => {
  const result = join(folder, 'main.json');
  const evaluated = await consort('evaluate', '--paths', paths, '--json', '--out', result, ...one);
  expect(evaluated.status).toBe(0);
  const { policies } = JSON.parse(evaluated.stdout);
  expect(Object.keys(policies)).toEqual(
    expect.arrayContaining(['uniform', 'geometric', 'oracleToken', 'gac', 'unite']),
  );
  const out = join(folder, 'report');
  expect(await consort('report', result, '--out', out)).toMatchObject({ status: 0 });
  const page = readFileSync(join(out, 'index.html'), 'utf8');
  const markdown = readFileSync(join(out, 'README.md'), 'utf8');
  for (const name of Object.keys(policies)) {
    expect(page).toContain(`>${name}<`);
    expect(markdown).toContain(`| ${name} |`);
  }
  expect(page.match(/<svg/g)).toHaveLength(4);
  expect(page).not.toMatch(/NaN|undefined|https?:/);
  expect(markdown).not.toMatch(/NaN|undefined/);
  const bad = join(folder, 'bad.json');
  writeFileSync(bad, '{"corpus": {}}');
  const refused = await consort('report', bad, '--out', out);
  expect(refused).toMatchObject({ status: 1 });
  expect(refused.stderr).toMatch(/Make it again with consort evaluate/);
}, 180_000);

test('wrong usage of these commands ends with code 2 and a hint', async () => {
  const cases: [string[], RegExp][] = [
    [['collect', source], /--out is missing/],
    [['collect', '--out', paths], /at least one DIR/],
    [['collect', source, '--out', paths, '--exploration', 'some'], /wide or none, not "some"/],
    [['evaluate'], /at least one DIR/],
    [['evaluate', source, '--seeds', '1,x'], /--seeds must be a whole number from 1, not "x"/],
    [['evaluate', '--paths', paths, '--policies', 'best', ...one], /no policy "best"[\s\S]*Policies: /],
    [['evaluate', '--paths', paths, '--policies', 'hedge,hedge', ...one], /named twice/],
    [
      ['evaluate', '--paths', paths, '--without-group', 'colour', ...one],
      /no group of features "colour"[\s\S]*Groups: /,
    ],
    [['evaluate', '--paths', paths, '--members', 'nobody'], /no member "nobody"/],
    [['report', '--out', folder], /at least one RESULT/],
    [['tune'], /at least one folder/],
  ];
  for (const [args, reason] of cases) {
    const { status, stdout, stderr } = await consort(...args);
    expect({ args, status, stdout }).toEqual({ args, status: 2, stdout: '' });
    expect(stderr).toMatch(reason);
  }
}, 180_000);
