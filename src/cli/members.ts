import { explainMemberProblem, MemberError } from '../config/memberError.ts';
import { loadMemberManifest, readMemberManifest } from '../config/memberManifest.ts';
import {
  bundledMembersPath,
  duplicateProblem,
  findMembers,
  type MemberFolder,
} from '../server/memberFolders.ts';
import { parseOptions, resolvePath } from './arguments.ts';
import { Failure, reasonOf, UsageError } from './failures.ts';
import { toJson, writeResult } from './output.ts';
import type { Command, Terminal } from './run.ts';

const help = `Usage: consort members [list] [options]
       consort members verify [ID...] [options]

list    the neural members that can be found: the bundled ones and those in --members-path; one whose manifest
        cannot be used, or whose id is taken, is marked as broken
verify  checks that every file of the members is there and has the sha256 that its manifest says, and that no two
        members have one id; exit code 1 where a member cannot be used

  --members-path DIR  a folder with further members
  --json              print one JSON document on stdout, everything else on stderr
  --out FILE          write the result to this file as well
`;

const hint = 'Usage: consort members [list] | verify [ID...]. More: consort members --help';

export const members: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    'members-path': { type: 'string' },
    json: { type: 'boolean' },
    out: { type: 'string' },
  });
  const [action = 'list', ...ids] = positionals;
  const found = [
    bundledMembersPath(),
    ...(values['members-path'] ? [resolvePath(values['members-path'])] : []),
  ];
  const all = withDuplicates(found.flatMap(membersIn));
  if (action === 'list' && ids.length === 0) {
    const listed = await judge(all, readMemberManifest);
    await writeResult(terminal, values.json ? toJson({ members: listed }) : listing(listed), values.out);
  } else if (action === 'verify') {
    const results = await judge(chosen(all, ids), verifyFiles);
    await writeResult(terminal, values.json ? toJson({ members: results }) : verdicts(results), values.out);
    const nBad = results.filter(({ problem }) => problem !== null).length;
    if (nBad > 0) throw new Failure(`${nBad} of ${results.length} members cannot be used.`);
  } else throw new UsageError(`cannot do "${positionals.join(' ')}"`, hint);
}

interface Found {
  readonly member: MemberFolder;
  /** Why it would be left out, however good its files are. */
  readonly duplicate: MemberError | undefined;
}

interface Verdict extends MemberFolder {
  /** What is wrong and how to mend it; null where nothing is. */
  readonly problem: string | null;
}

/** `check` rejects with a MemberError where something is wrong with a member's folder. */
function judge(
  found: readonly Found[],
  check: (folder: string) => Promise<unknown>,
): Promise<readonly Verdict[]> {
  return Promise.all(
    found.map(async ({ member, duplicate }) => {
      const wrong = await check(member.folder).then(
        () => undefined,
        (error: unknown) => {
          if (error instanceof MemberError) return error;
          throw error;
        },
      );
      const problems = [wrong, duplicate].filter((problem) => problem !== undefined);
      return { ...member, problem: problems.map(explainMemberProblem).join(' ') || null };
    }),
  );
}

async function verifyFiles(folder: string): Promise<void> {
  const { problem } = await loadMemberManifest(folder);
  if (problem) throw problem;
}

function withDuplicates(members: readonly MemberFolder[]): readonly Found[] {
  return members.map((member, i) => ({ member, duplicate: duplicateProblem(members, i) }));
}

function membersIn(path: string): readonly MemberFolder[] {
  try {
    return findMembers(path);
  } catch (error) {
    throw new Failure(`cannot read the folder of members ${path}: ${reasonOf(error)}.`);
  }
}

function chosen(all: readonly Found[], ids: readonly string[]): readonly Found[] {
  const known = new Set(all.map(({ member }) => member.id));
  const unknown = ids.find((id) => !known.has(id));
  if (unknown !== undefined) {
    throw new Failure(`there is no member ${unknown}. There are: ${[...known].join(', ')}.`);
  }
  return ids.length === 0 ? all : all.filter(({ member }) => ids.includes(member.id));
}

function listing(all: readonly Verdict[]): string {
  const width = Math.max(0, ...all.map(({ id }) => id.length));
  const lines = all.map(({ id, bytes, folder, problem }) => {
    const size = problem === null ? megabytes(bytes) : 'broken';
    return `${id.padEnd(width)}  ${size.padStart(7)}  ${folder}${problem === null ? '' : `: ${problem}`}\n`;
  });
  return lines.join('') || 'There are no neural members.\n';
}

function verdicts(results: readonly Verdict[]): string {
  return results
    .map(({ id, bytes, problem }) => `${id}: ${problem ?? `all files match, ${megabytes(bytes)}`}\n`)
    .join('');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
