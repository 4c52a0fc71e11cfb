import { defaultNeuralMemberOptions } from '../../src/lm/neural/neuralMember.ts';
import { changedMembers } from '../support/changedMembers.ts';
import { percent, ratio, roundsOf } from '../support/format.ts';
import { compareLines, type LineRound } from '../support/lineRounds.ts';
import type { BenchContext, CaseResult } from '../support/result.ts';
import { compare, median } from '../support/statistics.ts';

/** What it saves that members make forward passes before they are asked for them. */
export async function passesAhead(context: BenchContext): Promise<CaseResult> {
  // As they would be if they were too large for it.
  const parameters = defaultNeuralMemberOptions.mostAheadParameters + 1;
  const modelsPath = await changedMembers(context.cacheFolder, (manifest) => ({ ...manifest, parameters }));
  const { product, other, timePerByte } = await compareLines(context, {
    seedOffset: 4,
    choice: { modelsPath },
  });
  const outside = [product, other].map(outsideOf);
  const nPasses = ({ timeline }: LineRound) => timeline.nPasses;
  const passes = compare(product.map(nPasses), other.map(nPasses));
  const [texts, otherTexts] = [product, other].map((rounds) => rounds.flatMap((round) => round.texts));
  const nEqual = texts.filter((text, i) => text === otherTexts[i]).length;
  return {
    ratio: timePerByte.ratio,
    figures: [
      {
        what: 'Time per byte, with passes ahead of being asked ÷ without',
        value: ratio(timePerByte.ratio),
        spread: roundsOf(timePerByte),
        goal: '',
        isMet: undefined,
      },
    ],
    limit: `With them there are ${ratio(passes.ratio)} times as many passes, and ${percent(outside[0])} instead of ${percent(outside[1])} of the time is outside of all passes; ${nEqual} of ${texts.length} lines are the same. A pass that is made in vain after the end of a line is not in the time.`,
    details: { timePerByte, passes, outside, equalLines: nEqual, lines: texts.length },
  };
}

function outsideOf(rounds: readonly LineRound[]): number {
  return median(rounds.map(({ timeline }) => timeline.outside / timeline.milliseconds));
}
