import type { PolicyFile, PolicyProblem } from '../config/policyFile.ts';
import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from './features.ts';
import { Hedge } from './hedge.ts';
import { type ActorNetwork, JointNetwork, PerMemberNetwork } from './network.ts';
import { createObservation, type Observation, ObservationTracker } from './observation.ts';
import type { Policy, Situation, StepState } from './policy.ts';

/** For learning: acting by chance, and taking down what was done. */
export interface Exploration {
  /** Uniform in [0, 1). Actions are drawn with it; without it they are the means. */
  readonly random?: () => number;
  /** Called when an action has had its effect: a step has begun under it, or the text ended before one. */
  readonly record?: (step: RecordedStep) => void;
}

/** What was seen, what was done, and how likely that was. All arrays are the receiver's own. */
export interface RecordedStep {
  /**
   * MEMBER_FEATURES for each row. One agent for all: a row for each member that it knows, in its order. An agent per
   * member: a row for each member that takes part.
   */
  readonly memberFeatures: Float32Array;
  /** SHARED_FEATURES. */
  readonly sharedFeatures: Float32Array;
  /** 1 for each row whose member takes part. */
  readonly mask: Float32Array;
  /** ln of Hedge's weight of each row; 0 where the member does not take part. */
  readonly logHedge: Float32Array;
  /** The action u of each row, before it is clamped; 0 where the member does not take part. */
  readonly action: Float32Array;
  /** ln of the density of each row's action, N(μ, σ²); 0 where the member does not take part. */
  readonly actionLogProbabilities: Float32Array;
  /** Whether stopping was a choice here; if not, the next two say nothing. */
  readonly couldStop: boolean;
  readonly stop: boolean;
  /** ln p of stopping or of going on, as it was done. */
  readonly stopLogProbability: number;
}

/** How far an action can move a weight: the logarithm of a linear weight, and an exponent. */
const actionBound = { linear: 6, geometric: 1.5 } as const;
const maximumExponent = 2;
/** The exponents that actions are added to, for n members. */
export const baseExponent = (nMembers: number): number => Math.min(0.6, 1.5 / nMembers);

/** Why a policy cannot set the weights of these members; nothing where it can. */
export function actorProblem(
  file: Pick<PolicyFile, 'name' | 'members' | 'observation' | 'algorithm'>,
  memberIds: readonly string[],
): PolicyProblem | undefined {
  if (file.algorithm !== 'rlaeSpan') return misfit(file, memberIds);
  return {
    message: `The policy ${file.name} was made to be compared with, and does not serve.`,
    hint: 'Choose another policy.',
  };
}

/** Why a policy does not fit these members and this program; nothing where it does. */
export function misfit(
  { name, members, observation }: Pick<PolicyFile, 'name' | 'members' | 'observation'>,
  memberIds: readonly string[],
): PolicyProblem | undefined {
  const { memberFeatures, sharedFeatures } = observation;
  if (memberFeatures !== MEMBER_FEATURES || sharedFeatures !== SHARED_FEATURES) {
    return {
      message: `The policy ${name} sees ${memberFeatures} + ${sharedFeatures} features; this version of Consort has ${MEMBER_FEATURES} + ${SHARED_FEATURES}.`,
      hint: 'Train it again with this version of Consort, or choose another policy.',
    };
  }
  const unknown = members === '*' ? [] : memberIds.filter((id) => !members.includes(id));
  if (unknown.length === 0) return undefined;
  return {
    message: `The policy ${name} does not know the member ${unknown.join(', ')}.`,
    hint: 'Leave the member out (consort.disabledMembers), train a policy with it, or choose mappo, which takes any members.',
  };
}

/**
 * A learned policy at work: weights, and whether to go on, from a network over the observation.
 *
 * Linear: w = softmax(ln h + u) with Hedge's h. Geometric: wᵢ = clip(e + uᵢ, 0, 2). Without exploration u is the mean
 * action μ, and the text ends where the probability of stopping is above the file's threshold. With it, u ~ N(μ, σ²) and
 * stopping is drawn too.
 *
 * @param memberIds the members that take part, in the order of the weights; `actorProblem` must have nothing against them
 */
