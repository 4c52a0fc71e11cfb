/** The file of the saved index. Its parts block: they are for the thread that holds the index. */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

/** Where the index is kept in a folder of the editor's. */
export function savedIndexPath(storagePath: string): string {
  return join(storagePath, 'index-v1.bin');
}

/** The file's bytes, or undefined where there is none. Throws where it cannot be read. */
export function readSavedIndex(path: string): Uint8Array | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(fstatSync(file).size);
    for (let at = 0; at < bytes.length; ) {
      const nRead = readSync(file, bytes, at, Math.min(LARGEST_READ, bytes.length - at), null);
      if (nRead === 0) return bytes.subarray(0, at);
      at += nRead;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}

/**
 * Writes the slices as one file that only its owner may read, and lets the event loop run between them. The file is
 * there as a whole or not at all: it gets its name last. False, and the old file stays, where the slices became stale.
 * Throws where it cannot be written. A loss of power may still cost its end; the checksum tells.
 */
export async function writeSavedIndex(
  path: string,
  slices: Iterable<Uint8Array>,
  isStale: () => boolean,
): Promise<boolean> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  removeTemporaries(path, ABANDONED_MS);
  const temporary = `${path}.${randomUUID()}${TEMPORARY}`;
  try {
    const file = openSync(temporary, 'wx', 0o600);
    try {
      for (const slice of slices) {
        for (let at = 0; at < slice.length; ) at += writeSync(file, slice, at);
        await setImmediate();
        if (isStale()) return false;
      }
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    return true;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Removes the file and what was left of unfinished ones; how many bytes those were. */
export function eraseSavedIndex(path: string): number {
  return remove(path) + removeTemporaries(path, Number.NEGATIVE_INFINITY);
}

/** One read takes no more than 2 GiB. */
const LARGEST_READ = 1 << 30;
const TEMPORARY = '.tmp';
/** Who has not finished writing after this long never will. */
const ABANDONED_MS = 600_000;

function removeTemporaries(path: string, minimumAgeMs: number): number {
  const folder = dirname(path);
  let bytes = 0;
  for (const name of namesIn(folder)) {
    if (!name.startsWith(`${basename(path)}.`) || !name.endsWith(TEMPORARY)) continue;
    const temporary = join(folder, name);
    // Another window may have taken it away.
    const modifiedMs = statSync(temporary, { throwIfNoEntry: false })?.mtimeMs;
    if (modifiedMs !== undefined && Date.now() - modifiedMs >= minimumAgeMs) bytes += remove(temporary);
  }
  return bytes;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function remove(path: string): number {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  rmSync(path, { force: true });
  return bytes;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
