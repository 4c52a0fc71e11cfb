import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicyFile } from '../config/policyFile.ts';
import type { CollectedCursor } from '../evaluation/pathStore.ts';
import type { Turn } from '../server/learning/learn.ts';
import { toJson } from './output.ts';
import { differenceOf, figures, shownAt } from './replayFigures.ts';
import { type LearningOptions, type ReplayedRequest, type ReplayOptions, startReplay } from './replayRun.ts';
import { type CompareResult, type Comparison, replayTable, type Window } from './replayTable.ts';
import { attentive } from './replayTypist.ts';

export interface CompareOptions {
  /** Read anew each time, package after package. */
  readonly cursors: () => Iterable<CollectedCursor>;
  readonly packages: readonly string[];
  readonly policy: PolicyFile | null;
  readonly seeds: readonly number[];
  readonly learning: (onTurn: LearningOptions['onTurn']) => LearningOptions;
  readonly onProgress: (text: string) => void;
}

/** Suggestions between two checkpoints. */
const every = 100;

type Arm = 'shipped' | 'hedge' | 'learning' | 'learningFromHedge' | 'random';

/** Replays under every condition and writes the table. Gives the table. */
export async function comparePolicies(options: CompareOptions, folder: string): Promise<string> {
  const runs: Run[] = [];
  for (const seed of options.seeds) {
    for (const packageIdx of options.packages.keys()) {
      const name = options.packages[packageIdx];
      options.onProgress(`seed ${seed}: ${name}\n`);
      const own = () => [...options.cursors()].filter((cursor) => cursor.packageIdx === packageIdx);
      runs.push({ name, seed, ...(await replayArms(own(), options, seed)) });
    }
  }
  const afterSwitch: Run[] = [];
  for (const seed of options.seeds) {
    options.onProgress(`seed ${seed}: one after the other\n`);
    afterSwitch.push({ name: 'all', seed, ...(await replaySwitch([...options.cursors()], options, seed)) });
  }
  const result = summarise(runs, afterSwitch, options);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'replay.json'), toJson(result));
  const text = replayTable(result);
  await writeFile(join(folder, 'README.md'), text);
  return text;
}

interface Run {
  readonly name: string;
  readonly seed: number;
  readonly arms: Readonly<Partial<Record<Arm, readonly ReplayedRequest[]>>>;
  /** What turns of learning came to, by arm. */
  readonly turns: Readonly<Partial<Record<Arm, readonly string[]>>>;
}

type Replayed = Pick<Run, 'arms' | 'turns'>;

function replayArms(cursors: readonly CollectedCursor[], options: CompareOptions, seed: number) {
  const { policy } = options;
  return replayEach(cursors, options, seed, {
    shipped: { policy, noise: attentive, learns: false },
    hedge: { policy: null, noise: attentive, learns: false },
    learning: { policy, noise: attentive, learns: true },
    learningFromHedge: { policy: null, noise: attentive, learns: true },
    random: { policy, noise: { random: 1, careless: 0 }, learns: true },
  });
}

function replaySwitch(cursors: readonly CollectedCursor[], options: CompareOptions, seed: number) {
  const { policy } = options;
  return replayEach(cursors, options, seed, {
    shipped: { policy, noise: attentive, learns: false },
    learning: { policy, noise: attentive, learns: true },
  });
}

interface Condition extends Pick<ReplayOptions, 'policy' | 'noise'> {
  readonly learns: boolean;
}

async function replayEach(
  cursors: readonly CollectedCursor[],
  { learning }: CompareOptions,
  seed: number,
  conditions: Readonly<Partial<Record<Arm, Condition>>>,
): Promise<Replayed> {
  const { signal } = new AbortController();
  const arms: Record<string, ReplayedRequest[]> = {};
  const turns: Record<string, string[]> = {};
  for (const [arm, { policy, noise, learns }] of Object.entries(conditions)) {
    const told: string[] = [];
    const onTurn = (turn: Turn, nShown: number) => {
      if (turn.kind !== 'notEnoughTexts' && turn.kind !== 'notEnoughEvidence')
        told.push(`${turn.kind} at ${nShown}`);
    };
    const session = await startReplay({ policy, noise, learning: learns ? learning(onTurn) : null, seed });
    const requests: ReplayedRequest[] = [];
    try {
      for (const cursor of cursors) requests.push(await session.request(cursor, signal));
    } finally {
      session.close();
    }
    arms[arm] = requests;
    turns[arm] = told;
  }
  return { arms, turns };
}

const pairsOfArms = [
  ['learning', 'shipped'],
  ['learning', 'hedge'],
  ['learningFromHedge', 'hedge'],
  ['random', 'shipped'],
] as const;

function summarise(
  runs: readonly Run[],
  afterSwitch: readonly Run[],
  options: CompareOptions,
): CompareResult {
  const windows: Window[] = [
    { from: 0, to: every },
    { from: every, to: 2 * every },
    { from: 2 * every, to: 3 * every },
    { from: 3 * every, to: null },
  ];
  return {
    packages: options.packages,
    seeds: options.seeds,
    requests: runs.reduce((sum, { arms }) => sum + (arms.shipped?.length ?? 0), 0) / options.seeds.length,
    policy: options.policy?.name ?? 'hedge',
    windows: windows.map((window) => compareWindow(window, runs)),
    switches: [
      { from: 0, to: every },
      { from: every, to: 2 * every },
    ].map((window) => compareWindow(window, afterSwitch.flatMap(partsAfterSwitch))),
    turns: [...runs, ...afterSwitch].map(({ name, seed, turns }) => ({ name, seed, turns })),
  };
}

/** The parts of a replay after each change of package. */
function partsAfterSwitch(run: Run): Run[] {
  const { shipped = [], learning = [] } = run.arms;
  const starts = shipped.flatMap(({ packageIdx }, i) =>
    i > 0 && packageIdx !== shipped[i - 1].packageIdx ? [i] : [],
  );
  return starts.map((start, k) => {
    const end = starts[k + 1] ?? shipped.length;
    const arms = { shipped: shipped.slice(start, end), learning: learning.slice(start, end) };
    return { ...run, name: `${run.name} ${k}`, arms };
  });
}

/** A window is the learner's: at the same requests the others are looked at. */
function compareWindow(window: Window, runs: readonly Run[]): Comparison {
  const parts = runs.map(({ name, arms }) => {
    const at = shownAt(arms.learning ?? [], every);
    const start = window.from === 0 ? 0 : at[window.from / every - 1];
    const end = window.to === null ? arms.learning?.length : at[window.to / every - 1];
    const of = (arm: Arm) => (start === undefined ? [] : (arms[arm] ?? []).slice(start, end));
    return { name, start: start ?? 0, of };
  });
  const all = (arm: Arm) => parts.flatMap((part) => part.of(arm));
  const known = pairsOfArms.filter((pair) => pair.every((arm) => all(arm).length > 0));
  return {
    ...window,
    arms: Object.fromEntries([...new Set(known.flat())].map((arm) => [arm, figures(all(arm))])),
    differences: Object.fromEntries(
      known.map(([treatment, control]) => [
        `${treatment} − ${control}`,
        differenceOf(
          parts.map(({ name, start, of }) => ({
            name,
            start,
            treatment: of(treatment),
            control: of(control),
          })),
          1,
        ),
      ]),
    ),
  };
}
