import type { Interval } from '../evaluation/bootstrap.ts';
import type { Comparison } from '../evaluation/comparison.ts';
import type { Evaluation } from '../evaluation/evaluate.ts';
import { alignColumns } from './reportTable.ts';

/** The figures of an evaluation as a table for people. */
export function evaluationTable({
  corpus,
  seed,
  policies,
  comparisons,
}: Pick<Evaluation, 'corpus' | 'seed' | 'policies'> & {
  readonly comparisons: Readonly<Record<string, Comparison>>;
}): string {
  const percent = (rate: number) => (100 * rate).toFixed(1);
  const rows = [
    [
      'policy',
      'bits/byte',
      'exact %',
      'lexeme %',
      'similarity',
      'exact % at 25/50 % shown',
      'keys saved %',
      'p50/p95 ms',
      'passes/byte',
    ],
    ...Object.entries(policies).map(([name, metrics]) => [
      name,
      metrics.bitsPerByte.toFixed(3),
      percent(metrics.exactLine),
      percent(metrics.firstLexeme),
      metrics.editSimilarity.toFixed(3),
      `${percent(metrics.atShownRate[25].exactLine)} / ${percent(metrics.atShownRate[50].exactLine)}`,
      percent(metrics.keystrokesSaved),
      `${metrics.latencyMs.p50.toFixed(1)} / ${metrics.latencyMs.p95.toFixed(1)}`,
      metrics.forwardsPerByte.toFixed(2),
    ]),
  ];
  const [first] = Object.keys(policies);
  const interval = ({ mean, low, high }: Interval, scale: number, digits: number) =>
    `${(scale * mean).toFixed(digits)} [${(scale * low).toFixed(digits)}, ${(scale * high).toFixed(digits)}]`;
  const differences = [
    [`less ${first}`, 'bits/byte', 'exact, points'],
    ...Object.entries(comparisons).map(([name, { bitsPerByte, exactLine }]) => [
      name,
      interval(bitsPerByte, 1, 3),
      interval(exactLine, 100, 1),
    ]),
  ];
  return `${corpus.positions} cursors in ${corpus.files} files, ${corpus.bytes} bytes, seed ${seed}\n\n${alignColumns(rows)}\n\n${alignColumns(differences)}\n\nIn brackets: 95 %, paired bootstrap over packages.\n`;
}
