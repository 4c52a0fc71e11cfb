import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { type LedgerOptions, ledgerDefaults } from './ledger.ts';
import { erasedVersion } from './migrations.ts';
import { companions, damagedMark, identify, type Sqlite } from './openFile.ts';
import { readOnlySession } from './openUnchanged.ts';
import { isLedgerHeader, kindOf, readHeader } from './recognise.ts';
import { Session, transaction } from './session.ts';
import { bytesOnDisk } from './stats.ts';

export interface Erasure {
  readonly bytes: number;
  /** Files that are still there; they hold no rows any more, except where they were no readable ledger. */
  readonly left: readonly string[];
  /** Those of them that were not touched, since they are not recognisable as ledgers. */
  readonly refused: readonly string[];
}

export interface EraseOptions extends Pick<LedgerOptions, 'loadSqlite' | 'busyTimeoutMs'> {
  /**
   * Whether the path is where Consort keeps its ledger. There, whatever is no database of another program is taken for
   * a ledger, however damaged; elsewhere only what is recognisable as one.
   */
  readonly place?: 'own' | 'elsewhere';
}

/**
 * Erases everything: the rows first, so that nothing remains in a file that another window holds open, then the
 * files, those that were moved aside as damaged among them. Windows that have it open find it gone at their next use.
 * Works on a ledger that is damaged, of a newer version, or where there is no SQLite: its files are removed then.
 * Where there is something else at the path, nothing is changed.
 */
export async function eraseLedger(
  path: string,
  { loadSqlite, busyTimeoutMs, place = 'own' }: EraseOptions = ledgerDefaults,
): Promise<Erasure> {
  const sqlite = await loadSqlite().catch(() => null);
  const isThere = identify(path) !== null;
  if (isThere && !isErasable(path, place, sqlite)) return { bytes: 0, left: [path], refused: [path] };
  const bytes = isThere || place === 'own' ? bytesOnDisk(path) : 0;
  if (isThere && sqlite !== null) {
    try {
      const session = new Session(new sqlite.DatabaseSync(path));
      try {
        session.execute(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
        eraseRows(session);
      } finally {
        session.close();
      }
    } catch {
      // No ledger that can be opened: removing its files is all there is to do.
    }
  }
  const own = isThere || place === 'own' ? filesOf(path) : [];
  const damaged = damagedLedgers(path);
  const refused = damaged.filter((file) => !isErasable(file, place, null));
  const files = [...own, ...damaged.filter((file) => !refused.includes(file)).flatMap(filesOf)];
  return { bytes, left: [...files.filter((file) => !remove(file)), ...refused], refused };
}

/** Looks only. Without SQLite, the header decides. */
function isErasable(path: string, place: 'own' | 'elsewhere', sqlite: Sqlite | null): boolean {
  try {
    const header = readHeader(path);
    if (header === null) return place === 'own';
    const kind = sqlite === null ? null : readableKindOf(path, sqlite);
    if (kind === 'foreign') return false;
    if (kind === null || kind === 'blank') return isLedgerHeader(header) || place === 'own';
    return true;
  } catch {
    return place === 'own';
  }
}

/** Null where the database cannot be read. */
function readableKindOf(path: string, sqlite: Sqlite) {
  try {
    const session = readOnlySession(path, sqlite);
    try {
      return kindOf(session);
    } finally {
      session.close();
    }
  } catch {
    return null;
  }
}

/** Leaves an empty file that says so to whoever has it open. */
function eraseRows(session: Session): void {
  session.execute('PRAGMA foreign_keys = OFF; PRAGMA secure_delete = ON');
  transaction(session, 'write', () => {
    const tables = session.all(
      z.object({ name: z.string() }),
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`,
    );
    for (const { name } of tables) session.execute(`DROP TABLE "${name}"`);
    session.execute(`PRAGMA user_version = ${erasedVersion}`);
  });
  session.execute('PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)');
}

function filesOf(path: string): readonly string[] {
  return companions.map((companion) => path + companion).filter((file) => identify(file) !== null);
}

/** Those that were moved aside, without the files beside them. */
function damagedLedgers(path: string): readonly string[] {
  try {
    const names = readdirSync(dirname(path))
      .filter((name) => name.startsWith(basename(path) + damagedMark))
      .map((name) => name.replace(/-(wal|shm|journal)$/, ''));
    return [...new Set(names)].map((name) => join(dirname(path), name));
  } catch {
    return [];
  }
}

function remove(file: string): boolean {
  try {
    rmSync(file);
    return true;
  } catch {
    return false;
  }
}
