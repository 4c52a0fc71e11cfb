import { milliseconds, ratio, roundsOf, times } from '../support/format.ts';
import { compareLines, type LineRound, millisecondsPerByte } from '../support/lineRounds.ts';
import type { BenchContext, CaseResult } from '../support/result.ts';
import { compare, distributionOf, median } from '../support/statistics.ts';

/**
 * Bytes of a line for each forward pass of the member that needed most of them, with drafts as the product makes
 * them and without; and whether both write the same.
 */
export async function drafting(context: BenchContext): Promise<CaseResult> {
  const { product, other, timePerByte } = await compareLines(context, {
    seedOffset: 3,
    choice: { drafting: null },
  });
  const [withDrafts, without] = [product, other].map((rounds) => rounds.map(bytesPerPass));
  const comparison = compare(withDrafts, without);
  const plainLines = other.flatMap(({ texts }) => texts);
  const pairs = product
    .flatMap(({ texts }) => texts)
    .map((text, i) => ({ withDrafts: text, without: plainLines[i] }));
  const differing = pairs.filter((pair) => pair.withDrafts !== pair.without);
  const nEqual = pairs.length - differing.length;
  const spread = distributionOf(withDrafts);
  const bytes = (value: number) => value.toFixed(2);
  return {
    ratio: comparison.ratio,
    figures: [
      {
        what: 'Bytes per forward pass, with drafts ÷ without',
        value: ratio(comparison.ratio),
        spread: roundsOf(comparison),
        goal: '> 1',
        isMet: comparison.ratio > 1,
      },
      {
        what: 'Bytes per forward pass with drafts',
        value: bytes(spread.p50),
        spread: `quartiles ${times(spread, bytes)}; without ${bytes(median(without))}`,
        goal: '',
        isMet: undefined,
      },
      {
        what: 'Time per byte, with drafts ÷ without',
        value: ratio(timePerByte.ratio),
        spread: roundsOf(timePerByte),
        goal: '',
        isMet: undefined,
      },
      {
        what: 'Lines that are the same with and without drafts',
        value: `${nEqual} of ${pairs.length}`,
        spread: '',
        goal: 'all',
        isMet: nEqual === pairs.length,
      },
    ],
    limit: `A token of the bundled vocabulary is about 2.9 bytes and forks cost passes too, so without drafts a pass gives ${bytes(median(without))} bytes. A draft that comes true lets a pass read it whole (the ceiling is the line); one that does not costs a wider pass. Time per byte with drafts: ${milliseconds(median(product.map(millisecondsPerByte)))}.`,
    details: {
      bytesPerPass: { withDrafts: spread, without: distributionOf(without) },
      rounds: comparison.rounds,
      timePerByte,
      equalLines: nEqual,
      differing,
      lines: pairs.length,
    },
  };
}

function bytesPerPass({ timeline, bytes }: LineRound): number {
  return bytes / Math.max(1, timeline.slowest.passes);
}
