import { type Kept, rewardOf, rewards } from '../evaluation/typist.ts';
import { MEMBER_FEATURES } from '../policy/features.ts';
import type { ScoredStep, ServedStep } from '../policy/recordedPolicy.ts';
import type { Decision } from './decisions.ts';
import type { OnlineHyperParameters } from './hyperParameters.ts';
import { type Layout, placed } from './layout.ts';
import type { StoppableLine } from './stopStage.ts';

/** A text that the person kept or wrote, as all members foresaw it. */
export interface LearnedText {
  /** Ids, in the order of the scores. */
  readonly members: readonly string[];
  readonly steps: readonly ScoredStep[];
}

/** A completion that was recorded, and what became of it. */
export interface JudgedCompletion {
  readonly members: readonly string[];
  readonly steps: readonly ServedStep[];
  /** UTF-16 units. */
  readonly shownLength: number;
  readonly acceptedLength: number;
  /** At the latest look; null before the first. */
  readonly retained: number | null;
  /** How much of it, from its start, stands in the text that the person left; null where that is not known. */
  readonly agreedLength: number | null;
}

/** What is reckoned beyond the reward. */
export type OnlinePrices = Pick<OnlineHyperParameters, 'rejectionCost' | 'retainedGain'>;

/** A step of a completion whose action was drawn, and how likely it was. */
export interface SampledDecision {
  readonly decision: Decision;
  /** ln p of the action, and of going on or stopping where that was a choice, when it was drawn. */
  readonly logProbability: number;
  /** What the whole completion was worth. */
  readonly reward: number;
}

/** What is seen at a step, as the networks take it. */
export function seenAt(step: ScoredStep, members: readonly string[], layout: OnlineLayout): Decision {
  const nMemberNumbers = members.length * MEMBER_FEATURES;
  const places = layout.placesOf(members);
  const masked = (numbers: Float32Array, mask: Float32Array) =>
    numbers.map((number, i) => number * mask[i % mask.length]);
  return {
    members: placed(
      masked(step.observation.subarray(0, nMemberNumbers), layout.memberMask),
      places,
      layout,
      MEMBER_FEATURES,
    ),
    shared: masked(step.observation.subarray(nMemberNumbers), layout.sharedMask),
    present: placed(Array(members.length).fill(1), places, layout),
    changes: null,
    stopped: null,
  };
}

export interface OnlineLayout extends Pick<Layout, 'shape'> {
  readonly placesOf: (members: readonly string[]) => readonly number[];
  /** 1 for each feature that the policy sees. */
  readonly memberMask: Float32Array;
  readonly sharedMask: Float32Array;
}

/**
 * What a shown completion would have been worth if it had ended earlier: what was kept of it says so. Nothing is known of
 * going on where it ended, so that is no decision here. Undefined where nothing was shown.
 */
export function outcomeLine(
  completion: JudgedCompletion,
  layout: OnlineLayout,
  prices: OnlinePrices,
): StoppableLine | undefined {
  const { members, steps, shownLength, acceptedLength, retained } = completion;
  const nBytes = steps.reduce((sum, step) => sum + step.nBytes, 0);
  if (shownLength === 0 || nBytes === 0) return undefined;
  const kept = (Math.min(acceptedLength, retained ?? acceptedLength) / shownLength) * nBytes;
  const decisions: Decision[] = [];
  const rewards: number[] = [];
  let before = 0;
  for (const step of steps) {
    if (step.nBytes === 0) continue;
    decisions.push(seenAt(step, members, layout));
    rewards.push(worth(before, kept, prices));
    before += step.nBytes;
  }
  return { decisions, rewards: [...rewards, worth(nBytes, kept, prices)] };
}

/**
 * The same for a text that the person has. The ensemble writes a lexeme for sure where it gives it more than one half; where it
 * gives it little it is taken to write something wrong of the same length; in between nobody knows, and the line ends.
 *
 * @param logProbabilities ln p of each step
 */
export function textLine(
  text: LearnedText,
  logProbabilities: ArrayLike<number>,
  layout: OnlineLayout,
  prices: OnlinePrices,
): StoppableLine | undefined {
  const { steps, last } = stopsAlong(text, logProbabilities, prices);
  if (steps.length === 0) return undefined;
  return {
    decisions: steps.map(({ step }) => seenAt(step, text.members, layout)),
    rewards: [...steps.map(({ worth: ended }) => ended), last],
  };
}

/** What of a text is worth that ends before the first step at which it is ended. */
export function stoppedWorth(
  text: LearnedText,
  logProbabilities: ArrayLike<number>,
  stops: (stepIdx: number) => boolean,
  prices: OnlinePrices,
): number {
  const { steps, last } = stopsAlong(text, logProbabilities, prices);
  const ended = steps.find((_, stepIdx) => stops(stepIdx));
  return ended?.worth ?? last;
}

/** The first steps of a text, each with what it is worth to end before it, and what it is worth not to. */
function stopsAlong(
  { steps }: LearnedText,
  logProbabilities: ArrayLike<number>,
  prices: OnlinePrices,
): {
  readonly steps: readonly { readonly step: ScoredStep; readonly worth: number }[];
  readonly last: number;
} {
  const passed: { step: ScoredStep; worth: number }[] = [];
  let before = 0;
  for (const [i, step] of steps.entries()) {
    const isRight = logProbabilities[i] > Math.log(surely.right);
    const isEnd = step.nBytes === 0;
    // Where the line ends by itself nobody is asked whether to stop.
    if (isEnd && isRight) break;
    if (!isRight && logProbabilities[i] > Math.log(surely.wrong)) break;
    passed.push({ step, worth: worth(before, before, prices) });
    if (!isRight) {
      const wrong = isEnd ? wrongBytes : step.nBytes;
      return { steps: passed, last: worth(before + wrong, before, prices) };
    }
    before += step.nBytes;
  }
  return { steps: passed, last: worth(before, before, prices) };
}

/** Above and below these probabilities of the true lexeme it is known whether it would have been written. */
const surely = { right: 0.5, wrong: 0.2 } as const;
/** What is written wrongly after the end of a line is about a lexeme. */
const wrongBytes = 4;

/** The steps of a completion whose actions were drawn. */
export function sampledDecisions(
  completion: JudgedCompletion,
  layout: OnlineLayout,
  prices: OnlinePrices,
): SampledDecision[] {
  const { members, steps, shownLength, acceptedLength, retained } = completion;
  const reward = worthOf({ shown: shownLength, accepted: acceptedLength, retained }, prices);
  return steps.flatMap((step) => {
    const { action, actionLogProbability, couldStop, stops } = step;
    if (action === null || actionLogProbability === null || couldStop === null) return [];
    const decision: Decision = {
      ...seenAt(step, members, layout),
      changes: placed(action, layout.placesOf(members), layout),
      // What was no choice is in neither probability.
      stopped: couldStop ? stops : null,
    };
    return [{ decision, logProbability: actionLogProbability, reward }];
  });
}

/** What a completion is worth to the learner: its reward, keys saved, and attention taken. Of a silent one nothing. */
export function worthOf(kept: Kept, { rejectionCost, retainedGain }: OnlinePrices): number {
  const { shown, accepted, retained } = kept;
  const left = Math.min(shown, accepted, retained ?? accepted);
  if (shown === 0) return 0;
  const reward = rewardOf(kept);
  return left === 0 ? reward - rejectionCost : reward + retainedGain * Math.min(1, left / rewards.fullLength);
}

function worth(shown: number, kept: number, prices: OnlinePrices): number {
  return worthOf({ shown, accepted: Math.min(shown, kept), retained: null }, prices);
}
