import { drawnTogether, type Interval, pairedBootstrap } from './bootstrap.ts';
import type { LineResult } from './metrics.ts';
import { simulatedReward } from './typist.ts';

/** Which contender is compared with which. */
export interface GoalPair {
  readonly name: string;
  readonly against: string;
}

/** How much one contender differs from another at the cursors of both, with 95 % intervals by `drawnTogether`. */
export interface Comparison extends GoalPair {
  /** Per symbol of the targets; less is better. */
  readonly bitsPerByte: Interval;
  /** Of the cursors; more is better. */
  readonly exactLine: Interval;
  /** Per cursor, each under its own decision what to show; more is better. */
  readonly reward: Interval;
  /** Cursors of both. */
  readonly positions: number;
}

type Lines = Readonly<Record<string, readonly (LineResult | undefined)[]>>;

/** Every contender less the first one, and the pairs that are asked for. */
export function compare(lines: Lines, pairs: readonly GoalPair[], seed: number): Comparison[] {
  const [first, ...others] = Object.keys(lines).filter((name) =>
    lines[name].some((line) => line !== undefined),
  );
  const wanted = new Map(
    [...others.map((name): GoalPair => ({ name, against: first })), ...pairs].map((pair) => [
      `${pair.name}\n${pair.against}`,
      pair,
    ]),
  );
  return [...wanted.values()].flatMap((pair) => {
    const compared = comparePair(lines, pair, seed);
    return compared ? [compared] : [];
  });
}

function comparePair(lines: Lines, { name, against }: GoalPair, seed: number): Comparison | undefined {
  const rows = (lines[name] ?? []).flatMap((line, i) => {
    const other = lines[against]?.[i];
    return line && other ? [{ line, other }] : [];
  });
  if (rows.length === 0) return undefined;
  const groups = drawnTogether(rows, ({ line }) => line.packageIdx);
  const interval = (of: (line: LineResult) => number, size: (line: LineResult) => number) =>
    pairedBootstrap(
      groups.map((own) => ({
        difference: own.reduce((sum, { line, other }) => sum + of(line) - of(other), 0),
        size: own.reduce((sum, { line }) => sum + size(line), 0),
      })),
      seed,
    );
  const one = () => 1;
  return {
    name,
    against,
    bitsPerByte: interval(
      ({ bits }) => bits,
      ({ targetBytes }) => targetBytes,
    ),
    exactLine: interval(({ exact }) => (exact ? 1 : 0), one),
    reward: interval(({ shownText, target }) => simulatedReward(shownText, target), one),
    positions: rows.length,
  };
}
