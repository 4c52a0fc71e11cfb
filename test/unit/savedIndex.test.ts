import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startRemoteMember } from '../../src/lm/remoteMember.ts';
import { filesOf, lookAt } from '../../src/server/filesOnDisk.ts';
import { IndexStore } from '../../src/server/indexStore.ts';
import { Library, type Reader } from '../../src/server/library.ts';
import { createLog } from '../../src/server/log.ts';
import {
  eraseSavedIndex,
  readSavedIndex,
  savedIndexPath,
  writeSavedIndex,
} from '../../src/server/savedIndex.ts';

const workerUrl = new URL('../../src/server/ngramWorker.ts', import.meta.url);
const isPosix = process.platform !== 'win32';

let root: string;
let folder: string;
let path: string;
const endings: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'consort-saved-'));
  folder = join(root, 'workspace');
  path = savedIndexPath(join(root, 'storage', 'own'));
  mkdirSync(folder);
});
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
  rmSync(root, { recursive: true, force: true });
});

/** Writes files of the workspace; each one is changed at a time of its own. */
function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text);
    utimesSync(join(folder, name), 1e9, 1e9 + Number(text.match(/\d+/)?.[0] ?? 0));
  }
}

/** A session over the workspace with the real worker. `sent` says what the worker is told to read or forget. */
async function startSession({
  maximumBytes = 1e6,
  duringSave,
}: {
  maximumBytes?: number;
  /** Called when the worker has been asked to save and has not answered. */
  duringSave?: (store: IndexStore) => void;
} = {}) {
  const sent: string[] = [];
  const log: string[] = [];
  const store = new IndexStore({
    path,
    log: createLog((level, line) => log.push(`${level}: ${line}`), 'debug'),
  });
  await store.configure('on');
  const options = { signal: new AbortController().signal };
  const folders = [pathToFileURL(folder).href];
  const library = new Library({
    isReadable: () => true,
    files: (signal, isWanted) => filesOf(folders, { signal }, isWanted),
    look: (uri) => lookAt(uri, folders, options),
    whenIdle: async () => {},
    onChange: () => {},
    store,
  });
  const data = { id: 'workspace', maximumBytes };
  const member = await startRemoteMember({ id: 'workspace', kind: 'ngram', workerUrl, workerData: data });
  const reader: Reader = {
    call(name, argument) {
      const about = typeof argument === 'string' ? argument : (argument as { id: string }).id;
      if (name.endsWith('Document'))
        sent.push(`${name === 'setDocument' ? '+' : '-'}${about.split('/').at(-1)}`);
      const answer = member.call(name, argument);
      if (name === 'save') duringSave?.(store);
      return answer;
    },
  };
  const end = async () => {
    await library.close();
    await member.close();
  };
  endings.push(end);
  await library.attach(reader);
  await library.indexed();
  const { files } = library.status();
  return {
    library,
    store,
    member,
    sent,
    log,
    files,
    end,
    warnings: () => log.filter((line) => /^warn/.test(line)),
  };
}

describe('a restart', () => {
  /** What the second session sends to the worker after the workspace has changed. */
  function check(name: string, change: () => void, expected: readonly string[], nFiles: number): void {
    test(name, async () => {
      write({ 'a.ts': 'let a = 1;\n', 'b.ts': 'let b = 2;\n' });
      const first = await startSession();
      expect(first.sent).toEqual(['+a.ts', '+b.ts']);
      await first.end();
      change();
      const second = await startSession();
      expect(second.sent).toEqual(expected);
      expect(second.files).toBe(nFiles);
      expect(second.warnings()).toEqual([]);
      await second.end();
      const third = await startSession();
      expect(third.sent).toEqual([]);
      expect(third.files).toBe(nFiles);
    });
  }
  check('sends nothing for files that stayed', () => {}, [], 2);
  check('sends a file that changed', () => write({ 'a.ts': 'let a = 33;\n' }), ['+a.ts'], 2);
  check('sends a file that changed in time alone', () => write({ 'a.ts': 'let a = 7;\n' }), ['+a.ts'], 2);
  check('sends a new file', () => write({ 'c.ts': 'let c = 3;\n' }), ['+c.ts'], 3);
  check('forgets a file that is gone', () => rmSync(join(folder, 'b.ts')), ['-b.ts'], 1);
  check(
    'forgets a file that may not be read any more',
    () => write({ '.gitignore': 'b.ts\n' }),
    ['+.gitignore', '-b.ts'],
    2,
  );
  check('forgets a file that is generated now', () => write({ 'b.ts': '// @generated 4\n' }), ['-b.ts'], 1);
});

