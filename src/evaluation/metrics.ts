import type { LatencySample } from './evaluate.ts';
import type { Position } from './positions.ts';
import { editSimilarity, judge, lexemes } from './typist.ts';

/** One contender at one cursor. */
export interface LineResult {
  readonly packageIdx: number;
  /** UTF-8 bytes of the target and its end. */
  readonly targetBytes: number;
  /** Whether `text` is the target, up to trailing white space. */
  readonly exact: boolean;
  /** −log₂ p of the target and its end under teacher forcing. */
  readonly bits: number;
  /** What was completed when nothing is held back. */
  readonly text: string;
  /** What of it the product shows under its default settings; empty where it stays silent. */
  readonly shownText: string;
  /** ln p of `text` and its end: how sure the ensemble was. */
  readonly logProbability: number;
}

/** Rates are from 0 to 1. Bits and bytes count the end of the line as one symbol. */
export interface Metrics {
  readonly bitsPerByte: number;
  readonly exactLine: number;
  readonly firstLexeme: number;
  readonly editSimilarity: number;
  /** Characters that the simulated typist keeps, per cursor, of what the product shows under its default settings. */
  readonly acceptedCharacters: number;
  readonly acceptRate: number;
  readonly shownRate: number;
  readonly keystrokesSaved: number;
  /** The same at fixed rates of shown cursors, the surest first. */
  readonly atShownRate: Readonly<Record<'25' | '50' | '100', ShownMetrics>>;
  readonly latencyMs: { readonly p50: number; readonly p95: number };
  readonly forwardsPerByte: number;
}

export interface ShownMetrics {
  readonly exactLine: number;
  readonly acceptRate: number;
  readonly keystrokesSaved: number;
}

export function summarise(
  lines: readonly LineResult[],
  positions: readonly Position[],
  latencies: readonly LatencySample[],
): Metrics {
  const rows = lines.map((line, i) => {
    const { target } = positions[i];
    return {
      ...line,
      target,
      firstLexeme: lexemes(line.text)[0] === lexemes(target)[0],
      outcome: judge(line.text, target),
    };
  });
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
  const surest = rows.filter(({ text }) => text !== '').sort((a, b) => b.logProbability - a.logProbability);
  const shownMetrics = (rate: number): ShownMetrics => {
    const top = surest.slice(0, Math.round(rows.length * rate));
    return {
      exactLine: mean(({ exact }) => (exact ? 1 : 0), top),
      acceptRate: mean(accepted, top),
      keystrokesSaved: saved(top),
    };
  };
  const milliseconds = latencies.map((sample) => sample.milliseconds).sort((a, b) => a - b);
  const total = (of: (sample: LatencySample) => number) =>
    latencies.reduce((sum, sample) => sum + of(sample), 0);
  return {
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
    atShownRate: { 25: shownMetrics(0.25), 50: shownMetrics(0.5), 100: shownMetrics(1) },
    latencyMs: { p50: quantile(milliseconds, 0.5), p95: quantile(milliseconds, 0.95) },
    forwardsPerByte: total(({ forwardPasses }) => forwardPasses) / total(({ bytes: n }) => n),
  };
}

/** Of ascending numbers, by nearest rank; NaN for none. */
function quantile(sorted: readonly number[], q: number): number {
  return sorted.length === 0
    ? Number.NaN
    : sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];
}
