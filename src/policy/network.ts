import type { DenseLayer, PolicyNetwork } from '../config/policyFile.ts';
import { Dense, tanh } from './dense.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from './features.ts';
import type { Observation } from './observation.ts';

/** A policy's network at work: from what is seen at a step to the mean action and the logit of stopping. */
export interface ActorNetwork {
  /** u, one per row of the observation that was run last. */
  readonly action: Float64Array;
  /** Computed where it is asked for: most places are within a lexeme, where no text ends. */
  readonly stopLogit: number;
  /** Reads an observation with as many rows as there are members here. */
  run(observation: Observation): void;
}

/** The sizes of a network: hidden layers between observation and action, and between those and the stop. */
export interface NetworkShape {
  /** How many members one agent has an output for, or '*' for an agent per member. */
  readonly members: number | '*';
  readonly hidden: readonly number[];
  readonly stopHidden: readonly number[];
}

/** One agent (RLAE_PPO): an output for each member it knows. */
export const jointShape = (nMembers: number): NetworkShape => ({
  members: nMembers,
  hidden: [64, 64],
  stopHidden: [],
});
/** One agent per member with shared parameters (RLAE_MAPPO). */
export const perMemberShape: NetworkShape = { members: '*', hidden: [48, 48], stopHidden: [32] };

/** The logit of stopping before anything has been learned: it goes on. */
const initialStopLogit = -4;

/** Inputs and outputs of every layer of a network. */
function layerSizes({ members, hidden, stopHidden }: NetworkShape) {
  const isPerMember = members === '*';
  const inputs = SHARED_FEATURES + (isPerMember ? 2 : members) * MEMBER_FEATURES;
  const top = hidden.at(-1) ?? inputs;
  const stopInputs = isPerMember ? top + SHARED_FEATURES : top;
  return {
    hidden: chain([inputs, ...hidden]),
    action: { inputs: top, outputs: isPerMember ? 1 : members },
    stopHidden: chain([stopInputs, ...stopHidden]),
    stop: { inputs: stopHidden.at(-1) ?? stopInputs, outputs: 1 },
  };
}

/**
 * A network that has learned nothing: hidden weights uniform in ±√(6 ÷ (inputs + outputs)) (Glorot & Bengio 2010), and
 * outputs of 0, so that the policy is Hedge.
 *
 * @param random uniform in [0, 1)
 */
export function initialNetwork(shape: NetworkShape, random: () => number): PolicyNetwork {
  const sizes = layerSizes(shape);
  const hiddenLayer = ({ inputs, outputs }: LayerSize): DenseLayer => {
    const limit = Math.sqrt(6 / (inputs + outputs));
    const weights = Float32Array.from({ length: inputs * outputs }, () => (2 * random() - 1) * limit);
    return { inputs, outputs, weights, bias: new Float32Array(outputs) };
  };
  const outputLayer = ({ inputs, outputs }: LayerSize, bias: number): DenseLayer => ({
    inputs,
    outputs,
    weights: new Float32Array(inputs * outputs),
    bias: new Float32Array(outputs).fill(bias),
  });
  return {
    hidden: sizes.hidden.map(hiddenLayer),
    action: outputLayer(sizes.action, 0),
    stopHidden: sizes.stopHidden.map(hiddenLayer),
    stop: outputLayer(sizes.stop, initialStopLogit),
  };
}

/** One agent for all members. The observation's rows are the members it knows, in order; absent ones are 0. */
export class JointNetwork implements ActorNetwork {
  readonly action: Float64Array;
  readonly #first: Dense;
  readonly #hidden: readonly Dense[];
  readonly #action: Dense;
  readonly #stopHidden: readonly Dense[];
  readonly #stop: Dense;
  readonly #input: Float32Array;
  /** The last hidden layer. */
  #top: Float64Array;

  constructor(network: PolicyNetwork) {
    const [first, ...rest] = network.hidden;
    this.#first = new Dense(first);
    this.#hidden = rest.map((layer) => new Dense(layer));
    this.#action = new Dense(network.action);
    this.#stopHidden = network.stopHidden.map((layer) => new Dense(layer));
    this.#stop = new Dense(network.stop);
    this.#input = new Float32Array(first.inputs);
    this.#top = new Float64Array(network.action.inputs);
    this.action = new Float64Array(network.action.outputs);
  }

  get stopLogit(): number {
    return this.#stop.run(runTanh(this.#stopHidden, this.#top))[0];
  }

