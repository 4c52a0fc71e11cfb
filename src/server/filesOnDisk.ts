import { fileURLToPath, pathToFileURL } from 'node:url';
import type { LibraryFile, ListedFile } from './library.ts';
import { findInWorkspace, listWorkspace, readSource, type WorkspaceFilesOptions } from './workspaceFiles.ts';

/** The files of the workspace's folders, by URI; folders that are not on this machine's disk are left out. */
export async function* filesOf(
  folders: readonly string[],
  options: WorkspaceFilesOptions | undefined,
  isWanted: (file: ListedFile) => boolean,
): AsyncGenerator<LibraryFile> {
  if (options === undefined) return;
  for (const folder of folders.flatMap(pathOf)) {
    const listed = listWorkspace(folder, options);
    const files = ahead(listed, async ({ path, bytes, modifiedMs }): Promise<LibraryFile | undefined> => {
      const uri = uriOf(path);
      if (!isWanted({ uri, bytes, modifiedMs })) return { uri, text: undefined };
      const text = await readSource(path, options);
      return text && { uri, text, modifiedMs };
    });
    for await (const file of files) if (file !== undefined) yield file;
  }
}

/** What comes of each item, in order, while that of the next ones is being made. `make` never rejects. */
async function* ahead<T, R>(items: AsyncIterable<T>, make: (item: T) => Promise<R>): AsyncGenerator<R> {
  const made: Promise<R>[] = [];
  for await (const item of items) {
    made.push(make(item));
    if (made.length > N_AHEAD) for (const first of made.splice(0, 1)) yield await first;
  }
  for (const rest of made) yield await rest;
}

/** Files that are being read while one is told: the disk, this thread and the reader's work side by side. */
const N_AHEAD = 8;

/** One file as `filesOf` would give it. */
export async function lookAt(
  uri: string,
  folders: readonly string[],
  options: WorkspaceFilesOptions | undefined,
): Promise<LibraryFile | 'folder' | undefined> {
  const [path] = pathOf(uri);
  if (options === undefined || path === undefined) return undefined;
  for (const folder of folders.flatMap(pathOf)) {
    const found = await findInWorkspace(folder, path, options);
    if (found === 'folder') return found;
    const text = found && (await readSource(found.path, options));
    if (text !== undefined) return { uri, text, modifiedMs: found?.modifiedMs ?? 0 };
  }
  return undefined;
}

/** The name under which `filesOf` lists what an editor may spell otherwise. */
export function nameOnDisk(uri: string): string {
  const [path] = pathOf(uri);
  return path === undefined ? uri : uriOf(path);
}

/** A path as VS Code spells it, so that a file and the document open from it have one name. */
function uriOf(path: string): string {
  const { host, pathname } = pathToFileURL(path);
  const inside = decodeURIComponent(pathname).replace(/^\/[A-Z]:/, (drive) => drive.toLowerCase());
  return `file://${host}${inside.split('/').map(encodeSegment).join('/')}`;
}

function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The path of a file on this machine's disk; none for any other URI. */
function pathOf(uri: string): string[] {
  if (!uri.startsWith('file:')) return [];
  try {
    return [fileURLToPath(uri)];
  } catch {
    return [];
  }
}
