import type { Cursor } from './corpus.ts';
import { type DecoderChoice, LineDecoder } from './decoding.ts';
import type { BenchContext } from './result.ts';
import { type Comparison, compare } from './statistics.ts';
import { joinTimelines, type Timeline } from './timeline.ts';
import { takeTurns } from './timing.ts';

const nRounds = 12;
const warmUps = 1;
const cursorsPerRound = 10;

/** Lines that were written one after the other. */
export interface LineRound {
  readonly timeline: Timeline;
  readonly bytes: number;
  readonly texts: readonly string[];
}

/** The product as it is, and with another choice, writing lines at the same cursors in turns. */
export async function compareLines(
  { corpus, seed, say }: BenchContext,
  { seedOffset, choice }: { readonly seedOffset: number; readonly choice: DecoderChoice },
): Promise<{
  readonly product: readonly LineRound[];
  readonly other: readonly LineRound[];
  readonly timePerByte: Comparison;
}> {
  const cursors = corpus.draw((nRounds + warmUps) * cursorsPerRound, seed + seedOffset);
  const decoders = [await LineDecoder.open(corpus), await LineDecoder.open(corpus, choice)];
  try {
    say(`${nRounds} rounds of ${cursorsPerRound} cursors`);
    const contenders = decoders.map((decoder, i) => ({
      name: i === 0 ? 'product' : 'other',
      run: (round: number) => {
        const first = (round + warmUps) * cursorsPerRound;
        return writeLines(decoder, cursors.slice(first, first + cursorsPerRound));
      },
    }));
    const [product, other] = await takeTurns(contenders, { warmUps, rounds: nRounds });
    return {
      product,
      other,
      timePerByte: compare(product.map(millisecondsPerByte), other.map(millisecondsPerByte)),
    };
  } finally {
    for (const decoder of decoders) await decoder.close();
  }
}

async function writeLines(decoder: LineDecoder, cursors: readonly Cursor[]): Promise<LineRound> {
  const timelines: Timeline[] = [];
  const texts: string[] = [];
  let bytes = 0;
  for (const cursor of cursors) {
    const line = await decoder.decode(cursor);
    timelines.push(line.timeline);
    texts.push(line.completion.text);
    bytes += line.bytes;
  }
  return { timeline: joinTimelines(timelines), bytes, texts };
}

export function millisecondsPerByte({ timeline, bytes }: LineRound): number {
  return timeline.milliseconds / Math.max(1, bytes);
}