  run({ members, shared }: Observation): void {
    this.#input.set(shared);
    this.#input.set(members, SHARED_FEATURES);
    const seen = this.#first.runSparse(this.#input, 0);
    for (let k = 0; k < seen.length; k++) seen[k] = tanh(seen[k]);
    this.#top = runTanh(this.#hidden, seen);
    this.action.set(this.#action.run(this.#top));
  }
}

/**
 * One agent per member, all with the same parameters: each sees its own features, the mean of the others' and what all
 * share, so any number of members in any order will do. Whether to stop is decided from the mean over all agents.
 */
export class PerMemberNetwork implements ActorNetwork {
  readonly action: Float64Array;
  readonly #nMembers: number;
  readonly #own: Dense;
  readonly #others: Dense;
  readonly #shared: Dense;
  readonly #hidden: readonly Dense[];
  readonly #action: Dense;
  readonly #stopHidden: readonly Dense[];
  readonly #stop: Dense;
  readonly #sum = new Float64Array(MEMBER_FEATURES);
  readonly #first: Float64Array;
  readonly #common: Float64Array;
  /** What the stop is decided from: the mean of the members' last hidden layers, and what all share. */
  readonly #stopInput: Float64Array;

  constructor(network: PolicyNetwork, nMembers: number) {
    const [first, ...rest] = network.hidden;
    this.#nMembers = nMembers;
    // The first layer W [own, mean of the others, shared] + b, taken apart so that what is common is computed once:
    // the mean of the others is (sum − own) / (n − 1).
    const scale = nMembers > 1 ? 1 / (nMembers - 1) : 0;
    const own = rowsOf(first, 0, MEMBER_FEATURES);
    const others = rowsOf(first, MEMBER_FEATURES, MEMBER_FEATURES);
    for (let i = 0; i < others.weights.length; i++) {
      others.weights[i] *= scale;
      own.weights[i] -= others.weights[i];
    }
    this.#own = new Dense(own);
    this.#others = new Dense(others);
    this.#shared = new Dense({ ...rowsOf(first, 2 * MEMBER_FEATURES, SHARED_FEATURES), bias: first.bias });
    this.#hidden = rest.map((layer) => new Dense(layer));
    this.#action = new Dense(network.action);
    this.#stopHidden = network.stopHidden.map((layer) => new Dense(layer));
    this.#stop = new Dense(network.stop);
    this.#first = new Float64Array(first.outputs);
    this.#common = new Float64Array(first.outputs);
    const stopInputs = network.stopHidden[0]?.inputs ?? network.stop.inputs;
    this.#stopInput = new Float64Array(stopInputs);
    this.action = new Float64Array(nMembers);
  }

  get stopLogit(): number {
    return this.#stop.run(runTanh(this.#stopHidden, this.#stopInput))[0];
  }

  run({ members, shared }: Observation): void {
    const nMembers = this.#nMembers;
    const sum = this.#sum.fill(0);
    for (let i = 0; i < nMembers; i++) {
      for (let k = 0; k < MEMBER_FEATURES; k++) sum[k] += members[i * MEMBER_FEATURES + k];
    }
    const fromOthers = this.#others.run(sum);
    const fromShared = this.#shared.runSparse(shared, 0);
    for (let k = 0; k < this.#common.length; k++) this.#common[k] = fromOthers[k] + fromShared[k];

    const stopInput = this.#stopInput.fill(0);
    for (let i = 0; i < nMembers; i++) {
      const own = this.#own.runSparse(members, i * MEMBER_FEATURES);
      for (let k = 0; k < own.length; k++) this.#first[k] = tanh(own[k] + this.#common[k]);
      const top = runTanh(this.#hidden, this.#first);
      this.action[i] = this.#action.run(top)[0];
      for (let k = 0; k < top.length; k++) stopInput[k] += top[k];
    }
    const nTop = stopInput.length - SHARED_FEATURES;
    for (let k = 0; k < nTop; k++) stopInput[k] /= nMembers;
    stopInput.set(shared, nTop);
  }
}

interface LayerSize {
  readonly inputs: number;
  readonly outputs: number;
}

function chain(sizes: readonly number[]): LayerSize[] {
  return sizes.slice(1).map((outputs, i) => ({ inputs: sizes[i], outputs }));
}

/** The part of a layer that reads these of its inputs, without the bias. */
function rowsOf({ outputs, weights }: DenseLayer, start: number, inputs: number): DenseLayer {
  return {
    inputs,
    outputs,
    weights: weights.slice(start * outputs, (start + inputs) * outputs),
    bias: new Float32Array(outputs),
  };
}

function runTanh(layers: readonly Dense[], input: Float64Array): Float64Array {
  let at = input;
  for (const layer of layers) at = layer.runTanh(at);
  return at;
}
