import * as tf from '@tensorflow/tfjs-core';
import type { CombinerName } from '../decoding/combiner.ts';
import { restOfLine } from '../decoding/lineStops.ts';
import { simulatedReward } from '../evaluation/typist.ts';
import { END } from '../lm/symbols.ts';
import type { Policy } from '../policy/policy.ts';
import type { ActorCritic } from './actorCritic.ts';
import { type Decision, minibatches, tensorsOf } from './decisions.ts';
import type { ScoredText } from './gate.ts';
import type { StopHyperParameters } from './hyperParameters.ts';
import { Optimiser } from './optimiser.ts';
import { completed, type RecordedPolicy, type RolloutCursor } from './rollouts.ts';

/** What a policy writes where nothing ends its text, and what the text would be worth if it ended earlier. */
export interface StoppableLine {
  /** Where it could have ended. */
  readonly decisions: readonly Decision[];
  /** The reward of ending before the step of each decision, and at last that of never doing so. */
  readonly rewards: readonly number[];
}

export interface StopTraining {
  readonly networks: ActorCritic;
  readonly train: readonly StoppableLine[];
  /** Says when to stop. */
  readonly heldOut: readonly StoppableLine[];
  /** What the weights learned and shall not forget: the body of the network is shared. */
  readonly text: ScoredText;
  readonly hyperParameters: StopHyperParameters;
  readonly random: () => number;
  /** After each pass; training ends where it gives false. */
  readonly onEpoch?: (epoch: StopEpoch) => boolean | Promise<boolean>;
}

export interface StopEpoch {
  /** From 0: before the first. */
  readonly epoch: number;
  /** Of the held-out lines, ended where the probability of ending is above one half. */
  readonly heldOutReward: number;
  readonly heldOutShown: number;
  /** J of the held-out lines. */
  readonly heldOutExpected: number;
}

/**
 * Learns when to be silent and when to end a text, before anything is drawn. Where a text ends does not change what stands
 * before it, so one line shows the reward Rₖ of every place where it could end, and the expected reward is exact:
 * J = Σₖ sₖ Π (1 − sⱼ) Rₖ, the product over the j < k, with sₖ the probability of ending before step k, and s = 1 at the line's own end.
 * AdamW goes up J + entCoef · the entropy of the decisions that are reached, until J of the held-out lines has not risen for
 * `patience` passes. Leaves the networks as they were at their best.
 */
export async function trainStops(training: StopTraining): Promise<void> {
  const { networks, train, heldOut, text, hyperParameters, random, onEpoch = () => true } = training;
  const { batchSize, nEpochs, patience, entCoef, logLossCoef, logLossRows } = hyperParameters;
  const variables = [...networks.meanVariables, ...networks.stopVariables];
  const optimiser = new Optimiser(variables, hyperParameters);
  const values = () => variables.map((variable) => tf.clone(variable));
  // From the logit that it has otherwise, going on, hardly anything is tried.
  networks.stopVariables.at(-1)?.assign(tf.tensor1d([initialLogit]));
  const first = servedReward(networks, heldOut);
  let best = { reward: first.heldOutExpected, epoch: 0, values: values() };
  let goesOn = await onEpoch({ epoch: 0, ...first });
  for (let epoch = 1; goesOn && epoch <= nEpochs; epoch++) {
    for (const lot of minibatches(train.length, batchSize, random)) {
      const lines = lot.map((line) => train[line]);
      const rows = Array.from({ length: logLossRows }, () => Math.floor(random() * text.nRows));
      optimiser.minimise(() => {
        const { reward, entropy } = expectedReward(networks, lines);
        const gain = tf.add(reward, tf.mul(entropy, entCoef));
        const logProbability = tf.mean(text.logProbabilities(networks, rows));
        return tf.neg(tf.add(gain, tf.mul(logProbability, logLossCoef)));
      });
    }
    const served = servedReward(networks, heldOut);
    goesOn = await onEpoch({ epoch, ...served });
    if (served.heldOutExpected > best.reward) {
      tf.dispose(best.values);
      best = { reward: served.heldOutExpected, epoch, values: values() };
    } else if (epoch - best.epoch >= patience) break;
  }
  for (const [i, variable] of variables.entries()) variable.assign(best.values[i]);
  tf.dispose(best.values);
  optimiser.dispose();
}

