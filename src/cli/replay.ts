import '../config/noTelemetry.ts';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type PolicyFile, parsePolicyFile } from '../config/policyFile.ts';
import type { Cursor } from '../evaluation/cursor.ts';
import { liveCursors } from '../evaluation/liveCursors.ts';
import { drawPositions, type SourcePackage } from '../evaluation/positions.ts';
import type { Turn } from '../server/learning/learn.ts';
import { onlinePromotion, scheduleDefaults } from '../server/learning/schedule.ts';
import { bundledMembersPath } from '../server/memberFolders.ts';
import { bundledPoliciesPath } from '../server/policyStore.ts';
import { onlineDefaults } from '../training/hyperParameters.ts';
import { openBackend } from '../training/tensorflow.ts';
import { integerOption, integersOption, parseOptions, resolvePath } from './arguments.ts';
import { Failure, reasonOf, UsageError } from './failures.ts';
import { openMembers } from './openMembers.ts';
import { openPaths } from './openPaths.ts';
import { toJson, writeResult } from './output.ts';
import { comparePolicies } from './replayCompare.ts';
import { type Checkpoint, checkpoints, figures } from './replayFigures.ts';
import { type LearningOptions, type ReplayedRequest, type ReplayOptions, startReplay } from './replayRun.ts';
import { attentive, type TypistNoise } from './replayTypist.ts';
import type { Command, Terminal } from './run.ts';
import { readPackage } from './sourcePackages.ts';

const help = `Usage: consort replay DIR... [options]
       consort replay --paths PLACE... [options]
       consort replay --paths PLACE... --compare --out FOLDER

A simulated typist works through the files of each DIR in order, at seeded cursors, accepts what is right of each
suggestion, rejects what is not, and types the file's own text. With --learn, all is recorded in a temporary ledger, and
policies are trained, put on trial and promoted while the typist pauses, as in the editor.

  --learn             learn from the typist
  --policy P          what serves at the start: hedge, a bundled policy, or a file of one (default mappo)
  --noise A:P,...     random:P  of the suggestions are accepted or rejected by a toss of a coin
                      careless:P  of what is wrong is accepted all the same, and deleted later
  --limit N           cursors in each DIR (default 450)
  --seed N            (default 1)
  --models DIR        take the neural members from this folder of members
  --paths             each PLACE holds collected paths (consort collect), or is a file of them
  --compare           the table: with and without learning, from the policy and from Hedge, with noise, and after a
                      change of repository; writes README.md and replay.json into the folder of --out
  --seeds 1,2,3       of the comparison
  --json              print one JSON document on stdout, everything else on stderr
  --out FILE          write the result to this file as well
`;

const hint = 'Usage: consort replay DIR... More: consort replay --help';

export const replay: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    learn: { type: 'boolean' },
    policy: { type: 'string', default: 'mappo' },
    noise: { type: 'string', default: '' },
    limit: { type: 'string', default: '450' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1,2,3' },
    models: { type: 'string' },
    paths: { type: 'boolean' },
    compare: { type: 'boolean' },
    json: { type: 'boolean' },
    out: { type: 'string' },
  });
  if (positionals.length === 0) throw new UsageError('give at least one DIR', hint);
  const policy = readPolicy(values.policy);
  const places = positionals.map(resolvePath);
  const modelsPath = values.models === undefined ? bundledMembersPath() : resolvePath(values.models);
  if (values.compare) {
    if (!values.paths || values.out === undefined)
      throw new UsageError('--compare goes with --paths and --out', hint);
    const { cursors, packages } = await openPaths(places, { modelsPath });
    const seeds = integersOption('seeds', values.seeds, hint);
    await openBackend('wasm');
    const options = { cursors, packages, policy, seeds, learning, onProgress: terminal.stderr };
    await terminal.stdout(await comparePolicies(options, resolvePath(values.out)));
    return;
  }
  const seed = integerOption('seed', values.seed, hint);
  const nPositions = integerOption('limit', values.limit, hint);
  if (values.learn) await openBackend('wasm');
  const onTurn = (turn: Turn, nShown: number) => terminal.stderr(`${describeTurn(turn, nShown)}\n`);
  const requests = await replayAll(
    values.paths
      ? (await openPaths(places, { modelsPath })).cursors()
      : openCursors(places, modelsPath, nPositions, seed),
    { policy, learning: values.learn ? learning(onTurn) : null, noise: parseNoise(values.noise), seed },
  );
  const result = describe(requests);
  const { shown, acceptRate, keystrokesSaved } = result;
  const text = `${shown} shown at ${requests.length} cursors, ${percent(acceptRate)} accepted, ${percent(keystrokesSaved)} of the keys saved\n`;
  await writeResult(terminal, values.json ? toJson(result) : text, values.out);
}

