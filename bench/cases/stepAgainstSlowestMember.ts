import { LineDecoder } from '../support/decoding.ts';
import { milliseconds, percent, ratio, times } from '../support/format.ts';
import { halfBillionMembers } from '../support/halfBillionMembers.ts';
import type { BenchContext, CaseResult, Figure } from '../support/result.ts';
import { type Distribution, distributionOf } from '../support/statistics.ts';
import { joinTimelines, type Timeline } from '../support/timeline.ts';

interface Setting {
  readonly nRounds: number;
  readonly cursorsPerRound: number;
}

/**
 * The decode loop against the forward passes of the member that spends most in them, and the part of the time in
 * which no member is in a forward pass: with the bundled members, and with one of the shape of a 0.5B model.
 */
export async function stepAgainstSlowestMember(context: BenchContext): Promise<CaseResult> {
  const bundled = await measure(context, undefined, { nRounds: 12, cursorsPerRound: 10 });
  context.say('the 0.5B shape');
  const large = await measure(context, await halfBillionMembers(context.cacheFolder), {
    nRounds: 6,
    cursorsPerRound: 1,
  });
  const figures: Figure[] = [
    {
      what: "Ensemble step ÷ slowest member's forward pass, bundled members",
      value: ratio(bundled.ratio.p50),
      spread: `quartiles ${times(bundled.ratio, ratio)}; ${bundled.ratio.n} rounds`,
      goal: '≤ 1.3',
      isMet: bundled.ratio.p50 <= 1.3,
    },
    outsideFigure('bundled members', bundled.outside, 0.25),
    outsideFigure('0.5B shape', large.outside, 0.1),
  ];
  const { total } = bundled;
  const perPass = (timeline: Timeline) => timeline.allPasses / timeline.nPasses;
  const floor = total.allPasses / context.machine.cores / total.slowest.milliseconds;
  return {
    ratio: bundled.ratio.p50,
    figures,
    limit: `A pass takes ${milliseconds(perPass(total))} (0.5B shape ${milliseconds(perPass(large.total))}). All members' passes shared evenly among ${context.machine.cores} cores would give a ratio of ${ratio(Math.max(1, floor))}: that is the floor. Above it: members need their passes at different bytes and so wait for each other, threads hand over to each other at every byte that was not foreseen, and every pass is followed by sums over the vocabulary.`,
    details: { bundled, halfBillion: large },
  };
}

interface Measured {
  readonly ratio: Distribution;
  readonly outside: Distribution;
  readonly total: Timeline;
}

async function measure(
  context: BenchContext,
  modelsPath: string | undefined,
  { nRounds, cursorsPerRound }: Setting,
): Promise<Measured> {
  const ensemble = await LineDecoder.open(context.corpus, { modelsPath });
  const rounds: Timeline[] = [];
  try {
    const cursors = context.corpus.draw((nRounds + 1) * cursorsPerRound, context.seed + 2);
    for (let round = -1; round < nRounds; round++) {
      const lines: Timeline[] = [];
      for (let i = 0; i < cursorsPerRound; i++) {
        const { timeline } = await ensemble.decode(cursors[(round + 1) * cursorsPerRound + i]);
        lines.push(timeline);
      }
      const joined = joinTimelines(lines);
      // Where every byte was at hand there was no step to speak of.
      if (round >= 0 && joined.slowest.milliseconds > 0) rounds.push(joined);
    }
  } finally {
    await ensemble.close();
  }
  return {
    ratio: distributionOf(rounds.map((round) => round.milliseconds / round.slowest.milliseconds)),
    outside: distributionOf(rounds.map((round) => round.outside / round.milliseconds)),
    total: joinTimelines(rounds),
  };
}

function outsideFigure(name: string, outside: Distribution, goal: number): Figure {
  return {
    what: `Time outside the forward passes, ${name}`,
    value: percent(outside.p50),
    spread: `quartiles ${times(outside, percent)}; ${outside.n} rounds`,
    goal: `≤ ${percent(goal)}`,
    isMet: outside.p50 <= goal,
  };
}
