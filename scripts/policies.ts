/**
 * Makes all of policies/ anew, in one go: what the members say is collected, policies are trained, baselines tuned, everything is
 * evaluated on packages that nothing was trained on, and the report made. It goes on where it was stopped: by Ctrl-C after the
 * updates in hand, by a second one at once.
 * Usage: npm run policies -- --packages DIR [--work DIR] [options]
 *
 *   --packages DIR      the packages as models/recipe unpacks them: DIR/<split>/<language>/<package>
 *   --work DIR          where collected paths and unfinished work lie (default .cache/policies; with --quick
 *                       .cache/policies-quick)
 *   --quick             a run of minutes that shows that everything works; policies/ stays as it is
 *   --jobs N            commands at once (default: the processors)
 *   --train-cursors N, --dev-cursors N, --test-cursors N   in each package (the last with each seed)
 *   --seeds 1,2,3       of the tested cursors
 *   --updates N         by reinforcement learning
 *   --ablation-updates N, --group-cursors N, --group-epochs N   of the ablations
 *   --timed N           completions that are timed live
 *   --list              say what would be done, and how long it may take
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { membersDigest } from '../src/cli/openMembers.ts';
import { pathFileEnding } from '../src/cli/pathFiles.ts';
import { formatPolicyFile, parsePolicyFile } from '../src/config/policyFile.ts';
import { bundledMembersPath } from '../src/server/memberFolders.ts';
import {
  chosenStopThreshold,
  collectedFiles,
  type Job,
  type PlanOptions,
  planPolicies,
  type Sizes,
} from './policyPlan.ts';

const root = join(import.meta.dirname, '..');
const sizes: Sizes = {
  trainCursors: 110,
  devCursors: 22,
  testCursors: 20,
  seeds: [1, 2, 3],
  updates: 60,
  ablationUpdates: 30,
  groupCursors: 1500,
  groupEpochs: 15,
  timed: 90,
};
const quickSizes: Sizes = {
  trainCursors: 4,
  devCursors: 3,
  testCursors: 2,
  seeds: [1, 2],
  updates: 2,
  ablationUpdates: 1,
  groupCursors: 20,
  groupEpochs: 1,
  timed: 6,
};
/** Packages of each language in a quick run. */
const nQuickPackages = 2;
const languages = ['typescript', 'javascript', 'python'];

