import { existsSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import ignore, { type Ignore } from 'ignore';

export interface WorkspaceFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface WorkspaceFilesOptions {
  readonly signal: AbortSignal;
  /** Larger files are left out; 1 MB by default. */
  readonly maximumFileBytes?: number;
  /** Called with each folder or file that cannot be read; it is skipped. */
  readonly onUnreadable?: (path: string, error: Error) => void;
}

/**
 * The files of a folder that a person wrote and that may be read: not what .gitignore files exclude, nor binary,
 * generated, secret-like or larger than the limit. Links are not followed. Nearer files come first.
 */
export async function* workspaceFiles(
  folder: string,
  options: WorkspaceFilesOptions,
): AsyncGenerator<WorkspaceFile> {
  for await (const { path } of listWorkspace(folder, options)) {
    const bytes = await readSource(path, options);
    if (bytes !== undefined) yield { path, bytes };
  }
}

/** A file of a listing, from its name and size alone: it may still be binary or generated. */
export interface ListedPath {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** How many files the system is asked about at once. */
const LISTED_TOGETHER = 16;

/** What `workspaceFiles` would look into. */
export async function* listWorkspace(
  folder: string,
  options: WorkspaceFilesOptions,
): AsyncGenerator<ListedPath> {
  const folders: FolderToRead[] = [{ path: folder, rules: await rulesAbove(folder) }];
  for (let next = folders.shift(); next !== undefined; next = folders.shift()) {
    options.signal.throwIfAborted();
    const { files, subfolders } = await listFolder(next, options);
    folders.push(...subfolders);
    for (let i = 0; i < files.length; i += LISTED_TOGETHER) {
      options.signal.throwIfAborted();
      const listing = files.slice(i, i + LISTED_TOGETHER).map((path) =>
        listFile(path, options).catch((error: Error) => {
          options.onUnreadable?.(path, error);
        }),
      );
      for (const listed of await Promise.all(listing)) if (listed !== undefined) yield listed;
    }
  }
}

/**
 * What `listWorkspace` would say of one path in the folder: undefined where it would leave it out or there is no such
 * file, `folder` where it would list a folder.
 */
export async function findInWorkspace(
  folder: string,
  path: string,
  options: WorkspaceFilesOptions,
): Promise<ListedPath | 'folder' | undefined> {
  const inside = relative(folder, path);
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside))
    return undefined;
  let rules = await rulesAbove(folder);
  let above = folder;
  const names = inside.split(sep);
  for (const [i, name] of names.entries()) {
    const at = join(above, name);
    const found = await lstat(at).catch(() => undefined);
    rules = [...rules, ...(await rulesIn(above))];
    if (found?.isDirectory()) {
      if (skippedFolders.has(name) || isIgnored(`${at}${sep}`, rules)) return undefined;
    } else {
      const isListed =
        found?.isFile() && i === names.length - 1 && isListedName(name) && !isIgnored(at, rules);
      return isListed ? listFile(at, options).catch(() => undefined) : undefined;
    }
    above = at;
  }
  return 'folder';
}

/** A file's bytes, or undefined where it is binary, generated or unreadable. */
export async function readSource(
  path: string,
  options: WorkspaceFilesOptions,
): Promise<Uint8Array | undefined> {
  try {
    const bytes = await readFile(path);
    return isSourceText(bytes) ? bytes : undefined;
  } catch (error) {
    options.onUnreadable?.(path, error instanceof Error ? error : new Error(String(error)));
    return undefined;
  }
}

/** Whether a file of this name may hold keys or passwords. Such files are never read. */
export function isSecretLike(path: string): boolean {
  const name = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1).toLowerCase();
  return secretNames.test(name) && !/\.(example|sample|template)$/.test(name);
}

const secretNames =
  /^\.env(\..*)?$|^secrets?\.|\.(pem|key|p12|pfx|jks|keystore|kdbx|asc|gpg)$|^id_(rsa|dsa|ecdsa|ed25519)|^\.(netrc|npmrc|pypirc|pgpass|htpasswd)$|^credentials(\..*)?$/;

