import { type DecodedLine, LineDecoder } from '../support/decoding.ts';
import { milliseconds, ratio, roundsOf, times } from '../support/format.ts';
import type { BenchContext, CaseResult } from '../support/result.ts';
import { compare, distributionOf, median } from '../support/statistics.ts';
import { joinTimelines } from '../support/timeline.ts';
import { takeTurns } from '../support/timing.ts';

const nRounds = 12;
const warmUps = 1;
const cursorsPerRound = 10;

/**
 * Bytes of a line for each forward pass of the member that needed most of them, with drafts as the product makes
 * them and without; and whether both write the same.
 */
export async function drafting({ corpus, seed, say }: BenchContext): Promise<CaseResult> {
  const cursors = corpus.draw((nRounds + warmUps) * cursorsPerRound, seed + 3);
  const decoders = [await LineDecoder.open(corpus), await LineDecoder.open(corpus, { drafting: null })];
  try {
    say(`${nRounds} rounds of ${cursorsPerRound} cursors`);
    const contenders = decoders.map((decoder, i) => ({
      name: i === 0 ? 'with drafts' : 'without',
      async run(round: number): Promise<DecodedLine[]> {
        const lines: DecodedLine[] = [];
        const first = (round + warmUps) * cursorsPerRound;
        for (const cursor of cursors.slice(first, first + cursorsPerRound))
          lines.push(await decoder.decode(cursor));
        return lines;
      },
    }));
    const [drafted, plain] = await takeTurns(contenders, { warmUps, rounds: nRounds });
    const [withDrafts, without] = [drafted, plain].map((rounds) => rounds.map(bytesPerPass));
    const comparison = compare(withDrafts, without);
    const perByte = compare(drafted.map(millisecondsPerByte), plain.map(millisecondsPerByte));
    const plainLines = plain.flat().map(({ completion }) => completion.text);
    const pairs = drafted
      .flat()
      .map(({ completion }, i) => ({ withDrafts: completion.text, without: plainLines[i] }));
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
          value: ratio(perByte.ratio),
          spread: roundsOf(perByte),
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
      limit: `A token of the bundled vocabulary is about 2.9 bytes and forks cost passes too, so without drafts a pass gives ${bytes(median(without))} bytes. A draft that comes true lets a pass read it whole (the ceiling is the line); one that does not costs a wider pass. Time per byte with drafts: ${milliseconds(median(drafted.map(millisecondsPerByte)))}.`,
      details: {
        bytesPerPass: { withDrafts: spread, without: distributionOf(without) },
        rounds: comparison.rounds,
        timePerByte: perByte,
        equalLines: nEqual,
        differing,
        lines: pairs.length,
      },
    };
  } finally {
    for (const decoder of decoders) await decoder.close();
  }
}

function bytesPerPass(lines: readonly DecodedLine[]): number {
  const bytes = lines.reduce((sum, line) => sum + line.bytes, 0);
  return bytes / Math.max(1, joinTimelines(lines.map((line) => line.timeline)).slowest.passes);
}

function millisecondsPerByte(lines: readonly DecodedLine[]): number {
  const bytes = lines.reduce((sum, line) => sum + line.bytes, 0);
  return joinTimelines(lines.map((line) => line.timeline)).milliseconds / Math.max(1, bytes);
}
