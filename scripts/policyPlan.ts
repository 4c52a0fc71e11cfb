import { join } from 'node:path';
import { pathFileOf } from '../src/cli/pathFiles.ts';
import { featureGroups } from '../src/config/policyFile.ts';

/** How much of everything; each number is also an option of `npm run policies`. */
export interface Sizes {
  /** Cursors in each package that policies are trained on, in each that says when to stop, and in each that is tested on. */
  readonly trainCursors: number;
  readonly devCursors: number;
  readonly testCursors: number;
  /** The cursors of the tested packages are drawn once with each. */
  readonly seeds: readonly number[];
  /** Updates by reinforcement learning. */
  readonly updates: number;
  /** Updates of the ablations that have some, and of the transferred policy. */
  readonly ablationUpdates: number;
  /** Cursors in all, and passes of each stage, of the policies that leave out one group of features. */
  readonly groupCursors: number;
  readonly groupEpochs: number;
  /** Completions that are timed live. */
  readonly timed: number;
}

export interface PlanOptions {
  /** The work that is in progress or done, and all that it makes. */
  readonly work: string;
  /** The folders of the packages of each split. */
  readonly packages: Readonly<Record<'policyTrain' | 'policyDev' | 'test', readonly string[]>>;
  readonly sizes: Sizes;
}

/** One command; those that it needs come before it in a plan. */
export interface Job {
  readonly id: string;
  readonly needs: readonly string[];
  /** Arguments of `consort`, or a file to copy. */
  readonly action: { readonly consort: readonly string[] } | { readonly copy: string; readonly to: string };
  /** About what it takes: seconds of one processor of the machine that README.md names. */
  readonly seconds: number;
  /** Whether it is timed, so that nothing else may run. */
  readonly isAlone?: boolean;
}

/** Seconds of one processor. */
const costs = {
  collectedCursor: 0.5,
  /** More, where gac and unite write too. */
  unions: 0.35,
  evaluatedCursor: 0.0015,
  /** A pass over one cursor: log-loss, and when to stop. */
  gatePass: 0.0004,
  stopPass: 0.0007,
  mappoUpdate: 2,
  ppoUpdate: 1.5,
  timedCompletion: 1.2,
};

/** Of the probability of stopping above which a policy stops: the higher, the more is shown. */
const thresholds = [0.3, 0.7, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995];
const variants = ['mappo', ...thresholds.map((threshold) => `mappo@${threshold}`)];

/** About the passes that the warm start and the stage after it take until they stop. */
const nPasses = 20;

/**
 * All that is in `policies/`, in the order of its worth, so that what is cut short lacks the least. Nothing is trained or
 * tuned on what it is tested on.
 */
