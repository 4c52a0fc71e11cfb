import { formatPolicyFile, type PolicyFile, parsePolicyFile } from '../../config/policyFile.ts';
import type { OnlineHyperParameters } from '../../training/hyperParameters.ts';
import { hedgePolicy, type OnlineResult, type OnlineUpdate } from '../../training/onlineUpdate.ts';
import {
  type Figures,
  judgeChallenger,
  judgeChampion,
  type Missing,
  type PromotionOptions,
} from '../../training/promotion.ts';
import { acquireLease, type LeaseHolder, releaseLease } from '../ledger/leases.ts';
import type { Ledger } from '../ledger/ledger.ts';
import {
  addPolicyVersion,
  listPolicyVersions,
  noteEvaluation,
  type PolicyVersion,
  promote,
  readPolicyFile,
  reject,
  rollBack,
} from '../ledger/policyVersions.ts';
import type { LedgerProblem, Result } from '../ledger/problems.ts';
import { evidenceFor, newestRows, readMaterial } from './evidence.ts';
import { type LearningSchedule, textsNeeded } from './schedule.ts';

export interface LearnOptions {
  readonly ledger: Ledger;
  /** Unique to the process. */
  readonly holder: string;
  /** Serves where nothing was learned; null for Hedge. Its combiner must be linear. */
  readonly shipped: PolicyFile | null;
  readonly hyperParameters: OnlineHyperParameters;
  readonly schedule: LearningSchedule;
  readonly promotion: PromotionOptions;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly train: (update: OnlineUpdate) => Promise<OnlineResult>;
  /** Awaited between pieces of work; rejects to end the turn. */
  readonly pause: () => Promise<void>;
}

/** What one turn of learning came to. */
export type Turn =
  /** Another window trains. */
  | { readonly kind: 'busyElsewhere' }
  /** Too little has been recorded to train. */
  | { readonly kind: 'notEnoughTexts'; readonly have: number; readonly need: number }
  | { readonly kind: 'trained'; readonly version: number }
  | {
      readonly kind: 'promoted' | 'rejected' | 'rolledBack';
      readonly version: number;
      readonly figures: Figures;
    }
  | {
      readonly kind: 'notEnoughEvidence';
      readonly version: number;
      readonly missing: readonly Missing[];
      readonly figures: Figures;
    }
  /** Another window was quicker, or the lease was lost meanwhile. */
  | { readonly kind: 'stale' };

/**
 * One turn of learning: judges the champion, then the challenger; trains a new challenger where there is none, or where
 * much more is known than when it was made. Every step is one transaction of the ledger, so a process that ends at any
 * moment leaves it as it was before the step or after it.
 */
export async function learnOnce(options: LearnOptions): Promise<Result<Turn>> {
  const { ledger, holder, now, schedule } = options;
  const lease: LeaseHolder = { name: leaseName, holder };
  const acquired = acquireLease(ledger, { ...lease, now: now(), durationMs: schedule.leaseMs });
  if (acquired.problem) return acquired;
  if (acquired.value === 'held') return { value: { kind: 'busyElsewhere' } };
  try {
    return { value: await turn(options, lease) };
  } catch (error) {
    if (error instanceof ProblemError) return { problem: error.problem };
    throw error;
  } finally {
    releaseLease(ledger, lease);
  }
}

const leaseName = 'trainer';

async function turn(options: LearnOptions, lease: LeaseHolder): Promise<Turn> {
  const versions = expectValue(listPolicyVersions(options.ledger));
  const serving = (state: PolicyVersion['state']) => versions.find((version) => version.state === state);
  const champion = serving('champion');
  const challenger = serving('challenger');
  if (champion) {
    const rolledBack = await judgeOnDuty(options, champion, versions);
    if (rolledBack) return rolledBack;
  }
  const nTexts = expectValue(newestRows(options.ledger)).lastText;
  if (challenger) {
    const judged = await judgeOnTrial(options, challenger, champion);
    const isOutdated = nTexts >= options.schedule.growth * challenger.lastText;
    if (judged.kind !== 'notEnoughEvidence' || !isOutdated) return judged;
  }
  const needed = textsNeeded(versions, options.schedule);
  if (nTexts < needed) return { kind: 'notEnoughTexts', have: nTexts, need: needed };
  return trainChallenger(options, lease, champion);
}

