import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Ledger } from './ledger.ts';
import type { Result } from './problems.ts';
import type { Session } from './session.ts';

/** A workspace agrees that its completions and their outcomes are recorded. This alone makes a ledger. */
export function grantConsent(ledger: Ledger, workspace: string, time: number): Result<void> {
  // A decision of the person must outlive the loss of power.
  return ledger.write((session) => set(session, workspace, 'granted', time), {
    missing: 'create',
    survives: 'powerLoss',
  });
}

/** Nothing is recorded for it any more, and what was recorded is removed. Without a ledger there is nothing to do. */
export function withdrawConsent(ledger: Ledger, workspace: string, time: number): Result<void> {
  return ledger.write(
    (session) => {
      set(session, workspace, 'withdrawn', time);
      const key = workspaceKey(session, workspace);
      session.run('DELETE FROM completions WHERE workspace = ?', key);
      session.run('DELETE FROM texts WHERE workspace = ?', key);
    },
    { survives: 'powerLoss' },
  );
}

/** False without a ledger, too. */
export function hasConsent(ledger: Ledger, workspace: string): Result<boolean> {
  const result = ledger.read((session) => isGranted(session, workspaceKey(session, workspace)));
  return result.problem?.kind === 'absent' ? { value: false } : result;
}

/** What stands for a workspace in the ledger: the start of SHA-256(salt, uri), hexadecimal. Erasing ends the salt. */
export function workspaceKey(session: Session, uri: string): string {
  const row = session.first(saltRow, 'SELECT bytes FROM salt');
  if (row === null) throw new Error('the ledger has no salt');
  return createHash('sha256').update(row.bytes).update(uri).digest('hex').slice(0, 32);
}

export function isGranted(session: Session, key: string): boolean {
  return session.first(stateRow, 'SELECT state FROM consents WHERE workspace = ?', key)?.state === 'granted';
}

const saltRow = z.object({ bytes: z.instanceof(Uint8Array) });
const stateRow = z.object({ state: z.enum(['granted', 'withdrawn']) });

function set(session: Session, workspace: string, state: 'granted' | 'withdrawn', time: number): void {
  session.run(
    `INSERT INTO consents VALUES (?, ?, ?)
     ON CONFLICT (workspace) DO UPDATE SET state = excluded.state, time = excluded.time`,
    workspaceKey(session, workspace),
    state,
    time,
  );
}
