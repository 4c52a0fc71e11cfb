import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { featureGroups } from '../config/policyFile.ts';
import { parseHyperParameters } from '../training/hyperParameters.ts';
import type { TrainingEvent } from '../training/trainPolicy.ts';
import { integerOption, listOption, parseOptions, resolvePath } from './arguments.ts';
import { collect } from './collect.ts';
import { Failure, Interrupted, UsageError } from './failures.ts';
import { toJson } from './output.ts';
import { findPathFiles, pathFileEnding } from './pathFiles.ts';
import type { Command, Terminal } from './run.ts';
import type { FromTrainWorker, RlaeSpanEvent, TrainingJob } from './trainWorker.ts';

const help = `Usage: consort train PATHS... --algorithm ppo|mappo|gate|rlaeSpan --out FILE [options]

Trains a policy on collected paths (consort collect): files of them, folders that hold some, or folders of packages,
which are then collected first, into FILE.paths. A supervised warm start by the log-loss of the true text comes first;
it is all of "gate". Then it learns when to stop, from what each of its lines would be worth if it ended
earlier. Then come completions that the simulated typist judges, and updates by PPO (one agent sets all
weights) or MAPPO (one agent per member with shared parameters). Ctrl-C ends after the update in hand.
"rlaeSpan" is RLAE as published, to be compared with: no warm start, weights for spans of steps, no stops.

  --held-out A,B      paths or folders that say when to stop and which state is kept (default: a fifth of PATHS;
                      rlaeSpan keeps its last)
  --granularity G     token or span: an action holds for one step or for several (default token)
  --combiner C        linear or geometric (default linear)
  --per-member        a gate with an agent per member, as mappo's, not an output per member, as ppo's
  --without-warm-start  begin at Hedge
  --without-stop-stage  learn when to stop by reinforcement learning alone
  --without-groups a,b  leave out these groups of features: ${featureGroups.join(', ')}
  --seed N            (default 1)
  --updates N         end after so many updates (default 200, with --minutes no limit; 0: no reinforcement learning)
  --minutes N         end after so many minutes
  --limit N           use so many cursors at most, of PATHS and of those held out
  --set G.NAME=V      a hyper-parameter, such as ppo.clipRange=0.1, gate.nEpochs=10, stop.entCoef=0.05,
                      policy.spanLength=8; repeatable
  --resume            go on from FILE.checkpoint
  --backend B         native (@tensorflow/tfjs-node, where it is installed) or wasm (default: what loads)
  --json              print one JSON document on stdout, everything else on stderr
`;

const backends = ['native', 'wasm'] as const;

const hint =
  'Usage: consort train PATHS... --algorithm ppo|mappo|gate|rlaeSpan --out FILE. More: consort train --help';

export const train: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    algorithm: { type: 'string' },
    out: { type: 'string' },
    'held-out': { type: 'string' },
    granularity: { type: 'string', default: 'token' },
    combiner: { type: 'string', default: 'linear' },
    'per-member': { type: 'boolean' },
    'without-warm-start': { type: 'boolean' },
    'without-stop-stage': { type: 'boolean' },
    'without-groups': { type: 'string' },
    seed: { type: 'string', default: '1' },
    updates: { type: 'string' },
    minutes: { type: 'string' },
    limit: { type: 'string' },
    set: { type: 'string', multiple: true },
    resume: { type: 'boolean' },
    backend: { type: 'string' },
    json: { type: 'boolean' },
  });
  if (positionals.length === 0) throw new UsageError('give at least one of PATHS', hint);
  if (values.out === undefined) throw new UsageError('--out is missing', hint);
  const out = resolvePath(values.out);
  const optional = (name: string, value: string | undefined) =>
    value === undefined ? null : integerOption(name, value, hint);
  const minutes = optional('minutes', values.minutes);
  const left = listOption(values['without-groups']) ?? [];
  for (const group of left) choice('without-groups', group, featureGroups);
  const settings = values.set ?? [];
  checkSettings(settings);
  if (values.algorithm === 'rlaeSpan') refuseUnheard(values);
  const job: TrainingJob = {
    stop: new SharedArrayBuffer(4),
    algorithm: choice('algorithm', values.algorithm, ['ppo', 'mappo', 'gate', 'rlaeSpan']),
    gateKind: values['per-member'] ? 'perMember' : 'slots',
    combiner: choice('combiner', values.combiner, ['linear', 'geometric']),
    granularity: choice('granularity', values.granularity, ['token', 'span']),
    groups: featureGroups.filter((group) => !left.includes(group)),
    warmStart: values['without-warm-start'] ? 'hedge' : 'gate',
    stopStage: values['without-stop-stage'] ? 'none' : 'exact',
    seed: integerOption('seed', values.seed, hint),
    nUpdates:
      (values.updates === '0' ? 0 : optional('updates', values.updates)) ?? (minutes === null ? 200 : null),
    minutes,
    limit: optional('limit', values.limit),
    isResumed: values.resume ?? false,
    settings,
    ...(values.backend === undefined ? {} : { backend: choice('backend', values.backend, backends) }),
    out,
    trainFiles: await pathFiles(positionals.map(resolvePath), out, terminal),
    heldOutFiles: findOptional(listOption(values['held-out'])?.map(resolvePath)),
  };
  const training = await runWorker(job, terminal);
  await terminal.stdout(values.json ? toJson({ out, training }) : `${out}\n`);
}

