import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readPolicyContender } from '../../src/cli/policyChoice.ts';
import { parsePolicyFile } from '../../src/config/policyFile.ts';
import { encodeCursor, encodeHeader } from '../../src/evaluation/pathStore.ts';
import { RlaeSpanPolicy } from '../../src/evaluation/rlaeSpanPolicy.ts';
import { actorProblem } from '../../src/policy/actorPolicy.ts';
import { readTexts, toyCursor } from '../support/collected.ts';
import { consort } from '../support/consort.ts';
import { says } from '../support/toyStream.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-train-'));
afterAll(() => rmSync(folder, { recursive: true }));

const train = (...args: readonly string[]) => consort('train', ...args);

/** A file with this many cursors of one package. */
async function pathFile(name: string, nCursors: number): Promise<string> {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < nCursors; i++) {
    const target = `get(${i})`;
    const cursor = await toyCursor([says(target, 0.6), says('zzz', 0.7)], target);
    await readTexts(cursor, [target, 'zzz']);
    const { members } = cursor;
    const header = { packageName: 'toy', members, digest: 'd', seed: 1, limit: 9, nCursors, contenders: [] };
    if (i === 0) parts.push(encodeHeader(header));
    parts.push(encodeCursor(cursor));
  }
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

describe('wrong usage ends with code 2, a reason and a hint', () => {
  const cases: [string[], RegExp][] = [
    [[], /give at least one of PATHS/],
    [['a', '--algorithm', 'ppo'], /--out is missing/],
    [['a', '--out', 'b'], /--algorithm is missing[\s\S]*ppo, mappo, gate/],
    [['a', '--out', 'b', '--algorithm', 'sac'], /--algorithm cannot be "sac"/],
    [['a', '--out', 'b', '--algorithm', 'ppo', '--granularity', 'word'], /--granularity cannot be/],
    [['a', '--out', 'b', '--algorithm', 'ppo', '--without-groups', 'smell'], /cannot be "smell"/],
    [['a', '--out', 'b', '--algorithm', 'ppo', '--set', 'ppo.clip=1'], /of ppo there are learningRate/],
    [['a', '--out', 'b', '--algorithm', 'ppo', '--set', 'ppo.clipRange=x'], /ppo.clipRange is a number/],
    [['a', '--out', 'b', '--algorithm', 'ppo', '--set', 'clipRange=1'], /is not like ppo.clipRange=0.1/],
    [['a', '--out', 'b', '--algorithm', 'rlaeSpan', '--resume'], /rlaeSpan knows no --resume/],
    [['a', '--out', 'b', '--algorithm', 'rlaeSpan', '--combiner', 'geometric'], /the linear combiner only/],
    [
      ['a', '--out', 'b', '--algorithm', 'ppo', '--updates', '-1'],
      /'--updates'|--updates must be a whole number/,
    ],
  ];
  test.each(cases)('%j', async (args, expected) => {
    const { status, stderr } = await train(...args);
    expect(stderr).toMatch(expected);
    expect(status).toBe(2);
  });
});

test('it trains in a worker, shows how it goes, and goes on from its checkpoint', async () => {
  const paths = await pathFile('toy.paths', 6);
  const out = join(folder, 'toy.json');
  const always = [paths, '--algorithm', 'mappo', '--out', out, '--backend', 'wasm', '--json'];
  const settings = ['--set', 'ppo.nSteps=16', '--set', 'gate.nEpochs=1', '--set', 'policy.evaluateEvery=1'];
  const first = await train(...always, ...settings, '--updates', '1');
  expect(first.stderr).toMatch(
    /5 cursors to train on, 1 held out[\s\S]*warm start 1[\s\S]*update 1: reward[\s\S]*min left/,
  );
  expect(first.status).toBe(0);
  expect(JSON.parse(first.stdout).training).toMatchObject({ seed: 1, backend: 'wasm', trainCursors: 5 });
  const { file } = parsePolicyFile(readFileSync(out, 'utf8'));
  expect(file).toMatchObject({ name: 'toy', algorithm: 'mappo', members: '*', combiner: 'linear' });

  const second = await train(...always, ...settings, '--updates', '2', '--resume');
  expect(second.stderr).toMatch(/held out\n?[\s\S]*update 2: reward/);
  expect(second.stderr).not.toMatch(/warm start|update 1:/);
  expect(second.status).toBe(0);

  const other = await train(...always, '--updates', '2', '--resume', '--seed', '2');
  expect(other.stderr).toMatch(/checkpoint is of a training with other options/);
  expect(other.status).toBe(1);
});

test('RLAE as published is trained to be compared with, and serves nobody', async () => {
  const paths = await pathFile('published.paths', 5);
  const out = join(folder, 'rlaeSpan.json');
  const options = ['--updates', '2', '--set', 'ppo.nSteps=16', '--backend', 'wasm', '--json'];
  const { status, stderr, stdout } = await train(paths, '--algorithm', 'rlaeSpan', '--out', out, ...options);
  expect(stderr).toMatch(/update 1: reward[\s\S]*update 2: reward/);
  expect(status).toBe(0);
  expect(JSON.parse(stdout).training).toMatchObject({ updates: 2, trainCursors: 4 });
  const { file } = parsePolicyFile(readFileSync(out, 'utf8'));
  if (!file) throw new Error('It is no policy file');
  expect(file.observation.groups).not.toContain('hedge');
  const { live } = readPolicyContender(out);
  const members = [{ id: 'b', kind: 'neural' as const }];
  const exponents = { fresh: new Float64Array(1), carried: new Float64Array(1) };
  expect(live?.createPolicy({ languageId: 'python', members, exponents })).toBeInstanceOf(RlaeSpanPolicy);
  expect(actorProblem(file, ['b'])?.message).toMatch(/was made to be compared with/);
});

test('what cannot be read is said in a sentence', async () => {
  const notPaths = join(folder, 'not.paths');
  writeFileSync(notPaths, 'no');
  const out = join(folder, 'none.json');
  const { status, stderr } = await train(notPaths, '--algorithm', 'gate', '--out', out);
  expect(stderr).toMatch(/not.paths is not a file of collected paths/);
  expect(status).toBe(1);
  const missing = await train(join(folder, 'no', 'where'), '--algorithm', 'gate', '--out', out);
  expect(missing.stderr).toMatch(/there is no .*where\./);
  const whole = await pathFile('whole.paths', 5);
  const resumed = await train(whole, '--algorithm', 'gate', '--out', out, '--resume');
  expect(resumed.stderr).toMatch(/none.json.checkpoint to go on from/);
  expect(existsSync(out)).toBe(false);
});
