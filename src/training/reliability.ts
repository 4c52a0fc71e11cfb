/** What a person did with a completion, and what their own text made of it. In UTF-16 units. */
export interface ComparedWithText {
  readonly shownLength: number;
  readonly acceptedLength: number;
  /** How much of it, from its start, stands in the text that they left; null where that is not known. */
  readonly agreedLength: number | null;
}

/**
 * How far outcomes tell what a person wanted, from 0 (no more than chance would) to 1: the slope of the accepted share on
 * the share that stands in the text afterwards, by least squares, less what it may be too high by at 95 % confidence. With one
 * who accepts what is right and rejects what is wrong it is 1, with a toss of a coin 0; of somebody unknown the best is assumed.
 */
export function reliabilityOf(outcomes: readonly ComparedWithText[]): number {
  const points = outcomes.flatMap(({ shownLength, acceptedLength, agreedLength }) =>
    shownLength > 0 && agreedLength !== null
      ? [{ x: Math.min(1, agreedLength / shownLength), y: Math.min(1, acceptedLength / shownLength) }]
      : [],
  );
  const all = [...assumed, ...points];
  const mean = (pick: (point: Point) => number) =>
    all.reduce((sum, point) => sum + pick(point), 0) / all.length;
  const [meanX, meanY] = [mean(({ x }) => x), mean(({ y }) => y)];
  const varianceX = mean(({ x }) => (x - meanX) ** 2);
  const slope = mean(({ x, y }) => (x - meanX) * (y - meanY)) / varianceX;
  const residual = mean(({ x, y }) => (y - meanY - slope * (x - meanX)) ** 2);
  const standardError = Math.sqrt(residual / (varianceX * Math.max(1, all.length - 2)));
  return Math.min(1, Math.max(0, slope - oneSided95 * standardError));
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** One that was right and was accepted, one that was wrong and was rejected. */
const assumed: readonly Point[] = [
  { x: 1, y: 1 },
  { x: 0, y: 0 },
];
const oneSided95 = 1.645;