function choice<Name extends string>(
  option: string,
  value: string | undefined,
  names: readonly Name[],
): Name {
  const found = names.find((name) => name === value);
  if (found !== undefined) return found;
  const problem = value === undefined ? `--${option} is missing` : `--${option} cannot be "${value}"`;
  throw new UsageError(problem, `It is one of ${names.join(', ')}. More: consort train --help`);
}

/** Options of which RLAE as published takes no notice. */
function refuseUnheard(values: Readonly<Record<string, unknown>>): void {
  const names = ['resume', 'per-member', 'without-warm-start', 'without-stop-stage', 'without-groups'];
  const unheard = names.find((name) => values[name] !== undefined);
  if (unheard !== undefined) throw new UsageError(`rlaeSpan knows no --${unheard}`, hint);
  if (values.combiner === 'geometric') throw new UsageError('rlaeSpan has the linear combiner only', hint);
}

function checkSettings(settings: readonly string[]): void {
  try {
    parseHyperParameters(settings);
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`--set: ${error.message}`, hint);
    throw error;
  }
}

function findOptional(places: readonly string[] | undefined): string[] {
  return places === undefined ? [] : findPathFiles(places);
}

/** The files of paths in these places; where there are none, those of the packages in them are collected first. */
async function pathFiles(places: readonly string[], out: string, terminal: Terminal): Promise<string[]> {
  const missing = places.find((place) => !existsSync(place));
  if (missing !== undefined) throw new Failure(`there is no ${missing}.`);
  if (places.some((place) => place.endsWith(pathFileEnding))) return findPathFiles(places);
  try {
    return findPathFiles(places);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const folder = `${out}${pathFileEnding}`;
    terminal.stderr(`The members read ${places.join(', ')} first.\n`);
    await collect.run([...places, '--out', folder], { ...terminal, stdout: async () => {} });
    return findPathFiles([folder]);
  }
}

const isBuilt = !import.meta.url.endsWith('.ts');
const workerUrl = new URL(isBuilt ? 'trainWorker.js' : 'trainWorker.ts', import.meta.url);

