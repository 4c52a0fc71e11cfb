import { complete } from '../decoding/complete.ts';
import type { Member, MemberStream, TextContext } from '../lm/member.ts';
import { type Comparison, compare, type GoalPair } from './comparison.ts';
import { type Contender, type Cost, type Outcome, takePart } from './contender.ts';
import type { Cursor } from './cursor.ts';
import { type LiveCursor, type LiveCursorOptions, liveCursors } from './liveCursors.ts';
import { type LineResult, type Metrics, summarise } from './metrics.ts';
import { encodeText, longestCompletion } from './targetIndex.ts';
import { type LanguageGroup, languageGroup, languageGroups } from './tuned.ts';

export interface EvaluateOptions {
  readonly contenders: readonly Contender[];
  /** Of the bootstrap. */
  readonly seed: number;
  /** What else is compared than every contender with the first. */
  readonly pairs?: readonly GoalPair[];
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number) => void;
}

export interface Corpus {
  readonly files: number;
  readonly positions: number;
  /** UTF-8 bytes of the targets, their ends included. */
  readonly bytes: number;
}

export interface Evaluation {
  readonly corpus: Corpus;
  readonly policies: Readonly<Record<string, Metrics>>;
  readonly comparisons: readonly Comparison[];
  readonly languages: Readonly<Partial<Record<LanguageGroup, LanguageEvaluation>>>;
  /** One result per cursor and contender, in the same order: what intervals are computed from. */
  readonly lines: Readonly<Record<string, readonly (LineResult | undefined)[]>>;
}

export type LanguageEvaluation = Pick<Evaluation, 'corpus' | 'policies' | 'comparisons'>;

interface Results {
  readonly cursors: {
    readonly document: string;
    readonly languageId: string;
    readonly targetBytes: number;
  }[];
  readonly lines: Record<string, (LineResult | undefined)[]>;
  readonly costs: Record<string, Cost[]>;
}

/** Runs every contender at the same cursors, over collected paths: no member is asked, nothing is timed. */
export async function evaluatePaths(
  cursors: Iterable<Cursor> | AsyncIterable<Cursor>,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const results = emptyResults(options.contenders);
  for await (const cursor of cursors) await record(cursor, results, options);
  return conclude(results, options);
}

export interface EvaluateLiveOptions extends EvaluateOptions, LiveCursorOptions {
  /** Of every contender, about this many completions are made live, to be timed; 30 by default. */
  readonly nTimed?: number;
}

/** Runs every contender at the same positions, with the members themselves: the protocol of ARCHITECTURE.md. */
export async function evaluate(options: EvaluateLiveOptions): Promise<Evaluation> {
  const { positions, contenders, signal, nTimed = 30 } = options;
  const results = emptyResults(contenders);
  const timedEvery = Math.max(1, Math.floor(positions.length / nTimed));
  for await (const cursor of liveCursors(options)) {
    await record(cursor, results, options);
    for (const path of cursor.paths) path.close();
    if (results.cursors.length % timedEvery !== 0) continue;
    for (const contender of contenders) {
      const sample = await timeLive(contender, cursor, signal);
      if (sample) results.costs[contender.name].push(sample);
    }
  }
  return conclude(results, options);
}

function emptyResults(contenders: readonly Contender[]): Results {
  const lists = () => Object.fromEntries(contenders.map(({ name }) => [name, []]));
  return { cursors: [], lines: lists(), costs: lists() };
}

async function record(cursor: Cursor, results: Results, options: EvaluateOptions): Promise<void> {
  const { packageIdx, languageId, context, target } = cursor;
  const targetBytes = encodeText(target).length + 1;
  results.cursors.push({ document: `${packageIdx}:${context.documentId}`, languageId, targetBytes });
  for (const { name, run } of options.contenders) {
    const outcome = await run(cursor, options.signal);
    if (outcome?.cost) results.costs[name].push(outcome.cost);
    results.lines[name].push(outcome && lineResult(outcome, { packageIdx, target, targetBytes }));
  }
  options.onProgress?.(results.cursors.length);
}

function lineResult(
  outcome: Outcome,
  at: Pick<LineResult, 'packageIdx' | 'target' | 'targetBytes'>,
): LineResult {
  return { ...at, ...outcome, exact: outcome.text.trimEnd() === at.target };
}

function conclude({ cursors, lines, costs }: Results, options: EvaluateOptions): Evaluation {
  const { contenders, seed, pairs = [] } = options;
  const part = (isIn: (languageId: string) => boolean): LanguageEvaluation & Pick<Evaluation, 'lines'> => {
    const rows = cursors.flatMap(({ languageId }, i) => (isIn(languageId) ? [i] : []));
    const own = Object.fromEntries(contenders.map(({ name }) => [name, rows.map((i) => lines[name][i])]));
    const policies = contenders.flatMap(({ name }): [string, Metrics][] => {
      const present = own[name].filter((line) => line !== undefined);
      return present.length === 0 ? [] : [[name, summarise(present, costs[name])]];
    });
    return {
      corpus: {
        files: new Set(rows.map((i) => cursors[i].document)).size,
        positions: rows.length,
        bytes: rows.reduce((sum, i) => sum + cursors[i].targetBytes, 0),
      },
      policies: Object.fromEntries(policies),
      comparisons: compare(own, pairs, seed),
      lines: own,
    };
  };
  const languages = languageGroups.flatMap((group): [LanguageGroup, LanguageEvaluation][] => {
    const { lines: _, ...evaluation } = part((languageId) => languageGroup(languageId) === group);
    return evaluation.corpus.positions === 0 ? [] : [[group, evaluation]];
  });
  return { ...part(() => true), languages: Object.fromEntries(languages) };
}

/** One completion as the product makes it, from a context that the members have just read, and nothing else. */
async function timeLive(
  { live }: Contender,
  cursor: LiveCursor,
  signal: AbortSignal,
): Promise<Cost | undefined> {
  const place = live && takePart(live, cursor);
  if (live === undefined || place === undefined) return undefined;
  const { context } = cursor;
  const { memberIdxs, members, createPolicy } = place;
  const present = memberIdxs.map((memberIdx) => cursor.present[memberIdx]);
  // What was written at this cursor before would otherwise be known already.
  const neural = present.filter(({ kind }) => kind === 'neural');
  release(await openAll(neural, elsewhere, signal));
  release(await openAll(present, context, signal));
  const start = performance.now();
  const streams = await openAll(present, context, signal);
  try {
    const completion = await complete({
      context,
      members,
      streams,
      policy: createPolicy(),
      combiner: live.combiner,
      maximumBytes: longestCompletion,
      minimumProbability: 1e-30,
      signal,
    });
    return {
      milliseconds: performance.now() - start,
      forwardPasses: streams.reduce((sum, stream) => sum + stream.forwardPasses, 0),
      bytes: encodeText(completion.text).length + 1,
      policy: { milliseconds: completion.policyMs, steps: completion.steps.length + 1 },
    };
  } finally {
    release(streams);
  }
}

/** Another document: members that keep one only forget what they have read. */
const elsewhere: TextContext = {
  documentId: 'elsewhere',
  languageId: 'plaintext',
  prefix: encodeText('elsewhere '),
  suffix: new Uint8Array(0),
};

function openAll(
  members: readonly Member[],
  context: TextContext,
  signal: AbortSignal,
): Promise<MemberStream[]> {
  return Promise.all(members.map((member) => member.open(context, signal)));
}

function release(streams: readonly MemberStream[]): void {
  for (const stream of streams) stream.release();
}
