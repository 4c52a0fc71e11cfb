import { rewards } from '../evaluation/typist.ts';
import {
  type ArmSample,
  armDifferences,
  bettingDefaults,
  type ConfidenceBounds,
  confidenceSequence,
  type Range,
} from './confidenceSequence.ts';

/** What is known of a policy on trial (`treatment`) against the one that it is compared with (`control`). */
export interface Evidence {
  /** Texts that the person wrote or kept after the policy on trial was made, in the order they came. */
  readonly texts: readonly TextComparison[];
  /** Requests that one of the two served, one sample per draw, in the order they came. */
  readonly outcomes: readonly ArmSample[];
}

export interface TextComparison {
  readonly nBytes: number;
  /** −ln p of the text by the policy on trial, less that by the other: above 0 the one on trial is worse. In nats. */
  readonly lossDifference: number;
  /** What the one on trial would have shown there is worth, less that of the other. In units of the reward. */
  readonly worthDifference: number;
}

export interface PromotionOptions {
  /** α of each of the three sequences: a decision is wrong with at most this probability, however often it is asked. */
  readonly alpha: number;
  /** A loss that is greater by no more than this does not count as a regression. In nats per byte. */
  readonly lossMargin: number;
  /** A text moves the interval by at most this, either way; it is also what the bets reckon with. In nats per byte. */
  readonly lossClip: number;
  /** The same of what would have been shown, in units of the reward. */
  readonly worthClip: number;
  /** Below these nothing is decided in favour of a policy. */
  readonly minimumTexts: number;
  readonly minimumCompletions: number;
  /** What one completion can bring. */
  readonly rewards: Range;
}

export const promotionDefaults: PromotionOptions = {
  alpha: 0.05,
  lossMargin: 0.01,
  lossClip: 0.25,
  worthClip: 2,
  minimumTexts: 50,
  minimumCompletions: 30,
  rewards: { low: rewards.rejected, high: rewards.accepted + rewards.retained },
};

/** What the evidence amounts to, for people and for the list of versions. */
export interface Figures {
  /** Held-out log-loss, trial less control: nats per byte, the mean over texts, each clipped. */
  readonly loss: ConfidenceBounds;
  /** The same difference over all bytes at once, nothing clipped; NaN without any. */
  readonly lossOverall: number;
  /** Worth per text of what would have been shown, trial less control, each clipped. */
  readonly worth: ConfidenceBounds;
  /** Reward per request, trial less control. */
  readonly reward: ConfidenceBounds;
  readonly treatment: ArmFigures;
  readonly control: ArmFigures;
}

export interface ArmFigures {
  readonly nCompletions: number;
  /** NaN without any. */
  readonly meanReward: number;
}

/** Why a decision cannot be taken yet. `certainty`: there is enough of both, but the intervals are still too wide. */
export type Missing =
  | { readonly what: 'texts' | 'completions'; readonly have: number; readonly need: number }
  | { readonly what: 'certainty' };

/** What a verdict rests on. */
export type Ground = 'loss' | 'worth' | 'reward';

export type ChallengerVerdict =
  | { readonly verdict: 'promote'; readonly because: Ground; readonly figures: Figures }
  | { readonly verdict: 'reject'; readonly because: Ground; readonly figures: Figures }
  | {
      readonly verdict: 'notEnoughEvidence';
      readonly missing: readonly Missing[];
      readonly figures: Figures;
    };

export type ChampionVerdict =
  | { readonly verdict: 'rollBack'; readonly because: Ground; readonly figures: Figures }
  | { readonly verdict: 'keep'; readonly figures: Figures };

/**
 * Whether a challenger takes the champion's place. It must be surely better in one of held-out loss, held-out worth and
 * reward, surely not worse in loss beyond the margin, and not surely worse in the others: evidence on outcomes takes weeks
 * to gather, so it need not speak for the challenger, but it may not speak against it. It is rejected as soon as it is
 * surely worse in any.
 */
export function judgeChallenger(evidence: Evidence, options = promotionDefaults): ChallengerVerdict {
  const figures = weigh(evidence, options);
  const { loss, lossOverall, treatment } = figures;
  const harm = harmIn(figures);
  if (harm !== null) return { verdict: 'reject', because: harm, figures };
  const missing: Missing[] = [];
  const { minimumTexts, minimumCompletions, lossMargin } = options;
  if (loss.nObservations < minimumTexts)
    missing.push({ what: 'texts', have: loss.nObservations, need: minimumTexts });
  if (treatment.nCompletions < minimumCompletions)
    missing.push({ what: 'completions', have: treatment.nCompletions, need: minimumCompletions });
  const gain = gainIn(figures);
  // The mean over all bytes shows what clipping may have hidden.
  const isSafe = loss.high <= lossMargin && lossOverall <= lossMargin;
  if (missing.length === 0 && (gain === null || !isSafe)) missing.push({ what: 'certainty' });
  if (gain === null || missing.length > 0) return { verdict: 'notEnoughEvidence', missing, figures };
  return { verdict: 'promote', because: gain, figures };
}

/**
 * Whether a champion gives its place back, from what has come since it took it: `control` is the arm of Hedge for
 * outcomes, and the version before it for texts.
 */
export function judgeChampion(evidence: Evidence, options = promotionDefaults): ChampionVerdict {
  const figures = weigh(evidence, options);
  const harm = harmIn(figures);
  return harm === null ? { verdict: 'keep', figures } : { verdict: 'rollBack', because: harm, figures };
}

function gainIn({ loss, worth, reward }: Figures): Ground | null {
  if (loss.high < 0) return 'loss';
  if (worth.low > 0) return 'worth';
  return reward.low > 0 ? 'reward' : null;
}

function harmIn({ loss, worth, reward }: Figures): Ground | null {
  if (reward.high < 0) return 'reward';
  if (worth.high < 0) return 'worth';
  return loss.low > 0 ? 'loss' : null;
}

function weigh(
  { texts, outcomes }: Evidence,
  { alpha, lossClip, worthClip, rewards }: PromotionOptions,
): Figures {
  const betting = { ...bettingDefaults, alpha };
  const clipped = (value: number, limit: number) => ({
    value: Math.min(limit, Math.max(-limit, value)),
    low: -limit,
    high: limit,
  });
  const losses = texts.map(({ lossDifference, nBytes }) => clipped(lossDifference / nBytes, lossClip));
  const worths = texts.map(({ worthDifference }) => clipped(worthDifference, worthClip));
  const widest = rewards.high - rewards.low;
  const total = (pick: (text: TextComparison) => number) => texts.reduce((sum, text) => sum + pick(text), 0);
  return {
    loss: confidenceSequence(losses, { low: -lossClip, high: lossClip }, betting),
    lossOverall: total((text) => text.lossDifference) / total((text) => text.nBytes),
    worth: confidenceSequence(worths, { low: -worthClip, high: worthClip }, betting),
    reward: confidenceSequence(armDifferences(outcomes, rewards), { low: -widest, high: widest }, betting),
    treatment: armFigures(outcomes, 'treatment'),
    control: armFigures(outcomes, 'control'),
  };
}

function armFigures(outcomes: readonly ArmSample[], arm: ArmSample['arm']): ArmFigures {
  const served = outcomes.filter((sample) => sample.arm === arm);
  const sum = served.reduce((total, { reward }) => total + reward, 0);
  return { nCompletions: served.length, meanReward: sum / served.length };
}
