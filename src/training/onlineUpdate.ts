import * as tf from '@tensorflow/tfjs-core';
import { featureGroups, observationVersion, type PolicyFile } from '../config/policyFile.ts';
import { randomNumbers } from '../evaluation/random.ts';
import {
  featureMask,
  MEMBER_FEATURES,
  memberFeatures,
  SHARED_FEATURES,
  sharedFeatures,
} from '../policy/features.ts';
import type { ScoredStep } from '../policy/recordedPolicy.ts';
import { type ActorCritic, createActorCritic, initialActor, initialCritic } from './actorCritic.ts';
import { type Decision, tensorsOf } from './decisions.ts';
import type { OnlineHyperParameters } from './hyperParameters.ts';
import { placed } from './layout.ts';
import {
  type JudgedCompletion,
  type LearnedText,
  type OnlineLayout,
  outcomeLine,
  type SampledDecision,
  sampledDecisions,
  seenAt,
  textLine,
} from './onlineMaterial.ts';
import { Optimiser } from './optimiser.ts';
import { reliabilityOf } from './reliability.ts';
import type { TrueStep } from './stepReader.ts';
import { expectedReward, type StoppableLine } from './stopStage.ts';
import { linearStepLogProbabilities } from './trueText.ts';

export interface OnlineUpdate {
  /** Where it begins and what it stays near; `hedgePolicy()` where Hedge serves. Its combiner must be linear. */
  readonly shipped: PolicyFile;
  /** In the order they were recorded. */
  readonly completions: readonly JudgedCompletion[];
  readonly texts: readonly LearnedText[];
  readonly hyperParameters: OnlineHyperParameters;
  readonly seed: number;
  /** Awaited after each minibatch: who is asked to wait makes training wait. */
  readonly pause: () => Promise<void>;
}

export interface OnlineResult {
  readonly policy: PolicyFile;
  /** In numbers, what it learned from and how far it went. */
  readonly changes: {
    readonly outcomes: number;
    readonly sampled: number;
    readonly texts: number;
    /** Of outcomes; from 0 to 1. */
    readonly reliability: number;
    /** Means over the last minibatches. */
    readonly expectedReward: number;
    readonly logLoss: number;
    readonly divergence: number;
  };
}

/**
 * A policy from the shipped one and what the ledger holds. AdamW goes down
 *
 *   − ρ · (J + entCoef · H + policyCoef · min(r Â, clip(r, 1 ± ε) Â)) − logLossCoef · ln p
 *   + klCoef · KL(shipped ‖ new) + (1 − ρ) · unreliableKlCoef · KL(shipped ‖ new, of stops alone).
 *
 * ρ is how reliable outcomes are (`reliability.ts`), J the exact expected reward of when to stop (`stopStage.ts`) over lines
 * that were judged or typed, H the entropy of that, the clipped term that of Schulman et al. 2017 over the actions that a
 * challenger drew, with their logged probabilities, and ln p the log-likelihood of steps of surviving text. The same
 * material, seed and backend give the same policy.
 */
export async function onlineUpdate(update: OnlineUpdate): Promise<OnlineResult> {
  const { shipped, seed, pause } = update;
  const reliability = reliabilityOf(update.completions);
  const hyperParameters = { ...update.hyperParameters, reliability };
  const random = randomNumbers(seed);
  const layout = layoutOf(update);
  const networks = networksOf(shipped, layout, random);
  const anchor = networksOf(shipped, layout, random);
  const optimiser = new Optimiser([...networks.meanVariables, ...networks.stopVariables], hyperParameters);
  try {
    const material = materialOf(update, layout, anchor);
    const meters = new Meters();
    for (let i = 0; i < hyperParameters.nMinibatches && material.rows.length > 0; i++) {
      const batch = drawBatch(material, hyperParameters, random);
      optimiser.minimise(() => {
        const terms = lossTerms(networks, anchor, batch, layout, hyperParameters);
        meters.add(terms);
        return terms.loss;
      });
      await pause();
    }
    const { outcomes, sampled, typed } = material;
    return {
      policy: { ...shipped, network: networks.exportActor().network, evaluation: undefined },
      changes: {
        outcomes: outcomes.length,
        sampled: sampled.length,
        texts: typed.length,
        reliability,
        ...meters.means(),
      },
    };
  } finally {
    optimiser.dispose();
    networks.dispose();
    anchor.dispose();
  }
}

/** Hedge as a policy file that can learn: no change of weights, and it never stops by itself. */
export function hedgePolicy(): PolicyFile {
  const { network, logSigma } = initialActor(
    {
      kind: 'perMember',
      nMembers: 1,
      memberFeatures: MEMBER_FEATURES,
      sharedFeatures: SHARED_FEATURES,
    },
    randomNumbers(1),
  );
  return {
    format: 'consort-policy',
    formatVersion: 1,
    name: 'hedge',
    version: '1',
    algorithm: 'mappo',
    combiner: 'linear',
    granularity: 'token',
    spanLength: 1,
    observation: {
      version: observationVersion,
      groups: [...featureGroups],
      memberFeatures: MEMBER_FEATURES,
      sharedFeatures: SHARED_FEATURES,
    },
    members: '*',
    network,
    logSigma,
    stopThreshold: 0.5,
    training: {},
  };
}

