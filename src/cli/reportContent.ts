import { goalsTable } from './reportGoals.ts';
import type { Plot, PlotRow } from './reportPlots.ts';
import type { Result, ResultMetrics, ResultPart } from './resultFile.ts';

/** A report before it becomes a page or Markdown. */
export interface Report {
  readonly title: string;
  readonly sections: readonly Section[];
}

export interface Section {
  readonly heading: string;
  readonly text: readonly string[];
  readonly plots: readonly Plot[];
  readonly tables: readonly Table[];
}

export interface Table {
  readonly caption: string;
  /** The first row is the head; the first column names. */
  readonly rows: readonly (readonly string[])[];
}

/** What several evaluations say; the first is the main one, drawn as plots. */
export function reportOf(results: readonly Result[]): Report {
  const [main, ...others] = results;
  return {
    title: 'How good the policies are',
    sections: [
      {
        heading: `All languages: ${main.title}`,
        text: [describe(main), ...howToRead],
        plots: plotsOf(main, main.learned),
        tables: [
          ...goalsTable(main, main.learned),
          metricsTable(main),
          ...differenceTables(main, main.learned),
        ],
      },
      ...Object.entries(main.languages).map(
        ([language, part]): Section => ({
          heading: languageNames[language] ?? language,
          text: [counted(part)],
          plots: [],
          tables: [metricsTable(part), ...differenceTables(part, main.learned)],
        }),
      ),
      ...speedSections(results),
      ...others.map(
        (other): Section => ({
          heading: `Further: ${other.title}`,
          text: [describe(other)],
          plots: [],
          tables: [metricsTable(other), ...differenceTables(other, other.learned)],
        }),
      ),
    ],
  };
}

const languageNames: Readonly<Record<string, string>> = {
  typescript: 'TypeScript',
  javascript: 'JavaScript',
  python: 'Python',
};

const howToRead = [
  'Each contender completes the rest of a line at the same cursors. Bits per byte: how well it foresees the text that stands there, less is better. Exact line: what it writes is what stands there. Reward: of what it chooses to show, judged by a simulated typist who accepts what is right; 0 for silence.',
  'Whiskers and brackets are 95 % intervals from a paired bootstrap over packages. Learned policies are squares in the plots, the rest circles; the diamond is the best member at each step in hindsight, which nobody can know beforehand.',
  'Members that take part in some of the languages only stand in the tables, not in the plots. gac and unite ensemble the tokens of the neural members: the workspace member has no tokens and does not take part, and they give true text no probability.',
];

function counted({ corpus }: ResultPart): string {
  return `${corpus.positions} cursors in ${corpus.files} files, ${corpus.bytes} bytes to foresee.`;
}

function describe(result: Result): string {
  const { seeds, packages, members } = result;
  return `${counted(result)} ${packages.length} packages, seed${seeds.length > 1 ? 's' : ''} ${seeds.join(', ')}. Members: ${members.map(({ id }) => id).join(', ')}.`;
}

function plotsOf(part: ResultPart, learned: readonly string[]): Plot[] {
  const rows = (
    better: 'lower' | 'higher',
    rank: (metrics: ResultMetrics) => number,
    marks: (metrics: ResultMetrics) => PlotRow['marks'],
  ): PlotRow[] =>
    Object.entries(part.policies)
      .filter(([, metrics]) => metrics.positions === part.corpus.positions)
      .toSorted(([, a], [, b]) => (better === 'lower' ? rank(a) - rank(b) : rank(b) - rank(a)))
      .map(([name, metrics]) => ({ name, kind: kindOf(name, learned), marks: marks(metrics) }));
  const percent = (rate: number) => 100 * rate;
  const one = (
    which: keyof ResultMetrics['intervals'],
    scale: number,
  ): ((metrics: ResultMetrics) => PlotRow['marks']) => {
    return ({ [which]: value, intervals }) => [
      { value: scale * value, low: scale * intervals[which].low, high: scale * intervals[which].high },
    ];
  };
  return [
    {
      title: 'Exact lines',
      axis: '% of the cursors; more is better',
      digits: 1,
      rows: rows('higher', ({ exactLine }) => exactLine, one('exactLine', 100)),
    },
    {
      title: 'Bits per byte',
      axis: 'bits per byte of the true text; less is better',
      digits: 3,
      rows: rows('lower', ({ bitsPerByte }) => bitsPerByte, one('bitsPerByte', 1)),
    },
    {
      title: 'Simulated reward',
      axis: 'reward per cursor; more is better',
      digits: 3,
      rows: rows('higher', ({ reward }) => reward, one('reward', 1)),
    },
    {
      title: 'Exact lines where it is surest',
      axis: '% exact of what is shown; more is better',
      digits: 0,
      markNames: ['25 % shown', '50 % shown', '100 % shown'],
      rows: rows(
        'higher',
        ({ atShownRate }) => atShownRate[25].exactLine,
        ({ atShownRate }) =>
          [atShownRate[25], atShownRate[50], atShownRate[100]].map(({ exactLine }) => ({
            value: percent(exactLine),
          })),
      ),
    },
  ];
}

