import * as z from 'zod';
import type { Ledger } from './ledger.ts';
import type { Result } from './problems.ts';
import type { Session } from './session.ts';

export interface LeaseHolder {
  readonly name: string;
  /** Unique to the process: an identifier drawn at its start. */
  readonly holder: string;
}

/** A clock may go back by this much between two readings without anything being wrong, in milliseconds. */
const clockToleranceMs = 1000;

/**
 * Takes a lease or renews one's own; renew it well before it expires. It is free where nobody holds it, where it has
 * expired, and where it was renewed in what is now the future: then the clock has gone back, and waiting for it could
 * take for ever. A holder that loses it so learns that at its next renewal, and what it writes under the lease is
 * refused: there may be two who work for a moment, but only one whose work counts.
 */
export function acquireLease(
  ledger: Ledger,
  { name, holder, now, durationMs }: LeaseHolder & { readonly now: number; readonly durationMs: number },
): Result<'acquired' | 'held'> {
  return ledger.write((session) => {
    const { nChanges } = session.run(
      `INSERT INTO leases (name, holder, renewed, expires) VALUES (?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE
       SET holder = excluded.holder, renewed = excluded.renewed, expires = excluded.expires
       WHERE holder = excluded.holder OR expires <= excluded.renewed OR renewed > excluded.renewed + ?`,
      name,
      holder,
      now,
      now + durationMs,
      clockToleranceMs,
    );
    return nChanges === 1 ? 'acquired' : 'held';
  });
}

/** Gives back a lease if it is still one's own. */
export function releaseLease(ledger: Ledger, { name, holder }: LeaseHolder): Result<void> {
  return ledger.write((session) => {
    session.run('DELETE FROM leases WHERE name = ? AND holder = ?', name, holder);
  });
}

/** Whether nobody else has taken it since; inside the transaction that writes the work. */
export function isHeld(session: Session, { name, holder }: LeaseHolder): boolean {
  const row = session.first(
    z.object({ holder: z.string() }),
    'SELECT holder FROM leases WHERE name = ?',
    name,
  );
  return row?.holder === holder;
}