function learning(onTurn: LearningOptions['onTurn']): LearningOptions {
  return {
    hyperParameters: onlineDefaults,
    schedule: scheduleDefaults,
    promotion: onlinePromotion,
    idleEvery: 20,
    onTurn,
  };
}

async function replayAll(
  cursors: Iterable<Cursor> | AsyncIterable<Cursor>,
  options: ReplayOptions,
): Promise<readonly ReplayedRequest[]> {
  const { signal } = new AbortController();
  const session = await startReplay(options);
  const requests: ReplayedRequest[] = [];
  try {
    for await (const cursor of cursors) requests.push(await session.request(cursor, signal));
  } finally {
    session.close();
  }
  if (requests.length === 0) throw new Failure('there is no line to complete in these files.');
  return requests;
}

/** The document of `--json`. */
interface ReplayReport {
  readonly shown: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly acceptRate: number;
  readonly keystrokesSaved: number;
  readonly checkpoints: readonly Checkpoint[];
}

function describe(requests: readonly ReplayedRequest[]): ReplayReport {
  const accepted = requests.filter((request) => request.accepted !== 'none').length;
  const all = figures(requests);
  return { ...all, accepted, rejected: all.shown - accepted, checkpoints: checkpoints(requests) };
}

async function* openCursors(
  places: readonly string[],
  modelsPath: string,
  nPositions: number,
  seed: number,
): AsyncGenerator<Cursor> {
  const packages: SourcePackage[] = [];
  for (const folder of places) packages.push(await readPackage(folder));
  const positions = packages.flatMap((sourcePackage, packageIdx) =>
    drawPositions([sourcePackage], nPositions, seed).map((position) => ({ ...position, packageIdx })),
  );
  const open = await openMembers({ modelsPath });
  try {
    const { signal } = new AbortController();
    yield* liveCursors({ ...open, packages, positions, exponents: 'initial', signal });
  } finally {
    await open.close();
  }
}

function readPolicy(name: string): PolicyFile | null {
  if (name === 'hedge') return null;
  const path = name.endsWith('.json')
    ? resolvePath(name)
    : join(bundledPoliciesPath(), `${basename(name)}.json`);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `there is no policy "${name}" (${reasonOf(error)})`,
      'hedge, mappo, ppo, or a file that ends with .json',
    );
  }
  const { file, problem } = parsePolicyFile(text);
  if (problem) throw new Failure(`${path} cannot be used. ${problem.message} ${problem.hint}`);
  if (file.combiner !== 'linear')
    throw new Failure(`${path} combines the members geometrically; replay knows linear policies only.`);
  return file;
}

function parseNoise(text: string): TypistNoise {
  if (text === '') return attentive;
  const parts = text.split(',').map((part) => {
    const [, name, value] = /^(random|careless):(0?\.\d+|[01])$/.exec(part) ?? [];
    if (name === undefined)
      throw new UsageError(`--noise must be like random:0.2,careless:0.5, not "${text}"`, hint);
    return [name, Number(value)] as const;
  });
  return { ...attentive, ...Object.fromEntries(parts) };
}

function describeTurn(turn: Turn, nShown: number): string {
  const version = 'version' in turn ? ` ${turn.version}` : '';
  return `${nShown} shown: ${turn.kind}${version}`;
}

function percent(rate: number): string {
  return `${(100 * rate).toFixed(1)} %`;
}
