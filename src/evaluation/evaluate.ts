import { defaultSettings } from '../config/settings.ts';
import { complete } from '../decoding/complete.ts';
import { type Step, scoreLine } from '../decoding/decode.ts';
import type { Member, MemberStream, TextContext } from '../lm/member.ts';
import { type LineResult, type Metrics, summarise } from './metrics.ts';
import { PathCache } from './pathCache.ts';
import type { Contender } from './policies.ts';
import {
  drawPositions,
  nearDuplicates,
  type Position,
  type SourceFile,
  type SourcePackage,
} from './positions.ts';

/** The documents that the n-gram member knows; each package is indexed alone. */
export interface DocumentIndex {
  setDocument(id: string, text: Uint8Array): Promise<void>;
  removeDocument(id: string): Promise<void>;
}

export interface EvaluateOptions {
  readonly packages: readonly SourcePackage[];
  readonly members: readonly Member[];
  /** Whether a member is meant for a language; one that is asked for alone is asked in any. */
  readonly takesPart: (member: Member, languageId: string) => boolean;
  readonly index: DocumentIndex;
  readonly contenders: readonly Contender[];
  /** Cursors in all packages together. */
  readonly nPositions: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, of: number) => void;
}

export interface Evaluation {
  readonly corpus: { readonly files: number; readonly positions: number; readonly bytes: number };
  readonly seed: number;
  readonly policies: Readonly<Record<string, Metrics>>;
  /** One result per position and contender, in the order of the positions: what intervals are computed from. */
  readonly lines: Readonly<Record<string, readonly LineResult[]>>;
}

/** The longest completion that is asked for. */
const maximumBytes = 200;
/** Of every contender, this many completions are made live, to be timed. */
const nTimed = 40;
/** As much of a file as any member reads. */
const contextBytes = { prefix: 4_000, suffix: 1_000 };

/** Runs every contender at the same seeded cursors: the protocol of ARCHITECTURE.md, "Evaluation". */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { packages, contenders, nPositions, seed, index, signal } = options;
  const positions = drawPositions(packages, nPositions, seed);
  const order = positions.map((_, i) => i).sort((a, b) => documentOrder(positions[a], positions[b]));
  const lines: Record<string, LineResult[]> = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  const latencies: Record<string, LatencySample[]> = Object.fromEntries(
    contenders.map(({ name }) => [name, []]),
  );
  const timedEvery = Math.max(1, Math.floor(positions.length / nTimed));
  const documents = new TargetIndex(index, packages);

  for (const [done, positionIdx] of order.entries()) {
    signal.throwIfAborted();
    const position = positions[positionIdx];
    const file = packages[position.packageIdx].files[position.fileIdx];
    await documents.moveTo(position);
    const context = contextAt(position, file.path, file.languageId);
    const results = await runAt(position, context, options);
    for (const [name, result] of Object.entries(results)) lines[name][positionIdx] = result;
    if (positionIdx % timedEvery === 0) {
      for (const contender of contenders) {
        latencies[contender.name].push(await timeLive(contender, context, options));
      }
    }
    options.onProgress?.(done + 1, positions.length);
  }
  return {
    corpus: {
      files: new Set(positions.map(({ packageIdx, fileIdx }) => `${packageIdx}:${fileIdx}`)).size,
      positions: positions.length,
      bytes: positions.reduce((sum, { target }) => sum + encode(target).length + 1, 0),
    },
    seed,
    policies: Object.fromEntries(
      contenders.map(({ name }) => [name, summarise(lines[name], positions, latencies[name])]),
    ),
    lines,
  };
}

/** Every contender at one cursor, over distributions that are computed once. */
async function runAt(
  position: Position,
  context: TextContext,
  options: EvaluateOptions,
): Promise<Record<string, LineResult>> {
  const { members, contenders, signal } = options;
  const caches: PathCache[] = [];
  try {
    for (const member of members) caches.push(await PathCache.open(member, context, signal));
    const results: Record<string, LineResult> = {};
    const target = encode(position.target.trimEnd());
    for (const contender of contenders) {
      const memberIdxs = participants(contender, context.languageId, options);
      const streams = () => memberIdxs.map((memberIdx) => caches[memberIdx].stream());
      const createPolicy = () => contender.createPolicy(memberIdxs.length);
      const run = { context, combiner: contender.combiner, signal };
      const logProbability = await scoreLine({ ...run, streams: streams(), policy: createPolicy() }, target);
      const completion = await complete({
        ...run,
        streams: streams(),
        policy: createPolicy(),
        maximumBytes,
        minimumProbability: 1e-30,
      });
      results[contender.name] = {
        packageIdx: position.packageIdx,
        targetBytes: target.length + 1,
        exact: completion.text.trimEnd() === position.target.trimEnd(),
        bits: -logProbability / Math.LN2,
        text: completion.text,
        shownText: sureEnough(completion.steps),
        logProbability: completion.logProbability,
      };
    }
    return results;
  } finally {
    for (const cache of caches) cache.close();
  }
}

