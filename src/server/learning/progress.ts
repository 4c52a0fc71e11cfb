import type { Count, LearningProgress } from '../../protocol/messages.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { listPolicyVersions } from '../ledger/policyVersions.ts';
import type { Result } from '../ledger/problems.ts';
import { newestRows } from './evidence.ts';
import { onlinePromotion, scheduleDefaults, textsNeeded } from './schedule.ts';

/** What is still missing for the next change of the policy. */
export function readProgress(ledger: Ledger): Result<LearningProgress> {
  const listed = listPolicyVersions(ledger);
  if (listed.problem) return listed;
  const versions = listed.value;
  const challenger = versions.find(({ state }) => state === 'challenger');
  if (challenger === undefined) {
    const newest = newestRows(ledger);
    if (newest.problem) return newest;
    const need = Math.ceil(textsNeeded(versions, scheduleDefaults));
    return { value: { kind: 'gathering', texts: count(newest.value.lastText, need) } };
  }
  const { version, evaluation } = challenger;
  return {
    value: {
      kind: 'onTrial',
      version,
      completions: count(evaluation.completions ?? 0, onlinePromotion.minimumCompletions),
      texts: count(evaluation.texts ?? 0, onlinePromotion.minimumTexts),
    },
  };
}

function count(have: number, need: number): Count {
  return { have: Math.min(have, need), need };
}
