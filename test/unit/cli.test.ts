import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { Failure } from '../../src/cli/failures.ts';
import { reportTable } from '../../src/cli/reportTable.ts';
import { offsetAt, readTextFile } from '../../src/cli/textFile.ts';
import { formatPolicyFile } from '../../src/config/policyFile.ts';
import type { CompletionReport } from '../../src/protocol/completion.ts';
import { consort } from '../support/consort.ts';
import { untrainedPolicy } from '../support/policyFiles.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('wrong usage ends with code 2, a reason and a hint', () => {
  const cases: [string[], RegExp][] = [
    [[], /no command given/],
    [['complet'], /no command "complet"/],
    [['complete'], /exactly one FILE/],
    [['complete', 'a.ts', 'b.ts', '--line', '1', '--column', '1'], /exactly one FILE/],
    [['complete', 'a.ts', '--column', '1'], /--line is missing/],
    [['complete', 'a.ts', '--line', '0', '--column', '1'], /--line must be a whole number from 1, not "0"/],
    [['complete', 'a.ts', '--line', '1', '--column', '1.5'], /--column must be/],
    [['complete', 'a.ts', '--line', '1', '--column', '1', '--combiner', 'sum'], /linear or geometric/],
    [['complete', 'a.ts', '--line', '1', '--column', '1', '--policy', 'best'], /no policy "best"/],
    [['complete', 'a.ts', '--line', '1', '--column', '1', '--colour'], /Unknown option '--colour'\.$/],
    [
      ['complete', 'a.ts', '--line', '--column', '1'],
      /^consort: Option '--line' lacks its value, which cannot begin with a dash\.$/,
    ],
  ];
  test.each(cases)('%j', async (args, reason) => {
    const { status, stdout, stderr } = await consort(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr.split('\n')[0]).toMatch(reason);
    expect(stderr).toContain('Usage: consort');
  });
});

test('help is on stdout and names the commands', async () => {
  expect(await consort('--help')).toMatchObject({ status: 0, stderr: '', stdout: /complete/ });
  expect(await consort('complete', '--help')).toMatchObject({ status: 0, stderr: '', stdout: /--line N/ });
});

test('what cannot be done ends with code 1, says why and leaves stdout empty', async () => {
  const { status, stdout, stderr } = await consort(
    'complete',
    'missing.ts',
    '--line',
    '1',
    '--column',
    '1',
    '--json',
  );
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^consort: cannot read .*missing\.ts: there is no such file or folder\.\n$/);
});

describe('readTextFile', () => {
  test('reads UTF-8, without its byte order mark', async () => {
    expect(await readTextFile(file('a.ts', '\ufeffgrüß\r\n'), 10)).toBe('grüß\r\n');
  });

  test('refuses what is no source text', async () => {
    const huge = file('huge.ts', '');
    truncateSync(huge, 50e6);
    const cases: [string, RegExp][] = [
      [join(folder, 'none.ts'), /there is no such file or folder/],
      [folder, /is not a file/],
      [huge, /has 50\.0 MB; only files up to 2 MB/],
      [file('binary', Uint8Array.of(65, 0, 66)), /is binary/],
      [file('latin1.py', Uint8Array.of(0xfc, 0x0a)), /is not valid UTF-8/],
    ];
    for (const [path, reason] of cases) {
      await expect(readTextFile(path, 2000)).rejects.toThrow(Failure);
      await expect(readTextFile(path, 2000)).rejects.toThrow(reason);
    }
  });
});

describe('offsetAt', () => {
  function check(text: string, line: number, column: number, expected: number | RegExp): void {
    const act = () => offsetAt(text, { line, column });
    if (typeof expected === 'number') expect(act()).toBe(expected);
    else expect(act).toThrow(expected);
  }

  test('counts lines and columns from 1, columns in UTF-16 units', () => {
    check('', 1, 1, 0);
    check('ab\ncd', 1, 3, 2);
    check('ab\ncd', 2, 1, 3);
    check('ab\r\ncd\rx\n', 2, 3, 6);
    check('ab\r\ncd\rx\n', 3, 2, 8);
    check('ab\r\ncd\rx\n', 4, 1, 9);
    check('😀b', 1, 4, 3);
  });

  test('says what the file has', () => {
    check('', 2, 1, /the file has 1 line, not 2/);
    check('a\nb\n', 7, 1, /the file has 3 lines, not 7/);
    check('ab\r\nc', 1, 4, /line 1 has 3 columns .*, not 4/);
    check('a😀b', 1, 3, /column 3 of line 1 is inside a character.* Give 2 or 4\./);
  });
});