export function createActorPolicy(
  file: PolicyFile,
  memberIds: readonly string[],
  exploration?: Exploration,
): Policy {
  const problem = actorProblem(file, memberIds);
  if (problem) throw new Error(problem.message);
  return new ActorPolicy(file, memberIds, exploration);
}

class ActorPolicy implements Policy {
  readonly name: string;
  /** For a policy that has learned when to stop. */
  readonly stops?: () => boolean;
  readonly #file: PolicyFile;
  readonly #exploration: Exploration | undefined;
  readonly #hedge: Hedge;
  readonly #tracker: ObservationTracker;
  readonly #network: ActorNetwork;
  /** By member: its row in the network's input and output. */
  readonly #rows: Int32Array;
  /** By member, in the order of the weights. */
  readonly #seen: Observation;
  /** By row: what the network reads. */
  readonly #input: Observation;
  readonly #hedgeWeights: Float64Array;
  readonly #hedgeLogWeights: Float64Array;
  readonly #baseExponent: number;
  /** By member. */
  readonly #action: Float64Array;
  /** Of ending the text, and whether it would; NaN until it is asked for. */
  #stopProbability = Number.NaN;
  #wantsStop = false;
  /** Whether an action has been chosen whose step has not begun. */
  #isPending = false;
  #couldStop = false;
  /** Steps that have begun under the action. */
  #age = 0;
  #class: number = lexemeClass.none;

  constructor(file: PolicyFile, memberIds: readonly string[], exploration: Exploration | undefined) {
    const nMembers = memberIds.length;
    this.name = file.name;
    this.#file = file;
    this.#exploration = exploration;
    this.#hedge = new Hedge(nMembers);
    this.#tracker = new ObservationTracker(nMembers, file.observation.groups);
    const { members, network, algorithm } = file;
    this.#rows = Int32Array.from(memberIds, (id, i) => (members === '*' ? i : members.indexOf(id)));
    this.#network = members === '*' ? new PerMemberNetwork(network, nMembers) : new JointNetwork(network);
    this.#seen = createObservation(nMembers);
    this.#input = members === '*' ? this.#seen : createObservation(members.length);
    this.#hedgeWeights = new Float64Array(nMembers);
    this.#hedgeLogWeights = new Float64Array(nMembers);
    this.#baseExponent = baseExponent(nMembers);
    this.#action = new Float64Array(nMembers);
    if (algorithm !== 'gate') this.stops = () => this.#stops();
  }

  begin(situation: Situation): void {
    this.#hedge.begin(situation);
    this.#hedge.weights(this.#hedgeWeights);
    for (let i = 0; i < this.#hedgeWeights.length; i++) {
      this.#hedgeLogWeights[i] = Math.log(this.#hedgeWeights[i]);
    }
    this.#tracker.begin(situation);
    this.#isPending = false;
    this.#age = 0;
    this.#class = lexemeClass.none;
  }

