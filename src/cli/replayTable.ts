import type { Bounds, Difference, ReplayFigures } from './replayFigures.ts';

export interface Window {
  /** Suggestions that the learner had shown at its beginning and end; null: to the end of the files. */
  readonly from: number;
  readonly to: number | null;
}

export interface Comparison extends Window {
  readonly arms: Readonly<Record<string, ReplayFigures>>;
  /** By "treatment − control". */
  readonly differences: Readonly<Record<string, Difference>>;
}

export interface CompareResult {
  readonly packages: readonly string[];
  readonly seeds: readonly number[];
  readonly requests: number;
  readonly policy: string;
  readonly windows: readonly Comparison[];
  /** After each change of repository, the learner's next 100 shown and the hundred after them. */
  readonly switches: readonly Comparison[];
  readonly turns: readonly {
    readonly name: string;
    readonly seed: number;
    readonly turns: Readonly<Partial<Record<string, readonly string[]>>>;
  }[];
}

/** The Markdown of a comparison. */
export function replayTable(result: CompareResult): string {
  const { packages, seeds, requests, policy, windows, switches, turns } = result;
  const nPromoted = turns.reduce(
    (sum, run) => sum + (run.turns.learning ?? []).filter((turn) => turn.startsWith('promoted')).length,
    0,
  );
  return `# What learning is worth, by replay

A simulated typist works through ${packages.length} repositories that nothing was trained on (${packages.join(', ')}; ${requests} requests), accepts what is right and rejects what is not. What is learned is recorded, trained, put on trial and promoted as in the editor, in the typist's pauses. Seeds ${seeds.join(', ')}. \`shipped\` is the policy ${policy} without learning, \`learning\` starts there; \`hedge\` needs no training, and \`learningFromHedge\` starts there; \`random\` is \`learning\` from a typist who accepts and rejects by a toss of a coin, counted by what was right. Made by \`consort replay --compare\`; what the turns of learning came to is in replay.json. Of ${turns.length} replays that learn from the shipped policy, ${nPromoted} times a version was promoted.

Accepted: the share of what is shown of which the typist keeps a lexeme or more. Shown: the share of the requests. Keys: pressed less, as a share of the characters. Brackets: 95 %, paired bootstrap over blocks of 25 requests; accepted and shown relative to the other policy. A row's requests are those between two checkpoints of the learner.

${goalTable(result)}

${windows.map(windowTable).join('\n')}
## After a change of repository

The repositories one after the other; the learner's first and second hundred shown after each change.

${switches.map(windowTable).join('\n')}`;
}

interface Goal {
  readonly name: string;
  readonly measured: string;
  readonly isReached: boolean;
}

function goalTable(result: CompareResult): string {
  const rows = goalsOf(result).map(
    ({ name, measured, isReached }) => `| ${name} | ${measured} | ${isReached ? 'yes' : 'no'} |`,
  );
  const { arms } = result.windows[result.windows.length - 1];
  const ceiling = arms.shipped ? 1 / arms.shipped.acceptRate - 1 : Number.NaN;
  return `**What was aimed for**

| goal | measured | reached |
|---|--:|--:|
${rows.join('\n')}

${Number.isFinite(ceiling) ? `At the last requests a policy that is never wrong would have ${percent(ceiling)} % more accepted than the shipped one: no policy can have more.\n` : ''}`;
}

