import { complete } from '../decoding/complete.ts';
import type { TextContext } from '../lm/member.ts';
import type { CompletionReport, NoCompletionReason } from '../protocol/completion.ts';
import type { HostedStream, MemberHost } from './memberHost.ts';
import type { PolicySource } from './policyStore.ts';
import { buildContext, type TextAtCursor } from './textContext.ts';

/** The most bytes of one completion: a long line of code. */
const maximumBytes = 200;

export interface LineOptions {
  readonly policies: PolicySource;
  /** Text less probable than this is not offered. */
  readonly minimumProbability: number;
  /** True where the person has asked for the text: then the policy does not decide how much there is of it. */
  readonly ignoresStops: boolean;
  readonly signal: AbortSignal;
}

/**
 * The rest of the line at the cursor, from all members that can answer and are meant for the language. A member
 * that is late or breaks is left out and the others begin again. Rejects with the signal's reason when it aborts.
 */
export async function completeLine(
  hosts: readonly MemberHost[],
  at: TextAtCursor,
  options: LineOptions,
): Promise<CompletionReport> {
  const started = performance.now();
  const context = buildContext(at);
  for (let attempt = 0; attempt <= hosts.length; attempt++) {
    const streams = await openAll(hosts, context, options.signal);
    if (streams.length === 0) break;
    try {
      const prefill = performance.now() - started;
      const members = streams.map(({ host }) => host.source);
      const { policy, combiner, completed } = options.policies.choose(members, at);
      const { steps, policyMs, ...line } = await complete({
        ...options,
        policy,
        combiner,
        context,
        streams,
        members,
        maximumBytes,
      });
      const total = performance.now() - started;
      const report: CompletionReport = {
        ...describe(at),
        ...line,
        tokens: steps.map(({ text, shares }) => ({
          text,
          shares: Object.fromEntries(streams.map(({ host }, i) => [host.source.id, shares[i]])),
        })),
        latencyMs: { total, prefill, decode: total - prefill, policy: policyMs },
        members: streams.map(({ host, forwardPasses }) => ({
          id: host.source.id,
          kind: host.source.kind,
          forwardPasses,
        })),
      };
      completed?.(report);
      return report;
    } catch (error) {
      options.signal.throwIfAborted();
      if (!streams.some((stream) => stream.hasFailed)) throw error;
    } finally {
      for (const stream of streams) stream.release();
    }
  }
  return withoutText(at, 'noMembers', performance.now() - started);
}

/** The report of a request that nothing is shown for. */
export function withoutText(at: TextAtCursor, reason: NoCompletionReason, total = 0): CompletionReport {
  return {
    ...describe(at),
    text: '',
    stopReason: null,
    noCompletionReason: reason,
    tokens: [],
    logProbability: 0,
    latencyMs: { total, prefill: 0, decode: 0, policy: 0 },
    members: [],
  };
}

/** The streams of all members that take part and can answer, at one cursor; each must be released. */
export async function openAll(
  hosts: readonly MemberHost[],
  context: TextContext,
  signal: AbortSignal,
): Promise<readonly HostedStream[]> {
  const opened = await Promise.allSettled(
    hosts.filter((host) => host.takesPart(context.languageId)).map((host) => host.open(context, signal)),
  );
  const streams = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (signal.aborted) for (const stream of streams) stream.release();
  signal.throwIfAborted();
  return streams;
}

function describe({ uri, languageId }: TextAtCursor): Pick<CompletionReport, 'id' | 'uri' | 'languageId'> {
  return { id: crypto.randomUUID(), uri, languageId };
}