  weights(out: Float64Array, state: StepState): void {
    if (!this.#isHeld) this.#choose(state);
    if (this.#file.combiner === 'linear') this.#writeLinear(out);
    else this.#writeGeometric(out);
  }

  observe(symbol: number, state: StepState): void {
    if (lexemeClasses[symbol] !== this.#class) this.#beginStep();
    this.#class = lexemeClasses[symbol];
    this.#tracker.observe(symbol, state);
  }

  #stops(): boolean {
    if (!this.#isPending) return false;
    this.#couldStop = true;
    if (Number.isNaN(this.#stopProbability)) this.#chooseStop(this.#file.stopThreshold);
    if (this.#wantsStop) this.#record(true);
    return this.#wantsStop;
  }

  /** Whether the action stays the same in the step that may begin. */
  get #isHeld(): boolean {
    const { granularity, spanLength } = this.#file;
    return granularity === 'span' && this.#age > 0 && this.#age < spanLength;
  }

  #beginStep(): void {
    if (this.#isPending) {
      this.#record(false);
      this.#isPending = false;
      this.#age = 0;
    }
    this.#age++;
  }

  #choose(state: StepState): void {
    this.#tracker.write(state, this.#hedgeLogWeights, this.#seen);
    if (this.#input !== this.#seen) this.#scatter();
    this.#network.run(this.#input);
    const { random } = this.#exploration ?? {};
    const sigma = Math.exp(this.#file.logSigma);
    for (let i = 0; i < this.#rows.length; i++) {
      const mean = this.#network.action[this.#rows[i]];
      this.#action[i] = random ? mean + sigma * normal(random) : mean;
    }
    this.#isPending = true;
    this.#couldStop = false;
    this.#stopProbability = Number.NaN;
    if (random) this.#chooseStop(random());
  }

  #chooseStop(threshold: number): void {
    this.#stopProbability = sigmoid(this.#network.stopLogit);
    this.#wantsStop = this.#stopProbability > threshold;
  }

  /** To the rows of the members; those of others stay 0. */
  #scatter(): void {
    const { members, shared } = this.#seen;
    this.#input.shared.set(shared);
    for (let i = 0; i < this.#rows.length; i++) {
      const to = this.#rows[i] * MEMBER_FEATURES;
      for (let k = 0; k < MEMBER_FEATURES; k++)
        this.#input.members[to + k] = members[i * MEMBER_FEATURES + k];
    }
  }

  /** w = softmax(ln h + u), with the sum that h has: u = 0 gives h to the last bit. */
  #writeLinear(out: Float64Array): void {
    const hedge = this.#hedgeWeights;
    let best = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < out.length; i++) best = Math.max(best, this.#clamped(i));
    let sum = 0;
    let hedgeSum = 0;
    for (let i = 0; i < out.length; i++) {
      out[i] = hedge[i] * Math.exp(this.#clamped(i) - best);
      sum += out[i];
      hedgeSum += hedge[i];
    }
    const scale = hedgeSum / sum;
    for (let i = 0; i < out.length; i++) out[i] *= scale;
  }

  #writeGeometric(out: Float64Array): void {
    for (let i = 0; i < out.length; i++) {
      out[i] = Math.min(maximumExponent, Math.max(0, this.#baseExponent + this.#clamped(i)));
    }
  }

  #clamped(i: number): number {
    const bound = actionBound[this.#file.combiner];
    return Math.min(bound, Math.max(-bound, this.#action[i]));
  }

  #record(stop: boolean): void {
    const { record } = this.#exploration ?? {};
    if (!record) return;
    const { members, shared } = this.#input;
    const nRows = members.length / MEMBER_FEATURES;
    const step = {
      memberFeatures: members.slice(),
      sharedFeatures: shared.slice(),
      mask: new Float32Array(nRows),
      logHedge: new Float32Array(nRows),
      action: new Float32Array(nRows),
      actionLogProbabilities: new Float32Array(nRows),
      couldStop: this.#couldStop,
      stop,
      stopLogProbability: Number.isNaN(this.#stopProbability)
        ? 0
        : Math.log(stop ? this.#stopProbability : 1 - this.#stopProbability),
    };
    const { logSigma } = this.#file;
    for (let i = 0; i < this.#rows.length; i++) {
      const row = this.#rows[i];
      const distance = (this.#action[i] - this.#network.action[row]) / Math.exp(logSigma);
      step.mask[row] = 1;
      step.logHedge[row] = this.#hedgeLogWeights[i];
      step.action[row] = this.#action[i];
      step.actionLogProbabilities[row] = -(distance ** 2 + Math.log(2 * Math.PI)) / 2 - logSigma;
    }
    record(step);
  }
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** A draw from N(0, 1) (Box & Muller 1958). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
