import '../config/noTelemetry.ts';
import type { GoalPair } from '../evaluation/comparison.ts';
import type { Contender } from '../evaluation/contender.ts';
import { type Evaluation, evaluate as evaluateLive, evaluatePaths } from '../evaluation/evaluate.ts';
import { drawPositions, type SourcePackage } from '../evaluation/positions.ts';
import { bundledMembersPath } from '../server/memberFolders.ts';
import { integerOption, integersOption, listOption, parseOptions, resolvePath } from './arguments.ts';
import { evaluationTable } from './evaluationTable.ts';
import { Failure, UsageError } from './failures.ts';
import { type MembersOptions, membersDigest, type OpenMembers, openMembers } from './openMembers.ts';
import { openPaths } from './openPaths.ts';
import { toJson, writeResult } from './output.ts';
import { bundledPoliciesPath, knownContenders, selectContenders } from './policyChoice.ts';
import type { Command, Terminal } from './run.ts';
import { readPackage } from './sourcePackages.ts';

const help = `Usage: consort evaluate DIR... [options]
       consort evaluate --paths FOLDER... [options]

Completes lines at seeded random cursors in the files of each DIR (one package or repository) under each policy,
and compares them with what stands there. The workspace member knows the other files of the same DIR, except
near-duplicates, and the text before the cursor. With --paths, the cursors and all that the members say there are
taken from what "consort collect" has kept: thousands of cursors in seconds, and nothing is timed.

  --paths             each FOLDER holds collected paths, or is such a file
  --policies a,b      only these, by name, or files of policies; the first is what all are compared with
  --learned DIR       take learned policies and tuned baselines from this folder, not those that come with the program
  --without-group G   zero this group of features in the policies that are read from files (a,b for several)
  --stop-thresholds X,Y  also each policy of that folder that stops by itself, as it is with these thresholds instead of its
                      own: the higher, the more is shown; they are named NAME@X
  --members a,b       only these neural members (of those collected, with --paths)
  --models DIR        take the neural members from this folder of members
  --without-ngram     leave the workspace member out
  --limit N           cursors in all, for each seed (default 300)
  --seed N            (default 1)
  --seeds 1,2,3       several, one after the other
  --json              print one JSON document on stdout, everything else on stderr
  --timed N           live, time so many completions of each policy (default 30)
  --lines             with --json: every cursor's result too
  --out FILE          write the result to this file as well
`;

const hint = 'Usage: consort evaluate DIR... More: consort evaluate --help';

export const evaluate: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    paths: { type: 'boolean' },
    policies: { type: 'string' },
    learned: { type: 'string' },
    'without-group': { type: 'string' },
    'stop-thresholds': { type: 'string' },
    members: { type: 'string' },
    models: { type: 'string' },
    'without-ngram': { type: 'boolean' },
    limit: { type: 'string', default: '300' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    json: { type: 'boolean' },
    timed: { type: 'string', default: '30' },
    lines: { type: 'boolean' },
    out: { type: 'string' },
  });
  if (positionals.length === 0) throw new UsageError('give at least one DIR', hint);
  const seeds =
    values.seeds === undefined
      ? [integerOption('seed', values.seed, hint)]
      : integersOption('seeds', values.seeds, hint);
  const membersOptions: MembersOptions = {
    modelsPath: values.models === undefined ? bundledMembersPath() : resolvePath(values.models),
    ids: listOption(values.members),
    withoutNgram: values['without-ngram'],
  };
  const folder = values.learned === undefined ? bundledPoliciesPath() : resolvePath(values.learned);
  const withoutGroups = listOption(values['without-group']) ?? [];
  const stopThresholds = listOption(values['stop-thresholds'])?.map(probability) ?? [];
  const request: Request = {
    places: positionals.map(resolvePath),
    seeds,
    nPositions: integerOption('limit', values.limit, hint),
    nTimed: integerOption('timed', values.timed, hint),
    membersOptions,
    contendersFor: async (memberIds, tokenMembers) =>
      selectContenders(
        await knownContenders(memberIds, { folder, withoutGroups, stopThresholds, tokenMembers }),
        listOption(values.policies),
      ),
    onProgress: (done) => showProgress(terminal, done),
  };
  await warnOfPolicies(folder, membersOptions.modelsPath, terminal);
  const { lines, ...result } = await (values.paths ? overPaths(request) : overPackages(request));
  for (const name of result.absent) {
    terminal.stderr(`${name} takes part at none of these cursors and is left out.\n`);
  }
  warnOfLeftPaths(result, terminal);
  await writeResult(
    terminal,
    values.json ? toJson(values.lines ? { ...result, lines } : result) : evaluationTable(result),
    values.out,
  );
}

function probability(text: string): number {
  const value = Number(text);
  if (text !== '' && value >= 0 && value <= 1) return value;
  throw new UsageError(`--stop-thresholds must be numbers from 0 to 1, not "${text}"`, hint);
}

