import { BOUNDARY_SHARE, MATCH_LENGTH, MATCH_SCOPE, matchScope } from '../lm/evidence.ts';
import { lexemeClass, lexemeClasses } from '../lm/lexeme.ts';
import { END, NEWLINE, SYMBOLS } from '../lm/symbols.ts';
import { DistributionShape, likelySymbols } from './distributionShape.ts';
import {
  type FeatureGroup,
  featureMask,
  MEMBER_FEATURES,
  memberFeatures,
  SHARED_FEATURES,
  sharedFeatures,
} from './features.ts';
import { LexicalState } from './lexicalState.ts';
import { MovingMean } from './movingMean.ts';
import type { Situation, StepState } from './policy.ts';

/** Where the features of a step are written. */
export interface Observation {
  /** MEMBER_FEATURES for each member, one member after the other. */
  readonly members: Float32Array;
  /** SHARED_FEATURES. */
  readonly shared: Float32Array;
}

export function createObservation(nMembers: number): Observation {
  return { members: new Float32Array(nMembers * MEMBER_FEATURES), shared: new Float32Array(SHARED_FEATURES) };
}

/** No more of the text around the cursor is looked at: what is collected for training holds no more either. */
const contextBytes = { prefix: 4000, suffix: 500 };
/** One byte that a member did not expect at all counts like this, in nats. */
const leastLogProbability = -8;

/**
 * What a policy sees (the tables of features.ts), kept up byte by byte. It depends on the text and on what the
 * members say of it, never on time. Every number is finite and between −1 and 1, whatever the members say.
 */
export class ObservationTracker {
  readonly #nMembers: number;
  readonly #memberMask: Float32Array;
  readonly #sharedMask: Float32Array;
  readonly #lexical = new LexicalState();
  readonly #history: readonly MovingMean[];
  readonly #responsibility: MovingMean;
  readonly #isNgram: Uint8Array;
  readonly #mixture = new Float64Array(SYMBOLS);
  readonly #mixtureShape = new DistributionShape();
  readonly #shape = new DistributionShape();
  /** The symbols worth a look, and how many there are. */
  readonly #symbols = new Uint16Array(SYMBOLS + 1);
  #nSymbols = 0;
  #languageIdx = 0;
  #textFollows = false;
  #class: number = lexemeClass.none;

  /** @param groups what it sees; the features of other groups stay 0 */
  constructor(nMembers: number, groups: readonly FeatureGroup[]) {
    this.#nMembers = nMembers;
    this.#memberMask = featureMask(memberFeatures, groups);
    this.#sharedMask = featureMask(sharedFeatures, groups);
    this.#history = [16, 64, 256].map((nBytes) => new MovingMean(nMembers, nBytes));
    this.#responsibility = new MovingMean(nMembers, 16);
    this.#isNgram = new Uint8Array(nMembers);
  }

