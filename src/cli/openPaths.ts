import type { CollectedCursor, PathHeader } from '../evaluation/pathStore.ts';
import { Failure, UsageError } from './failures.ts';
import { type MembersOptions, membersDigest } from './openMembers.ts';
import { findPathFiles, readAllPaths, readPathHeader } from './pathFiles.ts';

/** Collected paths that the members of a folder have made. */
export interface OpenPaths {
  /** Those that were collected and are wanted. */
  readonly members: PathHeader['members'];
  readonly packages: readonly string[];
  readonly seeds: readonly number[];
  readonly digest: string;
  /** Read anew each time. */
  readonly cursors: () => Iterable<CollectedCursor>;
}

/**
 * The paths in these files and folders, as if only the wanted members had been there; exponents stay those that were
 * learned together. Throws a Failure where other members have made them.
 */
export async function openPaths(places: readonly string[], options: MembersOptions): Promise<OpenPaths> {
  const { modelsPath, ids, withoutNgram } = options;
  const files = findPathFiles(places);
  const headers = files.map(readPathHeader);
  const [{ members: collected }] = headers;
  const neuralIds = collected.filter(({ kind }) => kind !== 'ngram').map(({ id }) => id);
  const unknown = ids?.find((id) => !neuralIds.includes(id));
  if (unknown !== undefined) {
    throw new UsageError(
      `there is no member "${unknown}" in these paths`,
      `Members: ${neuralIds.join(', ')}`,
    );
  }
  const digest = await digestOf(modelsPath, neuralIds, neuralIds.length === collected.length);
  const isWanted = ({ id, kind }: PathHeader['members'][number]) =>
    kind === 'ngram' ? !withoutNgram : (ids?.includes(id) ?? true);
  const members = collected.filter(isWanted);
  if (members.length === 0) throw new Failure('no member is left. Leave fewer out.');
  return {
    members,
    packages: [...new Set(headers.map(({ packageName }) => packageName))],
    seeds: [...new Set(headers.map(({ seed }) => seed))].toSorted((a, b) => a - b),
    digest,
    *cursors() {
      for (const cursor of readAllPaths(files, { digest })) {
        yield members.length === collected.length ? cursor : withMembers(cursor, isWanted);
      }
    },
  };
}

async function digestOf(modelsPath: string, ids: readonly string[], withoutNgram: boolean): Promise<string> {
  try {
    return await membersDigest({ modelsPath, ids, withoutNgram });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new Failure(
      `these paths are those of other members: ${error.message}. Collect them again: consort collect --help.`,
    );
  }
}

function withMembers(
  cursor: CollectedCursor,
  isWanted: (member: PathHeader['members'][number]) => boolean,
): CollectedCursor {
  const idxs = cursor.members.flatMap((member, i) => (isWanted(member) ? [i] : []));
  const pick = <Item>(all: readonly Item[]) => idxs.map((i) => all[i]);
  const { fresh, carried } = cursor.exponents;
  return {
    ...cursor,
    members: pick(cursor.members),
    recent: pick(cursor.recent),
    exponents: {
      fresh: Float64Array.from(pick([...fresh])),
      carried: Float64Array.from(pick([...carried])),
    },
    distribution: (memberIdx, node) => cursor.distribution(idxs[memberIdx], node),
    evidence: (memberIdx, node) => cursor.evidence(idxs[memberIdx], node),
    streams: () => pick(cursor.streams()),
  };
}
