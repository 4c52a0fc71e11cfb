import { drawnTogether, type Interval, pairedBootstrap } from './bootstrap.ts';
import type { Cost, Outcome } from './contender.ts';
import { editSimilarity, judge, lexemes, simulatedReward } from './typist.ts';

/** One contender at one cursor. */
export interface LineResult extends Outcome {
  readonly packageIdx: number;
  /** What stands there, without white space at its end. */
  readonly target: string;
  /** UTF-8 bytes of the target and its end. */
  readonly targetBytes: number;
  /** Whether `text` is the target, up to trailing white space. */
  readonly exact: boolean;
}

/** Rates are from 0 to 1. Bits and bytes count the end of the line as one symbol. */
export interface Metrics {
  /** Cursors at which the contender takes part. */
  readonly positions: number;
  readonly bitsPerByte: number;
  readonly exactLine: number;
  readonly firstLexeme: number;
  readonly editSimilarity: number;
  /** Characters that the simulated typist keeps, per cursor, of what is shown under the contender's own decision. */
  readonly acceptedCharacters: number;
  readonly acceptRate: number;
  readonly shownRate: number;
  readonly keystrokesSaved: number;
  /** Simulated, per cursor: what the product shows under the contender's own decision. */
  readonly reward: number;
  /** The same at fixed rates of shown cursors, the surest first. */
  readonly atShownRate: Readonly<Record<'25' | '50' | '100', ShownMetrics>>;
  /** 95 %, bootstrap over packages, or over the cursors of a single one. */
  readonly intervals: Readonly<Record<'bitsPerByte' | 'exactLine' | 'reward', Interval>>;
  readonly latencyMs: { readonly p50: number; readonly p95: number };
  readonly forwardsPerByte: number;
  /** What the policy takes for one step, in microseconds; NaN where it was not timed. */
  readonly policyMicroseconds: number;
  /** The part of the cursors at which the text has left the collected paths. */
  readonly leftPaths: number;
}

export interface ShownMetrics {
  readonly exactLine: number;
  readonly acceptRate: number;
  readonly keystrokesSaved: number;
}

/** @param lines one at least */
export function summarise(lines: readonly LineResult[], costs: readonly Cost[]): Metrics {
  const rows = lines.map((line) => ({
    ...line,
    firstLexeme: lexemes(line.text)[0] === lexemes(line.target)[0],
    outcome: judge(line.text, line.target),
  }));
  type Row = (typeof rows)[number];
  const mean = (of: (row: Row) => number, over: readonly Row[] = rows) =>
    over.length === 0 ? 0 : over.reduce((sum, row) => sum + of(row), 0) / over.length;
  const targetCharacters = rows.reduce((sum, { target }) => sum + target.length, 0);
  const saved = (shown: readonly Row[]) =>
    shown.reduce((sum, { outcome }) => sum + outcome.acceptedCharacters - outcome.keysPressed, 0) /
    targetCharacters;
  const accepted = (row: Row) => (row.outcome.accepted === 'none' ? 0 : 1);
  const shown = rows
    .filter(({ shownText }) => shownText !== '')
    .map((row) => ({ ...row, outcome: judge(row.shownText, row.target) }));
  const surest = rows.filter(({ text }) => text !== '').sort((a, b) => b.confidence - a.confidence);
  const shownMetrics = (rate: number): ShownMetrics => {
    const top = surest.slice(0, Math.round(rows.length * rate));
    return {
      exactLine: mean(({ exact }) => (exact ? 1 : 0), top),
      acceptRate: mean(accepted, top),
      keystrokesSaved: saved(top),
    };
  };
  const groups = drawnTogether(rows, ({ packageIdx }) => packageIdx);
  const interval = (of: (row: Row) => number, size: (row: Row) => number = () => 1) =>
    pairedBootstrap(
      groups.map((own) => ({
        difference: own.reduce((sum, row) => sum + of(row), 0),
        size: own.reduce((sum, row) => sum + size(row), 0),
      })),
      1,
    );
  const milliseconds = costs.map((sample) => sample.milliseconds).sort((a, b) => a - b);
  const total = (of: (sample: Cost) => number) => costs.reduce((sum, sample) => sum + of(sample), 0);
  return {
    positions: rows.length,
    bitsPerByte:
      rows.reduce((sum, { bits }) => sum + bits, 0) /
      rows.reduce((sum, { targetBytes }) => sum + targetBytes, 0),
    exactLine: mean(({ exact }) => (exact ? 1 : 0)),
    firstLexeme: mean(({ firstLexeme }) => (firstLexeme ? 1 : 0)),
    editSimilarity: mean(({ text, target }) => editSimilarity(text.trimEnd(), target.trimEnd())),
    acceptedCharacters: shown.reduce((sum, { outcome }) => sum + outcome.acceptedCharacters, 0) / rows.length,
    acceptRate: mean(accepted, shown),
    shownRate: shown.length / rows.length,
    keystrokesSaved: saved(shown),
    reward: mean(({ shownText, target }) => simulatedReward(shownText, target)),
    atShownRate: { 25: shownMetrics(0.25), 50: shownMetrics(0.5), 100: shownMetrics(1) },
    intervals: {
      bitsPerByte: interval(
        ({ bits }) => bits,
        ({ targetBytes }) => targetBytes,
      ),
      exactLine: interval(({ exact }) => (exact ? 1 : 0)),
      reward: interval(({ shownText, target }) => simulatedReward(shownText, target)),
    },
    latencyMs: { p50: quantile(milliseconds, 0.5), p95: quantile(milliseconds, 0.95) },
    forwardsPerByte: total(({ forwardPasses }) => forwardPasses) / total(({ bytes: n }) => n),
    policyMicroseconds:
      (1000 * total(({ policy }) => policy?.milliseconds ?? 0)) / total(({ policy }) => policy?.steps ?? 0),
    leftPaths: mean(({ hasLeft }) => (hasLeft ? 1 : 0)),
  };
}

/** Of ascending numbers, by nearest rank; NaN for none. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted.length === 0
    ? Number.NaN
    : sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];
}
