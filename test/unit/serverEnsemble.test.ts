import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
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

interface StartOptions {
  readonly modelsPath: string;
  readonly settings?: Partial<Settings>;
  readonly trusted?: boolean;
  readonly folders?: readonly string[];
  readonly storagePath?: string;
}

function start(options: StartOptions) {
  const log: string[] = [];
  const ensemble = startEnsemble({
    settings: { ...defaultSettings, ...options.settings },
    modelsPath: options.modelsPath,
    trusted: options.trusted ?? true,
    folders: options.folders ?? [],
    storagePath: options.storagePath,
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

describe('what the workspace member has read', () => {
  const modelsPath = join(folder, 'empty');
  const folders = [pathToFileURL(join(folder, 'workspace')).href];
  mkdirSync(modelsPath);
  mkdirSync(join(folder, 'workspace'));
  writeFileSync(join(folder, 'workspace', 'a.ts'), 'export const first = 1;\n');

  async function session(
    options: Pick<StartOptions, 'storagePath' | 'settings' | 'trusted'>,
    during?: (ensemble: Ensemble) => Promise<unknown>,
  ) {
    const { ensemble, log } = start({ modelsPath, folders, ...options });
    await ensemble.ready();
    expect(ensemble.engine.status().index.files).toBe(options.settings?.['index.enable'] === false ? 0 : 1);
    await during?.(ensemble);
    await ensemble.close();
    return log;
  }

  /** Whether the file is there after a session, where there was one before it or not. */
  function check(
    name: string,
    options: Omit<Parameters<typeof session>[0], 'storagePath'>,
    expected: { readonly before: boolean; readonly after: boolean },
    during?: (ensemble: Ensemble, file: string) => Promise<unknown>,
  ): void {
    test(name, async () => {
      const storagePath = mkdtempSync(join(folder, 'storage-'));
      const file = join(storagePath, 'index-v1.bin');
      if (expected.before) expect(await session({ storagePath })).toEqual([]);
      expect(existsSync(file)).toBe(expected.before);
      const log = await session({ storagePath, ...options }, async (ensemble) => during?.(ensemble, file));
      expect(log).toEqual([]);
      expect(existsSync(file)).toBe(expected.after);
    });
  }
  check('is saved', {}, { before: false, after: true });
  check('stays saved', {}, { before: true, after: true });
  const off: Partial<Settings> = { 'index.persist': false };
  check('is not saved where that is off', { settings: off }, { before: false, after: false });
  check('is removed where that is off', { settings: off }, { before: true, after: false });
  const unread: Partial<Settings> = { 'index.enable': false };
  check('is removed where nothing is indexed', { settings: unread }, { before: true, after: false });
  check('is not saved in Restricted Mode', { trusted: false }, { before: false, after: false });
  check('is not touched in Restricted Mode', { trusted: false }, { before: true, after: true });
  check(
    'is removed in Restricted Mode too where that is off',
    { settings: off, trusted: false },
    { before: true, after: false },
  );
  check('is removed when that is turned off', {}, { before: true, after: false }, async ({ configure }) =>
    configure({ ...defaultSettings, ...off }),
  );
  check(
    'is saved when that is turned on',
    { settings: off },
    { before: true, after: true },
    async (ensemble) => ensemble.configure(defaultSettings),
  );
  check('is erased when asked', {}, { before: true, after: false }, async ({ erase }, file) => {
    const { erased, problems } = await erase();
    expect(erased).toEqual([{ kind: 'index', bytes: expect.any(Number) }]);
    expect(problems).toEqual([]);
    expect(existsSync(file)).toBe(false);
    expect((await erase()).erased).toEqual([]);
  });
  check(
    'is erased even in Restricted Mode',
    { trusted: false },
    { before: true, after: false },
    ({ erase }) => erase(),
  );

  test('is not even read in Restricted Mode', async () => {
    const storagePath = mkdtempSync(join(folder, 'storage-'));
    const file = join(storagePath, 'index-v1.bin');
    writeFileSync(file, 'damaged');
    expect(await session({ storagePath, trusted: false })).toEqual([]);
    expect(readFileSync(file, 'utf8')).toBe('damaged');
    expect(await session({ storagePath })).toEqual([expect.stringContaining('cannot be used')]);
  });

  test('is nowhere without a folder for it', async () => {
    await session({}, async ({ erase }) => expect(await erase()).toEqual({ erased: [], problems: [] }));
  });
});