function participants(
  { memberIdxs }: Contender,
  languageId: string,
  options: EvaluateOptions,
): readonly number[] {
  if (memberIdxs.length === 1) return memberIdxs;
  return memberIdxs.filter((memberIdx) => options.takesPart(options.members[memberIdx], languageId));
}

/** What the product would show of these steps, which are all there are. */
function sureEnough(steps: readonly Step[]): string {
  const least = Math.log(defaultSettings.minimumConfidence);
  let total = 0;
  let text = '';
  for (const step of steps) {
    total += step.logProbability;
    if (total < least) break;
    text += step.text;
  }
  return text.trimEnd();
}

export interface LatencySample {
  readonly milliseconds: number;
  readonly forwardPasses: number;
  readonly bytes: number;
}

/** One completion as the product makes it, from a context that the members have just read. */
async function timeLive(
  contender: Contender,
  context: TextContext,
  options: EvaluateOptions,
): Promise<LatencySample> {
  const streams: MemberStream[] = [];
  try {
    const memberIdxs = participants(contender, context.languageId, options);
    const start = performance.now();
    await Promise.all(
      memberIdxs.map(async (memberIdx) => {
        streams.push(await options.members[memberIdx].open(context, options.signal));
      }),
    );
    const completion = await complete({
      context,
      streams,
      policy: contender.createPolicy(memberIdxs.length),
      combiner: contender.combiner,
      maximumBytes,
      minimumProbability: 1e-30,
      signal: options.signal,
    });
    return {
      milliseconds: performance.now() - start,
      forwardPasses: streams.reduce((sum, stream) => sum + stream.forwardPasses, 0),
      bytes: encode(completion.text).length + 1,
    };
  } finally {
    for (const stream of streams) stream.release();
  }
}

function contextAt(position: Position, documentId: string, languageId: string): TextContext {
  const prefix = encode(position.before);
  return {
    documentId,
    languageId,
    prefix: prefix.subarray(Math.max(0, prefix.length - contextBytes.prefix)),
    suffix: encode(position.after).subarray(0, contextBytes.suffix),
  };
}

function documentOrder(a: Position, b: Position): number {
  return a.packageIdx - b.packageIdx || a.fileIdx - b.fileIdx || a.before.length - b.before.length;
}

/** Keeps the index at what the ensemble may know: the target's package, without its near-duplicates and its own rest. */
class TargetIndex {
  readonly #index: DocumentIndex;
  readonly #packages: readonly SourcePackage[];
  #packageIdx = -1;
  #fileIdx = -1;
  #hidden: SourceFile[] = [];

  constructor(index: DocumentIndex, packages: readonly SourcePackage[]) {
    this.#index = index;
    this.#packages = packages;
  }

  async moveTo({ packageIdx, fileIdx, before }: Position): Promise<void> {
    const { files } = this.#packages[packageIdx];
    const file = files[fileIdx];
    if (packageIdx !== this.#packageIdx) {
      const previous = this.#packages[this.#packageIdx]?.files ?? [];
      for (const { path } of previous) await this.#index.removeDocument(path);
      for (const { path, text } of files) await this.#index.setDocument(path, encode(text));
      this.#hidden = [];
    }
    if (packageIdx !== this.#packageIdx || fileIdx !== this.#fileIdx) {
      for (const { path, text } of this.#hidden) await this.#index.setDocument(path, encode(text));
      const copies = nearDuplicates(file, files);
      for (const { path } of copies) await this.#index.removeDocument(path);
      this.#hidden = [file, ...copies];
    }
    await this.#index.setDocument(file.path, encode(before));
    this.#packageIdx = packageIdx;
    this.#fileIdx = fileIdx;
  }
}

const encoder = new TextEncoder();

function encode(text: string): Uint8Array {
  return encoder.encode(text);
}