interface Request {
  readonly places: readonly string[];
  readonly seeds: readonly number[];
  readonly nPositions: number;
  readonly nTimed: number;
  readonly membersOptions: MembersOptions;
  readonly contendersFor: (
    memberIds: readonly string[],
    tokenMembers?: OpenMembers['tokenMembers'],
  ) => Promise<Contender[]>;
  readonly onProgress: (done: number) => void;
}

/** The JSON document of this command. */
export interface EvaluationReport extends Omit<Evaluation, 'lines'> {
  /** The first of the seeds. */
  readonly seed: number;
  readonly seeds: readonly number[];
  readonly members: readonly { readonly id: string; readonly kind: string }[];
  readonly packages: readonly string[];
  /** The policies that learned from examples. */
  readonly learned: readonly string[];
  /** Contenders that take part at none of the cursors. */
  readonly absent: readonly string[];
}

async function overPackages(request: Request): Promise<EvaluationReport & Pick<Evaluation, 'lines'>> {
  const { places, seeds, nPositions, nTimed, onProgress } = request;
  const packages: SourcePackage[] = [];
  for (const folder of places) packages.push(await readPackage(folder));
  const open = await openMembers(request.membersOptions);
  try {
    const contenders = await request.contendersFor(
      open.members.map(({ id }) => id),
      open.tokenMembers,
    );
    const evaluation = await evaluateLive({
      ...open,
      packages,
      positions: seeds.flatMap((seed) => drawPositions(packages, nPositions, seed)),
      contenders,
      pairs: goalPairs(contenders),
      nTimed,
      seed: seeds[0],
      signal: new AbortController().signal,
      onProgress,
    });
    return {
      ...describe(evaluation, contenders, seeds),
      members: open.members.map(({ id, kind }) => ({ id, kind })),
      packages: packages.map(({ name }) => name),
    };
  } finally {
    await open.close();
  }
}

async function overPaths(request: Request): Promise<EvaluationReport & Pick<Evaluation, 'lines'>> {
  const { members, packages, seeds, cursors } = await openPaths(request.places, request.membersOptions);
  const contenders = await request.contendersFor(members.map(({ id }) => id));
  const evaluation = await evaluatePaths(cursors(), {
    contenders,
    pairs: goalPairs(contenders),
    seed: seeds[0],
    signal: new AbortController().signal,
    onProgress: request.onProgress,
  });
  return { ...describe(evaluation, contenders, seeds), members, packages };
}

function describe(evaluation: Evaluation, contenders: readonly Contender[], seeds: readonly number[]) {
  if (Object.keys(evaluation.policies).length === 0) {
    throw new Failure('no contender takes part at any of these cursors. Take other members or packages.');
  }
  const absent = contenders.map(({ name }) => name).filter((name) => !(name in evaluation.policies));
  const learned = contenders.filter(({ isLearned }) => isLearned).map(({ name }) => name);
  return { ...evaluation, seed: seeds[0], seeds, learned, absent };
}

/** Every policy that was learned, less each that was not and less those that were learned in another way. */
function goalPairs(contenders: readonly Contender[]): GoalPair[] {
  const others = contenders.filter(
    ({ name, isLearned }) =>
      isBaselineToBeat(name) && (!isLearned || name.startsWith('gate') || name.startsWith('rlae')),
  );
  return contenders
    .filter(({ isLearned }) => isLearned)
    .flatMap(({ name }) =>
      others.filter((other) => other.name !== name).map((other) => ({ name, against: other.name })),
    );
}

/** Of the members alone, the workspace's is the one that is hard to beat; hindsight cannot be beaten. */
function isBaselineToBeat(name: string): boolean {
  return !name.startsWith('oracle') && (!name.startsWith('single:') || name === 'single:workspace');
}

async function warnOfPolicies(folder: string, modelsPath: string, terminal: Terminal): Promise<void> {
  const { tunedWith, refused } = await knownContenders([], { folder });
  for (const reason of refused) terminal.stderr(`${reason}\n`);
  if (tunedWith === undefined || tunedWith === (await membersDigest({ modelsPath }))) return;
  terminal.stderr(
    'The tuned baselines (bestSingle, fixed, fixedGeometric, thresholds) were tuned with other members: consort tune --help.\n',
  );
}

/** More texts than this that have left the collected paths are worth reading live. */
const muchLeft = 0.02;

function warnOfLeftPaths({ policies }: Pick<Evaluation, 'policies'>, terminal: Terminal): void {
  const names = Object.keys(policies).filter((name) => policies[name].leftPaths > muchLeft);
  if (names.length === 0) return;
  terminal.stderr(
    `Over ${100 * muchLeft} % of the texts left the collected paths: ${names.join(', ')}. Bits and exact lines are right all the same; what depends on the tails of wrong texts (similarity, reward, acceptance) is exact after: consort collect --policies ${names.join(',')}.\n`,
  );
}

function showProgress(terminal: Terminal, done: number): void {
  if (done % 100 === 0) terminal.stderr(`${done} cursors\n`);
}
