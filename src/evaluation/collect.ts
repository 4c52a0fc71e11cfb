import type { CombinerName } from '../decoding/combiner.ts';
import { complete } from '../decoding/complete.ts';
import { scoreLine } from '../decoding/decode.ts';
import type { Member } from '../lm/member.ts';
import { Hedge } from '../policy/hedge.ts';
import type { Policy } from '../policy/policy.ts';
import type { Contender, Outcome } from './contender.ts';
import { type LiveCursor, liveCursors } from './liveCursors.ts';
import { drawPositions, type SourcePackage } from './positions.ts';
import { normalNumbers, randomNumbers } from './random.ts';
import { type DocumentIndex, encodeText, longestCompletion } from './targetIndex.ts';

export interface CollectOptions {
  readonly sourcePackage: SourcePackage;
  readonly members: readonly Member[];
  readonly takesPart: (member: Member, languageId: string) => boolean;
  readonly index: DocumentIndex;
  /** What these write is collected too, so that they can be compared exactly. */
  readonly contenders: readonly Contender[];
  /** Whether wanderers around the usual policies write too: what training needs, and a comparison does not. */
  readonly exploration: 'wide' | 'none';
  /** The most cursors. */
  readonly nPositions: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/**
 * Reads the members at the cursors of one package along the true text and along what many policies write, so that
 * policies can be trained and compared without the members. A cursor is closed when the next is asked for.
 */
export async function* collect(
  options: CollectOptions,
): AsyncGenerator<LiveCursor & { readonly kept: Readonly<Record<string, Outcome>> }> {
  const { sourcePackage, nPositions, seed, contenders, signal } = options;
  const packages = [sourcePackage];
  const positions = drawPositions(packages, nPositions, seed);
  const random = randomNumbers(seed);
  for await (const cursor of liveCursors({ ...options, packages, positions })) {
    await readTarget(cursor, signal);
    if (options.exploration === 'wide') await explore(cursor, random, signal);
    const kept: Record<string, Outcome> = {};
    for (const { name, run, isKept } of contenders) {
      const outcome = await run(cursor, signal);
      if (isKept && outcome) kept[name] = outcome;
    }
    for (const path of cursor.paths) await path.complete();
    yield { ...cursor, kept };
  }
}

/** How many cursors `collect` will give at most. */
export function countCursors({ sourcePackage, nPositions, seed }: CollectOptions): number {
  return drawPositions([sourcePackage], nPositions, seed).length;
}

async function readTarget(cursor: LiveCursor, signal: AbortSignal): Promise<void> {
  const bytes = encodeText(cursor.target);
  const streams = cursor.streams();
  await Promise.all(streams.map((stream) => stream.expect?.(bytes)));
  const { context, members } = cursor;
  const policy = new Hedge(members.length);
  await scoreLine({ context, members, streams, policy, combiner: 'linear', signal }, bytes);
}

async function explore(cursor: LiveCursor, random: () => number, signal: AbortSignal): Promise<void> {
  const { context, members, exponents } = cursor;
  const run = { context, members, signal, skipBelow: 0, drafting: null };
  for (const explorer of explorers(members.length, exponents.carried, random)) {
    await complete({
      ...run,
      ...explorer,
      streams: cursor.streams(),
      ignoresStops: true,
      maximumBytes: longestCompletion,
      minimumProbability: leastProbability,
    });
  }
}

/** A text less probable than this is followed no further. */
const leastProbability = 1e-8;

interface Explorer {
  readonly combiner: CombinerName;
  readonly policy: Policy;
}

/** Runs with weights drawn anew at each step, per combiner. */
const nNoisy = { linear: 4, geometric: 2 };
/** Standard deviation of the noise on the logarithms of Hedge's weights, and on the exponents. */
const noise = { linear: 1, geometric: 0.3 };

/** Who writes: every member alone, what needs no learning, and wanderers around them. */
function explorers(nMembers: number, exponents: Float64Array, random: () => number): Explorer[] {
  const normal = normalNumbers(random);
  const constant = (weights: ArrayLike<number>): Policy => ({
    name: 'constant',
    begin() {},
    weights: (out) => out.set(weights),
  });
  const few = Math.min(0.6, 1.5 / nMembers);
  const constantExponents = Array<number>(nMembers).fill(few);
  const aside = (weights: Float64Array, deviation: number) => {
    for (let i = 0; i < weights.length; i++) weights[i] *= Math.exp(deviation * normal());
  };
  const noisyHedge = (): Policy => {
    const hedge = new Hedge(nMembers);
    return {
      name: 'noisyHedge',
      begin: (situation) => hedge.begin(situation),
      weights(out) {
        hedge.weights(out);
        aside(out, noise.linear);
      },
    };
  };
  const noisyExponents = (): Policy => ({
    name: 'noisyExponents',
    begin() {},
    weights(out) {
      for (let i = 0; i < nMembers; i++) out[i] = Math.min(2, Math.max(0, few + noise.geometric * normal()));
    },
  });
  const linear = (policy: Policy): Explorer => ({ combiner: 'linear', policy });
  const geometric = (policy: Policy): Explorer => ({ combiner: 'geometric', policy });
  const many = <Item>(n: number, create: () => Item) => Array.from({ length: n }, create);
  const alone = many(nMembers, () => 0).map((_, i, none) => none.map((zero, j) => (i === j ? 1 : zero)));
  return [
    linear(new Hedge(nMembers)),
    linear(constant(Array<number>(nMembers).fill(1 / nMembers))),
    geometric(constant(constantExponents)),
    geometric(constant(exponents)),
    ...alone.map((weights) => linear(constant(weights))),
    ...many(nNoisy.linear, () => linear(noisyHedge())),
    ...many(nNoisy.geometric, () => geometric(noisyExponents())),
  ];
}
