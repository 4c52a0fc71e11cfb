import * as tf from '@tensorflow/tfjs-core';
import type { NetworkShape, Observations } from './actorCritic.ts';
import { type Decision, type DecisionTensors, type Episode, minibatches, tensorsOf } from './decisions.ts';
import { generalisedAdvantages, groupAdvantages } from './gae.ts';
import type { PpoHyperParameters } from './hyperParameters.ts';
import type { Optimiser } from './optimiser.ts';
import { ppoLoss } from './ppoLoss.ts';

/** Networks that act, and a critic. */
export interface Learner {
  readonly shape: NetworkShape;
  /** Each has a ratio of its own. */
  readonly nAgents: number;
  /** What the networks say now about decisions that were taken. */
  evaluate(decisions: DecisionTensors): EvaluatedActions;
  /** The reward that is still to come; [n]. */
  value(observations: Observations): tf.Tensor1D;
}

export interface EvaluatedActions {
  /** ln p of each agent's action, and 1 where it acted, else 0; [n, nAgents]. */
  readonly logProbabilities: tf.Tensor2D;
  readonly acted: tf.Tensor2D;
  /** The mean entropy of a decision. */
  readonly entropy: tf.Scalar;
  /** Each member's mean action in units of its deviation; [n, M]. */
  readonly scaledMeans: tf.Tensor2D;
}

export interface PpoUpdate {
  readonly networks: Learner;
  /** Of the actor's and the critic's variables. */
  readonly optimiser: Optimiser;
  readonly episodes: readonly Episode[];
  readonly hyperParameters: PpoHyperParameters;
  readonly random: () => number;
  /** The networks of the warm start, for `anchorCoef`. */
  readonly anchor?: Learner;
  /** Is added to the loss of every minibatch. */
  readonly auxiliaryLoss?: () => tf.Scalar;
}

/** Means over the minibatches of an update. */
export interface PpoUpdateStatistics {
  readonly meanReward: number;
  readonly policyLoss: number;
  readonly valueLoss: number;
  readonly entropy: number;
  readonly approxKl: number;
  readonly clipFraction: number;
  readonly gradNorm: number;
  /** 1 − Var(return − value) / Var(return). */
  readonly explainedVariance: number;
  readonly nMinibatches: number;
}

/** One update of proximal policy optimisation from whole completions. */
export function ppoUpdate(update: PpoUpdate): PpoUpdateStatistics {
  const { networks, episodes, hyperParameters, random } = update;
  const decisions = episodes.flatMap((episode) => episode.decisions);
  const before = evaluateDecisions(networks, decisions, update.anchor);
  const { advantages, returns } = advantagesOf(episodes, before.values, hyperParameters);

  const totals = new Map<string, number>();
  let nMinibatches = 0;
  epochs: for (let epoch = 0; epoch < hyperParameters.nEpochs; epoch++) {
    for (const rows of minibatches(decisions.length, hyperParameters.batchSize, random)) {
      const terms = takeStep(update, rows, { decisions, ...before, advantages, returns });
      nMinibatches++;
      for (const [name, value] of Object.entries(terms)) totals.set(name, (totals.get(name) ?? 0) + value);
      const { targetKl } = hyperParameters;
      if (targetKl !== null && terms.approxKl > 1.5 * targetKl) break epochs;
    }
  }
  const mean = (name: string) => (totals.get(name) ?? 0) / nMinibatches;
  return {
    meanReward: episodes.reduce((sum, { reward }) => sum + reward, 0) / episodes.length,
    policyLoss: mean('policyLoss'),
    valueLoss: mean('valueLoss'),
    entropy: mean('entropy'),
    approxKl: mean('approxKl'),
    clipFraction: mean('clipFraction'),
    gradNorm: mean('gradNorm'),
    explainedVariance: explainedVariance(before.values, returns),
    nMinibatches,
  };
}

/** Per decision; `logProbabilities` and `anchorMeans` have `nAgents` and M numbers for each. */
interface Before {
  readonly logProbabilities: Float32Array;
  readonly values: Float64Array;
  readonly anchorMeans: Float32Array;
}

interface Prepared extends Before {
  readonly decisions: readonly Decision[];
  readonly advantages: Float64Array;
  readonly returns: Float64Array;
}

const evaluationBatch = 4096;

/**
 * What the networks say before the update. The probabilities of the actions are computed here, by the networks that
 * are trained, and not taken from the rollout: at the first minibatch the ratio is 1 exactly.
 */