export function planPolicies({ work, packages, sizes }: PlanOptions): Job[] {
  const at = (...parts: string[]) => join(work, ...parts);
  const paths = {
    train: at('paths', 'policyTrain'),
    dev: at('paths', 'policyDev'),
    test: at('paths', 'test'),
  };
  const policy = (name: string) => at('policies', `${name}.json`);
  const ablation = (name: string) => at('ablations', `${name}.json`);
  const result = (name: string) => at('results', `${name}.json`);
  const n = {
    train: packages.policyTrain.length * sizes.trainCursors,
    dev: packages.policyDev.length * sizes.devCursors,
    test: packages.test.length * sizes.testCursors * sizes.seeds.length,
  };
  const warmUp = n.train * nPasses * (costs.gatePass + costs.stopPass);

  /** Two at once share the work. */
  const collect = (
    id: string,
    folders: readonly string[],
    options: { out: string; limit: number; seed: number; unions: boolean },
  ): Job[] => {
    const { out, limit, seed, unions } = options;
    const each = costs.collectedCursor + (unions ? costs.unions : 0);
    const common = ['--out', out, '--limit', String(limit), '--seed', String(seed)];
    const policies = unions ? ['--policies', 'gac,unite'] : [];
    return [folders, folders.toReversed()].map((some, i) => ({
      id: `${id}-${i + 1}`,
      needs: [],
      action: { consort: ['collect', ...some, ...common, ...policies] },
      seconds: (each * limit * folders.length) / 2,
    }));
  };
  const train = (
    id: string,
    options: readonly string[],
    seconds: number,
    { needs = idsOf([...collectTrain, ...collectDev]), languages = '' } = {},
  ): Job => ({
    id,
    needs,
    action: {
      consort: ['train', join(paths.train, languages), '--held-out', join(paths.dev, languages), ...options],
    },
    seconds,
  });
  const evaluate = (
    name: string,
    needs: readonly string[],
    options: readonly string[],
    nPolicies: number,
    { nCursors = n.test, collected = collectTest } = {},
  ): Job => ({
    id: `evaluate-${name}`,
    needs: [...idsOf(collected), ...needs],
    action: {
      consort: [
        'evaluate',
        '--paths',
        ...options,
        '--learned',
        at('policies'),
        '--json',
        '--out',
        result(name),
      ],
    },
    seconds: nCursors * nPolicies * costs.evaluatedCursor,
  });
  const report = (id: string, names: readonly string[], needs: readonly string[]): Job => ({
    id,
    needs,
    action: { consort: ['report', ...names.map(result), '--out', at('report')] },
    seconds: 2,
  });

  const collectTrain = collect('collect-train', packages.policyTrain, {
    out: paths.train,
    limit: sizes.trainCursors,
    seed: 1,
    unions: false,
  });
  const collectDev = collect('collect-dev', packages.policyDev, {
    out: paths.dev,
    limit: sizes.devCursors,
    seed: 1,
    unions: true,
  });
  const collectTest = sizes.seeds.flatMap((seed, i) =>
    collect(`collect-test-${seed}`, packages.test, {
      out: join(paths.test, `seed${seed}`),
      limit: sizes.testCursors,
      seed,
      unions: i === 0,
    }),
  );

  const updates = ['--updates', String(sizes.updates)];
  const fewer = ['--updates', String(sizes.ablationUpdates)];
  const withoutRl = ablation('mappoWithoutRl');
  const learning: Job[] = [
    train('train-mappo-warm', ['--algorithm', 'mappo', '--updates', '0', '--out', withoutRl], warmUp),
    train(
      'train-ppo',
      ['--algorithm', 'ppo', ...updates, '--out', policy('ppo')],
      warmUp + sizes.updates * costs.ppoUpdate,
    ),
    {
      id: 'copy-mappo',
      needs: ['train-mappo-warm'],
      action: { copy: `${withoutRl}.checkpoint`, to: `${policy('mappo')}.checkpoint` },
      seconds: 0,
    },
    train(
      'train-mappo',
      ['--algorithm', 'mappo', ...updates, '--resume', '--out', policy('mappo')],
      sizes.updates * costs.mappoUpdate,
      { needs: ['copy-mappo'] },
    ),
    train('train-gate', ['--algorithm', 'gate', '--per-member', '--out', policy('gate')], warmUp / 2),
    train(
      'train-rlaeSpan',
      ['--algorithm', 'rlaeSpan', ...updates, '--out', policy('rlaeSpan')],
      sizes.updates * costs.ppoUpdate,
    ),
  ];
  const tune: Job = {
    id: 'tune',
    needs: idsOf(learning),
    action: {
      consort: [
        'tune',
        paths.dev,
        '--policies',
        [policy('gate'), policy('rlaeSpan')].join(),
        '--out',
        policy('baselines'),
      ],
    },
    seconds: 60,
  };
  const main = evaluate('test', ['tune'], [paths.test], 24);
  const timed: Job = {
    id: 'evaluate-timed',
    needs: ['tune'],
    action: {
      consort: [
        'evaluate',
        ...packages.test,
        '--learned',
        at('policies'),
        '--policies',
        'uniform,rlaeSpan,hedge,gate,ppo,mappo',
        '--limit',
        String(sizes.timed),
        '--timed',
        String(sizes.timed),
        '--json',
        '--out',
        result('timed'),
      ],
    },
    seconds: sizes.timed * costs.timedCompletion,
    isAlone: true,
  };

  const withoutWarmStart = ablation('mappoWithoutWarmStart');
  const transferred = ablation('mappoFromTypeScript');
  const groupOptions = [
    ...['--algorithm', 'mappo', '--updates', '0', '--limit', String(sizes.groupCursors)],
    ...['--set', `gate.nEpochs=${sizes.groupEpochs}`, '--set', `stop.nEpochs=${sizes.groupEpochs}`],
  ];
  const groupSeconds =
    Math.min(n.train, sizes.groupCursors) * sizes.groupEpochs * (costs.gatePass + costs.stopPass);
  const groups = [
    train('train-allGroups', [...groupOptions, '--out', ablation('allGroups')], groupSeconds),
    ...featureGroups.map((group) =>
      train(
        `train-without-${group}`,
        [...groupOptions, '--without-groups', group, '--out', ablation(`without-${group}`)],
        groupSeconds,
      ),
    ),
  ];
  const groupFiles = ['allGroups', ...featureGroups.map((group) => `without-${group}`)].map(ablation);
  const howMuch = (name: string, place: string, of: { nCursors: number; collected: Job[] }) =>
    evaluate(
      name,
      ['tune'],
      [place, '--stop-thresholds', thresholds.join(), '--policies', ['hedge', ...variants].join()],
      1 + variants.length,
      of,
    );
  const further: Job[] = [
    howMuch('howMuchToShow', paths.test, { nCursors: n.test, collected: collectTest }),
    howMuch('howMuchToShowOnPolicyDev', paths.dev, { nCursors: n.dev, collected: collectDev }),
    evaluate(
      'withoutNgram',
      ['tune'],
      [paths.test, '--without-ngram', '--policies', 'hedge,uniform,gate,ppo,mappo'],
      5,
    ),
    train(
      'train-transfer',
      ['--algorithm', 'mappo', ...fewer, '--out', transferred],
      warmUp / 3 + sizes.ablationUpdates * costs.mappoUpdate,
      { languages: 'typescript' },
    ),
    evaluate(
      'fromTypeScriptToPython',
      ['tune', 'train-transfer'],
      [
        ...sizes.seeds.map((seed) => join(paths.test, `seed${seed}`, 'python')),
        '--policies',
        `hedge,${transferred},mappo`,
      ],
      3,
      { nCursors: n.test / 3 },
    ),
    train(
      'train-without-warm-start',
      ['--algorithm', 'mappo', '--without-warm-start', ...fewer, '--out', withoutWarmStart],
      warmUp / 2 + sizes.ablationUpdates * costs.mappoUpdate,
    ),
    evaluate(
      'ablations',
      ['tune', 'train-without-warm-start'],
      [paths.test, '--policies', `mappo,hedge,${withoutRl},${withoutWarmStart}`],
      4,
    ),
    ...groups,
    evaluate(
      'groups',
      ['tune', ...idsOf(groups)],
      [paths.test, '--policies', groupFiles.join()],
      groupFiles.length,
    ),
  ];
  const furtherResults = [
    'howMuchToShow',
    'howMuchToShowOnPolicyDev',
    'ablations',
    'groups',
    'withoutNgram',
    'fromTypeScriptToPython',
  ];
  return [
    ...collectTrain,
    ...collectDev,
    ...learning,
    ...collectTest,
    tune,
    main,
    report('report-first', ['test'], [main.id]),
    timed,
    ...further,
    report(
      'report',
      ['test', 'timed', ...furtherResults],
      [main.id, timed.id, 'report-first', ...furtherResults.map((name) => `evaluate-${name}`)],
    ),
  ];
}

/**
 * The probability of stopping above which the shipped `mappo` stops, from what "howMuchToShowOnPolicyDev" has found:
 * the one that saves most keys among those that earn no less reward than Hedge at its best.
 */
export function chosenStopThreshold(
  found: Readonly<Record<string, { readonly reward: number; readonly keystrokesSaved: number }>>,
): number | null {
  const better = Object.entries(found).filter(
    ([name, { reward }]) => name.startsWith('mappo@') && reward >= found.hedge.reward,
  );
  const [best] = better.toSorted(([, a], [, b]) => b.keystrokesSaved - a.keystrokesSaved);
  return best === undefined ? null : Number(best[0].slice('mappo@'.length));
}

/** The files of paths that a job makes. */
export function collectedFiles({ action }: Job): string[] {
  if (!('consort' in action) || action.consort[0] !== 'collect') return [];
  const out = action.consort.indexOf('--out');
  return action.consort.slice(1, out).map((folder) => pathFileOf(folder, action.consort[out + 1]));
}

function idsOf(jobs: readonly Job[]): string[] {
  return jobs.map(({ id }) => id);
}
