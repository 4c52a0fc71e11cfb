import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { migrate } from './migrations.ts';
import { problem, problemOf, type Result } from './problems.ts';
import { isIntact, kindOf } from './recognise.ts';
import { Session } from './session.ts';

/** The part of `node:sqlite` that is needed. */
export interface Sqlite {
  readonly DatabaseSync: new (path: string, options?: { readonly readOnly: boolean }) => DatabaseSync;
}

export interface OpenFile {
  readonly session: Session;
  /** Which file it is: another one may take its place under the same path. */
  readonly identity: string;
  /** Whether what was read since it was opened may mix two moments: others wrote meanwhile. Never, if left out. */
  readonly isStale?: () => boolean;
}

export interface OpenOptions {
  readonly sqlite: Sqlite;
  /** How long to wait for another process, in milliseconds. */
  readonly busyTimeoutMs: number;
  /** Takes what a person should know, in whole sentences. */
  readonly onNotice: (message: string) => void;
}

/** The files that SQLite keeps beside a database. */
export const companions = ['', '-wal', '-shm', '-journal'] as const;

/** Between a path and the time at which a damaged ledger was moved there. */
export const damagedMark = '.damaged-';

/**
 * Opens the ledger, brings it to the latest version and checks it. A damaged one is moved aside, never deleted.
 * So is what is no SQLite database at all; a database of another program is refused and left as it is, since that
 * program may have it open.
 * @param missing what to do where there is none
 */
export function openFile(path: string, missing: 'create' | 'report', options: OpenOptions): Result<OpenFile> {
  try {
    if (identify(path) === null) {
      if (missing === 'report') return problem('absent', path);
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      closeSync(openSync(path, 'a', 0o600));
    }
    const identity = identify(path);
    if (identity === null) return problem('absent', path);
    // SQLite does not tell a read-only disk from one that fails.
    accessSync(path, constants.R_OK | constants.W_OK);
    const result = openExisting(path, missing, options);
    if (result.problem?.kind === 'damaged') return moveAside(path, identity, missing, options);
    if (result.problem) return result;
    keepPrivate(path);
    return { value: { session: result.value, identity } };
  } catch (error) {
    const known = problemOf(error, path);
    if (known === null) throw error;
    return known;
  }
}

function keepPrivate(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
}

/** Which file is there now; null without one. */
export function identify(path: string): string | null {
  const info = statSync(path, { throwIfNoEntry: false, bigint: true });
  return info === undefined ? null : `${info.dev}:${info.ino}`;
}

function openExisting(path: string, missing: 'create' | 'report', options: OpenOptions): Result<Session> {
  let session: Session | null = null;
  try {
    session = new Session(new options.sqlite.DatabaseSync(path));
    session.execute(`PRAGMA busy_timeout = ${options.busyTimeoutMs}`);
    const refusal = prepare(session, path, missing);
    if (refusal === null) return { value: session };
    session.close();
    return refusal;
  } catch (error) {
    session?.close();
    const known = problemOf(error, path);
    if (known === null) throw error;
    return known;
  }
}

/** Null where the session is ready. */
function prepare(session: Session, path: string, missing: 'create' | 'report') {
  const kind = kindOf(session);
  if (kind === 'foreign') return problem('notLedger', path);
  if (kind === 'newerLedger') return problem('newerVersion', path);
  if (kind === 'damagedLedger') return problem('damaged', path);
  if (kind === 'erasedLedger' && missing === 'report') return problem('absent', path);
  // Space that is freed can be given back; only an empty file still takes this.
  if (kind === 'blank') session.execute('PRAGMA auto_vacuum = INCREMENTAL');
  useWriteAheadLog(session);
  session.execute(`
    -- A commit survives the end of the process, however it ends. It survives the loss of power from the next
    -- checkpoint on, or at once where survives: 'powerLoss' is asked for. Neither damages the file.
    PRAGMA synchronous = NORMAL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA journal_size_limit = 4000000`);
  if (!isIntact(session)) return problem('damaged', path);
  if (kind === 'erasedLedger') session.execute('PRAGMA user_version = 0');
  migrate(session);
  return null;
}

/** How often and how long to wait, in milliseconds: this one statement does not wait by itself for other processes. */
const logAttempts = { count: 40, pauseMs: 25 };

function useWriteAheadLog(session: Session): void {
  for (let attempt = 1; ; attempt++) {
    try {
      session.execute('PRAGMA journal_mode = WAL');
      return;
    } catch (error) {
      if (attempt === logAttempts.count || problemOf(error, '')?.problem.kind !== 'busy') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, logAttempts.pauseMs);
    }
  }
}

function moveAside(
  path: string,
  identity: string,
  missing: 'create' | 'report',
  options: OpenOptions,
): Result<OpenFile> {
  // Another window may have moved it already: then what is there now is another file, perhaps a good one.
  if (identify(path) === identity) {
    const aside = `${path}${damagedMark}${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
    try {
      renameSync(path, aside);
    } catch {
      return problem('damaged', path);
    }
    for (const companion of companions.slice(1)) {
      if (identify(path + companion) !== null) renameSync(path + companion, aside + companion);
    }
    options.onNotice(
      `The ledger was damaged and has been moved to ${aside}. What was learned from it is lost, and learning has to be switched on again.`,
    );
  }
  return openFile(path, missing, options);
}
