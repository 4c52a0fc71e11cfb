import { defaultSettings } from '../config/settings.ts';
import type { CombinerName } from '../decoding/combiner.ts';
import { complete } from '../decoding/complete.ts';
import { type Step, scoreLine } from '../decoding/decode.ts';
import type { Policy, PolicyMember } from '../policy/policy.ts';
import type { Cursor, CursorStream } from './cursor.ts';
import { encodeText, longestCompletion } from './targetIndex.ts';

/** One way to complete a line, as the evaluation runs it. */
export interface Contender {
  readonly name: string;
  /** Nothing where it cannot be asked at this cursor. */
  run(cursor: Cursor, signal: AbortSignal): Promise<Outcome | undefined>;
  /** Whether what it makes of a cursor is collected as it is, since it cannot be made again from the members' answers. */
  readonly isKept?: boolean;
  /** Whether it learned from examples; then it is compared with what did not. */
  readonly isLearned?: boolean;
  /** How it runs live, to be timed; absent where it cannot. */
  readonly live?: Ensemble;
}

/** What a contender made of one cursor. */
export interface Outcome {
  /** −log₂ p of the target and its end under teacher forcing; NaN where the contender has no such number. */
  readonly bits: number;
  /** What was completed when nothing is held back. */
  readonly text: string;
  /** The completion's steps, with ln p of all up to and including each. */
  readonly steps: readonly { readonly text: string; readonly total: number }[];
  /** What of it is shown; empty where it stays silent. */
  readonly shownText: string;
  /** ln p of `text` and its end. */
  readonly logProbability: number;
  /** How sure the contender is; ranks its completions. */
  readonly confidence: number;
  /** Whether the completion has left the collected paths. */
  readonly hasLeft: boolean;
  /** What the completion cost live, where that is known. */
  readonly cost?: Cost;
}

export interface Cost {
  readonly milliseconds: number;
  readonly forwardPasses: number;
  /** Of the completion, its end included. */
  readonly bytes: number;
  /** Milliseconds that the policy took of them, and the steps that it was asked at; absent where there is none. */
  readonly policy?: { readonly milliseconds: number; readonly steps: number };
}

/** A policy over the members of a cursor. */
export interface Ensemble {
  readonly combiner: CombinerName;
  /** Which of the members at a cursor take part; undefined where that leaves nobody. All by default. */
  readonly choose?: (cursor: Cursor) => readonly number[] | undefined;
  readonly createPolicy: (seen: SeenByPolicy) => Policy;
  /** Below this probability of the whole text nothing more is shown; a policy that stops by itself shows all. */
  readonly minimumConfidence?: number;
}

/** What a policy may be made for. */
export interface SeenByPolicy extends Pick<Cursor, 'languageId' | 'exponents'> {
  readonly members: readonly PolicyMember[];
}

/** A contender that mixes the members under a policy. */
export function ensemble(name: string, how: Ensemble): Contender {
  return { name, live: how, run: (cursor, signal) => runEnsemble(how, cursor, signal) };
}

/** Where this ensemble stands at a cursor: which members it asks, and as what. */
export function takePart(how: Ensemble, cursor: Cursor) {
  const memberIdxs = how.choose ? how.choose(cursor) : cursor.members.map((_, i) => i);
  if (memberIdxs === undefined || memberIdxs.length === 0) return undefined;
  const members = memberIdxs.map((memberIdx) => cursor.members[memberIdx]);
  const { languageId, exponents } = cursor;
  const pick = (all: Float64Array) => Float64Array.from(memberIdxs, (memberIdx) => all[memberIdx]);
  const seen: SeenByPolicy = {
    languageId,
    members,
    exponents: { fresh: pick(exponents.fresh), carried: pick(exponents.carried) },
  };
  return { memberIdxs, members, createPolicy: () => how.createPolicy(seen) };
}

async function runEnsemble(how: Ensemble, cursor: Cursor, signal: AbortSignal): Promise<Outcome | undefined> {
  const place = takePart(how, cursor);
  if (place === undefined) return undefined;
  const { memberIdxs, members, createPolicy } = place;
  const { context } = cursor;
  const openStreams = (): CursorStream[] => {
    const all = cursor.streams();
    return memberIdxs.map((memberIdx) => all[memberIdx]);
  };
  const run = { context, members, combiner: how.combiner, signal };
  const target = encodeText(cursor.target);
  const score = await scoreLine({ ...run, streams: openStreams(), policy: createPolicy() }, target);
  const policy = new UnstoppedPolicy(createPolicy());
  const streams = openStreams();
  const completion = await complete({
    ...run,
    streams,
    policy,
    drafting: null,
    maximumBytes: longestCompletion,
    minimumProbability: 1e-30,
  });
  const steps = withTotals(completion.steps);
  const { text, logProbability } = completion;
  return {
    bits: -score / Math.LN2,
    text,
    steps,
    shownText: policy.canStop
      ? cutBytes(text, policy.stoppedAt).trimEnd()
      : sureEnough(steps, how.minimumConfidence ?? defaultSettings.minimumConfidence),
    logProbability,
    confidence: logProbability,
    hasLeft: streams.some(({ hasLeft }) => hasLeft),
  };
}

/** A policy that is never let to stop; it is noted where it would have. */
class UnstoppedPolicy implements Policy {
  readonly name: string;
  readonly begin: Policy['begin'];
  readonly weights: Policy['weights'];
  readonly observe: NonNullable<Policy['observe']>;
  readonly stops: NonNullable<Policy['stops']>;
  readonly canStop: boolean;
  /** Bytes of the text before it; infinite where it never did. */
  stoppedAt = Number.POSITIVE_INFINITY;

  constructor(policy: Policy) {
    this.name = policy.name;
    this.begin = (situation) => policy.begin(situation);
    this.weights = (out, state) => policy.weights(out, state);
    this.observe = (symbol, state) => policy.observe?.(symbol, state);
    this.canStop = policy.stops !== undefined;
    this.stops = (state) => {
      if (policy.stops?.(state)) this.stoppedAt = Math.min(this.stoppedAt, state.length);
      return false;
    };
  }
}

function withTotals(steps: readonly Step[]): Outcome['steps'] {
  let total = 0;
  return steps.map(({ text, logProbability }) => {
    total += logProbability;
    return { text, total };
  });
}

/** What of these steps is shown where the whole of it must have at least this probability. */
export function sureEnough(steps: Outcome['steps'], minimumConfidence: number): string {
  const least = Math.log(minimumConfidence);
  const end = steps.findIndex(({ total }) => total < least);
  return steps
    .slice(0, end < 0 ? steps.length : end)
    .map(({ text }) => text)
    .join('')
    .trimEnd();
}

function cutBytes(text: string, nBytes: number): string {
  return Number.isFinite(nBytes) ? decoder.decode(encodeText(text).subarray(0, nBytes)) : text;
}

const decoder = new TextDecoder();
