import type { PolicyFile } from '../config/policyFile.ts';
import { featureMask, MEMBER_FEATURES, memberFeatures, sharedFeatures } from '../policy/features.ts';
import { JointNetwork, PerMemberNetwork } from '../policy/network.ts';
import { createObservation } from '../policy/observation.ts';
import { stepLogProbability } from '../policy/stepStatistics.ts';
import { type LearnedText, type OnlinePrices, stoppedWorth } from './onlineMaterial.ts';

/** What a policy makes of a text that the person has. */
export interface JudgedText {
  /** −ln p under its mean weights; in nats. */
  readonly loss: number;
  /** What it would have shown there is worth, as far as that can be known; by the same reckoning as in training. */
  readonly worth: number;
}

/**
 * Texts under a policy, or under Hedge, which never stops, where the policy is null. Both numbers are NaN where it does not
 * know a member, where it is not linear or where a member was not asked.
 */
export function judgeTexts(
  policy: PolicyFile | null,
  texts: readonly LearnedText[],
  prices: OnlinePrices,
): JudgedText[] {
  const readers = new Map<string, ActionReader | null>();
  return texts.map((text) => {
    const key = text.members.join(' ');
    const known = readers.get(key);
    const reader = known === undefined ? createReader(policy, text.members) : known;
    readers.set(key, reader);
    return reader === null ? unknown : judgeText(reader, text, prices);
  });
}

const unknown: JudgedText = { loss: Number.NaN, worth: Number.NaN };

/** From what is seen at a step: u of each member, and whether the text would have ended there. */
type ActionReader = (observation: Float32Array) => {
  readonly action: Float64Array;
  readonly stops: boolean;
};

/** Null where the policy cannot set the weights of these members. */
function createReader(policy: PolicyFile | null, members: readonly string[]): ActionReader | null {
  const none = new Float64Array(members.length);
  if (policy === null) return () => ({ action: none, stops: false });
  const slots = policy.members;
  const rows = members.map((id, i) => (slots === '*' ? i : slots.indexOf(id)));
  if (rows.includes(-1) || policy.combiner !== 'linear') return null;
  const network =
    slots === '*' ? new PerMemberNetwork(policy.network, members.length) : new JointNetwork(policy.network);
  const input = createObservation(slots === '*' ? members.length : slots.length);
  const memberMask = featureMask(memberFeatures, policy.observation.groups);
  const sharedMask = featureMask(sharedFeatures, policy.observation.groups);
  const leastLogit = Math.log(policy.stopThreshold / (1 - policy.stopThreshold));
  return (observation) => {
    for (const [i, row] of rows.entries()) {
      for (let k = 0; k < MEMBER_FEATURES; k++)
        input.members[row * MEMBER_FEATURES + k] = observation[i * MEMBER_FEATURES + k] * memberMask[k];
    }
    const shared = observation.subarray(rows.length * MEMBER_FEATURES);
    input.shared.set(shared.map((number, k) => number * sharedMask[k]));
    network.run(input);
    const action = Float64Array.from(rows, (row) => network.action[row]);
    return { action, stops: policy.algorithm !== 'gate' && network.stopLogit > leastLogit };
  };
}

/** How far an action can move the logarithm of a weight. */
const actionBound = 6;

function judgeText(read: ActionReader, text: LearnedText, prices: OnlinePrices): JudgedText {
  const actions = text.steps.map(({ observation }) => read(observation));
  const logProbabilities = text.steps.map(({ hedgeLogWeights, logLikelihoods, logStarts }, stepIdx) => {
    const { action } = actions[stepIdx];
    // Unnormalised weights will do: their sum is in both terms.
    const weights = Float64Array.from(hedgeLogWeights, (logWeight, i) =>
      Math.exp(logWeight + Math.min(actionBound, Math.max(-actionBound, action[i]))),
    );
    const logStep = Float64Array.from(logLikelihoods);
    return stepLogProbability(weights, { logStep, logStart: Float64Array.from(logStarts) });
  });
  return {
    loss: -logProbabilities.reduce((sum, logProbability) => sum + logProbability, 0),
    worth: stoppedWorth(text, logProbabilities, (stepIdx) => actions[stepIdx].stops, prices),
  };
}
