import type { MemberStream, TextContext } from '../lm/member.ts';
import { END } from '../lm/symbols.ts';
import type { Policy, PolicyMember } from '../policy/policy.ts';
import type { StopReason } from '../protocol/completion.ts';
import { Attendance } from './attendance.ts';
import type { CombinerName } from './combiner.ts';
import { Drafting, type DraftingOptions, draftingDefaults } from './drafting.ts';
import { repeatedTail, restOfLine, suffixOverlap } from './lineStops.ts';
import { StepMixture } from './stepMixture.ts';
import { TextState } from './textState.ts';
import { TimedPolicy } from './timedPolicy.ts';
import { Utf8State } from './utf8.ts';

export interface DecodeOptions {
  readonly context: TextContext;
  /** Open streams at the cursor, in the order of the policy's members. */
  readonly streams: readonly MemberStream[];
  /** Whose streams they are. */
  readonly members: readonly PolicyMember[];
  readonly policy: Policy;
  /** True where the person has asked for the text: then the policy does not decide how much there is of it. */
  readonly ignoresStops?: boolean;
  readonly combiner: CombinerName;
  /** The most bytes to emit. */
  readonly maximumBytes: number;
  /** Emit a step only while the probability of the whole text, this step included, is at least this. */
  readonly minimumProbability: number;
  /** How drafts are made; null for none. They change what a completion costs, not what it says. */
  readonly drafting?: DraftingOptions | null;
  /**
   * A member whose weight at a step's start is under this is not asked during the step (linear combiner only): it
   * moves the step's distribution by at most the weights left out. 0.01 by default.
   */
  readonly skipBelow?: number;
  readonly signal: AbortSignal;
}

/** A lexeme of the completion, and who made it. */
export interface Step {
  readonly text: string;
  /** Each member's share: ≥ 0, summing to 1. */
  readonly shares: Float64Array;
  /** ln p of the step's bytes after what stands before it. */
  readonly logProbability: number;
}

export interface DecodeResult {
  readonly stopReason: StopReason;
  /** How many bytes at the end of the steps' text only repeat what is there already, and must go. */
  readonly surplusBytes: number;
  /** ln p that the text ends here; 0 unless `stopReason` is `endOfLine`. */
  readonly endLogProbability: number;
  /** Milliseconds spent asking the policy. */
  readonly policyMs: number;
}

/**
 * Completes one line greedily, byte by byte: the members' distributions → the mixture → the most probable byte
 * → every member. Yields each step when it is complete. Throws the signal's reason when the request is stale.
 */
export async function* decode(options: DecodeOptions): AsyncGenerator<Step, DecodeResult> {
  const { streams, signal } = options;
  const state = new TextState(streams, options.maximumBytes);
  const { distributions, text } = state;
  const rest = restOfLine(options.context.suffix);
  const leastLogProbability = Math.log(options.minimumProbability);
  const { drafting: how = draftingDefaults, skipBelow = 0.01 } = options;
  const drafting = how ? new Drafting(how) : undefined;
  const least = options.combiner === 'linear' ? skipBelow : 0;
  const attendance = new Attendance(streams, options.maximumBytes, least);
  const policy = new TimedPolicy(options, state);
  const mixture = new StepMixture(options.combiner, streams.length, (out) => {
    policy.weights(out);
    attendance.admit(out);
  });
  const utf8 = new Utf8State();
  let stepStart = 0; // the bytes before it have been yielded
  let stepLogProbability = 0;

  /** The most probable symbol that keeps the text valid UTF-8. */
  const choose = () => mixture.mostProbable(utf8.low, utf8.high, utf8.betweenCharacters ? END : undefined);

  state.foldLineEnds();
  mixture.begin();
  attendance.beginStep();
  await drafting?.propose(attendance.attending);
  for (;;) {
    signal.throwIfAborted();
    state.foldLineEnds();
    attendance.lag(state.lag);
    mixture.read(distributions);
    let symbol = choose();
    const catchingUp = attendance.catchUp();
    if (catchingUp) {
      // A step that may begin here wants members that were left out.
      await catchingUp;
      state.foldLineEnds();
      attendance.lag(state.lag);
      mixture.readAgain();
      symbol = choose();
    }
    const { length } = state;
    const logProbability = Math.log(mixture.probability(symbol));

    // Is the step before it complete? Is the text, or does it begin to repeat what is there?
    const stepEnds = mixture.startsStep(symbol);
    const overlap = suffixOverlap(text, length, rest, stepEnds);
    const surplusBytes = overlap > 0 ? overlap : stepEnds ? repeatedTail(text, length) : 0;
    if (stepEnds || overlap > 0) {
      yield {
        text: decodeUtf8(text, stepStart, length),
        shares: mixture.shares(),
        logProbability: stepLogProbability,
      };
      stepStart = length;
      stepLogProbability = 0;
    }
    if (overlap > 0) return end('suffixOverlap', surplusBytes);
    if (surplusBytes > 0) return end('repetition', surplusBytes);
    if (symbol === END) {
      policy.observe(symbol);
      return result('endOfLine', 0, logProbability);
    }
    if ((stepEnds || length === 0) && policy.stops()) return end('policy');
    if (state.logProbability + logProbability < leastLogProbability) return end('lowConfidence');
    if (length === options.maximumBytes) return end('maximumLength');

    // Every member reads the byte; most answer without a forward pass.
    policy.observe(symbol);
    mixture.take(symbol);
    utf8.push(symbol);
    state.push(symbol, logProbability);
    stepLogProbability += logProbability;
    drafting?.observe(symbol);
    if (stepEnds) attendance.beginStep();
    await attendance.advance(symbol);
    if (stepEnds) await drafting?.propose(attendance.attending);
  }

  function end(stopReason: StopReason, surplusBytes = 0): DecodeResult {
    policy.end();
    return result(stopReason, surplusBytes, 0);
  }

  function result(stopReason: StopReason, surplusBytes: number, endLogProbability: number): DecodeResult {
    return { stopReason, surplusBytes, endLogProbability, policyMs: policy.milliseconds };
  }
}

/**
 * ln p of a line and of its end under the mixture, fed to it byte by byte (teacher forcing).
 *
 * @param line UTF-8 without a line break
 */
export async function scoreLine(
  options: Omit<DecodeOptions, 'maximumBytes' | 'minimumProbability'>,
  line: Uint8Array,
): Promise<number> {
  const { streams, signal } = options;
  const state = new TextState(streams, line.length);
  const { distributions } = state;
  const policy = new TimedPolicy(options, state);
  const mixture = new StepMixture(options.combiner, streams.length, (out) => policy.weights(out));
  const attendance = new Attendance(streams, line.length, 0);
  for (let at = 0; at <= line.length; at++) {
    signal.throwIfAborted();
    state.foldLineEnds();
    if (at === 0) mixture.begin();
    mixture.read(distributions);
    const symbol = at < line.length ? line[at] : END;
    const logProbability = Math.log(mixture.probability(symbol));
    policy.observe(symbol);
    if (symbol === END) return state.logProbability + logProbability;
    mixture.take(symbol);
    state.push(symbol, logProbability);
    await attendance.advance(symbol);
  }
  throw new Error('A line has an end');
}

const decoder = new TextDecoder();

function decodeUtf8(text: Uint8Array, start: number, end: number): string {
  return decoder.decode(text.subarray(start, end));
}
