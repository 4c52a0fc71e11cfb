import type { PolicyFile } from '../config/policyFile.ts';
import type { CombinerName } from '../decoding/combiner.ts';
import { complete } from '../decoding/complete.ts';
import type { CollectedCursor } from '../evaluation/pathStore.ts';
import { longestCompletion } from '../evaluation/targetIndex.ts';
import { simulatedReward } from '../evaluation/typist.ts';
import { createActorPolicy, type RecordedStep } from '../policy/actorPolicy.ts';
import type { Policy } from '../policy/policy.ts';
import type { Decision, Episode } from './decisions.ts';
import type { PpoHyperParameters } from './hyperParameters.ts';

/** A cursor whose members' answers were collected. */
export type RolloutCursor = Pick<CollectedCursor, 'context' | 'members' | 'target' | 'streams'>;

export interface Rollout extends Episode {
  /** What was shown; empty for silence. */
  readonly text: string;
  /** Whether it went where no answers were collected: its tail is cut short. */
  readonly hasLeft: boolean;
}

/** A policy for these members that takes down its decisions; one at a time is at work. */
export type RecordedPolicy = (
  members: RolloutCursor['members'],
  record: (decision: Decision) => void,
) => Policy;

/**
 * A policy file's actor, made once for each list of members.
 *
 * @param random uniform in [0, 1), to draw actions with; without it they are the means
 */
export function recordedActor(file: PolicyFile, random?: () => number): RecordedPolicy {
  const policies = new Map<string, Policy>();
  let receive: (decision: Decision) => void = () => {};
  return (members, record) => {
    receive = record;
    const ids = members.map(({ id }) => id);
    const key = JSON.stringify(ids);
    const exploration = {
      ...(random ? { random } : {}),
      record: (step: RecordedStep) => receive(decisionOf(step)),
    };
    const policy = policies.get(key) ?? createActorPolicy(file, ids, exploration);
    policies.set(key, policy);
    return policy;
  };
}

export interface CollectOptions extends Pick<RolloutOptions, 'actor' | 'combiner'> {
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  readonly hyperParameters: Pick<PpoHyperParameters, 'nSteps' | 'rolloutsPerCursor' | 'explicitShare'>;
}

/** Completions at random cursors, several at each, until there are `nSteps` decisions. */
export async function collectRollouts(
  cursors: readonly RolloutCursor[],
  { hyperParameters, random, ...options }: CollectOptions,
): Promise<Rollout[]> {
  const { nSteps, rolloutsPerCursor, explicitShare } = hyperParameters;
  const rollouts: Rollout[] = [];
  let nDecisions = 0;
  for (let group = 0; nDecisions < nSteps; group++) {
    const cursor = cursors[Math.floor(random() * cursors.length)];
    const isExplicit = random() < explicitShare;
    for (let i = 0; i < rolloutsPerCursor; i++) {
      const rollout = await rollOut(cursor, { ...options, group, isExplicit });
      rollouts.push(rollout);
      nDecisions += rollout.decisions.length;
    }
  }
  return rollouts;
}

interface RolloutOptions {
  /** It draws its actions itself. */
  readonly actor: RecordedPolicy;
  readonly combiner: CombinerName;
  readonly group: number;
  /** Whether the text is asked for, so that the policy cannot end it. */
  readonly isExplicit: boolean;
}

/** One completion at a cursor, every decision drawn, with its reward. */
async function rollOut(cursor: RolloutCursor, options: RolloutOptions): Promise<Rollout> {
  const { actor, group } = options;
  const decisions: Decision[] = [];
  const policy = actor(cursor.members, (decision) => decisions.push(decision));
  return { ...(await completed(cursor, { ...options, policy })), decisions, group };
}

/** One completion at a cursor as the policy serves it. */
export async function completed(
  cursor: RolloutCursor,
  {
    policy,
    combiner,
    isExplicit,
  }: Pick<RolloutOptions, 'combiner' | 'isExplicit'> & { readonly policy: Policy },
): Promise<Pick<Rollout, 'text' | 'reward' | 'hasLeft'>> {
  const { context, members, target } = cursor;
  const streams = cursor.streams();
  const { text } = await complete({
    context,
    streams,
    members,
    policy,
    combiner,
    ignoresStops: isExplicit,
    maximumBytes: longestCompletion,
    minimumProbability: leastProbability,
    drafting: null,
    signal: neverAborted,
  });
  return { text, reward: simulatedReward(text, target), hasLeft: streams.some(({ hasLeft }) => hasLeft) };
}

/** The text is as long as the policy wants it. */
const leastProbability = 1e-30;
const neverAborted = new AbortController().signal;

/** A step of an actor, as it is learned from. */
export function decisionOf(step: RecordedStep): Decision {
  return {
    members: step.memberFeatures,
    shared: step.sharedFeatures,
    present: step.mask,
    changes: step.stop ? null : step.action,
    stopped: step.couldStop ? step.stop : null,
  };
}
