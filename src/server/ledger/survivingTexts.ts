import * as z from 'zod';
import type { ScoredStep } from '../../policy/recordedPolicy.ts';
import { isGranted, workspaceKey } from './consents.ts';
import type { Ledger } from './ledger.ts';
import type { Result } from './problems.ts';
import { languageName, memberIds } from './rows.ts';
import { insertScoredSteps, scoredSteps } from './steps.ts';

/** Text that the person kept or wrote instead, as all members foresaw it; not the text itself. */
export interface SurvivingText {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly languageId: string;
  /** Ids, in the order of the scores. */
  readonly members: readonly string[];
  readonly observationVersion: number;
  readonly nBytes: number;
  readonly steps: readonly ScoredStep[];
}

export interface KeptText extends SurvivingText {
  /** Ascending, in the order they were recorded. */
  readonly row: number;
}

/**
 * Records the scores of a text if its workspace has agreed to that.
 * @param workspace the workspace's URI; only its salted hash is kept
 */
export function recordText(
  ledger: Ledger,
  workspace: string,
  text: SurvivingText,
): Result<'recorded' | 'noConsent'> {
  return ledger.write((session) => {
    const key = workspaceKey(session, workspace);
    if (!isGranted(session, key)) return 'noConsent';
    const { id } = session.run(
      `INSERT INTO texts (time, language, workspace, members, observation_version, bytes) VALUES (?, ?, ?, ?, ?, ?)`,
      text.time,
      languageName(text.languageId),
      key,
      JSON.stringify(text.members),
      text.observationVersion,
      text.nBytes,
    );
    insertScoredSteps(session, id, text.steps);
    return 'recorded';
  });
}

/** The next texts after a row, with their steps; fewer than the limit at the end. */
export function readTexts(
  ledger: Ledger,
  { afterRow, limit }: { readonly afterRow: number; readonly limit: number },
): Result<readonly KeptText[]> {
  return ledger.read((session) =>
    session
      .all(textRow, 'SELECT * FROM texts WHERE row > ? ORDER BY row LIMIT ?', afterRow, limit)
      .map((text) => ({ ...text, steps: scoredSteps(session, text.row) })),
  );
}

const textRow = z
  .object({
    row: z.int(),
    time: z.number(),
    language: z.string(),
    members: memberIds,
    observation_version: z.int(),
    bytes: z.int(),
  })
  .transform(({ row, time, language, members, observation_version, bytes }) => ({
    row,
    time,
    languageId: language,
    members,
    observationVersion: observation_version,
    nBytes: bytes,
  }));
