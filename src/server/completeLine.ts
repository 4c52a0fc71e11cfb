import type { Settings } from '../config/settings.ts';
import { type DecodeResult, decode } from '../decoding/decode.ts';
import type { TextContext } from '../lm/member.ts';
import { Hedge } from '../policy/hedge.ts';
import type { CompletionReport, NoCompletionReason, TokenReport } from '../protocol/completion.ts';
import type { HostedStream, MemberHost } from './memberHost.ts';
import { buildContext, type TextAtCursor } from './textContext.ts';
import { tidy } from './tidy.ts';

/** The most bytes of one completion: a long line of code. */
const maximumBytes = 200;

export interface LineOptions {
  readonly combiner: Settings['combiner'];
  /** Text less probable than this is not offered. */
  readonly minimumProbability: number;
  readonly signal: AbortSignal;
}

/**
 * The rest of the line at the cursor, from all members that can answer. A member that is late or breaks is left
 * out and the others begin again. Rejects with the signal's reason when it aborts.
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
      const { tokens, ...line } = await readLine(streams, context, options);
      const total = performance.now() - started;
      const kept = tidy(tokens, line, restOfLine(at));
      const text = kept.map((token) => token.text).join('');
      return {
        ...describe(at),
        text,
        stopReason: line.stopReason,
        noCompletionReason: text === '' ? emptyReason(line) : null,
        tokens: kept,
        logProbability: line.logProbability,
        latencyMs: { total, prefill, decode: total - prefill, policy: line.policyMs },
        members: streams.map(({ host, forwardPasses }) => ({
          id: host.source.id,
          kind: host.source.kind,
          forwardPasses,
        })),
      };
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

async function openAll(
  hosts: readonly MemberHost[],
  context: TextContext,
  signal: AbortSignal,
): Promise<readonly HostedStream[]> {
  const opened = await Promise.allSettled(
    hosts.filter((host) => host.isUsable).map((host) => host.open(context, signal)),
  );
  const streams = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (signal.aborted) for (const stream of streams) stream.release();
  signal.throwIfAborted();
  return streams;
}

interface Line extends DecodeResult {
  readonly tokens: readonly TokenReport[];
  readonly logProbability: number;
}

async function readLine(
  streams: readonly HostedStream[],
  context: TextContext,
  { combiner, minimumProbability, signal }: LineOptions,
): Promise<Line> {
  const policy = new Hedge(streams.length);
  const steps = decode({ context, streams, policy, combiner, maximumBytes, minimumProbability, signal });
  const tokens: TokenReport[] = [];
  let logProbability = 0;
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return { ...value, tokens, logProbability: logProbability + value.endLogProbability };
    const shares = streams.map(({ host }, i) => [host.source.id, value.shares[i]]);
    tokens.push({ text: value.text, shares: Object.fromEntries(shares) });
    logProbability += value.logProbability;
  }
}

function describe({ uri, languageId }: TextAtCursor): Pick<CompletionReport, 'id' | 'uri' | 'languageId'> {
  return { id: crypto.randomUUID(), uri, languageId };
}

function emptyReason({ stopReason }: DecodeResult): NoCompletionReason {
  return stopReason === 'lowConfidence' ? 'lowConfidence' : 'empty';
}

function restOfLine({ text, offset }: TextAtCursor): string {
  return /[^\r\n]*/y.exec(text.slice(offset, offset + 10_000))?.[0] ?? '';
}
