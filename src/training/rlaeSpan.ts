import * as tf from '@tensorflow/tfjs-core';
import { observationVersion, type PolicyFile, type PolicyNetwork } from '../config/policyFile.ts';
import { randomNumbers } from '../evaluation/random.ts';
import {
  type RlaeSpanActor,
  RlaeSpanPolicy,
  type RlaeSpanStep,
  rlaeSpanGroups,
} from '../evaluation/rlaeSpanPolicy.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from '../policy/features.ts';
import { initialNetwork, jointShape } from '../policy/network.ts';
import { createActorCritic, initialCritic, type NetworkShape } from './actorCritic.ts';
import type { Decision } from './decisions.ts';
import { dirichletEntropy, dirichletLogProbability } from './dirichlet.ts';
import type { PpoHyperParameters } from './hyperParameters.ts';
import { layoutFor } from './layout.ts';
import { Optimiser } from './optimiser.ts';
import { type Learner, type PpoUpdateStatistics, ppoUpdate } from './ppoUpdate.ts';
import { collectRollouts, type RolloutCursor } from './rollouts.ts';

export interface RlaeSpanTraining {
  readonly cursors: readonly RolloutCursor[];
  /** Steps for which an action holds: 4 or 8 as published. */
  readonly spanLength: number;
  readonly hyperParameters: PpoHyperParameters;
  readonly nUpdates: number;
  readonly seed: number;
  /** After each update; training ends where it gives false. */
  readonly onUpdate?: (update: RlaeSpanUpdate) => boolean;
}

export interface RlaeSpanUpdate extends PpoUpdateStatistics {
  readonly update: number;
}

/**
 * Trains RLAE as published by PPO, from the reward at the end of each completion; gives the state after the last update. The
 * backend must be open.
 */
export async function trainRlaeSpan(training: RlaeSpanTraining): Promise<RlaeSpanActor> {
  const { cursors, spanLength, hyperParameters, nUpdates, seed, onUpdate = () => true } = training;
  const { shape, slots } = layoutFor(cursors, { kind: 'slots', groups: rlaeSpanGroups, spanLength });
  const random = randomNumbers(seed);
  const learner = createRlaeSpanLearner(shape, initialNetwork(jointShape(slots.length), random), random);
  const optimiser = new Optimiser(learner.variables, hyperParameters);
  const actor = (): RlaeSpanActor => ({
    network: learner.exportNetwork(),
    members: slots,
    spanLength,
    groups: rlaeSpanGroups,
  });
  let goesOn = true;
  for (let update = 1; goesOn && update <= nUpdates; update++) {
    const served = actor();
    const episodes = await collectRollouts(cursors, {
      actor: (_, record) =>
        new RlaeSpanPolicy(served, { random, record: (step) => record(decisionOf(step)) }),
      combiner: 'linear',
      random,
      hyperParameters: { ...hyperParameters, explicitShare: 1 },
    });
    const statistics = ppoUpdate({ networks: learner, optimiser, episodes, hyperParameters, random });
    goesOn = onUpdate({ update, ...statistics });
  }
  const trained = actor();
  learner.dispose();
  optimiser.dispose();
  return trained;
}

/** The same as a file that other policies can be compared with. */
export async function trainRlaeSpanFile(
  training: RlaeSpanTraining,
  { name, notes }: { readonly name: string; readonly notes: Readonly<Record<string, unknown>> },
): Promise<PolicyFile> {
  const { seed, hyperParameters, onUpdate = () => true } = training;
  let updates = 0;
  const { members, network, spanLength, groups } = await trainRlaeSpan({
    ...training,
    onUpdate(update) {
      updates = update.update;
      return onUpdate(update);
    },
  });
  return {
    format: 'consort-policy',
    formatVersion: 1,
    name,
    version: '1',
    algorithm: 'rlaeSpan',
    combiner: 'linear',
    granularity: 'span',
    spanLength,
    observation: {
      version: observationVersion,
      groups: [...groups],
      memberFeatures: MEMBER_FEATURES,
      sharedFeatures: SHARED_FEATURES,
    },
    members: [...members],
    network,
    logSigma: 0,
    stopThreshold: 1,
    training: { seed, ...notes, hyperParameters: { ppo: hyperParameters }, updates },
  };
}

/** Decisions keep ln w as their changes. */
function decisionOf({ memberFeatures, sharedFeatures, mask, logWeights }: RlaeSpanStep): Decision {
  return {
    members: memberFeatures,
    shared: sharedFeatures,
    present: mask,
    changes: logWeights,
    stopped: null,
  };
}

interface RlaeSpanLearner extends Learner {
  readonly variables: readonly tf.Variable[];
  exportNetwork(): PolicyNetwork;
  dispose(): void;
}

/** The actor and a critic as PPO trains them. */
function createRlaeSpanLearner(
  shape: NetworkShape,
  network: PolicyNetwork,
  random: () => number,
): RlaeSpanLearner {
  const networks = createActorCritic(shape, { network, logSigma: 0 }, initialCritic(shape, random));
  return {
    shape,
    nAgents: 1,
    variables: [...networks.meanVariables, ...networks.criticVariables],
    value: networks.value,
    evaluate({ observations, actions }) {
      const { means } = networks.act(observations);
      const concentrations: tf.Tensor2D = tf.add(1, tf.softplus(means));
      const logProbabilities: tf.Tensor2D = tf.expandDims(
        dirichletLogProbability(concentrations, actions.changes, observations.present),
        1,
      );
      const entropy: tf.Scalar = tf.mean(dirichletEntropy(concentrations, observations.present));
      return { logProbabilities, acted: tf.onesLike(logProbabilities), entropy, scaledMeans: means };
    },
    exportNetwork: () => networks.exportActor().network,
    dispose: () => networks.dispose(),
  };
}