function evaluateDecisions(networks: Learner, decisions: readonly Decision[], anchor?: Learner): Before {
  const { nAgents, shape } = networks;
  const { nMembers } = shape;
  const logProbabilities = new Float32Array(decisions.length * nAgents);
  const values = new Float64Array(decisions.length);
  const anchorMeans = new Float32Array(anchor ? decisions.length * nMembers : 0);
  for (let start = 0; start < decisions.length; start += evaluationBatch) {
    tf.tidy(() => {
      const tensors = tensorsOf(decisions.slice(start, start + evaluationBatch), shape);
      logProbabilities.set(networks.evaluate(tensors).logProbabilities.dataSync(), start * nAgents);
      values.set(networks.value(tensors.observations).dataSync(), start);
      if (anchor) anchorMeans.set(anchor.evaluate(tensors).scaledMeans.dataSync(), start * nMembers);
    });
  }
  return { logProbabilities, values, anchorMeans };
}

function advantagesOf(
  episodes: readonly Episode[],
  values: Float64Array,
  hyperParameters: PpoHyperParameters,
) {
  const rewards = new Float64Array(values.length);
  const ends = new Uint8Array(values.length);
  const perEpisode = groupAdvantages(
    episodes.map(({ reward }) => reward),
    episodes.map(({ group }) => group),
  );
  const perGroup = new Float64Array(values.length);
  let at = 0;
  for (const [i, { decisions, reward }] of episodes.entries()) {
    perGroup.fill(perEpisode[i], at, at + decisions.length);
    at += decisions.length;
    if (decisions.length === 0) continue;
    rewards[at - 1] = reward;
    ends[at - 1] = 1;
  }
  const { advantages, returns } = generalisedAdvantages({ rewards, values, ends }, hyperParameters);
  return { advantages: hyperParameters.baseline === 'group' ? perGroup : advantages, returns };
}

function takeStep(
  { networks, optimiser, hyperParameters, anchor, auxiliaryLoss }: PpoUpdate,
  rows: readonly number[],
  prepared: Prepared,
): {
  policyLoss: number;
  valueLoss: number;
  entropy: number;
  approxKl: number;
  clipFraction: number;
  gradNorm: number;
} {
  const { shape, nAgents } = networks;
  const picked = (values: Float64Array) => tf.tensor1d(Float32Array.from(rows, (row) => values[row]));
  const pickedRows = (values: Float32Array, width: number) => {
    const out = new Float32Array(rows.length * width);
    for (const [i, row] of rows.entries())
      out.set(values.subarray(row * width, (row + 1) * width), i * width);
    return tf.tensor2d(out, [rows.length, width]);
  };
  return tf.tidy(() => {
    const tensors = tensorsOf(
      rows.map((row) => prepared.decisions[row]),
      shape,
    );
    const old = pickedRows(prepared.logProbabilities, nAgents);
    const advantages = picked(prepared.advantages);
    const inputs = {
      advantages: hyperParameters.normalizeAdvantage ? normalised(advantages) : advantages,
      oldValues: picked(prepared.values),
      returns: picked(prepared.returns),
    };
    const anchorMeans = anchor && pickedRows(prepared.anchorMeans, shape.nMembers);
    let statistics: tf.Tensor | undefined;
    const { gradNorm } = optimiser.minimise(() => {
      const { logProbabilities, acted, entropy, scaledMeans } = networks.evaluate(tensors);
      const terms = ppoLoss(
        {
          ...inputs,
          logRatios: tf.sub(logProbabilities, old),
          acted,
          values: networks.value(tensors.observations),
          entropy,
        },
        hyperParameters,
      );
      statistics = tf.keep(
        tf.stack([terms.policyLoss, terms.valueLoss, entropy, terms.approxKl, terms.clipFraction]),
      );
      const loss: tf.Scalar = auxiliaryLoss ? tf.add(terms.loss, auxiliaryLoss()) : terms.loss;
      if (!anchorMeans) return loss;
      const distance = tf.square(tf.sub(scaledMeans, anchorMeans));
      const divergence = tf.div(tf.sum(tf.mul(distance, tensors.acted.changed)), 2 * rows.length);
      return tf.add(loss, tf.mul(divergence, hyperParameters.anchorCoef));
    });
    const [policyLoss, valueLoss, entropy, approxKl, clipFraction] = statistics?.dataSync() ?? [];
    statistics?.dispose();
    return { policyLoss, valueLoss, entropy, approxKl, clipFraction, gradNorm };
  });
}

/** Mean 0 and deviation 1, as Stable-Baselines3 does it. */
function normalised(advantages: tf.Tensor1D): tf.Tensor1D {
  if (advantages.size < 2) return advantages;
  const centred = tf.sub(advantages, tf.mean(advantages));
  const variance = tf.div(tf.sum(tf.square(centred)), advantages.size - 1);
  return tf.div(centred, tf.add(tf.sqrt(variance), 1e-8));
}

function explainedVariance(values: Float64Array, returns: Float64Array): number {
  const variance = (of: Float64Array) => {
    const mean = of.reduce((sum, x) => sum + x, 0) / of.length;
    return of.reduce((sum, x) => sum + (x - mean) ** 2, 0) / of.length;
  };
  const total = variance(returns);
  return total === 0 ? 0 : 1 - variance(returns.map((x, i) => x - values[i])) / total;
}
