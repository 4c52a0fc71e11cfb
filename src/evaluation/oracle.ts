import { scoreLine } from '../decoding/decode.ts';
import { lexemeClasses } from '../lm/lexeme.ts';
import { END, NEWLINE, SYMBOLS } from '../lm/symbols.ts';
import type { Policy } from '../policy/policy.ts';
import { type Contender, ensemble } from './contender.ts';
import type { Cursor } from './cursor.ts';
import { encodeText } from './targetIndex.ts';

/**
 * The best member at each step, in hindsight: what no policy that gives each step to one member can exceed. Its bits
 * are Σ over the steps of the fewest of any member. Its text is written by the member that would write the step as it
 * is, where there is one.
 */
export const oracle = (minimumConfidence?: number): Contender => ({
  name: 'oracleToken',
  async run(cursor, signal) {
    const steps = await judgeSteps(cursor, signal);
    const byBits = new Map(steps.map(({ start, fewestBits }) => [start, fewestBits]));
    const byText = new Map(steps.map(({ start, writer, fewestBits }) => [start, writer ?? fewestBits]));
    const nMembers = cursor.members.length;
    const writing = ensemble('oracleToken', {
      combiner: 'linear',
      createPolicy: () => chosenByPlace(byText, nMembers),
      ...(minimumConfidence === undefined ? {} : { minimumConfidence }),
    });
    const outcome = await writing.run(cursor, signal);
    const score = await scoreLine(
      {
        context: cursor.context,
        members: cursor.members,
        streams: cursor.streams(),
        policy: chosenByPlace(byBits, nMembers),
        combiner: 'linear',
        signal,
      },
      encodeText(cursor.target),
    );
    return outcome && { ...outcome, bits: -score / Math.LN2 };
  },
});

function chosenByPlace(memberIdxs: ReadonlyMap<number, number>, nMembers: number): Policy {
  return {
    name: 'oracleToken',
    begin() {},
    weights(out, { length }) {
      const chosen = memberIdxs.get(length);
      // Off the true text there is no hindsight.
      for (let i = 0; i < nMembers; i++) out[i] = chosen === undefined ? 1 / nMembers : i === chosen ? 1 : 0;
    },
  };
}

interface JudgedStep {
  /** Bytes of the target before it. */
  readonly start: number;
  /** The member that gives it the fewest bits. */
  readonly fewestBits: number;
  /** A member that writes it greedily, its end included. */
  readonly writer: number | undefined;
}

/**
 * A step's ln p under one member alone is ln A − ln a: A is its probability of the step's symbols and then of
 * any that does not go on with it, a that of all symbols that may begin a step there.
 */
async function judgeSteps(cursor: Cursor, signal: AbortSignal): Promise<JudgedStep[]> {
  const target = encodeText(cursor.target);
  const streams = cursor.streams();
  const judged: JudgedStep[] = [];
  let start = 0;
  let logs = new Float64Array(streams.length);
  let writes = streams.map(() => true);
  for (let at = 0; at <= target.length; at++) {
    signal.throwIfAborted();
    const symbol = at < target.length ? target[at] : END;
    const lexeme = lexemeClasses[symbol];
    const before = at === 0 ? -1 : lexemeClasses[target[at - 1]];
    const begins = at > 0 && lexeme !== before;
    const distributions = streams.map(({ distribution }) => folded(distribution));
    if (begins) {
      for (const [i, distribution] of distributions.entries()) {
        logs[i] += Math.log(mass(distribution, (b) => lexemeClasses[b] !== before));
        writes[i] &&= lexemeClasses[argmax(distribution)] !== before;
      }
      judged.push(judge(start, logs, writes));
      start = at;
      logs = new Float64Array(streams.length);
      writes = streams.map(() => true);
    }
    for (const [i, distribution] of distributions.entries()) {
      const mayBegin = begins ? mass(distribution, (b) => lexemeClasses[b] !== before) : 1;
      logs[i] += Math.log(distribution[symbol] / mayBegin);
      writes[i] &&= symbol === argmax(distribution, begins ? before : -1);
    }
    if (at < target.length) {
      for (const stream of streams) await stream.advance(symbol);
    }
  }
  judged.push(judge(start, logs, writes));
  return judged;
}

function judge(start: number, logs: Float64Array, writes: readonly boolean[]): JudgedStep {
  const fewestBits = logs.indexOf(Math.max(...logs));
  const writers = writes.flatMap((isWriter, i) => (isWriter ? [i] : []));
  const [first] = writers;
  return { start, fewestBits, writer: writers.includes(fewestBits) ? fewestBits : first };
}

function folded(distribution: Float64Array): Float64Array {
  const copy = distribution.slice();
  copy[END] += copy[NEWLINE] + copy[CARRIAGE_RETURN];
  copy[NEWLINE] = 0;
  copy[CARRIAGE_RETURN] = 0;
  return copy;
}

function mass(distribution: Float64Array, isCounted: (symbol: number) => boolean): number {
  let sum = 0;
  for (let b = 0; b < SYMBOLS; b++) if (isCounted(b)) sum += distribution[b];
  return sum;
}

/** The most probable symbol that is not of this class of lexemes. */
function argmax(distribution: Float64Array, withoutClass = -1): number {
  let best = -1;
  for (let b = 0; b < SYMBOLS; b++) {
    if (lexemeClasses[b] !== withoutClass && (best < 0 || distribution[b] > distribution[best])) best = b;
  }
  return best;
}

const CARRIAGE_RETURN = 13;
