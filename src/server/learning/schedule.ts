import { type PromotionOptions, promotionDefaults } from '../../training/promotion.ts';
import type { PolicyVersion } from '../ledger/policyVersions.ts';

export interface LearningSchedule {
  /** Texts before anything is trained. */
  readonly firstTexts: number;
  /** A challenger that is still on trial gives way to a new one when there are so many times as many texts. */
  readonly growth: number;
  /** Texts and completions that are read, the newest. */
  readonly maximumRows: number;
  readonly leaseMs: number;
}

export const scheduleDefaults: LearningSchedule = {
  firstTexts: 50,
  growth: 8,
  maximumRows: 3000,
  leaseMs: 120_000,
};

/** An outcome counts by what it is worth to the learner, within what a text can count. */
export const onlinePromotion: PromotionOptions = {
  ...promotionDefaults,
  minimumCompletions: 20,
  lossMargin: 0.02,
  rewards: { low: -promotionDefaults.worthClip, high: promotionDefaults.worthClip },
};

/**
 * How many texts there must have been before the next version is trained: after one was promoted or rejected, half as
 * many again.
 * @param versions the newest first
 */
export function textsNeeded(
  versions: readonly Pick<PolicyVersion, 'origin' | 'lastText'>[],
  { firstTexts }: Pick<LearningSchedule, 'firstTexts'>,
): number {
  const newest = versions.find(({ origin }) => origin === 'trained');
  return Math.max(firstTexts, newest ? 1.5 * newest.lastText : 0);
}
