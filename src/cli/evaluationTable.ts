import type { Interval } from '../evaluation/bootstrap.ts';
import type { LanguageEvaluation } from '../evaluation/evaluate.ts';
import type { EvaluationReport } from './evaluate.ts';
import { alignColumns } from './reportTable.ts';

/** The figures of an evaluation as tables for people: all cursors, and each language where there are several. */
export function evaluationTable(report: EvaluationReport): string {
  const { languages, seeds } = report;
  const groups = Object.entries(languages);
  const parts = [
    `${describeCorpus(report)}, seed${seeds.length > 1 ? 's' : ''} ${seeds.join(', ')}\n\n${tables(report)}`,
    ...(groups.length > 1
      ? groups.map(([name, evaluation]) => `${name}: ${describeCorpus(evaluation)}\n\n${tables(evaluation)}`)
      : []),
  ];
  return `${parts.join('\n\n')}\n\n${legend}\n`;
}

const legend = `In brackets: 95 %, paired bootstrap over packages, or over the cursors where there is one package, which says nothing of
other packages. A dash: not measured here. Exact: the rest of the line as it stands there; lexeme: its first lexeme; similarity:
1 less the edit distance over the length; exact at 25/50 % shown: where only the surest of the lines are counted. Reward:
simulated, each under its own decision what to show. bestSingle: the member that was best alone when the baselines were tuned.
Left: texts that left the collected paths, of which only the wrong tail is cut. gac and unite ensemble the
tokens of the neural members; the workspace member has no tokens and does not take part.`;

function describeCorpus({ corpus }: Pick<LanguageEvaluation, 'corpus'>): string {
  return `${corpus.positions} cursors in ${corpus.files} files, ${corpus.bytes} bytes`;
}

function tables({ policies, comparisons, corpus }: LanguageEvaluation): string {
  const rows = [
    [
      'policy',
      'bits/byte',
      'exact %',
      'lexeme %',
      'similarity',
      'exact % at 25/50 % shown',
      'reward',
      'shown %',
      'keys saved %',
      'p50/p95 ms',
      'passes/byte',
      'left %',
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
      percent(metrics.keystrokesSaved),
      `${number(metrics.latencyMs.p50, 1)} / ${number(metrics.latencyMs.p95, 1)}`,
      number(metrics.forwardsPerByte, 2),
      percent(metrics.leftPaths),
    ]),
  ];
  if (comparisons.length === 0) return alignColumns(rows);
  const differences = [
    ['less', 'bits/byte', 'exact, points', 'reward'],
    ...comparisons.map(({ name, against, bitsPerByte, exactLine, reward }) => [
      `${name} less ${against}`,
      interval(bitsPerByte, 1, 3),
      interval(exactLine, 100, 1),
      interval(reward, 1, 3),
    ]),
  ];
  return `${alignColumns(rows)}\n\n${alignColumns(differences)}`;
}

function percent(rate: number): string {
  return number(100 * rate, 1);
}

function number(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–';
}

function interval({ mean, low, high }: Interval, scale: number, digits: number): string {
  const [middle, from, to] = [mean, low, high].map((value) => number(scale * value, digits));
  return `${middle} [${from}, ${to}]`;
}
