import { statSync } from 'node:fs';
import * as z from 'zod';
import type { ServingVersions } from '../../policy/arms.ts';
import type { Ledger } from './ledger.ts';
import { companions } from './openFile.ts';
import { type OutcomeKind, outcomeKinds } from './outcomes.ts';
import { servingVersions } from './policyVersions.ts';
import type { Result } from './problems.ts';

export interface LedgerStats {
  /** Of all files of the ledger, on disk. */
  readonly bytes: number;
  readonly workspaces: number;
  readonly completions: number;
  /** Those that were not silence. */
  readonly shown: number;
  readonly outcomes: Readonly<Record<OutcomeKind, number>>;
  readonly texts: number;
  readonly steps: number;
  /** Milliseconds since 1970; null without completions. */
  readonly first: number | null;
  readonly last: number | null;
  readonly arms: readonly Group[];
  readonly languages: readonly Group[];
  readonly policyVersions: number;
  readonly serving: ServingVersions;
}

export interface Group {
  readonly name: string;
  readonly completions: number;
  readonly accepted: number;
}

export function ledgerStats(ledger: Ledger): Result<LedgerStats> {
  const serving = servingVersions(ledger);
  if (serving.problem) return serving;
  return ledger.read((session) => {
    const count = (sql: string) => session.first(countRow, `SELECT count(*) AS n FROM ${sql}`)?.n ?? 0;
    const groups = (column: 'arm' | 'language') =>
      session.all(
        groupRow,
        `SELECT ${column} AS name, count(*) AS completions, count(*) FILTER (WHERE kind IN ('accepted', 'partlyAccepted'))
           AS accepted
         FROM completions LEFT JOIN outcomes ON completion = row GROUP BY ${column} ORDER BY completions DESC, name`,
      );
    const kinds = outcomeKinds.map((kind) => [kind, count(`outcomes WHERE kind = '${kind}'`)] as const);
    return {
      bytes: bytesOnDisk(ledger.path),
      workspaces: count(`consents WHERE state = 'granted'`),
      completions: count('completions'),
      shown: count('completions WHERE shown_length > 0'),
      outcomes: outcomeCounts.parse(Object.fromEntries(kinds)),
      texts: count('texts'),
      steps: count('steps') + count('text_steps'),
      ...(session.first(timesRow, 'SELECT min(time) AS first, max(time) AS last FROM completions') ?? {
        first: null,
        last: null,
      }),
      arms: groups('arm'),
      languages: groups('language'),
      policyVersions: count('policy_versions'),
      serving: serving.value,
    };
  });
}

export function bytesOnDisk(path: string): number {
  return companions.reduce(
    (sum, companion) => sum + (statSync(path + companion, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

const countRow = z.object({ n: z.int() });
const groupRow = z.object({ name: z.string(), completions: z.int(), accepted: z.int() });
const timesRow = z.object({ first: z.number().nullable(), last: z.number().nullable() });
const outcomeCounts = z.record(z.enum(outcomeKinds), z.int());