/** Trains in a thread of its own; gives what the policy file says of it. The first Ctrl-C ends it in order. */
async function runWorker(job: TrainingJob, terminal: Terminal): Promise<Readonly<Record<string, unknown>>> {
  const worker = new Worker(workerUrl, { workerData: job });
  const progress = new Progress(job, terminal);
  let isInterrupted = false;
  const interrupt = () => {
    if (isInterrupted) process.exit(130);
    isInterrupted = true;
    Atomics.store(new Int32Array(job.stop), 0, 1);
    terminal.stderr('Ends after the update in hand. Ctrl-C again ends at once, without it.\n');
  };
  process.on('SIGINT', interrupt);
  try {
    const training = await new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => reject(new Error('The training ended without a word.')));
      worker.on('message', (message: FromTrainWorker) => {
        if (message.type === 'started') progress.started(message);
        else if (message.type === 'event') progress.show(message.event);
        else if (message.type === 'done') resolve(message.training);
        else reject(message.isDefect ? new Error(message.message) : new Failure(message.message));
      });
    });
    if (isInterrupted) {
      const further = job.algorithm === 'rlaeSpan' ? '' : '; --resume goes on';
      throw new Interrupted(`${job.out} is as good as it was by then${further}.`);
    }
    return training;
  } finally {
    process.off('SIGINT', interrupt);
    await worker.terminate();
  }
}

/** Lines on stderr. */
class Progress {
  readonly #job: TrainingJob;
  readonly #terminal: Terminal;
  readonly #start = performance.now();
  #firstUpdate: { readonly update: number; readonly at: number } | undefined;

  constructor(job: TrainingJob, terminal: Terminal) {
    this.#job = job;
    this.#terminal = terminal;
  }

  started({ backend, nTrain, nHeldOut }: { backend: string; nTrain: number; nHeldOut: number }): void {
    this.#say(`${nTrain} cursors to train on, ${nHeldOut} held out; TensorFlow.js on ${backend}`);
  }

  show(event: TrainingEvent | RlaeSpanEvent): void {
    if (event.stage === 'gate') {
      const { epoch, trainBits, heldOutBits } = event;
      this.#say(`warm start ${epoch}: ${trainBits.toFixed(4)} bits/byte, held out ${heldOutBits.toFixed(4)}`);
    } else if (event.stage === 'stop') {
      const { epoch, heldOutReward, heldOutShown } = event;
      this.#say(
        `stops ${epoch}: held out reward ${heldOutReward.toFixed(4)}, shown ${percent(heldOutShown)}`,
      );
    } else if (event.stage === 'heldOut') {
      const { reward, shown, exact, bitsPerByte } = event;
      this.#say(
        `held out: reward ${reward.toFixed(4)}, shown ${percent(shown)}, exact ${percent(exact)}, ${bitsPerByte.toFixed(4)} bits/byte`,
      );
    } else if (event.stage === 'rlaeSpan') {
      const { update, meanReward, approxKl, entropy } = event;
      this.#firstUpdate ??= { update: update - 1, at: this.#start };
      this.#say(
        `update ${update}: reward ${meanReward.toFixed(4)}, kl ${approxKl.toFixed(4)}, entropy ${entropy.toFixed(2)}${this.#eta(update)}`,
      );
    } else {
      const { update, nRollouts, rolloutMs, updateMs } = event;
      this.#firstUpdate ??= { update: update - 1, at: performance.now() - rolloutMs - updateMs };
      this.#say(
        `update ${update}: reward ${event.meanReward.toFixed(4)}, shown ${percent(event.shownShare)}, kl ${event.approxKl.toFixed(4)}, entropy ${event.entropy.toFixed(2)}, sigma ${event.sigma.toFixed(3)}, clipped ${percent(event.clipFraction)}, value loss ${event.valueLoss.toFixed(4)}, explained ${event.explainedVariance.toFixed(2)}, left ${percent(event.leftShare)}, ${((1000 * nRollouts) / rolloutMs).toFixed(0)} rollouts/s, update ${(updateMs / 1000).toFixed(1)} s${this.#eta(update)}`,
      );
    }
  }

  #eta(update: number): string {
    const { nUpdates, minutes } = this.#job;
    const now = performance.now();
    const first = this.#firstUpdate;
    const perUpdate = first ? (now - first.at) / (update - first.update) : 0;
    const left = [
      ...(nUpdates === null ? [] : [(nUpdates - update) * perUpdate]),
      ...(minutes === null ? [] : [Math.max(0, this.#start + minutes * 60_000 - now)]),
    ];
    return left.length === 0 ? '' : `, ${(Math.min(...left) / 60_000).toFixed(1)} min left`;
  }

  #say(text: string): void {
    this.#terminal.stderr(`${text}\n`);
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