describe('a saved index that cannot be used is named in one line, and the workspace is read anew', () => {
  function check(name: string, damage: () => void, reason: RegExp): void {
    test(name, async () => {
      write({ 'a.ts': 'let secretName = 1;\n' });
      await (await startSession()).end();
      damage();
      const { sent, files, warnings, end } = await startSession();
      expect(sent).toEqual(['+a.ts']);
      expect(files).toBe(1);
      expect(warnings()).toEqual([expect.stringMatching(reason)]);
      expect(warnings().join()).not.toContain('secretName');
      await end();
    });
  }
  const change = (edit: (file: Buffer) => Buffer) => () => writeFileSync(path, edit(readFileSync(path)));
  check(
    'damaged',
    change((file) => Buffer.concat([file.subarray(0, 90), Buffer.from('?'), file.subarray(91)])),
    /damaged/,
  );
  check(
    'truncated',
    change((file) => file.subarray(0, file.length >> 1)),
    /damaged/,
  );
  check(
    'empty',
    change(() => Buffer.alloc(0)),
    /damaged/,
  );
  check(
    'not a file',
    () => {
      rmSync(path);
      mkdirSync(path);
    },
    /EISDIR/,
  );
});

test('a saved index that cannot be used is replaced even where nothing is left to read', async () => {
  write({ 'a.ts': 'let secretName = 1;\n' });
  await (await startSession()).end();
  rmSync(join(folder, 'a.ts'));
  writeFileSync(path, readFileSync(path).subarray(0, -1));
  await (await startSession()).end();
  expect(readFileSync(path).includes('secretName')).toBe(false);
  expect((await startSession()).warnings()).toEqual([]);
});

test('a saved index that is larger than the limit is not used', async () => {
  write({ 'a.ts': 'let a = 1;\n'.repeat(60), 'b.ts': 'let b = 2;\n'.repeat(60) });
  await (await startSession()).end();
  const { files, warnings, library } = await startSession({ maximumBytes: 1000 });
  expect(files).toBe(1);
  expect(library.status().bytes).toBeLessThan(1000);
  expect(warnings()).toEqual([expect.stringContaining('maximumMegabytes')]);
});

test('where nothing can be written, the index goes on, and one line says so', async () => {
  write({ 'a.ts': 'let a = 1;\n' });
  writeFileSync(join(root, 'storage'), 'in the way');
  const { library, files, store, log, warnings } = await startSession();
  await store.save();
  library.reindex();
  await library.indexed();
  await store.save();
  expect(files).toBe(1);
  expect(warnings()).toEqual([expect.stringMatching(/could not be saved: ENOTDIR.*persist/)]);
  expect(log.join('\n')).not.toContain('let a');
});

test.runIf(isPosix)('only its owner may read the file, and its folder', async () => {
  write({ 'a.ts': 'let a = 1;\n' });
  await (await startSession()).end();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
});

test('an index that did not change is not written again', async () => {
  write({ 'a.ts': 'let a = 1;\n' });
  await (await startSession()).end();
  const { ino } = statSync(path);
  await (await startSession()).end();
  expect(statSync(path).ino).toBe(ino);
  write({ 'a.ts': 'let a = 2;\n' });
  await (await startSession()).end();
  expect(statSync(path).ino).not.toBe(ino);
});