const { values } = parseArgs({
  options: {
    packages: { type: 'string' },
    work: { type: 'string' },
    quick: { type: 'boolean' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    'train-cursors': { type: 'string' },
    'dev-cursors': { type: 'string' },
    'test-cursors': { type: 'string' },
    seeds: { type: 'string' },
    updates: { type: 'string' },
    'ablation-updates': { type: 'string' },
    'group-cursors': { type: 'string' },
    'group-epochs': { type: 'string' },
    timed: { type: 'string' },
    list: { type: 'boolean' },
  },
});
const { packages: packagesFolder } = values;
if (packagesFolder === undefined) {
  fail('--packages is missing: the folder that models/recipe has unpacked packages into');
}

// A quick run must not read what a whole one has collected, nor replace it.
const usualWork = join(root, '.cache', values.quick ? 'policies-quick' : 'policies');
const work = resolve(process.env.INIT_CWD ?? '.', values.work ?? usualWork);
const jobs = planPolicies({ work, packages: splitPackages(packagesFolder), sizes: chosenSizes() });
const nAtOnce = number(values.jobs) ?? 1;
const digest = await membersDigest({ modelsPath: bundledMembersPath() });
const stamps = new Map<string, string>();
for (const job of jobs) stamps.set(job.id, stampOf(job));
for (const folder of ['stamps', 'logs', 'policies', 'ablations', 'results']) {
  mkdirSync(join(work, folder), { recursive: true });
}

if (values.list) {
  for (const job of jobs)
    console.log(`${isDone(job) ? 'done' : duration(job.seconds).padStart(6)}  ${job.id}`);
  console.log(`about ${duration(secondsLeft(jobs))} with ${nAtOnce} at once`);
} else {
  refuseStrays();
  await runAll();
  if (values.quick) console.log(`policies/ stays as it is; see ${join(work, 'report')}`);
  else install();
}

/** Runs what is not done, the first in the plan first, until all is or something fails. */
async function runAll(): Promise<void> {
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const finished = new Set(jobs.filter(isDone).map(({ id }) => id));
  const running = new Map<
    string,
    { readonly run: Run; readonly since: number; readonly ended: Promise<Job> }
  >();
  let [planned, taken] = [0, 0];
  const left = () => {
    const rest = jobs.filter(({ id }) => !finished.has(id));
    const rate = planned > 0 ? taken / planned : 1;
    const inHand = [...running.values()].reduce((sum, { since }) => sum + elapsed() - since, 0);
    return Math.max(0, rate * secondsLeft(rest) - inHand / nAtOnce);
  };
  const tell = (text: string) => console.log(`${duration(elapsed()).padStart(6)}  ${text}`);
  let isStopped = false;
  const stop = () => {
    if (isStopped) return; // A training that is told twice ends without the update in hand.
    isStopped = true;
    for (const { run } of running.values()) run.stop('SIGINT');
  };
  const interrupt = () => {
    if (isStopped) {
      for (const { run } of running.values()) run.stop('SIGKILL');
      process.exit(130);
    }
    tell('Ends after the updates in hand. Ctrl-C again ends at once, without them.');
    stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
  const ticking = setInterval(() => {
    for (const [id, { run }] of running) tell(`${id}: ${run.lastLine()}`);
    tell(`about ${duration(left())} left`);
  }, 30_000);
  tell(`${finished.size} of ${jobs.length} jobs are done already, about ${duration(left())} left`);
  try {
    while (finished.size < jobs.length && !isStopped) {
      for (const job of jobs) {
        if (finished.has(job.id) || running.has(job.id)) continue;
        if (!job.needs.every((id) => finished.has(id))) continue;
        // One that must be alone waits for the others to end, and those after it wait for it.
        if (running.size >= (job.isAlone ? 1 : nAtOnce)) break;
        const run = startJob(job);
        running.set(job.id, { run, since: elapsed(), ended: run.ended.then(() => job) });
        tell(`${job.id} begins`);
        if (job.isAlone) break;
      }
      const job = await Promise.race([...running.values()].map(({ ended }) => ended));
      const seconds = elapsed() - (running.get(job.id)?.since ?? 0);
      running.delete(job.id);
      finished.add(job.id);
      planned += job.seconds;
      taken += seconds;
      tell(`${job.id} took ${duration(seconds)}; about ${duration(left())} left`);
    }
  } catch (error) {
    if (!isStopped) throw error; // Otherwise it says that a job was interrupted.
  } finally {
    clearInterval(ticking);
    stop();
    await Promise.allSettled([...running.values()].map(({ ended }) => ended));
  }
  if (finished.size === jobs.length) return;
  tell('Stopped; the same command goes on from here.');
  process.exit(130);
}

interface Run {
  /** Rejects where the job fails. */
  readonly ended: Promise<void>;
  readonly stop: (signal: NodeJS.Signals) => void;
  /** What it said last. */
  readonly lastLine: () => string;
}

function startJob(job: Job): Run {
  const { action, id } = job;
  // What another plan has made here is about to be replaced.
  rmSync(stampPath(job), { force: true });
  const finish = () => writeFileSync(stampPath(job), stampFor(job));
  if ('copy' in action) {
    copyFileSync(action.copy, action.to);
    finish();
    return { ended: Promise.resolve(), stop() {}, lastLine: () => '' };
  }
  const begun = `${stampPath(job)}.begun`;
  const isGoingOn = existsSync(begun) && readFileSync(begun, 'utf8') === stampFor(job);
  if (!isGoingOn) forgetCheckpoint(job, action.consort);
  writeFileSync(begun, stampFor(job));
  const words = isGoingOn ? resumed(action.consort) : action.consort;
  const logPath = join(work, 'logs', `${id}.log`);
  const log = createWriteStream(logPath, { flags: isGoingOn ? 'a' : 'w' });
  const child = spawn(process.execPath, [join(root, 'src', 'cli', 'main.ts'), ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C in a terminal reaches all processes of its group, and `stop` would be the second to tell them.
    detached: true,
  });
  let last = '';
  child.stderr.on('data', (chunk: Buffer) => {
    last = chunk.toString().trim().split('\n').at(-1) ?? last;
    log.write(chunk);
  });
  const ended = new Promise<void>((done, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      log.end();
      if (code !== 0)
        return reject(new Error(`${id} failed (${code}): ${last}\nAll that it said: ${logPath}`));
      finish();
      done();
    });
  });
  return { ended, stop: (signal) => child.kill(signal), lastLine: () => last };
}

/** What is left of another plan's training is nothing to go on from; the copy of a checkpoint to start with is made anew. */
function forgetCheckpoint({ needs }: Job, words: readonly string[]): void {
  rmSync(checkpointOf(words), { force: true });
  for (const { id, action } of jobs) {
    if ('copy' in action && needs.includes(id)) copyFileSync(action.copy, action.to);
  }
}

/** A training goes on from its checkpoint, where it has one. */
function resumed(words: readonly string[]): readonly string[] {
  const goesOn = words[0] === 'train' && !words.includes('--resume') && existsSync(checkpointOf(words));
  return goesOn ? [...words, '--resume'] : words;
}

