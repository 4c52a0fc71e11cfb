import { randomNumbers } from './random.ts';

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** What is drawn at once: all of a package; of a single package, each cursor. */
export function drawnTogether<Row>(rows: readonly Row[], packageIdxOf: (row: Row) => number): Row[][] {
  const groups = new Map<number, Row[]>();
  for (const row of rows) {
    const group = groups.get(packageIdxOf(row));
    if (group) group.push(row);
    else groups.set(packageIdxOf(row), [row]);
  }
  return groups.size > 1 ? [...groups.values()] : rows.map((row) => [row]);
}

/**
 * Paired bootstrap over groups (packages, or the cursors of a single one): the 95 % percentile interval of
 * Σ difference ÷ Σ size, whole groups drawn with replacement.
 */
export function pairedBootstrap(
  groups: readonly { readonly difference: number; readonly size: number }[],
  seed: number,
  nResamples = 2000,
): Interval {
  const random = randomNumbers(seed);
  const ratio = (drawn: readonly { difference: number; size: number }[]) =>
    drawn.reduce((sum, group) => sum + group.difference, 0) /
    drawn.reduce((sum, group) => sum + group.size, 0);
  const resampled = Array.from({ length: nResamples }, () =>
    ratio(groups.map(() => groups[Math.floor(random() * groups.length)])),
  ).sort((a, b) => a - b);
  return {
    mean: ratio(groups),
    low: resampled[Math.floor(nResamples * 0.025)],
    high: resampled[Math.ceil(nResamples * 0.975) - 1],
  };
}
