import { statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { latestVersion, versionOf } from './migrations.ts';
import { identify, type OpenFile, type OpenOptions, type Sqlite } from './openFile.ts';
import { problem, problemOf, type Result } from './problems.ts';
import { isIntact, isLedgerHeader, kindOf, readHeader } from './recognise.ts';
import { Session } from './session.ts';

/**
 * Opens a ledger to be read and nothing else: whatever is at the path, it is not made, changed, migrated or moved, and
 * no file is made beside it. What is no ledger is refused before it is read.
 */
export function openUnchanged(path: string, options: OpenOptions): Result<OpenFile> {
  try {
    const identity = identify(path);
    if (identity === null) return problem('absent', path);
    const header = readHeader(path);
    if (header === null) return problem('notLedger', path);
    const before = stateOf(path);
    const session = readOnlySession(path, options.sqlite);
    try {
      session.execute(`PRAGMA busy_timeout = ${options.busyTimeoutMs}; PRAGMA trusted_schema = OFF`);
      const refusal = refusalOf(session, path);
      if (refusal === null) {
        const isStale = () => before.readsFileAlone && stateOf(path).text !== before.text;
        return { value: { session, identity, isStale } };
      }
      session.close();
      return refusal;
    } catch (error) {
      session.close();
      const isDamaged = problemOf(error, path)?.problem.kind === 'damaged';
      if (isDamaged && !isLedgerHeader(header)) return problem('notLedger', path);
      throw error;
    }
  } catch (error) {
    const known = problemOf(error, path);
    if (known === null) throw error;
    return known;
  }
}

/**
 * Of any SQLite database. Where nobody else uses it, SQLite is told that nobody will (`immutable`): otherwise it would
 * make the files of a write-ahead log beside it, and leave them there.
 */
export function readOnlySession(path: string, { DatabaseSync }: Sqlite): Session {
  const name = stateOf(path).readsFileAlone ? `${pathToFileURL(path).href}?immutable=1` : path;
  return new Session(new DatabaseSync(name, { readOnly: true }));
}

function refusalOf(session: Session, path: string) {
  const kind = kindOf(session);
  if (kind === 'foreign') return problem('notLedger', path);
  // What is missing in the file may be in what was not taken in.
  if (stateOf(path).isUnfinished) return problem('needsEditor', path);
  if (kind === 'blank') return problem('notLedger', path);
  if (kind === 'newerLedger') return problem('newerVersion', path);
  if (kind === 'erasedLedger') return problem('absent', path);
  if (kind === 'damagedLedger' || !isIntact(session)) return problem('damaged', path);
  return versionOf(session) < latestVersion ? problem('needsEditor', path) : null;
}

/** What other processes do to a database shows in its files. */
function stateOf(path: string) {
  const [file, log, index, journal] = ['', '-wal', '-shm', '-journal'].map((companion) =>
    statSync(path + companion, { throwIfNoEntry: false, bigint: true }),
  );
  const hasLog = (log?.size ?? 0n) > 0n;
  // A copy, or a commit that was cut off: only who may write can take in what is beside the file.
  const isUnfinished = (journal?.size ?? 0n) > 0n || (hasLog && index === undefined);
  return {
    isUnfinished,
    readsFileAlone: !hasLog || isUnfinished,
    text: `${file?.ino} ${file?.size} ${file?.mtimeNs} ${log?.size ?? 0n}`,
  };
}
