import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bundledMembersPath } from '../../src/server/memberFolders.ts';
import { consort } from '../support/consort.ts';

const bundled = 'consort-python';
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'members-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const members = (...args: readonly string[]) => consort('members', ...args, '--members-path', folder);

test('without a word, members are listed', async () => {
  const listed = await members();
  expect(listed).toEqual(await members('list'));
  expect(listed).toMatchObject({ status: 0, stdout: expect.stringMatching(/^consort-python +\d\.\d MB/) });
});

describe('two members of one id', () => {
  const taken = `There is another member with the id ${bundled}. `;
  beforeEach(() => cpSync(join(bundledMembersPath(), bundled), join(folder, 'copy'), { recursive: true }));

  test('are told of in the list', async () => {
    const { status, stdout } = await members('list');
    expect(status).toBe(0);
    expect(stdout).toContain(`broken  ${join(folder, 'copy')}: ${taken}`);
    const listed: { id: string; problem: string | null }[] = JSON.parse(
      (await members('list', '--json')).stdout,
    ).members;
    expect(listed.filter(({ id }) => id === bundled).map(({ problem }) => problem)).toEqual([
      null,
      expect.stringContaining(taken),
    ]);
  });

  test.each([[[]], [[bundled]]])('fail the verification of %j', async (ids) => {
    const { status, stdout, stderr } = await members('verify', ...ids);
    expect(status).toBe(1);
    expect(stdout).toContain(`${bundled}: ${taken}`);
    expect(stderr).toMatch(/^consort: 1 of \d members cannot be used/);
  });
});

test('a manifest that cannot be read is marked in the list, with the reason', async () => {
  mkdirSync(join(folder, 'odd'));
  writeFileSync(join(folder, 'odd', 'member.json'), '{');
  const { status, stdout } = await members('list');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^odd +broken {2}.*member\.json is not JSON/m);
  expect(await members('verify', 'odd')).toMatchObject({
    status: 1,
    stdout: expect.stringMatching(/not JSON/),
  });
});
