import * as z from 'zod';
import type { Ledger } from './ledger.ts';
import type { Result } from './problems.ts';
import type { Session } from './session.ts';

export interface Retention {
  /** Completions and texts older than this go. */
  readonly maximumDays: number;
  /** Where more is taken, the oldest completions and texts go until it fits. */
  readonly maximumMegabytes: number;
  /** Policy versions beyond this number go, the oldest first; those that serve and the shipped ones stay. */
  readonly maximumVersions: number;
}

export const retentionDefaults: Retention = { maximumDays: 90, maximumMegabytes: 100, maximumVersions: 20 };

/** Where there are too many rows, one of so many parts goes at a time. */
const portions = 20;

/** Removes what need not be kept, and gives its space back to the disk. */
export function applyRetention(ledger: Ledger, now: number, retention = retentionDefaults): Result<void> {
  const removed = ledger.write((session) => {
    const oldest = now - retention.maximumDays * 86_400_000;
    session.run('DELETE FROM completions WHERE time < ?', oldest);
    session.run('DELETE FROM texts WHERE time < ?', oldest);
    session.run(
      `DELETE FROM policy_versions WHERE state IN ('retired', 'rolledBack') AND origin <> 'shipped'
       AND version NOT IN (SELECT version FROM policy_versions ORDER BY version DESC LIMIT ?)`,
      retention.maximumVersions,
    );
    while (usedBytes(session) > retention.maximumMegabytes * 1e6 && removeOldest(session));
  });
  if (removed.problem) return removed;
  return ledger.maintain((session) => session.execute('PRAGMA incremental_vacuum'));
}

/** Bytes of the pages that hold something. */
function usedBytes(session: Session): number {
  const { bytes } = session.first(
    z.object({ bytes: z.int() }),
    `SELECT (page_count - freelist_count) * page_size AS bytes
     FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  ) ?? { bytes: 0 };
  return bytes;
}

/** By rows, not by times: clocks jump. False where nothing is left. */
function removeOldest(session: Session): boolean {
  const tables = ['completions', 'texts'] as const;
  const removed = tables.map(
    (table) =>
      session.run(
        `DELETE FROM ${table} WHERE row IN
         (SELECT row FROM ${table} ORDER BY row LIMIT (SELECT max(1, count(*) / ${portions}) FROM ${table}))`,
      ).nChanges,
  );
  return removed.some((nRows) => nRows > 0);
}
