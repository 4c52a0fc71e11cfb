import type { ForwardPass } from './forwardPasses.ts';

/** What the forward passes within a stretch of time amount to. */
export interface Timeline {
  /** Length of the stretch, milliseconds. */
  readonly milliseconds: number;
  /** Of the member that spent the most in its passes: milliseconds, and how many passes. */
  readonly slowest: { readonly milliseconds: number; readonly passes: number };
  /** All members' passes added up, milliseconds. */
  readonly allPasses: number;
  readonly nPasses: number;
  /** Time in which no member was in a forward pass, milliseconds. */
  readonly outside: number;
}

/** @param passes in the order of their starts; a pass is of the stretch in which it began */
export function timelineOf(passes: readonly ForwardPass[], start: number, end: number): Timeline {
  const byThread = new Map<number, { milliseconds: number; passes: number }>();
  let allPasses = 0;
  let nPasses = 0;
  let inside = 0;
  let reached = start;
  for (const pass of passes) {
    if (pass.start < start || pass.start > end) continue;
    const length = pass.end - pass.start;
    const thread = byThread.get(pass.threadId) ?? { milliseconds: 0, passes: 0 };
    byThread.set(pass.threadId, { milliseconds: thread.milliseconds + length, passes: thread.passes + 1 });
    allPasses += length;
    nPasses++;
    inside += Math.max(0, pass.end - Math.max(pass.start, reached));
    reached = Math.max(reached, pass.end);
  }
  const slowest = [...byThread.values()].sort((a, b) => b.milliseconds - a.milliseconds).at(0);
  return {
    milliseconds: end - start,
    slowest: slowest ?? { milliseconds: 0, passes: 0 },
    allPasses,
    nPasses,
    outside: Math.max(0, end - start - inside),
  };
}

/** Several stretches as one; the slowest member's parts add up although it may be another one each time. */
export function joinTimelines(timelines: readonly Timeline[]): Timeline {
  const sum = (of: (timeline: Timeline) => number) =>
    timelines.reduce((total, timeline) => total + of(timeline), 0);
  return {
    milliseconds: sum((timeline) => timeline.milliseconds),
    slowest: {
      milliseconds: sum((timeline) => timeline.slowest.milliseconds),
      passes: sum((timeline) => timeline.slowest.passes),
    },
    allPasses: sum((timeline) => timeline.allPasses),
    nPasses: sum((timeline) => timeline.nPasses),
    outside: sum((timeline) => timeline.outside),
  };
}
