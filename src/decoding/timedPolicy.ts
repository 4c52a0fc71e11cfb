import type { MemberStream, TextContext } from '../lm/member.ts';
import type { Policy, PolicyMember, StepState } from '../policy/policy.ts';

/** Which policy is at work, and on what. */
interface PolicyTask {
  readonly policy: Policy;
  readonly context: TextContext;
  readonly streams: readonly MemberStream[];
  readonly members: readonly PolicyMember[];
  readonly ignoresStops?: boolean;
}

/** A policy at work on one completion, and the time it takes. */
export class TimedPolicy {
  readonly #policy: Policy;
  readonly #state: StepState;
  readonly #ignoresStops: boolean;
  milliseconds = 0;

  constructor({ policy, streams, members, context, ignoresStops = false }: PolicyTask, state: StepState) {
    this.#policy = policy;
    this.#state = state;
    this.#ignoresStops = ignoresStops;
    const logProbabilities = streams.map((stream) => stream.recentLogProbabilities);
    const { prefix, suffix, languageId } = context;
    this.#timed(() =>
      policy.begin({ recent: { bytes: prefix, logProbabilities }, languageId, members, prefix, suffix }),
    );
  }

  weights(out: Float64Array): void {
    this.#timed(() => this.#policy.weights(out, this.#state));
  }

  observe(symbol: number): void {
    this.#timed(() => this.#policy.observe?.(symbol, this.#state));
  }

  stops(): boolean {
    return !this.#ignoresStops && this.#timed(() => this.#policy.stops?.(this.#state) ?? false);
  }

  end(): void {
    this.#timed(() => this.#policy.end?.(this.#state));
  }

  #timed<Answer>(ask: () => Answer): Answer {
    const start = performance.now();
    const answer = ask();
    this.milliseconds += performance.now() - start;
    return answer;
  }
}