  begin({ recent, languageId, members, prefix, suffix }: Situation): void {
    for (let i = 0; i < this.#nMembers; i++) this.#isNgram[i] = members[i].kind === 'ngram' ? 1 : 0;
    this.#readHistory(recent.logProbabilities);
    this.#languageIdx = languageIdxOf(languageId);
    this.#textFollows = hasTextOnLine(suffix);
    this.#lexical.begin(languageId);
    const start = Math.max(0, prefix.length - contextBytes.prefix);
    for (let at = start; at < prefix.length; at++) this.#lexical.push(prefix[at]);
    this.#class = prefix.length > 0 ? lexemeClasses[prefix[prefix.length - 1]] : lexemeClass.none;
  }

  /** This symbol comes next, drawn from these distributions. */
  observe(symbol: number, { distributions, lag }: StepState): void {
    let sum = 0;
    for (let i = 0; i < this.#nMembers; i++) if (lag[i] === 0) sum += distributions[i][symbol];
    for (let i = 0; i < this.#nMembers; i++) {
      if (lag[i] > 0) continue;
      const p = distributions[i][symbol];
      for (const mean of this.#history) mean.push(i, Math.max(leastLogProbability, Math.log(p)));
      this.#responsibility.push(i, sum > 0 ? p / sum : 0);
    }
    if (symbol !== END) this.#lexical.push(symbol);
    this.#class = lexemeClasses[symbol];
  }

  /**
   * Writes the features of the step that may begin here.
   *
   * @param hedgeLogWeights ln of Hedge's weights, one per member
   */
  write(state: StepState, hedgeLogWeights: Float64Array, out: Observation): void {
    const { distributions, lag } = state;
    mix(distributions, lag, hedgeLogWeights, this.#mixture);
    const endsLexeme = endingSymbols[this.#class];
    this.#nSymbols = likelySymbols(this.#mixture, this.#symbols);
    this.#mixtureShape.read(this.#mixture, this.#mixture, this.#symbols, this.#nSymbols, endsLexeme);
    for (let i = 0; i < this.#nMembers; i++) {
      const at = i * MEMBER_FEATURES;
      out.members.fill(0, at, at + MEMBER_FEATURES);
      this.#writeKept(i, hedgeLogWeights[i], out.members, at);
      if (lag[i] > 0) out.members[at + memberFeatures.lags.at] = 1;
      else this.#writePrediction(distributions[i], endsLexeme, state.evidence[i], out.members, at);
      for (let k = 0; k < MEMBER_FEATURES; k++) out.members[at + k] *= this.#memberMask[k];
    }
    this.#writeShared(state, out.shared);
    for (let k = 0; k < SHARED_FEATURES; k++) out.shared[k] *= this.#sharedMask[k];
  }

  /** What is known of a member whether or not it has read all of the text. */
  #writeKept(i: number, hedgeLogWeight: number, out: Float32Array, at: number): void {
    out[at + memberFeatures.hedgeLogWeight.at] = clamp(hedgeLogWeight / 5, -1, 0);
    for (let k = 0; k < this.#history.length; k++) {
      out[at + memberFeatures.recent16.at + k] = clamp(this.#history[k].mean(i) / 4, -1, 0);
    }
    out[at + memberFeatures.responsibility.at] = clamp(this.#responsibility.mean(i), 0, 1);
    out[at + memberFeatures.isNgram.at] = this.#isNgram[i];
  }

  /** What a member says now. */
  #writePrediction(
    distribution: Float64Array,
    endsLexeme: Uint8Array,
    evidence: Float64Array,
    out: Float32Array,
    at: number,
  ): void {
    const shape = this.#shape;
    const mixture = this.#mixtureShape;
    shape.read(distribution, this.#mixture, this.#symbols, this.#nSymbols, endsLexeme);
    out[at + memberFeatures.entropy.at] = clamp(shape.entropy / maximumEntropy, 0, 1);
    out[at + memberFeatures.top.at] = clamp(shape.top, 0, 1);
    out[at + memberFeatures.margin.at] = clamp(shape.top - shape.second, 0, 1);
    out[at + memberFeatures.boundary.at] = clamp(shape.boundary, 0, 1);
    out[at + memberFeatures.end.at] = clamp(shape.end, 0, 1);
    if (mixture.best >= 0) {
      out[at + memberFeatures.agrees.at] = shape.best === mixture.best ? 1 : 0;
      out[at + memberFeatures.support.at] = clamp(distribution[mixture.best], 0, 1);
      const entropies = (shape.entropy + mixture.entropy) / 2;
      out[at + memberFeatures.divergence.at] = clamp((shape.entropyBetween - entropies) / Math.LN2, 0, 1);
    }
    out[at + memberFeatures.matchLength.at] = clamp(Math.log1p(evidence[MATCH_LENGTH]) / Math.log(65), 0, 1);
    const scope = evidence[MATCH_SCOPE];
    if (scope === matchScope.workspace) out[at + memberFeatures.matchInWorkspace.at] = 1;
    else if (scope === matchScope.open) out[at + memberFeatures.matchInOpenFile.at] = 1;
    else if (scope === matchScope.file) out[at + memberFeatures.matchInThisFile.at] = 1;
    out[at + memberFeatures.boundaryShare.at] = clamp(evidence[BOUNDARY_SHARE], 0, 1);
  }

  #writeShared({ length, logProbability }: StepState, out: Float32Array): void {
    const shape = this.#mixtureShape;
    const lexical = this.#lexical;
    out.fill(0);
    out[sharedFeatures.top.at] = clamp(shape.top, 0, 1);
    out[sharedFeatures.entropy.at] = clamp(shape.entropy / maximumEntropy, 0, 1);
    out[sharedFeatures.margin.at] = clamp(shape.top - shape.second, 0, 1);
    out[sharedFeatures.boundary.at] = clamp(shape.boundary, 0, 1);
    out[sharedFeatures.end.at] = clamp(shape.end, 0, 1);
    out[sharedFeatures.isTypeScript.at + this.#languageIdx] = 1;
    out[sharedFeatures.inString.at] = lexical.isInString ? 1 : 0;
    out[sharedFeatures.inComment.at] = lexical.isInComment ? 1 : 0;
    out[sharedFeatures.column.at] = clamp(lexical.column / 100, 0, 1);
    out[sharedFeatures.indentation.at] = clamp(lexical.indentation / 32, 0, 1);
    out[sharedFeatures.textFollows.at] = this.#textFollows ? 1 : 0;
    if (this.#class === lexemeClass.space) out[sharedFeatures.afterSpace.at] = 1;
    else if (this.#class === lexemeClass.word) out[sharedFeatures.afterWord.at] = 1;
    else if (this.#class === lexemeClass.operator) out[sharedFeatures.afterOperator.at] = 1;
    out[sharedFeatures.written.at] = clamp(length / 200, 0, 1);
    out[sharedFeatures.writtenLog.at] = clamp(Math.log1p(length) / Math.log(201), 0, 1);
    if (length > 0) out[sharedFeatures.meanLogProbability.at] = clamp(logProbability / length / 4, -1, 0);
    out[sharedFeatures.logProbability.at] = clamp(logProbability / 10, -1, 0);
    out[sharedFeatures.nMembers.at] = clamp(this.#nMembers / 8, 0, 1);
  }

  #readHistory(logProbabilities: readonly Float64Array[]): void {
    for (const mean of this.#history) {
      mean.clear();
      for (let i = 0; i < this.#nMembers; i++) {
        for (const score of logProbabilities[i]) mean.push(i, Math.max(leastLogProbability, score));
      }
    }
    this.#responsibility.clear();
    const nScored = Math.min(...logProbabilities.map((scores) => scores.length));
    for (let back = nScored; back > 0; back--) {
      let sum = 0;
      for (const scores of logProbabilities) sum += Math.exp(scores[scores.length - back]);
      for (let i = 0; i < this.#nMembers; i++) {
        const scores = logProbabilities[i];
        this.#responsibility.push(i, sum > 0 ? Math.exp(scores[scores.length - back]) / sum : 0);
      }
    }
  }
}

const maximumEntropy = Math.log(SYMBOLS);

/** By lexeme class: 1 for each symbol of another class. Nothing ends where nothing has begun. */
const endingSymbols: readonly Uint8Array[] = Object.values(lexemeClass).map((own) =>
  lexemeClasses.map((other) => (own !== lexemeClass.none && other !== own ? 1 : 0)),
);

/** The members' mixture under Hedge's weights, without those that lag. All 0 where everyone does. */
function mix(
  distributions: readonly Float64Array[],
  lag: Int32Array,
  hedgeLogWeights: Float64Array,
  out: Float64Array,
): void {
  let sum = 0;
  for (let i = 0; i < lag.length; i++) if (lag[i] === 0) sum += Math.exp(hedgeLogWeights[i]);
  if (sum === 0) return void out.fill(0);
  let isFirst = true;
  for (let i = 0; i < lag.length; i++) {
    if (lag[i] > 0) continue;
    const scale = Math.exp(hedgeLogWeights[i]) / sum;
    if (isFirst) setScaled(distributions[i], scale, out);
    else addScaled(distributions[i], scale, out);
    isFirst = false;
  }
}

function setScaled(values: Float64Array, scale: number, out: Float64Array): void {
  for (let b = 0; b < SYMBOLS; b++) out[b] = scale * values[b];
}

function addScaled(values: Float64Array, scale: number, out: Float64Array): void {
  for (let b = 0; b < SYMBOLS; b++) out[b] += scale * values[b];
}

const languageIdxs: Readonly<Record<string, number>> = {
  typescript: 0,
  typescriptreact: 0,
  javascript: 1,
  javascriptreact: 1,
  python: 2,
};

function languageIdxOf(languageId: string): number {
  return Object.hasOwn(languageIdxs, languageId) ? languageIdxs[languageId] : 3;
}

/** Whether something other than white space follows before the line ends. */
function hasTextOnLine(suffix: Uint8Array): boolean {
  const end = Math.min(suffix.length, contextBytes.suffix);
  for (let at = 0; at < end && suffix[at] !== NEWLINE; at++) if (suffix[at] > 32) return true;
  return false;
}

/** Within the bounds; what is not a number counts as the lower one. */
function clamp(value: number, low: number, high: number): number {
  return value > low ? (value < high ? value : high) : low;
}
