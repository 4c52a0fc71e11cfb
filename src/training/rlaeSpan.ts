import * as tf from '@tensorflow/tfjs-core';
import { featureGroups, type PolicyNetwork } from '../config/policyFile.ts';
import { normalNumbers, randomNumbers } from '../evaluation/random.ts';
import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { initialNetwork, JointNetwork, jointShape } from '../policy/network.ts';
import { createObservation, type Observation, ObservationTracker } from '../policy/observation.ts';
import type { Policy, Situation, StepState } from '../policy/policy.ts';
import type { NetworkShape } from './actorCritic.ts';
import { createActorCritic, initialCritic } from './actorCritic.ts';
import type { Decision } from './decisions.ts';
import { dirichletEntropy, dirichletLogProbability } from './dirichlet.ts';
import type { PpoHyperParameters } from './hyperParameters.ts';
import { type Layout, layoutFor, placed } from './layout.ts';
import { Optimiser } from './optimiser.ts';
import { type Learner, type PpoUpdateStatistics, ppoUpdate } from './ppoUpdate.ts';
import { collectRollouts, type RolloutCursor } from './rollouts.ts';

/**
 * RLAE as published (Fu et al. 2025), for comparison: one agent draws the weights themselves, w ~ Dirichlet(α), for a span of
 * several steps, and serves their mean; the reward comes at the end, and Hedge has no part in it. α = 1 + softplus(f), which
 * never favours the corners; the published code's α near 0 does. It sees the numbers that the other policies see, except
 * Hedge's, where the published one reads the text with an encoder of its own. Decisions keep ln w as their changes.
 */
const rlaeSpanGroups = featureGroups.filter((group) => group !== 'hedge');

export interface RlaeSpanActor {
  readonly network: PolicyNetwork;
  readonly layout: Layout;
}

function initialRlaeSpan({ shape }: Layout, random: () => number): PolicyNetwork {
  return initialNetwork(jointShape(shape.nMembers), random);
}

interface SamplingOptions {
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  readonly record: (decision: Decision) => void;
}

/** The actor at work. Without `sampling` it serves the mean. */
export class RlaeSpanPolicy implements Policy {
  readonly name = 'rlaeSpan';
  readonly #layout: Layout;
  readonly #network: JointNetwork;
  readonly #sampling: SamplingOptions | undefined;
  #tracker: ObservationTracker | undefined;
  #seen: Observation = createObservation(0);
  #noHedge = new Float64Array(0);
  #places: readonly number[] = [];
  #present: Float32Array = new Float32Array(0);
  #class: number = lexemeClass.none;
  #nSteps = 0;
  /** By place: those in force, and those that a step that begins here would bring. */
  #weights: Float64Array = new Float64Array(0);
  #next: Decision | undefined;

  constructor({ network, layout }: RlaeSpanActor, sampling?: SamplingOptions) {
    this.#layout = layout;
    this.#network = new JointNetwork(network);
    this.#sampling = sampling;
  }

  begin(situation: Situation): void {
    const nMembers = situation.members.length;
    this.#tracker = new ObservationTracker(nMembers, this.#layout.groups);
    this.#tracker.begin(situation);
    this.#seen = createObservation(nMembers);
    this.#noHedge = new Float64Array(nMembers).fill(-Math.log(nMembers));
    this.#places = this.#layout.places(situation.members);
    this.#present = placed(Array(nMembers).fill(1), this.#places, this.#layout);
    this.#weights = new Float64Array(this.#layout.shape.nMembers);
    this.#class = lexemeClass.none;
    this.#nSteps = 0;
    this.#next = undefined;
  }

  weights(out: Float64Array, state: StepState): void {
    if (this.#nSteps % this.#layout.spanLength === 0) this.#decide(state);
    for (const [i, place] of this.#places.entries()) out[i] = this.#weights[place];
  }

  observe(symbol: number, state: StepState): void {
    if (lexemeClasses[symbol] !== this.#class) {
      this.#nSteps++;
      if (this.#next) this.#sampling?.record(this.#next);
      this.#next = undefined;
    }
    this.#class = lexemeClasses[symbol];
    this.#tracker?.observe(symbol, state);
  }

  #decide(state: StepState): void {
    this.#tracker?.write(state, this.#noHedge, this.#seen);
    const { shape } = this.#layout;
    const members = placed(this.#seen.members, this.#places, this.#layout, shape.memberFeatures);
    const shared = Float32Array.from(this.#seen.shared);
    this.#network.run({ members, shared });
    const concentrations = this.#network.action.map((x) => 1 + softplus(x));
    const drawn = this.#sampling
      ? concentrations.map((alpha) => gammaNumber(alpha, this.#sampling?.random ?? Math.random))
      : concentrations;
    const sum = this.#places.reduce((total, place) => total + drawn[place], 0);
    this.#weights = drawn.map((x, place) => (this.#present[place] ? x / sum : 0));
    const changes = Float32Array.from(this.#weights, (w) => Math.log(Math.max(leastWeight, w)));
    this.#next = { members, shared, present: this.#present, changes, stopped: null };
  }
}

const leastWeight = 1e-6;

interface RlaeSpanLearner extends Learner {
  readonly variables: readonly tf.Variable[];
  exportNetwork(): PolicyNetwork;
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
  };
}

export interface RlaeSpanTraining {
  readonly cursors: readonly RolloutCursor[];
  /** Steps for which an action holds: 4 or 8 as published. */
  readonly spanLength: number;
  readonly hyperParameters: PpoHyperParameters;
  readonly nUpdates: number;
  readonly seed: number;
  readonly onUpdate?: (update: number, statistics: PpoUpdateStatistics) => void;
}

/** Trains it by PPO from the reward at the end of each completion. The backend must be open. */
export async function trainRlaeSpan(training: RlaeSpanTraining): Promise<RlaeSpanActor> {
  const { cursors, spanLength, hyperParameters, nUpdates, seed, onUpdate } = training;
  const layout = layoutFor(cursors, { kind: 'slots', groups: rlaeSpanGroups, spanLength });
  const random = randomNumbers(seed);
  const learner = createRlaeSpanLearner(layout.shape, initialRlaeSpan(layout, random), random);
  const optimiser = new Optimiser(learner.variables, hyperParameters);
  for (let update = 1; update <= nUpdates; update++) {
    const actor = { network: learner.exportNetwork(), layout };
    const episodes = await collectRollouts(cursors, {
      actor: (_, record) => new RlaeSpanPolicy(actor, { random, record }),
      combiner: 'linear',
      random,
      hyperParameters: { ...hyperParameters, explicitShare: 1 },
    });
    onUpdate?.(update, ppoUpdate({ networks: learner, optimiser, episodes, hyperParameters, random }));
  }
  return { network: learner.exportNetwork(), layout };
}

/** A draw from Gamma(α, 1) for α ≥ 1: Marsaglia and Tsang 2000. */
function gammaNumber(alpha: number, random: () => number): number {
  const normal = normalNumbers(random);
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
