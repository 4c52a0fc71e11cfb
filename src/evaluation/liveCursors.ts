import { type Member, RECENT_BYTES, type TextContext } from '../lm/member.ts';
import type { Cursor } from './cursor.ts';
import { OnlineExponents } from './onlineExponents.ts';
import { LivePaths, PathTree } from './pathTree.ts';
import type { Position, SourcePackage } from './positions.ts';
import { contextAt, type DocumentIndex, documentOrder, TargetIndex } from './targetIndex.ts';

export interface LiveCursorOptions {
  readonly packages: readonly SourcePackage[];
  readonly positions: readonly Position[];
  readonly members: readonly Member[];
  /** Whether a member is meant for a language. */
  readonly takesPart: (member: Member, languageId: string) => boolean;
  readonly index: DocumentIndex;
  /** Whether exponents are learned from the bytes before each cursor, which costs another reading; they are by default. */
  readonly exponents?: 'learned' | 'initial';
  readonly signal: AbortSignal;
}

/** A cursor at which the members are open. */
export interface LiveCursor extends Cursor {
  /** Of the members, those that take part. */
  readonly present: readonly Member[];
  readonly memberIdxs: readonly number[];
  readonly tree: PathTree;
  readonly paths: readonly LivePaths[];
}

/**
 * The members at each position, in the order of the documents. A cursor is closed when the next is asked for. The
 * members know the rest of the package, and of the file only what stands before the cursor.
 */
export async function* liveCursors(options: LiveCursorOptions): AsyncGenerator<LiveCursor> {
  const { packages, positions, members, signal } = options;
  const documents = new TargetIndex(options.index, packages);
  const carried = new Map<string, OnlineExponents>();
  for (const position of positions.toSorted(documentOrder)) {
    signal.throwIfAborted();
    const { packageIdx } = position;
    const file = packages[packageIdx].files[position.fileIdx];
    const { languageId } = file;
    const memberIdxs = members.flatMap((member, i) => (options.takesPart(member, languageId) ? [i] : []));
    if (memberIdxs.length === 0) continue;
    const present = memberIdxs.map((memberIdx) => members[memberIdx]);
    const key = [packageIdx, ...memberIdxs].join();
    const fresh = new OnlineExponents(present.length);
    const going = carried.get(key) ?? new OnlineExponents(present.length);
    carried.set(key, going);
    const context = contextAt(position, file);
    if (options.exponents !== 'initial') {
      await documents.moveTo(position, recentText(context).length);
      await learnExponents(context, present, [fresh, going], signal);
    }
    await documents.moveTo(position);
    const tree = new PathTree();
    const opened = await Promise.allSettled(
      present.map((member) => LivePaths.open(member, tree, context, signal)),
    );
    const paths = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    try {
      for (const result of opened) if (result.status === 'rejected') throw result.reason;
      yield {
        packageIdx,
        languageId,
        members: present.map(({ id, kind }) => ({ id, kind })),
        context,
        target: position.target.trimEnd(),
        exponents: { fresh: fresh.exponents.slice(), carried: going.exponents.slice() },
        streams: () => paths.map((path) => path.stream()),
        present,
        memberIdxs,
        tree,
        paths,
      };
    } finally {
      for (const path of paths) path.close();
    }
  }
  await documents.clear();
}

/** The bytes before the cursor that policies are warmed with; they begin between two characters. */
function recentText({ prefix }: TextContext): Uint8Array {
  let from = Math.max(0, prefix.length - RECENT_BYTES);
  while (from < prefix.length && (prefix[from] & 0xc0) === 0x80) from++;
  return prefix.subarray(from);
}

/** Bytes that the members read in one batch. */
const readAtOnce = 32;

/** Lets the members read the bytes before the cursor as if it stood before them, and the exponents learn from that. */
async function learnExponents(
  context: TextContext,
  members: readonly Member[],
  learners: readonly OnlineExponents[],
  signal: AbortSignal,
): Promise<void> {
  const text = recentText(context);
  const prefix = context.prefix.subarray(0, context.prefix.length - text.length);
  const streams = await Promise.all(members.map((member) => member.open({ ...context, prefix }, signal)));
  try {
    const distributions = streams.map(({ distribution }) => distribution);
    for (const [i, byte] of text.entries()) {
      if (i % readAtOnce === 0) {
        const next = text.subarray(i, i + readAtOnce);
        await Promise.all(streams.map((stream) => stream.expect?.(next)));
      }
      for (const learner of learners) learner.observe(distributions, byte);
      await Promise.all(streams.map((stream) => stream.advance(byte)));
    }
  } finally {
    for (const stream of streams) stream.release();
  }
}
