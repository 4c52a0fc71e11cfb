import type { CombinerName } from '../decoding/combiner.ts';
import type { CollectedCursor } from '../evaluation/pathStore.ts';
import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { SYMBOLS } from '../lm/symbols.ts';
import { baseExponent } from '../policy/actorPolicy.ts';
import { Hedge } from '../policy/hedge.ts';
import { createObservation, type Observation, ObservationTracker } from '../policy/observation.ts';
import type { Policy, Situation, StepState } from '../policy/policy.ts';
import { StepStatistics } from '../policy/stepStatistics.ts';
import type { Decision } from './decisions.ts';
import { type Layout, placed } from './layout.ts';

/**
 * Runs along a line as its policy, with the weights of an actor that has learned nothing, and takes down the steps. Only the
 * features of what has been written so far (`progress`) depend on these weights, and a little.
 */
export class StepReader implements Policy {
  readonly name = 'reader';
  readonly #layout: Layout;
  readonly #combiner: CombinerName;
  readonly #cursor: TrueTextCursor;
  readonly #places: readonly number[];
  readonly #present: Float32Array;
  readonly #steps: TrueStep[];
  readonly #factors: Factor[];
  readonly #tracker: ObservationTracker;
  readonly #hedge: Hedge;
  readonly #logHedge: Float64Array;
  readonly #seen: Observation;
  readonly #statistics: StepStatistics;
  /** Of the step that is read now. */
  #class: number = lexemeClass.none;
  #nSteps = 0;
  #decision: Decision | undefined;

  constructor(
    layout: Layout,
    combiner: CombinerName,
    cursor: TrueTextCursor,
    steps: TrueStep[],
    factors: Factor[],
  ) {
    const nMembers = cursor.members.length;
    this.#layout = layout;
    this.#combiner = combiner;
    this.#cursor = cursor;
    this.#places = layout.places(cursor.members);
    this.#present = placed(Array(nMembers).fill(1), this.#places, layout);
    this.#steps = steps;
    this.#factors = factors;
    this.#tracker = new ObservationTracker(nMembers, layout.groups);
    this.#hedge = new Hedge(nMembers);
    this.#logHedge = new Float64Array(nMembers);
    this.#seen = createObservation(nMembers);
    this.#statistics = new StepStatistics(nMembers, ({ logStep, logStart }) => {
      const step = this.#steps[this.#steps.length - 1];
      step.logStep.set(placed(logStep, this.#places, layout));
      step.logMayBegin.set(placed(logStart, this.#places, layout));
    });
  }

  begin(situation: Situation): void {
    this.#hedge.begin(situation);
    this.#hedge.weights(this.#logHedge);
    for (let i = 0; i < this.#logHedge.length; i++) this.#logHedge[i] = Math.log(this.#logHedge[i]);
    this.#tracker.begin(situation);
    this.#statistics.begin();
  }

  weights(out: Float64Array): void {
    if (this.#combiner === 'linear') this.#hedge.weights(out);
    else out.fill(baseExponent(out.length));
  }

  observe(symbol: number, state: StepState): void {
    const symbolClass = lexemeClasses[symbol];
    const { length } = state;
    const happened = singleSymbols[symbol];
    if (symbolClass === this.#class) {
      this.#addFactor(length, everySymbol, happened);
    } else {
      const mayBegin = ofAnotherClass[this.#class];
      if (this.#class !== lexemeClass.none) {
        this.#statistics.endStep(state);
        this.#addFactor(length, everySymbol, mayBegin);
      }
      this.#beginStep(state);
      this.#addFactor(length, mayBegin, happened);
    }
    this.#class = symbolClass;
    this.#statistics.observe(symbol, state);
    this.#tracker.observe(symbol, state);
  }

  #beginStep(state: StepState): void {
    if (this.#nSteps++ % this.#layout.spanLength === 0 || this.#decision === undefined) {
      this.#tracker.write(state, this.#logHedge, this.#seen);
      const members = placed(
        this.#seen.members,
        this.#places,
        this.#layout,
        this.#layout.shape.memberFeatures,
      );
      const shared = Float32Array.from(this.#seen.shared);
      this.#decision = { members, shared, present: this.#present, changes: null, stopped: null };
    }
    this.#steps.push({
      decision: this.#decision,
      logHedge: placed(this.#logHedge, this.#places, this.#layout),
      logStep: new Float32Array(this.#layout.shape.nMembers),
      logMayBegin: new Float32Array(this.#layout.shape.nMembers),
    });
  }

  #addFactor(length: number, possible: Float32Array, happened: Float32Array): void {
    if (this.#combiner === 'linear') return;
    const node = this.#cursor.truePath[length];
    this.#factors.push({
      stepIdx: this.#steps.length - 1,
      cursor: this.#cursor,
      node,
      possible,
      happened,
    });
  }
}

/** A cursor whose members' answers along the true text were collected. */
export type TrueTextCursor = Pick<
  CollectedCursor,
  'context' | 'members' | 'target' | 'streams' | 'truePath' | 'distribution'
>;

/** A step of true text: what is seen where it begins, and what the members gave it; numbers in nats, by the layout. */
export interface TrueStep {
  readonly decision: Decision;
  readonly logHedge: Float32Array;
  /** ln of the member's probability of the step's symbols and of what ends it. */
  readonly logStep: Float32Array;
  /** ln of its mass, at the step's start, of the symbols that may begin a step there. */
  readonly logMayBegin: Float32Array;
}

/** A factor of the geometric combiner's score: one place of the text, under one step's exponents. */
export interface Factor {
  readonly stepIdx: number;
  readonly cursor: TrueTextCursor;
  readonly node: number;
  /** Among these symbols, these came true. */
  readonly possible: Float32Array;
  readonly happened: Float32Array;
}

const everySymbol = new Float32Array(SYMBOLS).fill(1);
const singleSymbols = Array.from({ length: SYMBOLS }, (_, symbol) => {
  const set = new Float32Array(SYMBOLS);
  set[symbol] = 1;
  return set;
});
/** By the class of the step before: the symbols of another class. */
const ofAnotherClass = Object.values(lexemeClass).map((own) =>
  Float32Array.from(lexemeClasses, (other) => (other === own ? 0 : 1)),
);