function checkpointOf(words: readonly string[]): string {
  return `${words[words.indexOf('--out') + 1]}.checkpoint`;
}

/** Says what a job did: another command, other members or another input make it another job. */
function stampOf({ action, needs }: Job): string {
  const inputs = needs.map((id) => stamps.get(id));
  return createHash('sha256')
    .update(JSON.stringify([digest, action, inputs]))
    .digest('hex');
}

function stampFor({ id }: Job): string {
  return stamps.get(id) ?? fail(`${id} has no stamp`);
}

function stampPath({ id }: Job): string {
  return join(work, 'stamps', id);
}

function isDone(job: Job): boolean {
  return existsSync(stampPath(job)) && readFileSync(stampPath(job), 'utf8') === stampFor(job);
}

/** All of it shared among the processors, or the longest alone. */
function secondsLeft(rest: readonly Job[]): number {
  const alone = rest.filter(({ isAlone }) => isAlone).reduce((sum, { seconds }) => sum + seconds, 0);
  const shared = rest.filter(({ isAlone }) => !isAlone).reduce((sum, { seconds }) => sum + seconds, 0);
  return alone + shared / nAtOnce;
}

/** Whatever lies among the collected paths is trained or tested on: nothing may that this plan has not collected. */
function refuseStrays(): void {
  const folder = join(work, 'paths');
  if (!existsSync(folder)) return;
  const own = new Set(jobs.flatMap(collectedFiles));
  const stray = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .find((path) => path.endsWith(pathFileEnding) && !own.has(path));
  if (stray === undefined) return;
  fail(
    `${relative(work, stray)} in ${work} is of another plan; delete it, or give another folder with --work`,
  );
}

/** What has been made becomes what comes with the program. */
function install(): void {
  const policies = join(root, 'policies');
  for (const name of readdirSync(join(work, 'policies'))) {
    if (name.endsWith('.json')) copyFileSync(join(work, 'policies', name), join(policies, name));
  }
  const { policies: found } = JSON.parse(
    readFileSync(join(work, 'results', 'howMuchToShowOnPolicyDev.json'), 'utf8'),
  );
  const stopThreshold = chosenStopThreshold(found);
  if (stopThreshold !== null) setStopThreshold(join(policies, 'mappo.json'), stopThreshold);
  rmSync(join(policies, 'report'), { recursive: true, force: true });
  cpSync(join(work, 'report'), join(policies, 'report'), { recursive: true });
  console.log(`${policies} is new.`);
}

function setStopThreshold(path: string, stopThreshold: number): void {
  const parsed = parsePolicyFile(readFileSync(path, 'utf8'));
  if (parsed.problem) fail(`${path}: ${parsed.problem.message}`);
  writeFileSync(path, formatPolicyFile({ ...parsed.file, stopThreshold }));
  console.log(`mappo stops above a probability of ${stopThreshold}`);
}

function splitPackages(folder: string): PlanOptions['packages'] {
  const packagesOf = (split: string) =>
    languages.flatMap((language) => {
      const parent = resolve(process.env.INIT_CWD ?? '.', folder, split, language);
      if (!existsSync(parent)) fail(`there is no ${parent}; models/recipe/README.md says how to unpack it`);
      const all = readdirSync(parent).toSorted();
      return all.slice(0, values.quick ? nQuickPackages : all.length).map((name) => join(parent, name));
    });
  return {
    policyTrain: packagesOf('policyTrain'),
    policyDev: packagesOf('policyDev'),
    test: packagesOf('test'),
  };
}

function chosenSizes(): Sizes {
  const all = values.quick ? quickSizes : sizes;
  return {
    trainCursors: number(values['train-cursors']) ?? all.trainCursors,
    devCursors: number(values['dev-cursors']) ?? all.devCursors,
    testCursors: number(values['test-cursors']) ?? all.testCursors,
    seeds: values.seeds?.split(',').map(Number) ?? all.seeds,
    updates: number(values.updates) ?? all.updates,
    ablationUpdates: number(values['ablation-updates']) ?? all.ablationUpdates,
    groupCursors: number(values['group-cursors']) ?? all.groupCursors,
    groupEpochs: number(values['group-epochs']) ?? all.groupEpochs,
    timed: number(values.timed) ?? all.timed,
  };
}

function number(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return Number.isInteger(Number(text)) && Number(text) > 0
    ? Number(text)
    : fail(`"${text}" is not a number from 1`);
}

/** Minutes and seconds. */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

function fail(message: string): never {
  console.error(`policies: ${message}.`);
  process.exit(2);
}
