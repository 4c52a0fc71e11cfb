import { readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { type LedgerOptions, ledgerDefaults } from './ledger.ts';
import { erasedVersion } from './migrations.ts';
import { companions, damagedMark, identify } from './openFile.ts';
import { Session, transaction } from './session.ts';
import { bytesOnDisk } from './stats.ts';

export interface Erasure {
  readonly bytes: number;
  /** Files that could not be removed; they hold no rows any more, except where they were no readable ledger. */
  readonly left: readonly string[];
}

/**
 * Erases everything: the rows first, so that nothing remains in a file that another window holds open, then the
 * files, those that were moved aside as damaged among them. Windows that have it open find it gone at their next use.
 * Works on a ledger that is damaged, of a newer version, or where there is no SQLite: its files are removed then.
 */
export async function eraseLedger(
  path: string,
  { loadSqlite, busyTimeoutMs }: Pick<LedgerOptions, 'loadSqlite' | 'busyTimeoutMs'> = ledgerDefaults,
): Promise<Erasure> {
  const bytes = bytesOnDisk(path);
  if (identify(path) !== null) {
    try {
      const { DatabaseSync } = await loadSqlite();
      const session = new Session(new DatabaseSync(path));
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
  const left = filesOf(path).filter((file) => !remove(file));
  return { bytes, left };
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
  const own = companions.map((companion) => path + companion);
  return [...own, ...damagedFiles(path)].filter((file) => identify(file) !== null);
}

function damagedFiles(path: string): readonly string[] {
  try {
    return readdirSync(dirname(path))
      .filter((name) => name.startsWith(basename(path) + damagedMark))
      .map((name) => join(dirname(path), name));
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