/** Where nothing is said of when, it is of the requests after the last checkpoint. */
function goalsOf({ windows, switches }: CompareResult): Goal[] {
  const last = windows[windows.length - 1];
  const known = (name: string, comparisons: readonly Comparison[]) =>
    comparisons.flatMap(({ differences }) => (differences[name] ? [differences[name]] : []));
  const relative = ({ acceptRate, shown, keystrokesSaved }: Difference) => ({
    acceptRate,
    shown,
    keystrokesSaved,
  });
  const against = (name: string) => known(name, [last]).map(relative);
  const isNotWorse = ({ high }: Bounds) => high >= 0;
  const worst = (bounds: readonly Bounds[]) => bounds.toSorted((a, b) => a.mean - b.mean)[0];
  const goals = [
    ['learning − shipped', 'the shipped policy'],
    ['learningFromHedge − hedge', 'Hedge, from Hedge on'],
  ].flatMap(([name, control]) =>
    against(name).flatMap(({ acceptRate, shown, keystrokesSaved }): Goal[] => [
      {
        name: `28 % more accepted than by ${control}`,
        measured: `${between(acceptRate, percent)} %`,
        isReached: acceptRate.mean >= 0.28,
      },
      {
        name: `21 % fewer shown than by ${control}`,
        measured: `${between(shown, percent)} %`,
        isReached: shown.mean <= -0.21,
      },
      {
        name: `not fewer keys saved than by ${control}, beyond noise`,
        measured: `${between(keystrokesSaved, percent)} points`,
        isReached: isNotWorse(keystrokesSaved),
      },
    ]),
  );
  const neverWorse = (pair: string, name: string, pick: (one: Difference) => Bounds, inWords = percent) => {
    const all = known(pair, windows).map(pick);
    if (all.length === 0) return;
    goals.push({
      name,
      measured: `at worst ${between(worst(all), inWords)}`,
      isReached: all.every(isNotWorse),
    });
  };
  const notWorse = 'between no two checkpoints worse than Hedge beyond noise:';
  neverWorse('learning − hedge', `${notWorse} accepted`, ({ acceptRate }) => acceptRate);
  neverWorse('learning − hedge', `${notWorse} keys saved`, ({ keystrokesSaved }) => keystrokesSaved);
  neverWorse(
    'learning − hedge',
    `${notWorse} reward`,
    ({ reward }) => reward,
    (value) => value.toFixed(3),
  );
  const withinNoise = 'with random feedback within noise of the shipped policy:';
  neverWorse('random − shipped', `${withinNoise} accepted, %`, ({ acceptRate }) => acceptRate);
  neverWorse('random − shipped', `${withinNoise} shown, %`, ({ shown }) => shown);
  neverWorse(
    'random − shipped',
    `${withinNoise} keys saved, points`,
    ({ keystrokesSaved }) => keystrokesSaved,
  );
  for (const { acceptRate } of known('learning − shipped', switches.slice(-1))) {
    goals.push({
      name: 'after a change of repository not less accepted than by the shipped policy from the second hundred shown on',
      measured: `${between(acceptRate, percent)} %`,
      isReached: isNotWorse(acceptRate),
    });
  }
  return goals;
}

function windowTable({ from, to, arms, differences }: Comparison): string {
  const title = to === null ? `After ${from} shown` : `${from} to ${to} shown`;
  if (Object.keys(arms).length === 0) return `### ${title}\n\nNo replay went so far.\n`;
  const rows = Object.entries(arms).map(
    ([arm, { requests, acceptRate, shownRate, keystrokesSaved, reward }]) =>
      `| ${arm} | ${requests} | ${percent(acceptRate)} | ${percent(shownRate)} | ${percent(keystrokesSaved)} | ${reward.toFixed(3)} |`,
  );
  const compared = Object.entries(differences).map(
    ([name, { acceptRate, shown, keystrokesSaved, reward }]) =>
      `| ${name} | ${between(acceptRate, percent)} | ${between(shown, percent)} | ${between(keystrokesSaved, percent)} | ${between(reward, (value) => value.toFixed(3))} |`,
  );
  return `### ${title}

| policy | requests | accepted % | shown % | keys % | reward |
|---|--:|--:|--:|--:|--:|
${rows.join('\n')}

| less | accepted, relative % | shown, relative % | keys, points | reward |
|---|--:|--:|--:|--:|
${compared.join('\n')}
`;
}

function between({ mean, low, high }: Bounds, format: (value: number) => string): string {
  return `${format(mean)} [${format(low)}, ${format(high)}]`.replaceAll('-', '−');
}

function percent(rate: number): string {
  return (100 * rate).toFixed(1);
}
