import type { LiveCursor } from '../../src/evaluation/liveCursors.ts';
import { type CollectedCursor, decodeCursor, encodeCursor } from '../../src/evaluation/pathStore.ts';
import { LivePaths, PathTree } from '../../src/evaluation/pathTree.ts';
import type { Member } from '../../src/lm/member.ts';
import { type ToyModel, toyStream } from './toyStream.ts';

export const never = new AbortController().signal;

/** Members that follow rules, at a cursor with this target. */
export async function toyCursor(
  models: readonly ToyModel[],
  target: string,
  recent: readonly (readonly number[])[] = models.map(() => [-1, -2]),
): Promise<LiveCursor> {
  const present = models.map(
    (model, i): Member => ({
      id: `m${i}`,
      kind: 'ngram',
      open: () => Promise.resolve(toyStream(model, { slow: i % 2 === 1, recent: recent[i] })),
      close: () => Promise.resolve(),
    }),
  );
  const context = {
    documentId: 'a.ts',
    languageId: 'typescript',
    prefix: Buffer.from('let a = '),
    suffix: Buffer.from('\nnext'),
  };
  const tree = new PathTree();
  const paths: LivePaths[] = [];
  for (const member of present) paths.push(await LivePaths.open(member, tree, context, never));
  return {
    packageIdx: 0,
    languageId: 'typescript',
    members: present.map(({ id, kind }) => ({ id, kind })),
    context,
    target,
    exponents: {
      fresh: Float64Array.from(models, (_, i) => 0.5 + i / 10),
      carried: Float64Array.from(models, (_, i) => 0.6 + i / 10),
    },
    streams: () => paths.map((path) => path.stream()),
    present,
    memberIdxs: present.map((_, i) => i),
    tree,
    paths,
  };
}

/** Reads these texts from the cursor on. */
export async function readTexts(cursor: LiveCursor, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    for (const stream of cursor.streams()) for (const byte of Buffer.from(text)) await stream.advance(byte);
  }
  for (const path of cursor.paths) await path.complete();
}

/** The cursor as it comes back from a file. */
export function stored(cursor: LiveCursor): CollectedCursor {
  const record = Uint8Array.from(encodeCursor(cursor));
  const header = {
    packageName: 'toy',
    members: cursor.members,
    digest: 'd',
    seed: 1,
    limit: 1,
    nCursors: 1,
    contenders: [],
    exploration: 'wide' as const,
  };
  return decodeCursor(record.buffer, header, 0);
}
