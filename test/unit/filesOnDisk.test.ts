import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filesOf, lookAt, nameOnDisk } from '../../src/server/filesOnDisk.ts';

const options = { signal: new AbortController().signal, maximumFileBytes: 1000 };

describe('a file has the name that VS Code gives it', () => {
  function check(name: string, uri: string, expected: string): void {
    test.skipIf(process.platform === 'win32')(name, () => expect(nameOnDisk(uri)).toBe(expected));
  }
  check('plain', 'file:///a/b-c_d.ts', 'file:///a/b-c_d.ts');
  check('with a scope', 'file:///a/@scope/b.ts', 'file:///a/%40scope/b.ts');
  check(
    'with marks',
    "file:///a/(b)/[c]/d+e,f;g=h&i!*'.ts",
    'file:///a/%28b%29/%5Bc%5D/d%2Be%2Cf%3Bg%3Dh%26i%21%2A%27.ts',
  );
  check('with a percent sign', 'file:///a/100%25.ts', 'file:///a/100%25.ts');
  check('beyond ASCII', 'file:///a/ä b.ts', 'file:///a/%C3%A4%20b.ts');
  check('that is no file here', 'file://elsewhere/a.ts', 'file://elsewhere/a.ts');
  check('of another kind', 'untitled:a@b', 'untitled:a@b');
});

describe('looking at one path', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'consort-disk-'));
    const files = {
      'a.ts': 'let a;\n',
      '..dots/f.ts': 'let f;\n',
      'src/@b/c.ts': 'let c;\n',
      'src/large.ts': 'let large;\n'.repeat(1000),
      'src/.gitignore': 'ignored.ts\nbuilt/\n',
      'src/ignored.ts': 'let i;\n',
      'src/built/d.ts': 'let d;\n',
      'node_modules/e/e.ts': 'let e;\n',
      '.env': 'KEY=1\n',
      'binary.ts': 'a\0b',
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const uriOf = (path: string) => nameOnDisk(pathToFileURL(join(folder, path)).href);
  const look = (path: string) => lookAt(uriOf(path), [pathToFileURL(folder).href], options);

  test('finds exactly what the listing gives', async () => {
    const listed: string[] = [];
    for await (const file of filesOf([pathToFileURL(folder).href], options, () => true)) {
      listed.push(file.uri);
      expect(await lookAt(file.uri, [pathToFileURL(folder).href], options)).toEqual(file);
    }
    expect(listed).toEqual(['a.ts', '..dots/f.ts', 'src/.gitignore', 'src/@b/c.ts'].map(uriOf));
  });

  test.each([
    'src/large.ts',
    'src/ignored.ts',
    'src/built',
    'src/built/d.ts',
    'node_modules/e/e.ts',
    '.env',
    'binary.ts',
    'gone.ts',
    '../outside.ts',
  ])('finds nothing at %s', async (path) => expect(await look(path)).toBeUndefined());

  test('tells a folder', async () => expect(await look('src')).toBe('folder'));

  test('finds nothing where nothing may be read', async () => {
    expect(await lookAt(uriOf('a.ts'), [pathToFileURL(folder).href], undefined)).toBeUndefined();
  });
});
