import { closeSync, openSync, readSync, statSync } from 'node:fs';
import * as z from 'zod';
import {
  applicationId,
  applicationIdOf,
  erasedVersion,
  latestVersion,
  tablesOf,
  versionOf,
} from './migrations.ts';
import { type Session, transaction } from './session.ts';

/** What an SQLite database is to Consort. */
export type DatabaseKind =
  /** Of this version or an older one. */
  | 'ledger'
  | 'newerLedger'
  /** A ledger that was erased while another window had it open. */
  | 'erasedLedger'
  /** It names itself a ledger, but lacks tables. */
  | 'damagedLedger'
  /** No tables, and no program has put its name to it; a ledger is one until its schema is made. */
  | 'blank'
  /** Another program's. */
  | 'foreign';

/** Told by its application id; ledgers of before there was one (id 0), by version and tables. */
export function kindOf(session: Session): DatabaseKind {
  // Of one moment: another process may be making its schema, or erasing it.
  return transaction(session, 'read', () => {
    const id = applicationIdOf(session);
    const version = versionOf(session);
    const tables = new Set(session.all(nameRow, `SELECT name FROM sqlite_schema WHERE type = 'table'`));
    if (id !== 0 && id !== applicationId) return 'foreign';
    if (id === applicationId && version > latestVersion) return 'newerLedger';
    if (version === erasedVersion && tables.size === 0) return 'erasedLedger';
    if (version === 0 && tables.size === 0) return 'blank';
    if (isOlderOrLatest(version) && tablesOf(version).every((table) => tables.has(table))) return 'ledger';
    return id === applicationId ? 'damagedLedger' : 'foreign';
  });
}

const nameRow = z.object({ name: z.string() }).transform(({ name }) => name);

export function isIntact(session: Session): boolean {
  const check = session.first(z.object({ integrity_check: z.string() }), 'PRAGMA integrity_check(1)');
  return check?.integrity_check === 'ok';
}

/** What the first 100 bytes of an SQLite database say: https://www.sqlite.org/fileformat.html#the_database_header */
export interface Header {
  readonly version: number;
  readonly applicationId: number;
}

/** Looks without SQLite, which may change a database as it opens it. Null for anything but an SQLite database. */
export function readHeader(path: string): Header | null {
  // Opening a pipe would wait for its other end.
  if (!statSync(path).isFile()) return null;
  const bytes = Buffer.alloc(100);
  const file = openSync(path, 'r');
  try {
    if (readSync(file, bytes) < bytes.length || bytes.toString('latin1', 0, magic.length) !== magic)
      return null;
    return { version: bytes.readInt32BE(60), applicationId: bytes.readInt32BE(68) };
  } finally {
    closeSync(file);
  }
}

const magic = 'SQLite format 3\0';

/** For a database that cannot be read further: whether the header is one that a ledger has. */
export function isLedgerHeader(header: Header): boolean {
  if (header.applicationId !== 0) return header.applicationId === applicationId;
  return header.version === erasedVersion || isOlderOrLatest(header.version);
}

function isOlderOrLatest(version: number): boolean {
  return version >= 1 && version <= latestVersion;
}