function kindOf(name: string, learned: readonly string[]): PlotRow['kind'] {
  if (name.startsWith('oracle')) return 'oracle';
  return learned.includes(name) ? 'learned' : 'baseline';
}

function metricsTable({ policies, corpus }: ResultPart): Table {
  return {
    caption: 'Every contender',
    rows: [
      [
        'contender',
        'bits/byte',
        'exact %',
        'first lexeme %',
        'similarity',
        'exact % at 25 / 50 % shown',
        'reward',
        'shown %',
        'accepted %',
        'characters kept',
        'keys saved %',
      ],
      ...Object.entries(policies).map(([name, metrics]) => [
        metrics.positions < corpus.positions ? `${name} (${metrics.positions} cursors)` : name,
        number(metrics.bitsPerByte, 3),
        percent(metrics.exactLine),
        percent(metrics.firstLexeme),
        number(metrics.editSimilarity, 3),
        `${percent(metrics.atShownRate[25].exactLine)} / ${percent(metrics.atShownRate[50].exactLine)}`,
        number(metrics.reward, 3),
        percent(metrics.shownRate),
        percent(metrics.acceptRate),
        number(metrics.acceptedCharacters, 2),
        percent(metrics.keystrokesSaved),
      ]),
    ],
  };
}

function differenceTables({ comparisons }: ResultPart, learned: readonly string[]): Table[] {
  return learned.flatMap((name): Table[] => {
    const own = comparisons.filter((comparison) => comparison.name === name);
    if (own.length === 0) return [];
    return [
      {
        caption: `${name} less others`,
        rows: [
          ['less', 'bits/byte', 'exact line, points', 'reward'],
          ...own.map(({ against, bitsPerByte, exactLine, reward }) => [
            against,
            difference(bitsPerByte, 1, 3, 'lower'),
            difference(exactLine, 100, 1, 'higher'),
            difference(reward, 1, 3, 'higher'),
          ]),
        ],
      },
    ];
  });
}

function speedSections(results: readonly Result[]): Section[] {
  const timed = results.filter(({ policies }) =>
    Object.values(policies).some(({ latencyMs }) => Number.isFinite(latencyMs.p50)),
  );
  if (timed.length === 0) return [];
  return [
    {
      heading: 'What it costs',
      text: [
        'One completion made live from a context that the members have just read, in one process and without drafts: milliseconds, and forward passes of all members together per byte written; and how long the policy itself takes. gac and unite also read the context anew.',
      ],
      plots: [],
      tables: timed.map(({ title, policies }) => ({
        caption: title,
        rows: [
          ['contender', 'p50 ms', 'p95 ms', 'passes/byte', 'policy, µs a step'],
          ...Object.entries(policies)
            .filter(([, { latencyMs }]) => Number.isFinite(latencyMs.p50))
            .map(([name, { latencyMs, forwardsPerByte, policyMicroseconds }]) => [
              name,
              number(latencyMs.p50, 1),
              number(latencyMs.p95, 1),
              number(forwardsPerByte, 2),
              number(policyMicroseconds, 1),
            ]),
        ],
      })),
    },
  ];
}

/** With a word where the interval is clear of zero. */
function difference(
  { mean, low, high }: { readonly mean: number; readonly low: number; readonly high: number },
  scale: number,
  digits: number,
  better: 'lower' | 'higher',
): string {
  const [middle, from, to] = [mean, low, high].map((value) => number(scale * value, digits));
  const isClear = low > 0 || high < 0;
  const isBetter = better === 'higher' ? low > 0 : high < 0;
  return `${middle} [${from}, ${to}]${isClear ? (isBetter ? ' better' : ' worse') : ''}`;
}

function percent(rate: number): string {
  return number(100 * rate, 1);
}

function number(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits).replace('-', '−') : '–';
}
