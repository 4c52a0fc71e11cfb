import type { Interpolation } from '../../src/lm/ngram/interpolation.ts';

export interface NaiveDocument {
  readonly text: string;
  /** How much a match in it counts. */
  readonly weight: number;
}

const MATCH_ORDERS = [6, 8, 10, 12, 16, 20, 24, 32];
const FLOOR = 1e-7;

/** The n-gram's distribution, straight from its definition. Texts are latin1; `own` is the document being read. */
export function naiveDistribution(
  context: string,
  own: string,
  documents: readonly NaiveDocument[],
  interpolation: Interpolation,
): Float64Array {
  const p = new Float64Array(257);
  let rest = 1;
  const add = (level: number, counts: Map<string, number>) => {
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    if (total === 0) return;
    const share = rest * interpolation.weight(interpolation.bucket(level, total, counts.size));
    for (const [next, count] of counts) p[next.charCodeAt(0)] += (share * count) / total;
    rest -= share;
  };

  const matches = documents.flatMap(({ text, weight }) =>
    [...text].flatMap((next, at) => {
      const length = commonEnd(context, text.slice(0, at));
      return length < MATCH_ORDERS[0] ? [] : [{ next, weight, length }];
    }),
  );
  let known = 0;
  for (let level = MATCH_ORDERS.length - 1; level >= 0; level--) {
    const found = matches.filter(({ length }) => length >= MATCH_ORDERS[level]);
    if (found.length === known) continue;
    known = found.length;
    const counts = new Map<string, number>();
    for (const { next, weight } of found) counts.set(next, (counts.get(next) ?? 0) + weight);
    add(12 + level, counts);
  }

  const tables = [countContexts([own]), countContexts(documents.map(({ text }) => text))];
  for (let order = Math.min(5, context.length); order >= 0 && rest > 1e-3; order--) {
    const key = context.slice(context.length - order);
    tables.forEach((table, i) => {
      add(order + 6 * i, table[order].get(key) ?? new Map());
    });
  }
  for (let byte = 1; byte < 256; byte++) p[byte] = (p[byte] + rest / 255) * (1 - 257 * FLOOR);
  return p.map((value) => value + FLOOR);
}

/** For each order: context → byte → in how many longer contexts it was seen; for the longest, how often. */
function countContexts(texts: readonly string[]): Map<string, Map<string, number>>[] {
  const tables = Array.from({ length: 6 }, () => new Map<string, Map<string, number>>());
  const count = (order: number, context: string, next: string) => {
    const counts = tables[order].get(context) ?? new Map<string, number>();
    tables[order].set(context, counts.set(next, (counts.get(next) ?? 0) + 1));
  };
  for (const text of texts) {
    [...text].forEach((next, at) => {
      const order = Math.min(5, at);
      count(order, text.slice(at - order, at), next);
    });
  }
  for (let order = 5; order > 0; order--) {
    for (const [context, counts] of tables[order]) {
      for (const next of counts.keys()) count(order - 1, context.slice(1), next);
    }
  }
  return tables;
}

function commonEnd(a: string, b: string): number {
  let length = 0;
  while (length < 32 && length < a.length && length < b.length && a.at(-1 - length) === b.at(-1 - length))
    length++;
  return length;
}
