import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { defaultSettings, type Settings } from '../../src/config/settings.ts';
import { type Ensemble, startEnsemble } from '../../src/server/ensemble.ts';
import { createLog } from '../../src/server/log.ts';
import { bundledMembersPath, findMembers } from '../../src/server/memberFolders.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-ensemble-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ensembles: Ensemble[] = [];
afterEach(async () => {
  for (const ensemble of ensembles.splice(0)) await ensemble.close();
});

const [bundled] = findMembers(bundledMembersPath());

/** A folder of members for every language, each a copy of a bundled one that `change` may spoil. */
function members(name: string, changes: Record<string, (folder: string) => void>): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [id, change] of Object.entries(changes)) {
    cpSync(bundled.folder, join(path, id), { recursive: true });
    edit(join(path, id, 'member.json'), (manifest) => ({ ...manifest, id, languages: '*' }));
    change(join(path, id));
  }
  return path;
}

function edit(path: string, change: (json: object) => object): void {
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
}

function start(options: { modelsPath: string; settings?: Partial<Settings>; trusted?: boolean }) {
  const log: string[] = [];
  const ensemble = startEnsemble({
    settings: { ...defaultSettings, ...options.settings },
    modelsPath: options.modelsPath,
    trusted: options.trusted ?? true,
    folders: [],
    log: createLog((level, message) => log.push(`${level}: ${message}`), 'warn'),
    memberDeadlineMs: 60_000,
    onChange: () => {},
  });
  ensembles.push(ensemble);
  return { ensemble, log };
}

/** Which members take part in a completion. */
async function participants({ engine, library, ready }: Ensemble): Promise<string[]> {
  await ready();
  const document = { uri: 'file:///a.ts', languageId: 'typescript', text: 'const first = 1;\nconst fir' };
  library.setDocument(document);
  const request = { ...document, offset: document.text.length, isExplicit: true };
  const { report } = await engine.complete(request, new AbortController().signal);
  expect(report.text).not.toBe('');
  return report.members.map(({ id }) => id);
}

test('members that cannot be used are named with what is wrong; the others complete', {
  timeout: 60_000,
}, async () => {
  const modelsPath = members('spoilt', {
    changed: (path) => {
      const weights = readFileSync(join(path, 'model.onnx'));
      weights[weights.length >> 1] ^= 1;
      writeFileSync(join(path, 'model.onnx'), weights);
    },
    good: () => {},
    incomplete: (path) => rmSync(join(path, 'model.onnx')),
    strange: (path) => edit(join(path, 'member.json'), (manifest) => ({ ...manifest, colour: 'red' })),
    unreadable: (path) => writeFileSync(join(path, 'member.json'), '{'),
  });
  const { ensemble, log } = start({ modelsPath });
  expect(await participants(ensemble)).toEqual(['good', 'workspace']);
  expect(log.toSorted().map((line) => line.split(':', 2).join(':'))).toEqual(
    ['changed', 'incomplete', 'strange', 'unreadable'].map((id) => `error: ${id}`),
  );
  expect(ensemble.engine.status().members).toMatchObject([
    { id: 'changed', state: 'failed', message: expect.stringContaining('sha256') },
    { id: 'good', state: 'ready' },
    { id: 'incomplete', state: 'failed', message: expect.stringContaining('lacks its file model.onnx') },
    { id: 'strange', state: 'failed', message: expect.stringContaining('colour') },
    { id: 'unreadable', state: 'failed', message: expect.stringContaining('is not JSON') },
    { id: 'workspace', state: 'ready' },
  ]);
});

test('without a folder of models the workspace member completes alone', { timeout: 60_000 }, async () => {
  const { ensemble, log } = start({ modelsPath: join(folder, 'none') });
  expect(await participants(ensemble)).toEqual(['workspace']);
  expect(log).toEqual([expect.stringMatching(/^error: .*The folder of members .*none cannot be read/)]);
  expect(ensemble.engine.status().members).toMatchObject([
    {
      name: 'none',
      state: 'failed',
      message: expect.stringMatching(/\(ENOENT\)\. Install Consort again\.$/),
    },
    { id: 'workspace', state: 'ready' },
  ]);
});

for (const [name, isSecret] of [
  ['.env', true],
  ['settings.ini', false],
] as const) {
  test(`what stands in ${name} is ${isSecret ? 'never ' : ''}suggested elsewhere`, {
    timeout: 60_000,
  }, async () => {
    const { ensemble } = start({ modelsPath: join(folder, 'none') });
    await ensemble.ready();
    const complete = async (file: string, text: string) => {
      const document = { uri: `file:///project/${file}`, languageId: 'typescript', text };
      ensemble.library.setDocument(document);
      const request = { ...document, offset: text.length, isExplicit: true };
      return (await ensemble.engine.complete(request, new AbortController().signal)).report.text;
    };
    await complete(name, 'apiToken = "qXz81LmPw07"\napiToken = "qXz81LmPw07"\napiTok');
    const elsewhere = await complete('a.ts', 'const a = 1;\nconst apiToken = "qX');
    expect(elsewhere.includes('z81LmPw07')).toBe(!isSecret);
  });
}

test('members of the person take part in trusted workspaces only, and never under a taken id', {
  timeout: 60_000,
}, async () => {
  const modelsPath = members('bundled', { one: () => {} });
  const own = members('own', { one: () => {}, two: () => {} });
  const settings = { membersPath: own, disabledMembers: ['workspace'] };
  const untrusted = start({ modelsPath, settings, trusted: false });
  expect(await participants(untrusted.ensemble)).toEqual(['one']);

  const { ensemble } = start({ modelsPath, settings });
  expect(await participants(ensemble)).toEqual(['one', 'two']);
  expect(ensemble.engine.status().members[1]).toMatchObject({
    id: join(own, 'one'),
    state: 'failed',
    message: expect.stringContaining('another member with the id one'),
  });
  ensemble.configure({ ...defaultSettings, membersPath: '' });
  expect(await participants(ensemble)).toEqual(['one', 'workspace']);
});
