import { completeAt, keystrokesAgo, openEnsemble, readUpTo } from '../support/ensemble.ts';
import { milliseconds, times } from '../support/format.ts';
import { clock, passesSince } from '../support/forwardPasses.ts';
import type { BenchContext, CaseResult } from '../support/result.ts';
import { distributionOf, median } from '../support/statistics.ts';
import { timelineOf } from '../support/timeline.ts';

const nCursors = 220;
const nWarmUps = 10;
/**
 * A person pauses, types this many characters, and pauses again: what stands before them has been read, and the
 * line that follows has not been written before.
 */
const nKeys = 3;

/** From the last keystroke to the completed line, with the bundled members, at cursors of held-out source. */
export async function singleLine(context: BenchContext): Promise<CaseResult> {
  const { corpus, machine, seed } = context;
  const ensemble = await openEnsemble(corpus);
  const explicit: number[] = [];
  const automatic: number[] = [];
  const unread: number[] = [];
  const slowestMs: number[] = [];
  const allMs: number[] = [];
  let bytes = 0;
  try {
    for (const [i, cursor] of corpus.draw(2 * nCursors + nWarmUps, seed).entries()) {
      if (i % 50 === 0) context.say(`cursor ${i} of ${2 * nCursors + nWarmUps}`);
      const before = await readUpTo(ensemble, keystrokesAgo(cursor, nKeys));
      const start = clock();
      const isExplicit = i % 2 === 0;
      const line = await completeAt(ensemble, cursor, isExplicit ? 'explicit' : 'automatic');
      if (i < nWarmUps) continue;
      unread.push(before.milliseconds);
      if (!isExplicit) {
        automatic.push(line.milliseconds);
        continue;
      }
      explicit.push(line.milliseconds);
      bytes += Buffer.byteLength(line.report.text);
      const { slowest, allPasses } = timelineOf(passesSince(start), start, clock());
      slowestMs.push(slowest.milliseconds);
      allMs.push(allPasses);
    }
  } finally {
    await ensemble.close();
  }
  const line = distributionOf(explicit);
  const shown = distributionOf(automatic);
  const floor = distributionOf(slowestMs);
  const together = distributionOf(allMs);
  return {
    milliseconds: { p50: line.p50, p95: line.p95 },
    figures: [
      {
        what: 'Single line after the last keystroke, p50',
        value: milliseconds(line.p50),
        spread: `quartiles ${times(line, milliseconds)}; ${line.n} cursors`,
        goal: '≤ 40 ms',
        isMet: line.p50 <= 40,
      },
      {
        what: 'Single line after the last keystroke, p95',
        value: milliseconds(line.p95),
        spread: `longest ${milliseconds(line.maximum)}`,
        goal: '≤ 120 ms',
        isMet: line.p95 <= 120,
      },
    ],
    limit: `In a median line the slowest member's forward passes take ${milliseconds(floor.p50)}, all members' together ${milliseconds(together.p50)}, which ${machine.cores} cores can share (a long line, p95: ${milliseconds(floor.p95)} and ${milliseconds(together.p95)}). That is the floor. The rest is the decode loop, the hand-over between threads, and members waiting for each other.`,
    notes: [
      `Automatic completions, which stop where confidence ends: p50 ${milliseconds(shown.p50)}, p95 ${milliseconds(shown.p95)}; one that goes along with the suggestion before is there at once and not counted.`,
      `First completion in a file not read before: p50 ${milliseconds(median(unread))}.`,
    ],
    details: {
      wholeLine: line,
      automatic: shown,
      unreadFile: distributionOf(unread),
      slowestMemberPasses: floor,
      allPasses: together,
      meanBytes: bytes / explicit.length,
    },
  };
}