async function judgeOnTrial(
  { ledger, shipped, hyperParameters: prices, promotion, now, pause }: LearnOptions,
  challenger: PolicyVersion,
  champion: PolicyVersion | undefined,
): Promise<Turn> {
  const { version } = challenger;
  const evidence = evidenceFor(ledger, {
    treatment: { arm: 'challenger', file: fileOf(ledger, challenger) },
    control: { arm: 'champion', file: champion ? fileOf(ledger, champion) : shipped },
    serving: { champion: champion?.version ?? null, challenger: version },
    after: challenger,
    prices,
    rewards: promotion.rewards,
  });
  await pause();
  const judged = judgeChallenger(expectValue(evidence), promotion);
  if (judged.verdict === 'notEnoughEvidence') {
    // So that every window can say what is missing.
    expectValue(noteEvaluation(ledger, version, evaluationOf(judged.figures)));
    return { kind: 'notEnoughEvidence', version, missing: judged.missing, figures: judged.figures };
  }
  const { figures } = judged;
  const decision = { time: now(), evaluation: evaluationOf(figures) };
  const isPromoted = judged.verdict === 'promote';
  const done = expectValue((isPromoted ? promote : reject)(ledger, version, decision));
  if (done === 'stale') return { kind: 'stale' };
  return { kind: isPromoted ? 'promoted' : 'rejected', version, figures };
}

/** Gives nothing where the champion stays. */
async function judgeOnDuty(
  { ledger, shipped, hyperParameters: prices, promotion, now, pause }: LearnOptions,
  champion: PolicyVersion,
  versions: readonly PolicyVersion[],
): Promise<Turn | undefined> {
  const { version } = champion;
  const parent = versions.find((other) => other.version === champion.parent);
  const evidence = evidenceFor(ledger, {
    treatment: { arm: 'champion', file: fileOf(ledger, champion) },
    control: { arm: 'hedge', file: parent ? fileOf(ledger, parent) : shipped },
    serving: { champion: version, challenger: null },
    after: champion,
    prices,
    rewards: promotion.rewards,
  });
  await pause();
  const judged = judgeChampion(expectValue(evidence), promotion);
  if (judged.verdict === 'keep') return undefined;
  const { figures } = judged;
  const done = expectValue(rollBack(ledger, version, { time: now(), evaluation: evaluationOf(figures) }));
  return done === 'stale' ? { kind: 'stale' } : { kind: 'rolledBack', version, figures };
}

async function trainChallenger(
  options: LearnOptions,
  lease: LeaseHolder,
  champion: PolicyVersion | undefined,
): Promise<Turn> {
  const { ledger, shipped, hyperParameters, schedule, now, train, pause } = options;
  const { lastCompletion, lastText, ...material } = expectValue(readMaterial(ledger, schedule.maximumRows));
  let renewed = now();
  const keepLease = async () => {
    await pause();
    if (now() - renewed < schedule.leaseMs / 4) return;
    renewed = now();
    acquireLease(ledger, { ...lease, now: renewed, durationMs: schedule.leaseMs });
  };
  const { policy, changes } = await train({
    shipped: shipped ?? hedgePolicy(),
    ...material,
    hyperParameters,
    seed: lastText + 1,
    pause: keepLease,
  });
  const added = addPolicyVersion(ledger, {
    parent: champion?.version ?? null,
    origin: 'trained',
    state: 'challenger',
    file: formatPolicyFile({ ...policy, training: { ...policy.training, online: changes } }),
    changes: { ...changes },
    time: now(),
    trainedTo: { lastCompletion, lastText },
    lease,
  });
  const version = expectValue(added);
  return version === 'leaseLost' ? { kind: 'stale' } : { kind: 'trained', version };
}

function fileOf(ledger: Ledger, { version }: PolicyVersion): PolicyFile | null {
  const text = expectValue(readPolicyFile(ledger, version));
  return text === null ? null : (parsePolicyFile(text).file ?? null);
}

function evaluationOf({ loss, lossOverall, worth, reward, treatment, control }: Figures) {
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    lossLow: loss.low,
    lossHigh: loss.high,
    loss: finite(lossOverall),
    texts: loss.nObservations,
    worthLow: worth.low,
    worthHigh: worth.high,
    rewardLow: reward.low,
    rewardHigh: reward.high,
    reward: finite(treatment.meanReward),
    controlReward: finite(control.meanReward),
    completions: treatment.nCompletions,
    controlCompletions: control.nCompletions,
  };
}

/** The ledger cannot be used: the turn ends. */
class ProblemError extends Error {
  readonly problem: LedgerProblem;

  constructor(problem: LedgerProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

function expectValue<Value>(result: Result<Value>): Value {
  if (result.problem) throw new ProblemError(result.problem);
  return result.value;
}
