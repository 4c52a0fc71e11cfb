import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import * as z from 'zod';
import { drawPositions, type SourceFile, type SourcePackage } from '../../src/evaluation/positions.ts';
import corporaFile from '../corpora.json' with { type: 'json' };

const run = promisify(execFile);

/** Packages that no member has seen, by their names in corpora.json; small enough to fetch at once. */
const packageNames = [
  'hls.js',
  'msw',
  '@reduxjs/toolkit',
  'knex',
  'commander',
  'mysql2',
  'python3-requests',
  'python3-flask',
  'httpie',
];

/** A cursor at the end of what a person has typed of a line. */
export interface Cursor {
  readonly uri: string;
  readonly languageId: string;
  /** The document; the rest of the cursor's line is not in it. */
  readonly text: string;
  readonly offset: number;
  /** What the author wrote there. */
  readonly target: string;
}

export interface Corpus {
  /** The packages lie in it, one folder each. */
  readonly folder: string;
  readonly packages: readonly string[];
  /** Packages that could not be fetched, in one line each. */
  readonly problems: readonly string[];
  draw(nCursors: number, seed: number): Cursor[];
}

const corporaSchema = z.object({
  packages: z.array(
    z.object({
      registry: z.enum(['npm', 'debian']),
      name: z.string(),
      version: z.string(),
      split: z.string(),
    }),
  ),
});
type PackageEntry = z.infer<typeof corporaSchema>['packages'][number];

/** Fetches the packages once; afterwards no network is needed. */
export async function loadCorpus(cacheFolder: string): Promise<Corpus> {
  const folder = path.join(cacheFolder, 'corpus');
  await mkdir(folder, { recursive: true });
  const { packages: entries } = corporaSchema.parse(corporaFile);
  const packages: (SourcePackage & { readonly label: string })[] = [];
  const problems: string[] = [];
  for (const name of packageNames) {
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry?.split !== 'test')
      throw new Error(`${name} is not held out: corpora.json does not have it under "test"`);
    const label = `${name} ${entry.version}`;
    const target = path.join(folder, label.replaceAll(/[^\w.+-]+/g, '_'));
    try {
      if (!existsSync(target)) await fetchPackage(entry, target);
      packages.push({ name, label, files: await readSources(target) });
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
      problems.push(`${label} cannot be fetched: ${reason}`);
    }
  }
  return {
    folder,
    packages: packages.map(({ label }) => label),
    problems,
    draw: (nCursors, seed) =>
      drawPositions(packages, nCursors, seed).map(({ packageIdx, fileIdx, before, target, after }) => {
        const file = packages[packageIdx].files[fileIdx];
        const text = before + after;
        return {
          uri: pathToFileURL(file.path).href,
          languageId: file.languageId,
          text,
          offset: before.length,
          target,
        };
      }),
  };
}

/** Unpacks into a folder beside it first, so that an interrupted fetch leaves nothing behind. */
async function fetchPackage({ registry, name, version }: PackageEntry, target: string): Promise<void> {
  const part = `${target}.part`;
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true });
  const options = { cwd: part, shell: process.platform === 'win32' };
  if (registry === 'npm') await run('npm', ['pack', `${name}@${version}`, '--loglevel=error'], options);
  else await run('apt-get', ['download', `${name}=${version}`], options);
  const [archive] = await readdir(part);
  if (registry === 'npm') await run('tar', ['-xzf', archive], { cwd: part });
  else await run('dpkg-deb', ['-x', archive, '.'], { cwd: part });
  await rm(path.join(part, archive));
  await rename(part, target);
}

const languages: Readonly<Record<string, string>> = {
  '.ts': 'typescript',
  '.tsx': 'typescriptreact',
  '.js': 'javascript',
  '.mjs': 'javascript',
  '.py': 'python',
};

/** What people wrote: where a package has `src`, the rest was generated from it. */
async function readSources(folder: string): Promise<SourceFile[]> {
  const all = await readdir(folder, { recursive: true });
  const paths = all
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => path.extname(file) in languages && !generated.test(file))
    .toSorted();
  const written = paths.filter((file) => file.startsWith('package/src/'));
  const chosen = written.length > 0 ? written : paths;
  return Promise.all(
    chosen.map(async (file): Promise<SourceFile> => {
      const full = path.join(folder, file);
      return { path: full, languageId: languages[path.extname(file)], text: await readFile(full, 'utf8') };
    }),
  );
}

const generated = /\.d\.ts$|\.min\.js$|(^|\/)(dist|node_modules|vendor)\//;
