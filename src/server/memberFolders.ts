import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemberError } from '../config/memberError.ts';
import { type MemberManifest, memberManifestFile, memberManifestSchema } from '../config/memberManifest.ts';

/** A folder that holds a member, and what can be told of it without loading it. */
export interface MemberFolder {
  readonly folder: string;
  readonly id: string;
  readonly name: string;
  /** Language identifiers that it is meant for, or '*'. */
  readonly languages: MemberManifest['languages'];
  /** Bytes of all its files. */
  readonly bytes: number;
}

/** The folder of the bundled members: `models` beside this program, from the sources as from the built package. */
export function bundledMembersPath(): string {
  const beside = fileURLToPath(new URL('../models', import.meta.url));
  const fromSources = fileURLToPath(new URL('../../models', import.meta.url));
  return import.meta.url.endsWith('.ts') ? fromSources : beside;
}

/**
 * The members in a folder of members, by name. A member whose manifest cannot be read goes by the name of its
 * folder; loading it will say why. Throws where the folder itself cannot be read.
 */
export function findMembers(membersPath: string): readonly MemberFolder[] {
  return readdirSync(membersPath)
    .toSorted()
    .map((name) => join(membersPath, name))
    .filter((folder) => existsSync(join(folder, memberManifestFile)))
    .map(describe);
}

/** Why the member there is left out, however good its files are: one before it has its id. */
export function duplicateProblem(
  members: readonly MemberFolder[],
  memberIdx: number,
): MemberError | undefined {
  const { id, folder } = members[memberIdx];
  if (members.findIndex((other) => other.id === id) === memberIdx) return undefined;
  return new MemberError(
    `There is another member with the id ${id}`,
    `Give one of them another id in ${join(folder, memberManifestFile)}, or take this folder away.`,
  );
}

function describe(folder: string): MemberFolder {
  const unknown = {
    folder,
    id: basename(folder),
    name: basename(folder),
    languages: '*',
    bytes: 0,
  } satisfies MemberFolder;
  try {
    const parsed = memberManifestSchema.safeParse(
      JSON.parse(readFileSync(join(folder, memberManifestFile), 'utf8')),
    );
    if (!parsed.success) return unknown;
    const { id, name, languages, files } = parsed.data;
    return { folder, id, name, languages, bytes: files.reduce((sum, file) => sum + file.bytes, 0) };
  } catch {
    return unknown;
  }
}
