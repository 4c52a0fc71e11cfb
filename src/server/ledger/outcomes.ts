import * as z from 'zod';
import type { Arm } from '../../policy/arms.ts';
import type { Ledger } from './ledger.ts';
import type { Result } from './problems.ts';

export const outcomeKinds = ['accepted', 'partlyAccepted', 'rejected', 'ignored', 'censored'] as const;
export type OutcomeKind = (typeof outcomeKinds)[number];

/** After how many seconds it is looked how much of an accepted completion is still there. */
export const survivalSeconds = [30, 120, 300] as const;
export type SurvivalSeconds = (typeof survivalSeconds)[number];

export interface Outcome {
  readonly completionId: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly kind: OutcomeKind;
  /** UTF-16 units. */
  readonly acceptedLength: number;
}

/**
 * What became of a completion; a later word on the same one replaces the earlier. `unknown`: it was never recorded,
 * or is not kept any more.
 */
export function recordOutcome(ledger: Ledger, outcome: Outcome): Result<'recorded' | 'unknown'> {
  return ledger.write((session) => {
    const { nChanges } = session.run(
      `INSERT INTO outcomes (completion, time, kind, accepted_length)
       SELECT row, ?, ?, ? FROM completions WHERE id = ?
       ON CONFLICT (completion) DO UPDATE
       SET time = excluded.time, kind = excluded.kind, accepted_length = excluded.accepted_length`,
      outcome.time,
      outcome.kind,
      outcome.acceptedLength,
      outcome.completionId,
    );
    return nChanges === 1 ? 'recorded' : 'unknown';
  });
}

/** How many accepted characters (UTF-16 units) are still there. `unknown`: the completion has no outcome. */
export function recordSurvival(
  ledger: Ledger,
  survival: { readonly completionId: string; readonly after: SurvivalSeconds; readonly retained: number },
): Result<'recorded' | 'unknown'> {
  return ledger.write((session) => {
    const { nChanges } = session.run(
      `UPDATE outcomes SET retained_${survival.after} = ?
       WHERE completion = (SELECT row FROM completions WHERE id = ?)`,
      survival.retained,
      survival.completionId,
    );
    return nChanges === 1 ? 'recorded' : 'unknown';
  });
}

/**
 * How many units (UTF-16) of what was shown, from its start, stand in the text that the person left there, whatever they did
 * with it. `unknown`: the completion has no outcome.
 */
export function recordAgreement(
  ledger: Ledger,
  agreement: { readonly completionId: string; readonly agreedLength: number },
): Result<'recorded' | 'unknown'> {
  return ledger.write((session) => {
    const { nChanges } = session.run(
      `UPDATE outcomes SET agreed_length = ? WHERE completion = (SELECT row FROM completions WHERE id = ?)`,
      agreement.agreedLength,
      agreement.completionId,
    );
    return nChanges === 1 ? 'recorded' : 'unknown';
  });
}

/** A completion that one of two arms served, and what became of it. */
export interface ComparedOutcome {
  readonly arm: 'treatment' | 'control';
  /** The probability, given one of the two arms, that it was the treatment. */
  readonly propensity: number;
  readonly shownLength: number;
  /** Null where nothing was ever told of it: silence, or it never came to be seen. */
  readonly kind: OutcomeKind | null;
  readonly acceptedLength: number;
  /** At the latest look; null before the first. */
  readonly retained: number | null;
}

/**
 * The completions for which one champion and one challenger (null: none) were drawn among and one of the two arms
 * served, in the order they were recorded.
 */
export function readComparison(
  ledger: Ledger,
  comparison: {
    readonly treatment: Arm;
    readonly control: Arm;
    readonly champion: number | null;
    readonly challenger: number | null;
    /** Only completions after this row. */
    readonly afterRow: number;
  },
): Result<readonly ComparedOutcome[]> {
  const { treatment, control, champion, challenger, afterRow } = comparison;
  return ledger.read((session) =>
    session
      .all(
        comparedRow,
        `SELECT arm, ${treatment}_propensity AS treatment, ${control}_propensity AS control, shown_length, kind,
           accepted_length, coalesce(retained_300, retained_120, retained_30) AS retained
         FROM completions LEFT JOIN outcomes ON completion = row
         WHERE row > ? AND champion IS ? AND challenger IS ? AND arm IN (?, ?)
           AND ${treatment}_propensity > 0 AND ${control}_propensity > 0
         ORDER BY row`,
        afterRow,
        champion,
        challenger,
        treatment,
        control,
      )
      .map((row) => ({
        arm: row.arm === treatment ? 'treatment' : 'control',
        propensity: row.treatment / (row.treatment + row.control),
        shownLength: row.shown_length,
        kind: row.kind,
        acceptedLength: row.accepted_length ?? 0,
        retained: row.retained,
      })),
  );
}

const comparedRow = z.object({
  arm: z.enum(['champion', 'challenger', 'hedge']),
  treatment: z.number(),
  control: z.number(),
  shown_length: z.int(),
  kind: z.enum(outcomeKinds).nullable(),
  accepted_length: z.int().nullable(),
  retained: z.int().nullable(),
});
