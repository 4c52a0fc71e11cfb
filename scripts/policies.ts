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
import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { membersDigest } from '../src/cli/openMembers.ts';
import { pathFileEnding } from '../src/cli/pathFiles.ts';
import { formatPolicyFile, parsePolicyFile } from '../src/config/policyFile.ts';
import { bundledMembersPath } from '../src/server/memberFolders.ts';
import { duration, PlanRunner } from './planRunner.ts';
import {
  chosenStopThreshold,
  collectedFiles,
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
const runner = new PlanRunner({ jobs, work, membersDigest: digest, nAtOnce });

if (values.list) {
  for (const job of jobs)
    console.log(`${runner.isDone(job) ? 'done' : duration(job.seconds).padStart(6)}  ${job.id}`);
  console.log(`about ${duration(runner.secondsLeft())} with ${nAtOnce} at once`);
} else {
  refuseStrays();
  if (!(await runner.runAll())) {
    console.log('Stopped; the same command goes on from here.');
    process.exit(130);
  }
  if (values.quick) console.log(`policies/ stays as it is; see ${join(work, 'report')}`);
  else install();
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

function fail(message: string): never {
  console.error(`policies: ${message}.`);
  process.exit(2);
}