/** Folders of other people's work, or of machines'. */
const skippedFolders = new Set([
  '.git',
  '.hg',
  '.svn',
  'node_modules',
  '__pycache__',
  '.venv',
  'site-packages',
]);
/** Files that nobody writes by hand, though git may hold them. */
const generatedNames =
  /\.min\.\w+$|\.map$|^(package-lock|npm-shrinkwrap)\.json$|^(pnpm-lock\.yaml|yarn\.lock|poetry\.lock|Cargo\.lock)$/;
const generatedMark = /@generated|auto-?generated|do not edit/i;
/** In bytes: where marks of generated text stand, and where binary files show a 0. */
const headBytes = 2_000;
/** Characters per line, on average, above which a text is data or minified. */
const longAverageLine = 200;

interface FolderToRead {
  readonly path: string;
  /** The rules of this folder's .gitignore and of those above it, the outermost first. */
  readonly rules: readonly { readonly base: string; readonly rule: Ignore }[];
}

async function listFolder(
  { path, rules }: FolderToRead,
  options: WorkspaceFilesOptions,
): Promise<{ files: string[]; subfolders: FolderToRead[] }> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: Error) => {
    options.onUnreadable?.(path, error);
    return [];
  });
  const hasOwn = entries.some((entry) => entry.name === '.gitignore' && entry.isFile());
  const allRules = hasOwn ? [...rules, ...(await rulesIn(path))] : rules;
  const files: string[] = [];
  const subfolders: FolderToRead[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const entryPath = join(path, entry.name);
    if (entry.isDirectory()) {
      if (skippedFolders.has(entry.name) || isIgnored(`${entryPath}${sep}`, allRules)) continue;
      subfolders.push({ path: entryPath, rules: allRules });
    } else if (entry.isFile() && isListedName(entry.name) && !isIgnored(entryPath, allRules)) {
      files.push(entryPath);
    }
  }
  return { files, subfolders };
}

/** The rules from above a folder inside a git repository; none where they would leave out the folder itself. */
async function rulesAbove(folder: string): Promise<FolderToRead['rules']> {
  let rules: FolderToRead['rules'] = [];
  for (let below = folder; !existsSync(join(below, '.git')); below = dirname(below)) {
    if (below === dirname(below)) return [];
    rules = [...(await rulesIn(dirname(below))), ...rules];
  }
  return isIgnored(join(folder, sep), rules) ? [] : rules;
}

async function rulesIn(folder: string): Promise<FolderToRead['rules']> {
  const text = await readFile(join(folder, '.gitignore'), 'utf8').catch(() => '');
  return text === '' ? [] : [{ base: folder, rule: ignore().add(text) }];
}

/** As git decides: the innermost .gitignore that says anything about the path has the last word. */
function isIgnored(path: string, rules: FolderToRead['rules']): boolean {
  for (const { base, rule } of rules.toReversed()) {
    const inside = path.slice(base.endsWith(sep) ? base.length : base.length + 1);
    const { ignored, unignored } = rule.test(inside.replaceAll(sep, '/'));
    if (ignored || unignored) return ignored;
  }
  return false;
}

function isListedName(name: string): boolean {
  return !isSecretLike(name) && !generatedNames.test(name);
}

async function listFile(path: string, options: WorkspaceFilesOptions): Promise<ListedPath | undefined> {
  const { size, mtimeMs } = await lstat(path);
  if (size === 0 || size > (options.maximumFileBytes ?? 1_000_000)) return undefined;
  return { path, bytes: size, modifiedMs: mtimeMs };
}

function isSourceText(bytes: Buffer): boolean {
  if (bytes.includes(0)) return false;
  let nLines = 1;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) nLines++;
  if (bytes.length / nLines > longAverageLine) return false;
  const head = bytes.toString('utf8', 0, headBytes);
  return !head.slice(0, -1).includes('\ufffd') && !generatedMark.test(head);
}
