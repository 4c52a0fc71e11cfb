import { expect, test } from 'vitest';
import { consort } from '../support/consort.ts';

async function replay(...args: readonly string[]) {
  const { status: code, ...written } = await consort('replay', ...args);
  return { code, ...written };
}

test.each([
  [[], 2, 'give at least one DIR'],
  [['src', '--noise', 'much'], 2, '--noise must be like random:0.2,careless:0.5'],
  [['src', '--policy', 'nobody'], 2, 'there is no policy "nobody"'],
  [['src', '--seed', '0'], 2, '--seed must be a whole number from 1'],
  [['src', '--compare'], 2, '--compare goes with --paths and --out'],
  [['/nowhere', '--policy', 'hedge'], 1, '/nowhere is not a folder'],
] as const)('%j ends with %i and says why', async (args, code, message) => {
  const result = await replay(...args);
  expect(result).toMatchObject({ code, stdout: '' });
  expect(result.stderr).toContain(message);
});

test('its help tells of the noise and of the comparison', async () => {
  const { code, stdout } = await replay('--help');
  expect(code).toBe(0);
  expect(stdout).toContain('careless:P');
  expect(stdout).toContain('--compare');
});
