import { featureGroups } from '../config/policyFile.ts';
import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { END } from '../lm/symbols.ts';
import { Hedge } from './hedge.ts';
import { createObservation, type Observation, ObservationTracker } from './observation.ts';
import type { Policy, Situation, StepState } from './policy.ts';
import { StepStatistics, type StepTerms } from './stepStatistics.ts';

/**
 * One step of a text, as a policy sees it and as every member foresaw it. All that log-loss needs: under weights w
 * of the linear combiner the step's log probability is ln Σ wᵢ Aᵢ − ln Σ wᵢ aᵢ. Arrays are in the order of the
 * members; NaN stands for a member that was not asked throughout the step.
 */
export interface ScoredStep {
  /** MEMBER_FEATURES of each member, one after the other, then SHARED_FEATURES; no group is left out. */
  readonly observation: Float32Array;
  /** ln hᵢ: Hedge's weights there. */
  readonly hedgeLogWeights: Float32Array;
  /** ln Aᵢ: each member's probability of the step's bytes and of its end after them; of the end of the line alone. */
  readonly logLikelihoods: Float32Array;
  /** ln aᵢ: each member's mass, at the step's first byte, of the symbols that may begin a step there. */
  readonly logStarts: Float32Array;
  readonly lexemeClass: number;
  readonly nBytes: number;
}

/** A step of a completion: what the policy did there, too. */
export interface ServedStep extends ScoredStep {
  readonly weights: Float32Array;
  /** u, in the order of the members, where it was sampled; null where the policy served its mean. */
  readonly action: Float32Array | null;
  /** ln p of the sampled action, that of going on or stopping included where it was a choice; null where nothing was sampled. */
  readonly actionLogProbability: number | null;
  /**
   * Whether ending the completion here was among what was drawn: not where the person had asked for the text, nor where
   * nobody was asked. Null where nothing was sampled.
   */
  readonly couldStop: boolean | null;
  /** Whether the policy ended the completion here, before the step; it has no bytes then. */
  readonly stops: boolean;
}

export interface RecordingOptions {
  readonly nMembers: number;
  /** Called when a step is complete; the last one when the text ends. Its arrays are the receiver's own. */
  readonly record: (step: ServedStep) => void;
  /** Where actions are sampled: takes the one whose step has just begun, or that has just ended the text. */
  readonly takeAction?: () => SampledAction | null;
}

export interface SampledAction {
  readonly action: Float32Array;
  readonly couldStop: boolean;
  readonly logProbability: number;
}

/**
 * A policy that does what another does, and takes down each step. Between the steps nothing is allocated. It sees what a
 * policy sees, by its own tracker, so it serves any policy.
 */
export class RecordedPolicy implements Policy {
  readonly name: string;
  readonly stops?: (state: StepState) => boolean;
  readonly #policy: Policy;
  readonly #options: RecordingOptions;
  readonly #hedge: Hedge;
  readonly #hedgeLogWeights: Float64Array;
  readonly #tracker: ObservationTracker;
  readonly #statistics: StepStatistics;
  /** What was seen and done where a step may begin. */
  readonly #seen: Observation;
  readonly #weights: Float64Array;
  /** Per member: 1 where it has not been asked everything in the step under way. */
  readonly #isMissing: Uint8Array;
  #class: number = lexemeClass.none;
  #nBytes = 0;
  /** The step under way, but for what is known at its end. */
  #begun: Begun | null = null;
  #hasStopped = false;

  constructor(policy: Policy, options: RecordingOptions) {
    const { nMembers } = options;
    this.name = policy.name;
    this.#policy = policy;
    this.#options = options;
    this.#hedge = new Hedge(nMembers);
    this.#hedgeLogWeights = new Float64Array(nMembers);
    this.#tracker = new ObservationTracker(nMembers, featureGroups);
    this.#statistics = new StepStatistics(nMembers, (terms) => this.#complete(terms));
    this.#seen = createObservation(nMembers);
    this.#weights = new Float64Array(nMembers);
    this.#isMissing = new Uint8Array(nMembers);
    if (policy.stops) this.stops = (state) => this.#stops(state);
  }

  begin(situation: Situation): void {
    this.#policy.begin(situation);
    this.#hedge.begin(situation);
    this.#hedge.weights(this.#hedgeLogWeights);
    for (let i = 0; i < this.#hedgeLogWeights.length; i++) {
      this.#hedgeLogWeights[i] = Math.log(this.#hedgeLogWeights[i]);
    }
    this.#tracker.begin(situation);
    this.#statistics.begin();
    this.#class = lexemeClass.none;
    this.#begun = null;
    this.#hasStopped = false;
  }

  weights(out: Float64Array, state: StepState): void {
    this.#policy.weights(out, state);
    this.#weights.set(out);
    this.#tracker.write(state, this.#hedgeLogWeights, this.#seen);
  }

  observe(symbol: number, state: StepState): void {
    this.#policy.observe?.(symbol, state);
    this.#noteLag(state);
    if (lexemeClasses[symbol] !== this.#class) {
      if (this.#begun) this.#statistics.endStep(state);
      this.#begun = this.#begin(lexemeClasses[symbol], false);
      this.#isMissing.fill(0);
      this.#noteLag(state);
    }
    this.#class = lexemeClasses[symbol];
    if (symbol !== END) this.#nBytes++;
    this.#statistics.observe(symbol, state);
    this.#tracker.observe(symbol, state);
  }

  end(state: StepState): void {
    this.#policy.end?.(state);
    this.#noteLag(state);
    if (this.#begun) this.#statistics.endStep(state);
    if (!this.#hasStopped) return;
    const certain = new Float32Array(this.#options.nMembers);
    this.#options.record({
      ...this.#begin(lexemeClass.none, true),
      logLikelihoods: certain,
      logStarts: certain,
      nBytes: 0,
    });
  }

  #stops(state: StepState): boolean {
    this.#hasStopped = this.#policy.stops?.(state) ?? false;
    return this.#hasStopped;
  }

  #noteLag({ lag }: StepState): void {
    for (let i = 0; i < lag.length; i++) if (lag[i] > 0) this.#isMissing[i] = 1;
  }

  /** A step begins under the action that was chosen last. */
  #begin(stepClass: number, stops: boolean): Begun {
    const { members, shared } = this.#seen;
    const observation = new Float32Array(members.length + shared.length);
    observation.set(members);
    observation.set(shared, members.length);
    const sampled = this.#options.takeAction?.() ?? null;
    this.#nBytes = 0;
    return {
      observation,
      hedgeLogWeights: Float32Array.from(this.#hedgeLogWeights),
      lexemeClass: stepClass,
      weights: Float32Array.from(this.#weights),
      action: sampled?.action ?? null,
      actionLogProbability: sampled?.logProbability ?? null,
      couldStop: sampled?.couldStop ?? null,
      stops,
    };
  }

  #complete({ logStep, logStart }: StepTerms): void {
    if (this.#begun === null) throw new Error('A step ended that had not begun');
    const known = (logs: Float64Array) =>
      Float32Array.from(logs, (log, i) => (this.#isMissing[i] ? Number.NaN : log));
    this.#options.record({
      ...this.#begun,
      logLikelihoods: known(logStep),
      logStarts: known(logStart),
      nBytes: this.#nBytes,
    });
    this.#begun = null;
  }
}

type Begun = Omit<ServedStep, 'logLikelihoods' | 'logStarts' | 'nBytes'>;
