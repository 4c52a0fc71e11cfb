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
}

export interface PromotionOptions {
  /** α of each of the two sequences: a decision is wrong with at most this probability, however often it is asked. */
  readonly alpha: number;
  /** A loss that is greater by no more than this does not count as a regression. In nats per byte. */
  readonly lossMargin: number;
  /** A text moves the interval by at most this, either way; it is also what the bets reckon with. In nats per byte. */
  readonly lossClip: number;
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

export type ChallengerVerdict =
  | { readonly verdict: 'promote'; readonly because: 'loss' | 'reward'; readonly figures: Figures }
  | { readonly verdict: 'reject'; readonly because: 'loss' | 'reward'; readonly figures: Figures }
  | {
      readonly verdict: 'notEnoughEvidence';
      readonly missing: readonly Missing[];
      readonly figures: Figures;
    };

export type ChampionVerdict =
  | { readonly verdict: 'rollBack'; readonly because: 'loss' | 'reward'; readonly figures: Figures }
  | { readonly verdict: 'keep'; readonly figures: Figures };

/**
 * Whether a challenger takes the champion's place. It must be surely better in one of held-out loss and reward, surely
 * not worse in loss beyond the margin, and not surely worse in reward: evidence on outcomes takes weeks to gather, so
 * it need not speak for the challenger, but it may not speak against it. It is rejected as soon as it is surely worse
 * in either.
 */
export function judgeChallenger(evidence: Evidence, options = promotionDefaults): ChallengerVerdict {
  const figures = weigh(evidence, options);
  const { loss, lossOverall, reward, treatment } = figures;
  const harm = harmIn(figures);
  if (harm !== null) return { verdict: 'reject', because: harm, figures };
  const missing: Missing[] = [];
  const { minimumTexts, minimumCompletions, lossMargin } = options;
  if (loss.nObservations < minimumTexts)
    missing.push({ what: 'texts', have: loss.nObservations, need: minimumTexts });
  if (treatment.nCompletions < minimumCompletions)
    missing.push({ what: 'completions', have: treatment.nCompletions, need: minimumCompletions });
  const isBetter = loss.high < 0 || reward.low > 0;
  // The mean over all bytes shows what clipping may have hidden.
  const isSafe = loss.high <= lossMargin && lossOverall <= lossMargin;
  if (missing.length === 0 && !(isBetter && isSafe)) missing.push({ what: 'certainty' });
  if (missing.length > 0) return { verdict: 'notEnoughEvidence', missing, figures };
  return { verdict: 'promote', because: loss.high < 0 ? 'loss' : 'reward', figures };
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

function harmIn({ loss, reward }: Figures): 'loss' | 'reward' | null {
  if (reward.high < 0) return 'reward';
  return loss.low > 0 ? 'loss' : null;
}

function weigh({ texts, outcomes }: Evidence, { alpha, lossClip, rewards }: PromotionOptions): Figures {
  const betting = { ...bettingDefaults, alpha };
  const losses = texts.map(({ lossDifference, nBytes }) => ({
    value: Math.min(lossClip, Math.max(-lossClip, lossDifference / nBytes)),
    low: -lossClip,
    high: lossClip,
  }));
  const widest = rewards.high - rewards.low;
  const total = (pick: (text: TextComparison) => number) => texts.reduce((sum, text) => sum + pick(text), 0);
  return {
    loss: confidenceSequence(losses, { low: -lossClip, high: lossClip }, betting),
    lossOverall: total((text) => text.lossDifference) / total((text) => text.nBytes),
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