test('reportTable shows the text, then each token with its shares', () => {
  const report: CompletionReport = {
    id: '',
    uri: '',
    languageId: '',
    text: 'foo (',
    stopReason: 'endOfLine',
    noCompletionReason: null,
    tokens: [
      { text: 'foo', shares: { a: 0.75, longer: 0.25 } },
      { text: ' (', shares: { a: 0, longer: 1 } },
    ],
    logProbability: -1,
    latencyMs: { total: 12.34, prefill: 8, decode: 4.34, policy: 0.1 },
    members: [
      { id: 'a', kind: 'neural', forwardPasses: 2 },
      { id: 'longer', kind: 'ngram', forwardPasses: 0 },
    ],
  };
  expect(reportTable(report)).toBe(`foo (

token       a   longer
foo    75.0 %   25.0 %
·(      0.0 %  100.0 %

endOfLine, 12.3 ms (prefill 8.0, decode 4.3, policy 0.1)
`);
  const none = { ...report, text: '', tokens: [], stopReason: null, noCompletionReason: 'empty' } as const;
  expect(reportTable(none)).toMatch(/^No completion: the line is complete as it is \(empty\), 12\.3 ms/);
});

describe('with the bundled members', () => {
  const line = 'export function firstElement(values: number[]) { return values[0]; }\r\n';
  const text = `${line}${line}export function firstEl\r\n`;
  const path = file('sample.ts', text);
  const at = ['--line', '3', '--column', '24'];

  async function complete(...options: string[]) {
    const { status, stdout, stderr } = await consort('complete', path, ...at, '--json', ...options);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(stdout);
  }

  test('complete prints one JSON document, here and in a file', { timeout: 60_000 }, async () => {
    const out = join(folder, 'out.json');
    const result = await complete('--out', out);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(result);
    expect(result.text.length).toBeGreaterThan(0);
    expect(result.tokens.map(({ text }: { text: string }) => text).join('')).toBe(result.text);
    const ids = result.members.map(({ id }: { id: string }) => id);
    expect(ids.length).toBeGreaterThanOrEqual(2);
    for (const { shares } of result.tokens) {
      expect(Object.keys(shares)).toEqual(ids);
      const sum = Object.values<number>(shares).reduce((total, share) => total + share, 0);
      expect(Math.abs(sum - 1)).toBeLessThan(1e-6);
    }
    expect(result.latencyMs).toEqual({
      total: expect.any(Number),
      prefill: expect.any(Number),
      decode: expect.any(Number),
      policy: expect.any(Number),
    });
    expect(result.policy).toEqual({ name: 'mappo', version: '1' });
    const hedge = await complete('--policy', 'hedge');
    expect(hedge.policy).toEqual({ name: 'hedge', version: '1' });
    const policyPath = file('policy.json', formatPolicyFile(untrainedPolicy('*', { name: 'own' })));
    const learned = await complete('--policy', policyPath);
    expect(learned).toMatchObject({ text: hedge.text, policy: { name: 'own', version: '1' } });
    const broken = await consort('complete', path, ...at, '--policy', file('broken.json', '{'));
    expect(broken).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/broken\.json cannot be used\. It is not JSON, .*choose another policy/),
    });
    const forOthers = untrainedPolicy(['somebody', 'else']);
    const unfit = await consort(
      'complete',
      path,
      ...at,
      '--policy',
      file('unfit.json', formatPolicyFile(forOthers)),
    );
    expect(unfit).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^consort: --policy: The policy ppo does not know the member /),
    });
    const [withoutId] = ids;
    const rest = await complete('--without', withoutId);
    expect(rest.members.map(({ id }: { id: string }) => id)).toEqual(
      ids.filter((id: string) => id !== withoutId),
    );
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(await consort('complete', path, ...at, '--without', 'nobody')).toMatchObject({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^consort: there is no member "nobody" to leave out\.\nMembers: /),
    });
  });

  test('members are listed, and a changed file is found', { timeout: 60_000 }, async () => {
    const listed = JSON.parse((await consort('members', 'list', '--json')).stdout);
    expect(listed.members.length).toBeGreaterThanOrEqual(2);
    expect(await consort('members', 'verify')).toMatchObject({ status: 0, stderr: '' });
    const [{ folder: original, id }] = listed.members;
    const copy = join(folder, 'members', 'changed');
    cpSync(original, copy, { recursive: true });
    appendFileSync(join(copy, 'config.json'), ' ');
    const { status, stdout, stderr } = await consort(
      'members',
      'verify',
      '--members-path',
      join(folder, 'members'),
    );
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^consort: 1 of \d+ members/),
    });
    expect(stdout).toMatch(new RegExp(`${id}: .*config\\.json.* instead of \\d+\\. Get`));
    expect(await consort('members', 'verify', 'nobody')).toMatchObject({ status: 1, stdout: '' });
    expect(await consort('members', 'lists')).toMatchObject({ status: 2, stdout: '' });
  });
});

test('nothing is kept of a completion: the home folder stays empty', { timeout: 60_000 }, () => {
  const home = join(folder, 'home');
  mkdirSync(home);
  const path = file('kept.ts', 'const first = 1;\nconst second = fir\n');
  const env = { PATH: process.env.PATH, HOME: home };
  const args = [main, 'complete', path, '--line', '2', '--column', '19', '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout).members.length).toBeGreaterThanOrEqual(2);
  expect(readdirSync(home)).toEqual([]);
});

test('the program passes on the exit code', { timeout: 20_000 }, () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'complet'], { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/^consort: there is no command "complet"/);
});
