import { featureGroups, type PolicyFile } from '../config/policyFile.ts';
import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { type FeatureGroup, MEMBER_FEATURES } from '../policy/features.ts';
import { JointNetwork } from '../policy/network.ts';
import { createObservation, type Observation, ObservationTracker } from '../policy/observation.ts';
import type { Policy, Situation, StepState } from '../policy/policy.ts';
import { normalNumbers } from './random.ts';

/** What it sees: all that the other policies see, except Hedge's weights. */
export const rlaeSpanGroups = featureGroups.filter((group) => group !== 'hedge');

/** The members that it has an output for, in their order, and its network. */
export interface RlaeSpanActor extends Pick<PolicyFile, 'network' | 'spanLength'> {
  readonly members: readonly string[];
  /** What it sees; the features of other groups are 0. */
  readonly groups: readonly FeatureGroup[];
}

/** What was seen and done where a span began, with a number for each member that it knows; absent ones have 0. */
export interface RlaeSpanStep {
  readonly memberFeatures: Float32Array;
  readonly sharedFeatures: Float32Array;
  readonly mask: Float32Array;
  /** ln w. */
  readonly logWeights: Float32Array;
}

export interface RlaeSpanSampling {
  /** Uniform in [0, 1). Weights are drawn with it. */
  readonly random: () => number;
  /** Called when a span has begun. Its arrays are the receiver's own. */
  readonly record: (step: RlaeSpanStep) => void;
}

/**
 * RLAE as published (Fu et al. 2025), for comparison: one agent sets the weights themselves for a span of several steps,
 * w ~ Dirichlet(α) while it learns and their mean when it serves; Hedge has no part in it. α = 1 + softplus(f), which never
 * favours the corners; the published code's α near 0 does. It sees numbers, where the published one reads the text with an
 * encoder of its own, and never stops a text.
 */
export class RlaeSpanPolicy implements Policy {
  readonly name = 'rlaeSpan';
  readonly #actor: RlaeSpanActor;
  readonly #network: JointNetwork;
  readonly #sampling: RlaeSpanSampling | undefined;
  #tracker: ObservationTracker | undefined;
  #seen: Observation = createObservation(0);
  #noHedge = new Float64Array(0);
  /** By member that takes part: its row. */
  #rows: readonly number[] = [];
  #mask: Float32Array = new Float32Array(0);
  #class: number = lexemeClass.none;
  #nSteps = 0;
  /** By row: those in force. */
  #weights: Float64Array = new Float64Array(0);
  /** What the span that may begin here would be. */
  #next: RlaeSpanStep | undefined;

  constructor(actor: RlaeSpanActor, sampling?: RlaeSpanSampling) {
    this.#actor = actor;
    this.#network = new JointNetwork(actor.network);
    this.#sampling = sampling;
  }

  begin(situation: Situation): void {
    const nMembers = situation.members.length;
    this.#tracker = new ObservationTracker(nMembers, this.#actor.groups);
    this.#tracker.begin(situation);
    this.#seen = createObservation(nMembers);
    this.#noHedge = new Float64Array(nMembers).fill(-Math.log(nMembers));
    const { members } = this.#actor;
    this.#rows = situation.members.map(({ id }) => members.indexOf(id));
    this.#mask = new Float32Array(members.length);
    for (const row of this.#rows) this.#mask[row] = 1;
    this.#weights = new Float64Array(members.length);
    this.#class = lexemeClass.none;
    this.#nSteps = 0;
    this.#next = undefined;
  }

  weights(out: Float64Array, state: StepState): void {
    if (this.#nSteps % this.#actor.spanLength === 0) this.#decide(state);
    for (const [i, row] of this.#rows.entries()) out[i] = this.#weights[row];
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
    const memberFeatures = new Float32Array(this.#actor.members.length * MEMBER_FEATURES);
    for (const [i, row] of this.#rows.entries()) {
      const own = this.#seen.members.subarray(i * MEMBER_FEATURES, (i + 1) * MEMBER_FEATURES);
      memberFeatures.set(own, row * MEMBER_FEATURES);
    }
    const sharedFeatures = Float32Array.from(this.#seen.shared);
    this.#network.run({ members: memberFeatures, shared: sharedFeatures });
    const concentrations = this.#network.action.map((x) => 1 + softplus(x));
    const { random } = this.#sampling ?? {};
    const drawn = random ? concentrations.map((alpha) => gammaNumber(alpha, random)) : concentrations;
    const sum = this.#rows.reduce((total, row) => total + drawn[row], 0);
    this.#weights = drawn.map((x, row) => (this.#mask[row] ? x / sum : 0));
    const logWeights = Float32Array.from(this.#weights, (w) => Math.log(Math.max(leastWeight, w)));
    this.#next = { memberFeatures, sharedFeatures, mask: this.#mask, logWeights };
  }
}

const leastWeight = 1e-6;

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