test('a document that is open has no part in the file, and is read again', async () => {
  write({ 'a.ts': 'let a = 1;\n', 'b.ts': 'let b = 1;\n' });
  const first = await startSession();
  first.library.setDocument({ uri: pathToFileURL(join(folder, 'a.ts')).href, text: 'let unsaved;' });
  write({ 'b.ts': 'let b = 2;\n' });
  first.library.reindex();
  await first.library.indexed();
  await first.end();
  expect(readFileSync(path).includes('unsaved')).toBe(false);
  expect((await startSession()).sent).toEqual(['+a.ts']);
});

describe('the file is removed', () => {
  /** Nothing is left of it, and nothing comes back in this session. */
  function check(name: string, remove: (store: IndexStore) => Promise<unknown>): void {
    test(name, async () => {
      write({ 'a.ts': 'let a = 1;\n' });
      const { library, store, end } = await startSession();
      await store.save();
      expect(existsSync(path)).toBe(true);
      writeFileSync(`${path}.left.tmp`, 'half a file');
      await remove(store);
      expect(readdirSync(join(path, '..'))).toEqual([]);
      write({ 'a.ts': 'let a = 2;\n' });
      library.reindex();
      await library.indexed();
      await end();
      expect(readdirSync(join(path, '..'))).toEqual([]);
    });
  }
  check('when it is erased', (store) => store.erase());
  check('when it is turned off', (store) => store.configure('off'));

  test('with what was left of unfinished ones, whatever the clock says', () => {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(`${path}.left.tmp`, 'half a file');
    utimesSync(`${path}.left.tmp`, 1e11, 1e11);
    expect(eraseSavedIndex(path)).toBe('half a file'.length);
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  test('and how much that was is said', async () => {
    write({ 'a.ts': 'let a = 1;\n' });
    const { store } = await startSession();
    await store.save();
    const { size } = statSync(path);
    expect(await store.erase()).toEqual({ bytes: size });
    expect(await store.erase()).toEqual({ bytes: 0 });
  });

  test('even while it is being written', async () => {
    const words = Array.from({ length: 90_000 }, (_, i) => `w${i}${i % 9 === 0 ? '\n' : ''}`);
    write({ 'a.ts': words.join(' ') });
    let erasing: Promise<unknown> | undefined;
    const { store } = await startSession({
      duringSave: (store) => {
        erasing = store.erase();
      },
    });
    await store.save();
    expect(await erasing).toMatchObject({ bytes: expect.any(Number) });
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  test('and written anew when it is turned on', async () => {
    write({ 'a.ts': 'let a = 1;\n' });
    const { store } = await startSession();
    await store.erase();
    await store.configure('off');
    await store.configure('on');
    expect(existsSync(path)).toBe(true);
  });
});

describe('writing', () => {
  const slices = ['one ', 'two ', 'three'].map((text) => new TextEncoder().encode(text));
  const read = () => Buffer.from(readSavedIndex(path) ?? []).toString();

  test('gives the whole', async () => {
    expect(readSavedIndex(path)).toBeUndefined();
    expect(await writeSavedIndex(path, slices, () => false)).toBe(true);
    expect(read()).toBe('one two three');
  });

  test('that became stale leaves the old file and nothing else', async () => {
    await writeSavedIndex(path, slices.slice(0, 1), () => false);
    let nAsked = 0;
    expect(await writeSavedIndex(path, slices, () => ++nAsked === 3)).toBe(false);
    expect(read()).toBe('one ');
    expect(readdirSync(join(path, '..'))).toHaveLength(1);
  });

  test('that fails leaves the old file and nothing else', async () => {
    await writeSavedIndex(path, slices.slice(0, 1), () => false);
    function* failing() {
      yield slices[1];
      throw new Error('no more');
    }
    await expect(writeSavedIndex(path, failing(), () => false)).rejects.toThrow('no more');
    expect(read()).toBe('one ');
    expect(readdirSync(join(path, '..'))).toHaveLength(1);
  });

  test.runIf(isPosix && process.getuid?.() !== 0)('in a folder that is read-only fails', async () => {
    mkdirSync(join(path, '..'), { recursive: true });
    chmodSync(join(path, '..'), 0o500);
    await expect(writeSavedIndex(path, slices, () => false)).rejects.toThrow('EACCES');
  });

  test('in several processes at once gives one of their files', async () => {
    const writers = ['1', '2', '3'].map((letter) => startWriter(letter, 20));
    await Promise.all(writers.map((writer) => once(writer, 'exit')));
    expect(new Set(read()).size).toBe(1);
    expect(read()).toHaveLength(wholeBytes);
    expect(eraseSavedIndex(path)).toBe(wholeBytes);
  });

  test('by a process that is killed leaves the old file or the new one', async () => {
    let nUnfinished = 0;
    for (let i = 0; i < 8; i++) {
      const writer = startWriter(String(i), Number.POSITIVE_INFINITY);
      while (!existsSync(path)) await setTimeout(5);
      await setTimeout(7 * i);
      writer.kill('SIGKILL');
      await once(writer, 'exit');
      expect(read()).toHaveLength(wholeBytes);
      expect(new Set(read()).size).toBe(1);
      nUnfinished += readdirSync(join(path, '..')).length - 1;
      eraseSavedIndex(path);
    }
    expect(nUnfinished).toBeGreaterThan(0);
  });

  const wholeBytes = 4_000_000;
  /** A process that writes the file as often as this, of one letter. */
  function startWriter(letter: string, nTimes: number): ChildProcess {
    const module = new URL('../../src/server/savedIndex.ts', import.meta.url).href;
    const script = `
      import { writeSavedIndex } from ${JSON.stringify(module)};
      const slices = Array.from({ length: 40 }, () => Buffer.alloc(${wholeBytes / 40}, ${JSON.stringify(letter)}));
      for (let i = 0; i < ${nTimes}; i++) await writeSavedIndex(${JSON.stringify(path)}, slices, () => false);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' });
    endings.push(async () => child.kill('SIGKILL'));
    return child;
  }
});

describe('changes on disk', () => {
  const uriOf = (name: string) => pathToFileURL(join(folder, name)).href;
  /** What the worker is told after a change that the editor has told of. */
  function check(
    name: string,
    change: (library: Library) => readonly string[],
    expected: readonly string[],
  ): void {
    test(name, async () => {
      mkdirSync(join(folder, 'src'));
      write({
        'a.ts': 'let a = 1;\n',
        'b.ts': 'let b = 1;\n',
        'src/c.ts': 'let c = 1;\n',
        '.gitignore': 'out.ts\n',
      });
      const { library, sent } = await startSession();
      sent.length = 0;
      library.filesChanged(change(library).map(uriOf));
      while (library.isBehind) await setTimeout(5);
      await library.indexed();
      expect(sent).toEqual(expected);
    });
  }
  const changed = (files: Record<string, string>) => () => {
    write(files);
    return Object.keys(files);
  };
  check('a changed file', changed({ 'a.ts': 'let a = 2;\n' }), ['+a.ts']);
  check(
    'a new file, and one that is ignored',
    changed({ 'd.ts': 'let d;\n', 'out.ts': 'let o;\n', '.env': 'K=1\n' }),
    ['+d.ts'],
  );
  check('a file that became binary', changed({ 'a.ts': 'a\0' }), ['-a.ts']);
  check('new rules', changed({ '.gitignore': 'b.ts\n' }), ['+.gitignore', '-b.ts']);
  check('a folder that is gone', () => {
    rmSync(join(folder, 'src'), { recursive: true });
    return ['src'];
  }, ['-c.ts']);
  check('a new folder', () => {
    mkdirSync(join(folder, 'lib'));
    write({ 'lib/e.ts': 'let e = 1;\n' });
    return ['lib'];
  }, ['+e.ts']);
  check(
    'a file that is open, once it is closed',
    (library) => {
      library.setDocument({ uri: uriOf('a.ts'), text: 'unsaved' });
      library.closeDocument(uriOf('a.ts'));
      return [];
    },
    ['+a.ts', '+a.ts', '+a.ts'],
  );
  check('very many files', () => {
    const names = Array.from({ length: 100 }, (_, i) => `many${i}.ts`);
    write({ 'many7.ts': 'let m = 7;\n', 'a.ts': 'let a = 9;\n' });
    return names;
  }, ['+a.ts', '+many7.ts']);
});
