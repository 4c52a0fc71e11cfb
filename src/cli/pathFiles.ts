import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  type CollectedCursor,
  decodeCursor,
  decodeHeader,
  headerLength,
  type PathHeader,
} from '../evaluation/pathStore.ts';
import { Failure, reasonOf } from './failures.ts';

/** The ending of the name of a file of collected paths. */
export const pathFileEnding = '.paths';

/** Where the paths of the package in this folder lie among all that were collected into `out`. */
export function pathFileOf(folder: string, out: string): string {
  return join(out, basename(dirname(folder)), `${basename(folder)}${pathFileEnding}`);
}

export interface ReadPathsOptions {
  /** Which members are in use (`membersDigest`): paths of others are refused. */
  readonly digest?: string;
  /** Which package this is, among those read together; 0 by default. */
  readonly packageIdx?: number;
}

/** The cursors of one file, each read when it is asked for. Throws a Failure where the file cannot be used. */
export function* readPaths(path: string, options: ReadPathsOptions = {}): Generator<CollectedCursor> {
  const file = open(path);
  try {
    const { header, end } = headerOf(file, path);
    if (options.digest !== undefined && header.digest !== options.digest) {
      throw new Failure(
        `the paths in ${path} are those of other members (${header.digest}, now ${options.digest}). Collect them again: consort collect --help.`,
      );
    }
    const size = fstatSync(file).size;
    for (let at = end; at < size; ) {
      const length = new DataView(readExactly(file, path, at, 4)).getUint32(0, true);
      yield decodeCursor(readExactly(file, path, at, length), header, options.packageIdx ?? 0);
      at += length;
    }
  } finally {
    closeSync(file);
  }
}

/** The cursors of many files; files of one package, such as those of several seeds, count as one. */
export function* readAllPaths(
  files: readonly string[],
  options: Pick<ReadPathsOptions, 'digest'> = {},
): Generator<CollectedCursor> {
  const packages: string[] = [];
  for (const file of files) {
    const { packageName } = readPathHeader(file);
    if (!packages.includes(packageName)) packages.push(packageName);
    yield* readPaths(file, { ...options, packageIdx: packages.indexOf(packageName) });
  }
}

export function readPathHeader(path: string): PathHeader {
  const file = open(path);
  try {
    return headerOf(file, path).header;
  } finally {
    closeSync(file);
  }
}

/** The files of paths among these files and in these folders, at any depth, in the order of their names. */
export function findPathFiles(places: readonly string[]): string[] {
  const found = places.flatMap((place) => {
    const stats = statSync(place, { throwIfNoEntry: false });
    if (stats === undefined) throw new Failure(`there is no ${place}.`);
    if (!stats.isDirectory()) return [place];
    const names = readdirSync(place, { recursive: true, encoding: 'utf8' });
    return names
      .filter((name) => name.endsWith(pathFileEnding))
      .toSorted()
      .map((name) => join(place, name));
  });
  if (found.length === 0) throw new Failure(`there are no files of paths in ${places.join(', ')}.`);
  return found;
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new Failure(`cannot read ${path}: ${reasonOf(error)}.`);
  }
}

function headerOf(file: number, path: string): { readonly header: PathHeader; readonly end: number } {
  const start = new Uint8Array(16);
  readSync(file, start, 0, 16, 0);
  const length = headerLength(start);
  if (length === undefined) throw new Failure(`${path} is not a file of collected paths.`);
  const header = decodeHeader(new Uint8Array(readExactly(file, path, 16, length)));
  return { header, end: 16 + length };
}

function readExactly(file: number, path: string, from: number, length: number): ArrayBuffer {
  const bytes = new Uint8Array(length);
  let nRead = 0;
  while (nRead < length) {
    const n = readSync(file, bytes, nRead, length - nRead, from + nRead);
    if (n === 0) throw new Failure(`${path} ends too soon. Delete it and collect it again.`);
    nRead += n;
  }
  return bytes.buffer;
}
