import type { TokenReport } from '../protocol/completion.ts';
import type { EnsembleStatus } from '../protocol/messages.ts';

export type Shares = Readonly<Record<string, number>>;

/** The member with the largest share; the first of equals. Undefined where there is none. */
export function leadingMember(shares: Shares): string | undefined {
  const [first, ...rest] = Object.keys(shares);
  return rest.reduce((leader, id) => (shares[id] > shares[leader] ? id : leader), first);
}

/** Each member's share of the whole text: the tokens' shares, weighted by their lengths. They sum to 1. */
export function totalShares(tokens: readonly TokenReport[]): Shares {
  const totals: Record<string, number> = {};
  const length = tokens.reduce((sum, { text }) => sum + text.length, 0);
  for (const { text, shares } of tokens) {
    for (const [id, share] of Object.entries(shares)) {
      totals[id] = (totals[id] ?? 0) + (share * text.length) / length;
    }
  }
  return totals;
}

/**
 * Shares as tenths of a percent, rounded so that what is read still sums to 100.0 (largest remainder).
 * Expects shares that sum to 1.
 */
export function percentages(shares: Shares): Readonly<Record<string, number>> {
  const parts = Object.entries(shares).map(([id, share]) => {
    const tenths = Math.max(0, share) * 1000;
    return { id, tenths: Math.floor(tenths), remainder: tenths - Math.floor(tenths) };
  });
  const missing = 1000 - parts.reduce((sum, { tenths }) => sum + tenths, 0);
  const byRemainder = parts.toSorted((one, other) => other.remainder - one.remainder);
  for (const part of byRemainder.slice(0, Math.max(0, missing))) part.tenths += 1;
  return Object.fromEntries(parts.map(({ id, tenths }) => [id, tenths / 10]));
}

/** A member as the page draws it: `mark` chooses its colour and line, the same wherever it appears. */
export interface DrawnMember {
  readonly id: string;
  readonly name: string;
  readonly mark: number;
}

const nMarks = 6;

/** The members of the ensemble in their order, then those that took part and have left it since. */
export function drawnMembers(ensemble: EnsembleStatus | null, shares: Shares): readonly DrawnMember[] {
  const names = new Map((ensemble?.members ?? []).map(({ id, name }) => [id, name]));
  for (const id of Object.keys(shares)) if (!names.has(id)) names.set(id, id);
  return [...names].map(([id, name], memberIdx) => ({ id, name, mark: memberIdx % nMarks }));
}

export function formatBytes(bytes: number, locale: string): string {
  const [value, unit] =
    bytes < 1000
      ? [bytes, 'byte']
      : bytes < 999_950
        ? [bytes / 1000, 'kilobyte']
        : [bytes / 1_000_000, 'megabyte'];
  const digits = value < 10 && unit !== 'byte' ? 1 : 0;
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: String(unit),
    maximumFractionDigits: digits,
  }).format(Number(value));
}

/** Milliseconds with a digit after the point only where it says something. */
export function formatMilliseconds(milliseconds: number, locale: string): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: milliseconds < 10 ? 1 : 0 }).format(
    milliseconds,
  );
}

export function formatPercent(percent: number, locale: string): string {
  return new Intl.NumberFormat(locale, {
    style: 'percent',
    minimumFractionDigits: 1,
    maximumFractionDigits: 1,
  }).format(percent / 100);
}

/** `{0}`, `{1}` … in the text give way to the values. */
export function fill(text: string, ...values: readonly (string | number)[]): string {
  return text.replaceAll(/\{(\d+)\}/g, (whole, index) => String(values[Number(index)] ?? whole));
}
