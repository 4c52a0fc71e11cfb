import { open } from 'node:fs/promises';
import type { EraseLearnedResult, LearningAnswer, LearningReport } from '../../protocol/messages.ts';
import { eraseLedger } from '../ledger/erase.ts';
import { exportLines } from '../ledger/exportLedger.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { chooseChampion, listPolicyVersions } from '../ledger/policyVersions.ts';
import type { LedgerProblem } from '../ledger/problems.ts';
import { ledgerStats } from '../ledger/stats.ts';
import { readProgress } from './progress.ts';

const noLedger = 'Nothing was recorded: learning is not switched on in any workspace.';

/** What was recorded and learned. */
export function report(ledger: Ledger): LearningAnswer<LearningReport> {
  const stats = ledgerStats(ledger);
  if (stats.problem) return problemIn(stats.problem);
  const versions = listPolicyVersions(ledger);
  if (versions.problem) return problemIn(versions.problem);
  const progress = readProgress(ledger);
  if (progress.problem) return problemIn(progress.problem);
  const { completions, shown, outcomes, texts, bytes } = stats.value;
  return {
    value: {
      completions,
      shown,
      outcomes,
      texts,
      bytes,
      progress: progress.value,
      versions: versions.value.map(({ version, origin, state, created, changes, evaluation }) => ({
        version,
        origin,
        state,
        created,
        changes,
        evaluation,
      })),
    },
  };
}

/** Writes everything in the ledger to a file for its owner alone, a line at a time. Gives the number of lines. */
export async function exportTo(ledger: Ledger, path: string): Promise<LearningAnswer<number>> {
  try {
    await using file = await open(path, 'w', 0o600);
    let nLines = 0;
    const lines = exportLines(ledger);
    for (let line = lines.next(); ; line = lines.next()) {
      if (line.done) return line.value === null ? { value: nLines } : problemIn(line.value);
      await file.writeFile(`${JSON.stringify(line.value)}\n`);
      nLines++;
    }
  } catch (error) {
    return { problem: `${path} cannot be written: ${error instanceof Error ? error.message : error}` };
  }
}

/** Removes the ledger with everything in it. */
export async function erase(path: string): Promise<LearningAnswer<EraseLearnedResult>> {
  const { bytes, left } = await eraseLedger(path);
  if (left.length === 0) return { value: { bytes } };
  return {
    problem: `These files could not be removed; close other windows and try again: ${left.join(', ')}`,
  };
}

/** A version of the person's choice serves; null: none that was learned. */
export function choose(ledger: Ledger, version: number | null, now: number): LearningAnswer<null> {
  const chosen = chooseChampion(ledger, version, now);
  if (chosen.problem) {
    const isDone = chosen.problem.kind === 'absent' && version === null;
    return isDone ? { value: null } : problemIn(chosen.problem);
  }
  return chosen.value === 'done'
    ? { value: null }
    : { problem: `There is no version ${version} any more: it was erased, or was too old to be kept.` };
}

function problemIn({ kind, message }: LedgerProblem): { readonly problem: string } {
  return { problem: kind === 'absent' ? noLedger : message };
}
