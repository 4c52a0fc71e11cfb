import { scoreLine } from '../decoding/decode.ts';
import type { MemberStream, TextContext } from '../lm/member.ts';
import { Hedge } from '../policy/hedge.ts';
import type { PolicyMember } from '../policy/policy.ts';
import { RecordedPolicy, type ScoredStep } from '../policy/recordedPolicy.ts';

export interface TextToScore {
  readonly context: TextContext;
  readonly members: readonly PolicyMember[];
  /** Open at the cursor, in the order of the members. */
  readonly streams: readonly MemberStream[];
  readonly signal: AbortSignal;
}

/** The steps of a line that stands after the cursor, its end included, as every member foresees them. */
export async function scoreSteps(
  { context, members, streams, signal }: TextToScore,
  line: Uint8Array,
): Promise<ScoredStep[]> {
  const steps: ScoredStep[] = [];
  const policy = new RecordedPolicy(new Hedge(members.length), {
    nMembers: members.length,
    record: (step) => steps.push(step),
  });
  await scoreLine({ context, members, streams, policy, combiner: 'linear', signal }, line);
  return steps;
}
