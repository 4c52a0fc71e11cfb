import * as tf from '@tensorflow/tfjs-core';
import type { DenseLayer, PolicyNetwork } from '../config/policyFile.ts';
import { initialNetwork, jointShape, perMemberShape } from '../policy/network.ts';
import { type ActionParameters, agentLogProbabilities, meanEntropy } from './actionDistribution.ts';
import type { DecisionTensors } from './decisions.ts';
import { apply, applyHidden, exported, type TrainableLayer, trainable } from './denseLayers.ts';
import type { EvaluatedActions, Learner } from './ppoUpdate.ts';

/** What the networks see at n decisions: F numbers about each of M members, S that all share. */
export interface Observations {
  /** [n, M, F]; zeros for members that do not take part. */
  readonly members: tf.Tensor3D;
  /** [n, S]. */
  readonly shared: tf.Tensor2D;
  /** 1 where the member takes part, else 0; [n, M]. */
  readonly present: tf.Tensor2D;
}

export interface NetworkShape {
  /** One slot for each member of a fixed list, or any members in any order under shared parameters. */
  readonly kind: 'slots' | 'perMember';
  /** M; for `perMember` the most that take part at once. */
  readonly nMembers: number;
  /** F. */
  readonly memberFeatures: number;
  /** S. */
  readonly sharedFeatures: number;
}

/** What of an actor goes into a policy file. */
export interface ActorWeights {
  /**
   * The first layer's input is everything for `slots`, and [own, mean of the others, shared] for `perMember`; the stop's
   * is the last hidden layer, or [mean of the members' last hidden layers, shared].
   */
  readonly network: PolicyNetwork;
  readonly logSigma: number;
}

export interface ActorCritic extends Learner {
  /** Those that the mean action depends on, and all of the actor's. */
  readonly meanVariables: readonly tf.Variable[];
  readonly actorVariables: readonly tf.Variable[];
  /** Those that only the stop depends on. */
  readonly stopVariables: readonly tf.Variable[];
  readonly criticVariables: readonly tf.Variable[];
  readonly logSigma: tf.Variable<tf.Rank.R0>;
  /** Means [n, M] and the stop's logits [n]. */
  act(observations: Observations): { readonly means: tf.Tensor2D; readonly stopLogits: tf.Tensor1D };
  exportActor(): ActorWeights;
  exportCritic(): readonly DenseLayer[];
  dispose(): void;
}

const initialLogSigma = -1;

/** An actor that has learned nothing: u = 0, as if only Hedge set the weights. */
export function initialActor(shape: NetworkShape, random: () => number): ActorWeights {
  return { network: initialNetwork(layersOf(shape), random), logSigma: initialLogSigma };
}

/** A critic that expects nothing. It has the layers that lead to an actor's stop. */
export function initialCritic(shape: NetworkShape, random: () => number): readonly DenseLayer[] {
  const { hidden, stopHidden, stop } = initialNetwork(layersOf(shape), random);
  return [...hidden, ...stopHidden, { ...stop, bias: new Float32Array(1) }];
}

function layersOf({ kind, nMembers }: NetworkShape) {
  return kind === 'slots' ? jointShape(nMembers) : perMemberShape;
}

/** The networks as TensorFlow.js trains them. */
export function createActorCritic(
  shape: NetworkShape,
  actor: ActorWeights,
  critic: readonly DenseLayer[],
): ActorCritic {
  const hidden = actor.network.hidden.map(trainable);
  const action = trainable(actor.network.action);
  const stopHidden = actor.network.stopHidden.map(trainable);
  const stop = trainable(actor.network.stop);
  const logSigma = tf.tidy(() => tf.variable(tf.scalar(actor.logSigma)));
  const criticLayers = critic.map(trainable);
  const criticBody = criticLayers.slice(0, 2);
  const criticHead = criticLayers.slice(2);
  const meanVariables = [...hidden, action].flatMap(variablesOf);
  const stopVariables = [...stopHidden, stop].flatMap(variablesOf);
  const actorVariables = [...meanVariables, ...stopVariables, logSigma];
  const criticVariables = criticLayers.flatMap(variablesOf);
  const slots = shape.kind === 'slots';

  const act = (observations: Observations) => {
    const last = applyHidden(hidden, slots ? slotInputs(observations) : memberInputs(observations));
    if (slots)
      return { means: apply(action, last), stopLogits: column(applyHead([...stopHidden, stop], last)) };
    const means: tf.Tensor2D = tf.reshape(apply(action, last), observations.present.shape);
    return { means, stopLogits: column(applyHead([...stopHidden, stop], joined(last, observations))) };
  };
  return {
    shape,
    meanVariables,
    actorVariables,
    stopVariables,
    criticVariables,
    logSigma,
    act,
    nAgents: slots ? 1 : shape.nMembers + 1,
    evaluate: (decisions) => evaluated({ ...act(decisions.observations), logSigma }, decisions, slots),
    value(observations) {
      const last = applyHidden(criticBody, slots ? slotInputs(observations) : memberInputs(observations));
      return column(applyHead(criticHead, slots ? last : joined(last, observations)));
    },
    exportActor: () => ({
      network: {
        hidden: hidden.map(exported),
        action: exported(action),
        stopHidden: stopHidden.map(exported),
        stop: exported(stop),
      },
      logSigma: logSigma.dataSync()[0],
    }),
    exportCritic: () => criticLayers.map(exported),
    dispose: () => tf.dispose([...actorVariables, ...criticVariables]),
  };
}

