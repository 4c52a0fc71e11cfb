import { scoreSteps } from '../evaluation/scoreSteps.ts';
import type { ScoredStep } from '../policy/recordedPolicy.ts';
import { openAll } from './completeLine.ts';
import type { MemberHost } from './memberHost.ts';
import { buildContext, type TextAtCursor } from './textContext.ts';

/** What the members give a text, step by step; not the text itself. */
export interface ScoredText {
  /** Ids, in the order of the scores. */
  readonly members: readonly string[];
  readonly nBytes: number;
  readonly steps: readonly ScoredStep[];
}

/**
 * Reads a text and the end of its line at a cursor under all members that take part. Null where none can answer. Rejects
 * with the signal's reason when it aborts.
 */
export async function scoreText(
  hosts: readonly MemberHost[],
  at: TextAtCursor,
  text: string,
  signal: AbortSignal,
): Promise<ScoredText | null> {
  const context = buildContext(at);
  const streams = await openAll(hosts, context, signal);
  try {
    if (streams.length === 0) return null;
    const members = streams.map(({ host }) => host.source);
    const line = new TextEncoder().encode(text);
    const steps = await scoreSteps({ context, streams, members, signal }, line);
    return { members: members.map(({ id }) => id), nBytes: line.length, steps };
  } finally {
    for (const stream of streams) stream.release();
  }
}
