import { explainMemberProblem } from '../config/memberError.ts';
import { isMeantFor, type MemberManifest } from '../config/memberManifest.ts';
import type { Member, MemberKind, MemberStream, TextContext } from '../lm/member.ts';
import type { MemberStatus } from '../protocol/messages.ts';
import { DeadlineError, withDeadline } from './deadline.ts';
import { Latencies } from './latencies.ts';

/** Where a member comes from. */
export interface MemberSource {
  /** Two sources with one key are the same member, made from the same. */
  readonly key: string;
  readonly id: string;
  readonly kind: MemberKind;
  readonly name: string;
  /** Language identifiers that it takes part in, or '*'. */
  readonly languages: MemberManifest['languages'];
  /** Bytes of the weights, or of the index at this moment. */
  sizeBytes(): number;
  /** Loads the member. Rejects with a message that says what is wrong and how to mend it. */
  start(): Promise<Member>;
}

export interface HostOptions {
  /** How long a member may take to read the context, or a byte, before the others go on without it. */
  readonly deadlineMs: number;
  /** Called whenever the member's state changes. */
  readonly onChange: () => void;
}

/** How often a member that died while running is started again. */
const maximumRestarts = 3;

/**
 * One member's life: loading, ready, failed or disabled. It outlives its member: one that dies is started again,
 * and one that is late is left alone until it has answered. At most one stream of the member is open at a time.
 */
export class MemberHost {
  readonly source: MemberSource;
  readonly #options: HostOptions;
  readonly #latencies = new Latencies();
  #state: MemberStatus['state'] = 'disabled';
  #message: string | undefined;
  #member: Member | undefined;
  /** Changes of state happen one after the other; this settles after the last one asked for. */
  #turn: Promise<void> = Promise.resolve();
  /** Settles when the member has done what the last stream asked of it; never rejects. */
  #atWork: Promise<unknown> = Promise.resolve();
  #isLate = false;
  #nRestarts = 0;

  constructor(source: MemberSource, options: HostOptions) {
    this.source = source;
    this.#options = options;
  }

  get state(): MemberStatus['state'] {
    return this.#state;
  }

  /** Whether it can answer now, and is meant for the language. */
  takesPart(languageId: string): boolean {
    return this.isUsable && isMeantFor(this.source.languages, languageId);
  }

  get isUsable(): boolean {
    return this.#state === 'ready' && !this.#isLate;
  }

  status(): MemberStatus {
    const { id, kind, name } = this.source;
    return {
      id,
      kind,
      name,
      state: this.#state,
      ...(this.#message === undefined ? {} : { message: this.#message }),
      sizeBytes: this.source.sizeBytes(),
      latencyMs: this.#latencies.percentiles(),
    };
  }

  /** Loads the member unless it is there. Settles when it is ready or has failed; never rejects. */
  enable(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state === 'disabled') await this.#start();
    });
  }

  /** Settles when the member is neither being loaded nor stopped; never rejects. */
  settled(): Promise<void> {
    return this.#turn;
  }

  /** Frees the member once it is idle; never rejects. */
  disable(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state === 'disabled') return;
      this.#change('disabled');
      await this.#stop();
    });
  }

  /** Opens the member at a cursor. Rejects where it is late or dies, and as soon as the signal aborts. */
  async open(context: TextContext, signal: AbortSignal): Promise<HostedStream> {
    const started = performance.now();
    const giveUp = new AbortController();
    const opening = this.#atWork.then(() => {
      if (this.#member === undefined) throw new Error(`${this.source.id} is not running`);
      return this.#member.open(context, AbortSignal.any([signal, giveUp.signal]));
    });
    this.#occupy(opening);
    try {
      const stream = await withDeadline(opening, this.#options.deadlineMs, signal);
      return new HostedStream(this, stream, {
        deadlineMs: this.#options.deadlineMs,
        signal,
        milliseconds: performance.now() - started,
      });
    } catch (error) {
      giveUp.abort(error);
      this.#occupy(opening.then((stream) => stream.release()));
      if (!signal.aborted) this.#broke(error);
      throw error;
    }
  }

  /** A stream of this host has ended; `working` settles when the member is idle again. */
  released(milliseconds: number, working: Promise<unknown>, failure: unknown): void {
    this.#latencies.add(milliseconds);
    this.#occupy(working);
    if (failure !== undefined) this.#broke(failure);
  }

  #broke(error: unknown): void {
    if (error instanceof DeadlineError) {
      this.#isLate = true;
      return;
    }
    if (this.#state !== 'ready') return;
    this.#change('failed', explainMemberProblem(error));
    if (this.#nRestarts++ >= maximumRestarts) return;
    this.#inTurn(async () => {
      if (this.#state !== 'failed') return;
      await this.#stop();
      await this.#start();
    });
  }

  async #start(): Promise<void> {
    this.#change('loading');
    try {
      this.#member = await this.source.start();
      this.#change('ready');
    } catch (error) {
      this.#change('failed', explainMemberProblem(error));
    }
  }

  async #stop(): Promise<void> {
    const member = this.#member;
    this.#member = undefined;
    await this.#atWork;
    await member?.close().catch(() => undefined);
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(change);
    return this.#turn;
  }

  #occupy(work: Promise<unknown>): void {
    const idle = Promise.allSettled([this.#atWork, work]).then(() => {
      if (this.#atWork === idle) this.#isLate = false;
    });
    this.#atWork = idle;
  }

  #change(state: MemberStatus['state'], message?: string): void {
    this.#state = state;
    this.#message = message;
    this.#options.onChange();
  }
}

interface HostedStreamOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** What opening took. */
  readonly milliseconds: number;
}

/** A member's stream that cannot hang, and knows how long the member took. */
export class HostedStream implements MemberStream {
  readonly host: MemberHost;
  readonly #stream: MemberStream;
  readonly #options: HostedStreamOptions;
  #milliseconds: number;
  #working: Promise<unknown> = Promise.resolve();
  #failure: unknown;

  constructor(host: MemberHost, stream: MemberStream, options: HostedStreamOptions) {
    this.host = host;
    this.#stream = stream;
    this.#options = options;
    this.#milliseconds = options.milliseconds;
  }

  get distribution(): Float64Array {
    return this.#stream.distribution;
  }

  get evidence(): Float64Array {
    return this.#stream.evidence;
  }

  get recentLogProbabilities(): Float64Array {
    return this.#stream.recentLogProbabilities;
  }

  get forwardPasses(): number {
    return this.#stream.forwardPasses;
  }

  /** Whether the member did not answer: it broke, or was late. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  advance(byte: number): Promise<void> | undefined {
    const working = this.#stream.advance(byte);
    return working && this.#watch(working);
  }

  expect(bytes: Uint8Array): Promise<void> | undefined {
    const working = this.#stream.expect?.(bytes);
    return working && this.#watch(working);
  }

  foreseen(leastProbability: number): Uint8Array {
    return this.#stream.foreseen?.(leastProbability) ?? new Uint8Array(0);
  }

  /** Ends the reading as soon as the member has done what it is at. */
  release(): void {
    const released = this.#working.catch(() => undefined).then(() => this.#stream.release());
    this.host.released(this.#milliseconds, released, this.#failure);
  }

  async #watch(working: Promise<void>): Promise<void> {
    const { deadlineMs, signal } = this.#options;
    const started = performance.now();
    this.#working = working;
    try {
      await withDeadline(working, deadlineMs, signal);
    } catch (error) {
      if (!signal.aborted) this.#failure = error ?? new Error('the member stopped');
      throw error;
    } finally {
      this.#milliseconds += performance.now() - started;
    }
  }
}