/** RLAE_PPO is one agent whose action is all of it; in RLAE_MAPPO each member is one, and one stops. */
function evaluated(
  parameters: ActionParameters,
  { actions, acted }: DecisionTensors,
  jointly: boolean,
): EvaluatedActions {
  const mask: tf.Tensor2D = tf.concat([acted.changed, tf.expandDims<tf.Tensor2D>(acted.asked, 1)], 1);
  const each: tf.Tensor2D = tf.mul(agentLogProbabilities(parameters, actions), mask);
  const entropy = meanEntropy(parameters, acted);
  const scaledMeans: tf.Tensor2D = tf.div(parameters.means, tf.exp(parameters.logSigma));
  if (!jointly) return { logProbabilities: each, acted: mask, entropy, scaledMeans };
  const joint: tf.Tensor2D = tf.sum(each, 1, true);
  return { logProbabilities: joint, acted: tf.onesLike(joint), entropy, scaledMeans };
}

/** [n, S + M F]: what all share, then the members slot by slot. */
function slotInputs({ members, shared }: Observations): tf.Tensor2D {
  const [n, nMembers, nFeatures] = members.shape;
  return tf.concat([shared, tf.reshape(members, [n, nMembers * nFeatures])], 1);
}

/** [n M, 2 F + S]: for each member its own features, the mean of the others' and what all share. */
function memberInputs({ members, shared, present }: Observations): tf.Tensor2D {
  const [n, nMembers, nFeatures] = members.shape;
  const nShared = shared.shape[1];
  const mask: tf.Tensor3D = tf.expandDims(present, 2);
  const own: tf.Tensor3D = tf.mul(members, mask);
  const nOthers = tf.sub(tf.sum(mask, 1, true), mask);
  const others: tf.Tensor3D = tf.div(tf.sub(tf.sum(own, 1, true), own), tf.maximum(nOthers, 1));
  // As tf.tile does it, but fifty times as fast on the WASM backend.
  const all: tf.Tensor3D = tf.add(tf.expandDims(shared, 1), tf.zeros([n, nMembers, nShared]));
  return tf.reshape(tf.concat([own, others, all], 2), [n * nMembers, 2 * nFeatures + nShared]);
}

/** [n, H + S]: the mean over the members that take part of their hidden layer [n M, H], and what all share. */
function joined(last: tf.Tensor2D, { shared, present }: Observations): tf.Tensor2D {
  const [n, nMembers] = present.shape;
  const each: tf.Tensor3D = tf.reshape(last, [n, nMembers, last.shape[1]]);
  const sum = tf.sum(tf.mul(each, tf.expandDims(present, 2)), 1);
  const mean: tf.Tensor2D = tf.div(sum, tf.maximum(tf.sum(present, 1, true), 1));
  return tf.concat([mean, shared], 1);
}

/** Hidden layers and a last one without tanh. */
function applyHead(layers: readonly TrainableLayer[], x: tf.Tensor2D): tf.Tensor2D {
  return apply(layers[layers.length - 1], applyHidden(layers.slice(0, -1), x));
}

function column(x: tf.Tensor2D): tf.Tensor1D {
  return tf.squeeze(x, [1]);
}

function variablesOf({ kernel, bias }: TrainableLayer): tf.Variable[] {
  return [kernel, bias];
}
