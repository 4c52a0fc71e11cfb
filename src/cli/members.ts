import { explainMemberProblem } from '../config/memberError.ts';
import { loadMemberManifest } from '../config/memberManifest.ts';
import { bundledMembersPath, findMembers, type MemberFolder } from '../server/memberFolders.ts';
import { parseOptions, resolvePath } from './arguments.ts';
import { Failure, reasonOf, UsageError } from './failures.ts';
import { toJson, writeResult } from './output.ts';
import type { Command, Terminal } from './run.ts';

const help = `Usage: consort members list [options]
       consort members verify [ID...] [options]

list    the neural members that can be found: the bundled ones and those in --members-path
verify  checks that every file of the members is there and has the sha256 that its manifest says; exit code 1
        where one has not

  --members-path DIR  a folder with further members
  --json              print one JSON document on stdout, everything else on stderr
  --out FILE          write the result to this file as well
`;

const hint = 'Usage: consort members list | verify [ID...]. More: consort members --help';

export const members: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    'members-path': { type: 'string' },
    json: { type: 'boolean' },
    out: { type: 'string' },
  });
  const [action, ...ids] = positionals;
  const found = [
    bundledMembersPath(),
    ...(values['members-path'] ? [resolvePath(values['members-path'])] : []),
  ];
  const all = found.flatMap(membersIn);
  if (action === 'list' && ids.length === 0) {
    await writeResult(terminal, values.json ? toJson({ members: all }) : listing(all), values.out);
  } else if (action === 'verify') {
    const results = await verify(chosen(all, ids));
    await writeResult(terminal, values.json ? toJson({ members: results }) : verdicts(results), values.out);
    const nBad = results.filter(({ problem }) => problem !== null).length;
    if (nBad > 0) throw new Failure(`${nBad} of ${results.length} members cannot be used.`);
  } else
    throw new UsageError(
      action === undefined ? 'say what to do' : `cannot do "${positionals.join(' ')}"`,
      hint,
    );
}

interface Verdict extends MemberFolder {
  /** What is wrong and how to mend it; null where nothing is. */
  readonly problem: string | null;
}

function verify(folders: readonly MemberFolder[]): Promise<Verdict[]> {
  return Promise.all(
    folders.map(async (member) => {
      const { problem } = await loadMemberManifest(member.folder);
      return { ...member, problem: problem ? explainMemberProblem(problem) : null };
    }),
  );
}

function membersIn(path: string): readonly MemberFolder[] {
  try {
    return findMembers(path);
  } catch (error) {
    throw new Failure(`cannot read the folder of members ${path}: ${reasonOf(error)}.`);
  }
}

function chosen(all: readonly MemberFolder[], ids: readonly string[]): readonly MemberFolder[] {
  const unknown = ids.find((id) => !all.some((member) => member.id === id));
  if (unknown !== undefined) {
    throw new Failure(`there is no member ${unknown}. There are: ${all.map(({ id }) => id).join(', ')}.`);
  }
  return ids.length === 0 ? all : all.filter(({ id }) => ids.includes(id));
}

function listing(all: readonly MemberFolder[]): string {
  const width = Math.max(0, ...all.map(({ id }) => id.length));
  const lines = all.map(({ id, bytes, folder }) => `${id.padEnd(width)}  ${megabytes(bytes)}  ${folder}\n`);
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