function layoutOf({ shipped, completions, texts }: OnlineUpdate): OnlineLayout {
  const { members: slots, observation } = shipped;
  const most = [...completions, ...texts].reduce((n, { members }) => Math.max(n, members.length), 1);
  return {
    shape: {
      kind: slots === '*' ? 'perMember' : 'slots',
      nMembers: slots === '*' ? most : slots.length,
      memberFeatures: MEMBER_FEATURES,
      sharedFeatures: SHARED_FEATURES,
    },
    placesOf: (members) => members.map((id, i) => (slots === '*' ? i : slots.indexOf(id))),
    memberMask: featureMask(memberFeatures, observation.groups),
    sharedMask: featureMask(sharedFeatures, observation.groups),
  };
}

function networksOf(
  { network, logSigma }: PolicyFile,
  { shape }: OnlineLayout,
  random: () => number,
): ActorCritic {
  return createActorCritic(shape, { network, logSigma }, initialCritic(shape, random));
}

interface Material {
  readonly outcomes: readonly StoppableLine[];
  readonly typed: readonly StoppableLine[];
  readonly sampled: readonly SampledDecision[];
  readonly rows: readonly TrueStep[];
}

function materialOf(
  { completions, texts, shipped, hyperParameters }: OnlineUpdate,
  layout: OnlineLayout,
  networks: ActorCritic,
): Material {
  const isUsable = ({ members }: Pick<LearnedText, 'members'>) =>
    shipped.members === '*' || members.every((id) => shipped.members.includes(id));
  const judged = completions.filter(isUsable);
  const known = texts.filter((text) => isUsable(text) && text.steps.length > 0 && text.steps.every(isWhole));
  const rowsOfTexts = known.map(({ members, steps }) => steps.map((step) => textRow(step, members, layout)));
  const scores = rowsOfTexts.map((rows) =>
    tf.tidy(() => linearStepLogProbabilities(networks, rows, layout.shape).dataSync()),
  );
  const present = <Item>(item: Item | undefined): item is Item => item !== undefined;
  return {
    outcomes: judged.map((completion) => outcomeLine(completion, layout, hyperParameters)).filter(present),
    typed: known.map((text, i) => textLine(text, scores[i], layout, hyperParameters)).filter(present),
    sampled: judged.flatMap((completion) => sampledDecisions(completion, layout, hyperParameters)),
    rows: rowsOfTexts.flat(),
  };
}

/** Whether every member was asked throughout the step. */
function isWhole({ logLikelihoods, logStarts }: ScoredStep): boolean {
  return logLikelihoods.every(Number.isFinite) && logStarts.every(Number.isFinite);
}

function textRow(step: ScoredStep, members: readonly string[], layout: OnlineLayout): TrueStep {
  const places = layout.placesOf(members);
  return {
    decision: seenAt(step, members, layout),
    logHedge: placed(step.hedgeLogWeights, places, layout),
    logStep: placed(step.logLikelihoods, places, layout),
    logMayBegin: placed(step.logStarts, places, layout),
  };
}

interface Reliability {
  /** Of outcomes; from 0 to 1. */
  readonly reliability: number;
}

interface Batch {
  readonly lines: readonly StoppableLine[];
  readonly rows: readonly TrueStep[];
  readonly sampled: readonly SampledDecision[];
  /** What a sampled completion's reward is compared with. */
  readonly meanReward: number;
}

function drawBatch(
  { outcomes, typed, sampled, rows }: Material,
  { batchLines, batchRows, outcomeWeight, halfLife, reliability }: OnlineHyperParameters & Reliability,
  random: () => number,
): Batch {
  // Rows are steps, of which a line has several.
  const perLine = Math.max(1, rows.length / Math.max(1, typed.length));
  // What a text says is certain, what an outcome says only as far as outcomes are reliable.
  const judgedWeight = outcomes.length * outcomeWeight * reliability;
  const judgedShare = judgedWeight / (judgedWeight + typed.length);
  const nJudged = typed.length === 0 ? batchLines : Math.round(batchLines * judgedShare);
  return {
    lines: [
      ...drawRecent(outcomes, nJudged, halfLife, random),
      ...drawRecent(typed, batchLines - nJudged, halfLife, random),
    ],
    rows: drawRecent(rows, batchRows, halfLife * perLine, random),
    sampled: drawRecent(sampled, batchRows, halfLife * perLine, random),
    meanReward: sampled.reduce((sum, { reward }) => sum + reward, 0) / Math.max(1, sampled.length),
  };
}

/** With replacement; one that `halfLife` newer ones follow is half as likely. */
function drawRecent<Item>(
  items: readonly Item[],
  n: number,
  halfLife: number,
  random: () => number,
): readonly Item[] {
  if (items.length === 0) return [];
  // The age a has density ∝ 2^(−a / halfLife) on [0, items.length).
  const all = 1 - 2 ** (-items.length / halfLife);
  return Array.from({ length: n }, () => {
    const age = Math.floor(-halfLife * Math.log2(1 - random() * all));
    return items[Math.max(0, items.length - 1 - age)];
  });
}

