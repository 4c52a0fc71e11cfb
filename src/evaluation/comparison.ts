import { type Interval, pairedBootstrap } from './bootstrap.ts';
import type { Evaluation } from './evaluate.ts';
import type { LineResult } from './metrics.ts';

/** How much a policy differs from another, with the 95 % interval over packages. */
export interface Comparison {
  /** Per symbol of the targets; less is better. */
  readonly bitsPerByte: Interval;
  /** Of the cursors; more is better. */
  readonly exactLine: Interval;
}

/** Every policy less the first one, at the same cursors. */
export function compareWithFirst(
  lines: Evaluation['lines'],
  nPackages: number,
  seed: number,
): Readonly<Record<string, Comparison>> {
  const [[, first], ...others] = Object.entries(lines);
  const packageIdxs = Array.from({ length: nPackages }, (_, packageIdx) => packageIdx);
  const difference = (
    own: readonly LineResult[],
    of: (line: LineResult) => number,
    size: (line: LineResult) => number,
  ) =>
    pairedBootstrap(
      packageIdxs.flatMap((packageIdx) => {
        const rows = first.flatMap((line, i) => (line.packageIdx === packageIdx ? [i] : []));
        if (rows.length === 0) return [];
        const sum = (value: (i: number) => number) => rows.reduce((total, i) => total + value(i), 0);
        return [{ difference: sum((i) => of(own[i]) - of(first[i])), size: sum((i) => size(first[i])) }];
      }),
      seed,
    );
  return Object.fromEntries(
    others.map(([name, own]) => [
      name,
      {
        bitsPerByte: difference(
          own,
          ({ bits }) => bits,
          ({ targetBytes }) => targetBytes,
        ),
        exactLine: difference(
          own,
          ({ exact }) => (exact ? 1 : 0),
          () => 1,
        ),
      },
    ]),
  );
}
