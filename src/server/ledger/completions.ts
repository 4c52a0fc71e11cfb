import * as z from 'zod';
import type { ArmDraw } from '../../policy/arms.ts';
import type { ServedStep } from '../../policy/recordedPolicy.ts';
import { isGranted, workspaceKey } from './consents.ts';
import type { Ledger } from './ledger.ts';
import type { Result } from './problems.ts';
import { languageName, memberIds } from './rows.ts';
import { insertServedSteps, servedSteps } from './steps.ts';

/** One request that was answered, be it with silence. */
export interface Completion {
  /** The one by which outcomes are told. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly languageId: string;
  /** Ids, in the order of the weights. */
  readonly members: readonly string[];
  readonly observationVersion: number;
  readonly draw: ArmDraw;
  readonly latencyMs: number;
  /** UTF-16 units; 0 is silence. */
  readonly shownLength: number;
  /** ln p of what was written. In nats. */
  readonly logProbability: number;
  readonly steps: readonly ServedStep[];
}

export interface KeptCompletion extends Completion {
  /** Ascending, in the order they were recorded. */
  readonly row: number;
}

/**
 * Records a completion if its workspace has agreed to that.
 * @param workspace the workspace's URI; only its salted hash is kept
 */
export function recordCompletion(
  ledger: Ledger,
  workspace: string,
  completion: Completion,
): Result<'recorded' | 'noConsent'> {
  return ledger.write((session) => {
    const key = workspaceKey(session, workspace);
    if (!isGranted(session, key)) return 'noConsent';
    const { draw } = completion;
    const { id } = session.run(
      `INSERT INTO completions (id, time, language, workspace, members, observation_version, arm, champion, challenger,
         champion_propensity, challenger_propensity, hedge_propensity, latency_ms, shown_length, log_probability)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      completion.id,
      completion.time,
      languageName(completion.languageId),
      key,
      JSON.stringify(completion.members),
      completion.observationVersion,
      draw.arm,
      draw.versions.champion,
      draw.versions.challenger,
      draw.propensities.champion,
      draw.propensities.challenger,
      draw.propensities.hedge,
      completion.latencyMs,
      completion.shownLength,
      completion.logProbability,
    );
    insertServedSteps(session, id, completion.steps);
    return 'recorded';
  });
}

/** The next completions after a row, with their steps; fewer than the limit at the end. */
export function readCompletions(
  ledger: Ledger,
  { afterRow, limit }: { readonly afterRow: number; readonly limit: number },
): Result<readonly KeptCompletion[]> {
  return ledger.read((session) =>
    session
      .all(completionRow, 'SELECT * FROM completions WHERE row > ? ORDER BY row LIMIT ?', afterRow, limit)
      .map((completion) => ({ ...completion, steps: servedSteps(session, completion.row) })),
  );
}

const completionRow = z
  .object({
    row: z.int(),
    id: z.string(),
    time: z.number(),
    language: z.string(),
    members: memberIds,
    observation_version: z.int(),
    arm: z.enum(['champion', 'challenger', 'hedge']),
    champion: z.int().nullable(),
    challenger: z.int().nullable(),
    champion_propensity: z.number(),
    challenger_propensity: z.number(),
    hedge_propensity: z.number(),
    latency_ms: z.number(),
    shown_length: z.int(),
    log_probability: z.number(),
  })
  .transform((row) => ({
    row: row.row,
    id: row.id,
    time: row.time,
    languageId: row.language,
    members: row.members,
    observationVersion: row.observation_version,
    draw: {
      arm: row.arm,
      policyVersion: row.arm === 'hedge' ? null : row[row.arm],
      propensities: {
        champion: row.champion_propensity,
        challenger: row.challenger_propensity,
        hedge: row.hedge_propensity,
      },
      versions: { champion: row.champion, challenger: row.challenger },
    },
    latencyMs: row.latency_ms,
    shownLength: row.shown_length,
    logProbability: row.log_probability,
  }));