interface LossTerms {
  readonly loss: tf.Scalar;
  readonly reward: tf.Scalar;
  readonly logLoss: tf.Scalar;
  readonly divergence: tf.Scalar;
}

function lossTerms(
  networks: ActorCritic,
  anchor: ActorCritic,
  batch: Batch,
  layout: OnlineLayout,
  hyperParameters: OnlineHyperParameters & Reliability,
): LossTerms {
  const { entCoef, logLossCoef, klCoef, unreliableKlCoef, clipRange, policyCoef, reliability } =
    hyperParameters;
  const zero = tf.scalar(0);
  const { lines, rows, sampled } = batch;
  const { reward, entropy } =
    lines.length > 0 ? expectedReward(networks, lines) : { reward: zero, entropy: zero };
  const logLoss: tf.Scalar =
    rows.length > 0 ? tf.neg(tf.mean(linearStepLogProbabilities(networks, rows, layout.shape))) : zero;
  const decisions = [...lines.flatMap((line) => line.decisions), ...rows.map(({ decision }) => decision)];
  const { weights, stops } =
    decisions.length > 0 ? divergencesOf(networks, anchor, decisions) : { weights: zero, stops: zero };
  const divergence: tf.Scalar = tf.add(weights, stops);
  const surrogate = sampled.length > 0 ? clippedSurrogate(networks, batch, clipRange) : zero;
  const gain = tf.addN([reward, tf.mul(entropy, entCoef), tf.mul(surrogate, policyCoef)]);
  const cost: tf.Scalar = tf.addN([
    tf.mul(logLoss, logLossCoef),
    tf.mul(divergence, klCoef),
    tf.mul(stops, unreliableKlCoef * (1 - reliability)),
  ]);
  return { loss: tf.sub(cost, tf.mul(gain, reliability)), reward, logLoss, divergence };
}

/** KL(anchor ‖ networks) per decision: of Gaussian weights with the same σ, Σ (μ − μ₀)² ÷ 2σ², and of Bernoulli stops. */
function divergencesOf(networks: ActorCritic, anchor: ActorCritic, decisions: readonly Decision[]) {
  const { observations } = tensorsOf(decisions, networks.shape);
  const now = networks.act(observations);
  const then = anchor.act(observations);
  const distance = tf.mul(tf.square(tf.sub(now.means, then.means)), observations.present);
  const weights = tf.div(tf.sum(distance), tf.mul(2, tf.exp(tf.mul(2, anchor.logSigma))));
  // Σ q ln(q / p) with logits x of p and y of q: σ(y)(y − x) − softplus(y) + softplus(x)
  const stops = tf.add(
    tf.mul(tf.sigmoid(then.stopLogits), tf.sub(then.stopLogits, now.stopLogits)),
    tf.sub(tf.softplus(now.stopLogits), tf.softplus(then.stopLogits)),
  );
  const perDecision = (sum: tf.Tensor): tf.Scalar => tf.div(sum, decisions.length);
  return { weights: perDecision(weights), stops: perDecision(tf.sum(stops)) };
}

/** E[min(r Â, clip(r, 1 ± ε) Â)] with one ratio for each step, as its probability was logged. */
function clippedSurrogate(
  networks: ActorCritic,
  { sampled, meanReward }: Batch,
  clipRange: number,
): tf.Scalar {
  const decisions = sampled.map(({ decision }) => decision);
  const { logProbabilities: each } = networks.evaluate(tensorsOf(decisions, networks.shape));
  const logged = tf.tensor1d(sampled.map(({ logProbability }) => logProbability));
  const advantages = tf.tensor1d(sampled.map(({ reward }) => reward - meanReward));
  const ratios = tf.exp(tf.clipByValue(tf.sub(tf.sum(each, 1), logged), -logRatioLimit, logRatioLimit));
  const clipped = tf.clipByValue(ratios, 1 - clipRange, 1 + clipRange);
  return tf.mean(tf.minimum(tf.mul(ratios, advantages), tf.mul(clipped, advantages)));
}

/** Keeps e^x finite. */
const logRatioLimit = 20;

/** Running means, newer minibatches counting more. */
class Meters {
  #reward = 0;
  #logLoss = 0;
  #divergence = 0;
  #weight = 0;

  add({ reward, logLoss, divergence }: LossTerms): void {
    const keep = 0.9;
    this.#weight = keep * this.#weight + 1 - keep;
    this.#reward = keep * this.#reward + (1 - keep) * reward.dataSync()[0];
    this.#logLoss = keep * this.#logLoss + (1 - keep) * logLoss.dataSync()[0];
    this.#divergence = keep * this.#divergence + (1 - keep) * divergence.dataSync()[0];
  }

  means() {
    const mean = (sum: number) => (this.#weight === 0 ? 0 : sum / this.#weight);
    return {
      expectedReward: mean(this.#reward),
      logLoss: mean(this.#logLoss),
      divergence: mean(this.#divergence),
    };
  }
}
