import '../config/noTelemetry.ts';
import { explainMemberProblem } from '../config/memberError.ts';
import { isMeantFor, loadMemberManifest } from '../config/memberManifest.ts';
import { compareWithFirst } from '../evaluation/comparison.ts';
import { evaluate as evaluatePackages } from '../evaluation/evaluate.ts';
import { contenders } from '../evaluation/policies.ts';
import type { Member } from '../lm/member.ts';
import { openNeuralMember } from '../lm/neural/neuralMember.ts';
import { NgramIndex } from '../lm/ngram/ngramIndex.ts';
import { NgramMember } from '../lm/ngram/ngramMember.ts';
import { bundledMembersPath, findMembers, type MemberFolder } from '../server/memberFolders.ts';
import { integerOption, parseOptions, resolvePath } from './arguments.ts';
import { evaluationTable } from './evaluationTable.ts';
import { Failure, UsageError } from './failures.ts';
import { toJson, writeResult } from './output.ts';
import type { Command, Terminal } from './run.ts';
import { readPackage } from './sourcePackages.ts';

const help = `Usage: consort evaluate DIR... [options]

Completes lines at seeded random cursors in the files of each DIR (one package or repository) under each policy,
and compares them with what stands there. The workspace member knows the other files of the same DIR, except
near-duplicates, and the text before the cursor.

  --policies a,b      only these, by name
  --members a,b       only these neural members
  --models DIR        take the neural members from this folder of members
  --without-ngram     leave the workspace member out
  --limit N           cursors in all (default 300)
  --seed N            (default 1)
  --json              print one JSON document on stdout, everything else on stderr
  --lines             with --json: every cursor's result too
  --out FILE          write the result to this file as well
`;

const hint = 'Usage: consort evaluate DIR... More: consort evaluate --help';

export const evaluate: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    policies: { type: 'string' },
    members: { type: 'string' },
    models: { type: 'string' },
    'without-ngram': { type: 'boolean' },
    limit: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean' },
    lines: { type: 'boolean' },
    out: { type: 'string' },
  });
  if (positionals.length === 0) throw new UsageError('give at least one DIR', hint);
  const nPositions = integerOption('limit', values.limit, hint);
  const seed = integerOption('seed', values.seed, hint);
  const packages = [];
  for (const folder of positionals) packages.push(await readPackage(resolvePath(folder)));

  const index = new NgramIndex({ maximumBytes: 1 << 28 });
  const members: Member[] = values['without-ngram'] ? [] : [new NgramMember('workspace', index)];
  const modelsPath = values.models === undefined ? bundledMembersPath() : resolvePath(values.models);
  const languages = new Map<string, MemberFolder['languages']>();
  for (const found of chosenMembers(modelsPath, list(values.members))) {
    members.push(await openMember(found.folder));
    languages.set(found.id, found.languages);
  }
  if (members.length === 0) throw new Failure(`there are no members in ${modelsPath}.`);
  try {
    const known = contenders(members.map(({ id }) => id));
    const { lines, ...evaluation } = await evaluatePackages({
      packages,
      members,
      takesPart: ({ id }, languageId) => isMeantFor(languages.get(id) ?? '*', languageId),
      index: {
        setDocument: async (id, text) => void index.setDocument(id, text, 'workspace'),
        removeDocument: async (id) => index.removeDocument(id),
      },
      contenders: selected(known, list(values.policies)),
      nPositions,
      seed,
      signal: new AbortController().signal,
      onProgress: (done, of) => showProgress(terminal, done, of),
    });
    const details = {
      members: members.map(({ id, kind }) => ({ id, kind })),
      packages: packages.map(({ name }) => name),
    };
    const comparisons = compareWithFirst(lines, packages.length, seed);
    const result = { ...evaluation, comparisons, ...details, ...(values.lines ? { lines } : {}) };
    await writeResult(
      terminal,
      values.json ? toJson(result) : evaluationTable({ ...evaluation, comparisons }),
      values.out,
    );
  } finally {
    for (const member of members) await member.close();
  }
}

/** Of the members in a folder of members, those that are named; all by default. */
function chosenMembers(modelsPath: string, ids: readonly string[] | undefined): readonly MemberFolder[] {
  const found = findMembers(modelsPath);
  const unknown = ids?.find((id) => !found.some((member) => member.id === id));
  if (unknown !== undefined) {
    throw new UsageError(
      `there is no member "${unknown}"`,
      `Members: ${found.map(({ id }) => id).join(', ')}`,
    );
  }
  return ids === undefined ? found : found.filter(({ id }) => ids.includes(id));
}

async function openMember(folder: string): Promise<Member> {
  const { manifest, problem } = await loadMemberManifest(folder);
  if (problem) throw new Failure(explainMemberProblem(problem));
  return openNeuralMember(folder, manifest);
}

function selected<Named extends { readonly name: string }>(
  known: readonly Named[],
  names: readonly string[] | undefined,
): Named[] {
  return (names ?? known.map(({ name }) => name)).map((name) => {
    const found = known.find((candidate) => candidate.name === name);
    if (found) return found;
    throw new UsageError(
      `there is no policy "${name}"`,
      `Policies: ${known.map((candidate) => candidate.name).join(', ')}`,
    );
  });
}

function list(value: string | undefined): string[] | undefined {
  return value?.split(',').map((name) => name.trim());
}

function showProgress(terminal: Terminal, done: number, of: number): void {
  if (done % 50 === 0 || done === of) terminal.stderr(`${done} of ${of} cursors\n`);
}