/** Means over lines: J, and the entropy of the decisions as often as they are reached. To be called inside tf.tidy. */
export function expectedReward(
  { act, shape }: Pick<ActorCritic, 'act' | 'shape'>,
  lines: readonly StoppableLine[],
): { readonly reward: tf.Scalar; readonly entropy: tf.Scalar } {
  const decisions = lines.flatMap((line) => line.decisions);
  const n = decisions.length;
  // before[t, k] = 1 where k is an earlier decision of t's line; within[l, k] = 1 where k is one of line l.
  const before = new Float32Array(n * n);
  const within = new Float32Array(lines.length * n);
  const rewards = new Float32Array(n);
  let start = 0;
  for (const [i, line] of lines.entries()) {
    const end = start + line.decisions.length;
    within.fill(1, i * n + start, i * n + end);
    for (let t = start; t < end; t++) {
      rewards[t] = line.rewards[t - start];
      before.fill(1, t * n + start, t * n + t);
    }
    start = end;
  }
  const atEnd = lines.map((line) => line.rewards[line.rewards.length - 1]);

  const logits: tf.Tensor2D = tf.expandDims(act(tensorsOf(decisions, shape).observations).stopLogits, 1);
  const logGoingOn: tf.Tensor2D = tf.neg(tf.softplus(logits));
  const reached = tf.exp(tf.matMul(tf.tensor2d(before, [n, n]), logGoingOn));
  const stops = tf.sigmoid(logits);
  const early = tf.sum(tf.mul(tf.mul(reached, stops), tf.tensor2d(rewards, [n, 1])));
  const unended = tf.exp(tf.matMul(tf.tensor2d(within, [lines.length, n]), logGoingOn));
  const late = tf.sum(tf.mul(unended, tf.tensor2d(atEnd, [lines.length, 1])));
  // H(sigmoid(x)) = softplus(x) − x sigmoid(x)
  const entropies = tf.sub(tf.softplus(logits), tf.mul(logits, stops));
  return {
    reward: tf.div(tf.add(early, late), lines.length),
    entropy: tf.div(tf.sum(tf.mul(reached, entropies)), lines.length),
  };
}

const initialLogit = -1;
const evaluationBatch = 256;

function servedReward(networks: ActorCritic, lines: readonly StoppableLine[]) {
  let reward = 0;
  let nShown = 0;
  let expected = 0;
  for (let start = 0; start < lines.length; start += evaluationBatch) {
    const some = lines.slice(start, start + evaluationBatch);
    const decisions = some.flatMap((line) => line.decisions);
    const logits = tf.tidy(() =>
      networks.act(tensorsOf(decisions, networks.shape).observations).stopLogits.dataSync(),
    );
    let at = 0;
    for (const line of some) {
      const own = logits.subarray(at, at + line.decisions.length);
      at += own.length;
      const end = own.findIndex((logit) => logit > 0);
      reward += line.rewards[end < 0 ? own.length : end];
      if (end !== 0) nShown++;
      let reached = 1;
      for (const [k, logit] of own.entries()) {
        const stops = 1 / (1 + Math.exp(-logit));
        expected += reached * stops * line.rewards[k];
        reached *= 1 - stops;
      }
      expected += reached * line.rewards[own.length];
    }
  }
  const n = Math.max(1, lines.length);
  return { heldOutReward: reward / n, heldOutShown: nShown / n, heldOutExpected: expected / n };
}

/** The line that an actor writes at each cursor, by its mean actions. */
export async function stoppableLines(
  cursors: readonly RolloutCursor[],
  actor: RecordedPolicy,
  combiner: CombinerName,
): Promise<StoppableLine[]> {
  const lines: StoppableLine[] = [];
  for (const cursor of cursors) {
    const decisions: Decision[] = [];
    const rewards: number[] = [];
    let isEnd = false;
    let soFar = '';
    const policy = actor(cursor.members, (decision) => {
      if (isEnd) return;
      decisions.push(decision);
      rewards.push(simulatedReward(soFar, cursor.target));
    });
    const isLast = restOfLine(cursor.context.suffix).length === 0;
    const watched: Policy = {
      name: 'watched',
      begin: (situation) => policy.begin(situation),
      weights: (out, state) => policy.weights(out, state),
      observe(symbol, state) {
        isEnd = symbol === END;
        const text = decoder.decode(state.text.subarray(0, state.length));
        // As what is shown loses the white space at its end.
        soFar = isLast || text.trim() === '' ? text.trimEnd() : text;
        policy.observe?.(symbol, state);
      },
    };
    const { reward } = await completed(cursor, { policy: watched, combiner, isExplicit: true });
    if (decisions.length > 0) lines.push({ decisions, rewards: [...rewards, reward] });
  }
  return lines;
}

const decoder = new TextDecoder();
