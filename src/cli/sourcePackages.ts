import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { SourceFile, SourcePackage } from '../evaluation/positions.ts';
import { Failure } from './failures.ts';
import { languageOf } from './languages.ts';

/** The languages that are evaluated. */
const languages = new Set(['typescript', 'typescriptreact', 'javascript', 'javascriptreact', 'python']);
const skippedFolders = new Set(['node_modules', '.git', 'dist', 'build', '__pycache__', 'vendor']);
const generated = /\.min\.|\.d\.[mc]?ts$|bundle\./;
const maximumBytes = 1_000_000;

/** The source files of a folder, in the order of their paths. Throws a Failure where there is none. */
export async function readPackage(folder: string): Promise<SourcePackage> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new Failure(`${folder} is not a folder. Give the folder of a package or repository.`);
  }
  const files: SourceFile[] = [];
  for (const path of await sourcePaths(folder)) {
    const bytes = await readFile(path);
    if (bytes.length > maximumBytes || bytes.includes(0)) continue;
    files.push({ path, languageId: languageOf(path), text: bytes.toString('utf8') });
  }
  if (files.length === 0) throw new Failure(`${folder} holds no TypeScript, JavaScript or Python files.`);
  return { name: basename(folder), files };
}

async function sourcePaths(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : sourcePaths(path);
      return entry.isFile() && languages.has(languageOf(path)) && !generated.test(entry.name) ? [path] : [];
    }),
  );
  return nested.flat().sort();
}
