import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { MemberError } from '../config/memberError.ts';
import type { Member, MemberStream } from './member.ts';
import {
  AHEAD_AT,
  ANSWER,
  CONFIRMED,
  FAILED,
  type Failure,
  FORESEEN,
  type FromWorker,
  foreseenWord,
  HAS_FAILED,
  LOOKING,
  MAXIMUM_FORESEEN,
  N_EXPECTED,
  N_PASSES,
  N_REQUESTED,
  READING,
  REQUEST,
  RESTING,
  type SharedStream,
  SIGNAL,
  type ToWorker,
  toWorkerSchema,
  viewSharedMemory,
} from './remoteProtocol.ts';

/** What else a hosted member can be asked; the argument comes as it was sent and has to be checked. */
export type RemoteCommands = Readonly<Record<string, (argument: unknown) => unknown>>;

/** A stream that can tell ahead what it would say, as far as that is cheap. */
export interface ForeseeingStream extends MemberStream {
  /**
   * Goes on alone, along the expected bytes and then the most probable ones, while no forward pass is needed. Calls
   * `visit` with each byte and what follows it, until that returns false. Moves nothing. Returns the next byte on this
   * way where it is worth a forward pass.
   */
  foresee(visit: ForesightVisitor, expected: Uint8Array): number | undefined;
  /** Makes that pass, visits the byte, and goes on likewise. May follow only where a byte was returned. */
  readAhead?(visit: ForesightVisitor): number | undefined;
}

/** Takes a foreseen byte, and the distribution and the evidence after it; both are overwritten by the next. */
export type ForesightVisitor = (byte: number, distribution: Float64Array, evidence: Float64Array) => boolean;

/**
 * Serves a member to the thread at the other end of the port, until it says close. Runs in a worker thread of its
 * own: while a stream is open and nothing is to do, the thread sleeps.
 */
export function serveMember(
  port: MessagePort,
  memory: SharedArrayBuffer,
  member: Member,
  commands: RemoteCommands = {},
): void {
  new MemberServer(port, viewSharedMemory(memory), member, commands).start();
}

class MemberServer {
  readonly #port: MessagePort;
  readonly #shared: SharedStream;
  readonly #member: Member;
  readonly #commands: RemoteCommands;
  #stream: MemberStream | undefined;
  #opening: AbortController | undefined;
  /** The last request that has been answered. */
  #answered = 0;
  #makesPasses = false;
  /** How much is under way that needs the event loop. */
  #nWorking = 0;
  #isServing = false;
  /** How many bytes have been foreseen since the last answer, and the next one where it is worth a forward pass. */
  #nForeseen = 0;
  #unread: number | undefined;
  /** Why the last pass ahead failed: for whoever asks next. */
  #failureAhead: Error | undefined;

  constructor(port: MessagePort, shared: SharedStream, member: Member, commands: RemoteCommands) {
    this.#port = port;
    this.#shared = shared;
    this.#member = member;
    this.#commands = commands;
  }

  start(): void {
    this.#port.on('message', (message: unknown) => this.#receive(message));
    this.#post({ type: 'ready' });
  }

  #post(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  #receive(message: unknown): void {
    const request = toWorkerSchema.parse(message);
    switch (request.type) {
      case 'open':
        this.#open(request);
        break;
      case 'abort':
        this.#opening?.abort();
        break;
      case 'release':
        this.#release();
        break;
      case 'call':
        this.#call(request.id, request.name, request.argument);
        break;
      case 'close':
        this.#close();
    }
  }

  /** What was requested and is not wanted any more counts as answered. */
  #release(): void {
    const { control } = this.#shared;
    this.#stream?.release();
    this.#stream = undefined;
    this.#unread = undefined;
    this.#answered = Atomics.load(control, REQUEST);
    Atomics.store(control, ANSWER, this.#answered);
    Atomics.notify(control, ANSWER);
  }

  async #open(context: Extract<ToWorker, { type: 'open' }>): Promise<void> {
    const opening = new AbortController();
    this.#opening = opening;
    try {
      const stream = await this.#member.open(context, opening.signal);
      this.#stream = stream;
      this.#failureAhead = undefined;
      this.#answered = Atomics.load(this.#shared.control, REQUEST);
      this.#publish(stream);
      this.#post({ type: 'opened', recent: stream.recentLogProbabilities });
    } catch (error) {
      this.#post({ type: 'notOpened', failure: describeFailure(error) });
    } finally {
      this.#opening = undefined;
    }
    if (this.#stream) this.#foresee(this.#stream, NOTHING);
    if (!this.#isServing) await this.#serve();
  }

  /** While a stream is open: sleeps until there is something to do, for waking takes half as long as a message. */
  async #serve(): Promise<void> {
    const { control } = this.#shared;
    this.#isServing = true;
    while (this.#stream) {
      const seen = Atomics.load(control, SIGNAL);
      // Looked at before what is confirmed: the passes that were confirmed before a request are made before it.
      const isAsked = this.#isAsked();
      for (let mail = receiveMessageOnPort(this.#port); mail; mail = receiveMessageOnPort(this.#port)) {
        this.#receive(mail.message);
      }
      if (!this.#stream) break;
      this.#readAhead(this.#stream);
      if (isAsked) await this.#advance(this.#stream);
      // Now and then, and while anything is under way, the event loop has its turn.
      if (this.#nWorking > 0 || Atomics.wait(control, SIGNAL, seen, LONGEST_SLEEP_MS) === 'timed-out') {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    this.#isServing = false;
  }

  async #advance(stream: MemberStream): Promise<void> {
    const { control, requested, expected } = this.#shared;
    const request = Atomics.load(control, REQUEST);
    this.#answered = request;
    const ahead = expected.slice(0, Atomics.load(control, N_EXPECTED));
    try {
      if (this.#failureAhead) throw this.#failureAhead;
      const nRequested = Atomics.load(control, N_REQUESTED);
      for (let i = 0; i < nRequested; i++) {
        const wait = stream.advance(requested[i]);
        if (wait) await wait;
      }
      if (ahead.length > 0) await stream.expect?.(ahead);
      this.#publish(stream);
      Atomics.store(control, HAS_FAILED, 0);
    } catch (error) {
      this.#beginForesight(RESTING);
      Atomics.store(control, HAS_FAILED, 1);
      this.#post({ type: 'notAdvanced', failure: describeFailure(error) });
    }
    Atomics.store(control, ANSWER, request);
    Atomics.notify(control, ANSWER);
    if (Atomics.load(control, HAS_FAILED) === 0) this.#foresee(stream, ahead);
  }

  #publish(stream: MemberStream): void {
    const { control, distributions, evidence } = this.#shared;
    distributions[0].set(stream.distribution);
    evidence[0].set(stream.evidence);
    Atomics.store(control, N_PASSES, stream.forwardPasses);
    this.#beginForesight(LOOKING);
  }

  /** Nothing has been foreseen. */
  #beginForesight(state: number): void {
    const { control } = this.#shared;
    this.#nForeseen = 0;
    this.#unread = undefined;
    Atomics.store(control, AHEAD_AT, 0);
    Atomics.store(control, CONFIRMED, 0);
    Atomics.store(control, FORESEEN, foreseenWord(0, state));
  }

  /**
   * What probably follows comes after the answer, piece by piece. Where something else is asked for meanwhile, it ends
   * with the last forward pass that had to be made.
   */
  #foresee(stream: MemberStream | ForeseeingStream, expected: Uint8Array): void {
    if ('foresee' in stream) {
      this.#makesPasses = stream.readAhead !== undefined;
      this.#unread = stream.foresee(this.#visit, expected);
    }
    this.#tellNext();
    this.#readAhead(stream);
  }

  /** Makes the forward passes that are worth it, each when the byte of the one before has been taken. */
  #readAhead(stream: MemberStream | ForeseeingStream): void {
    if (!('readAhead' in stream && stream.readAhead)) return;
    while (this.#unread !== undefined && this.#nForeseen < MAXIMUM_FORESEEN && this.#mayReadAhead()) {
      Atomics.store(this.#shared.control, AHEAD_AT, this.#nForeseen + 1);
      try {
        this.#unread = stream.readAhead(this.#visit);
        this.#tellNext();
      } catch (error) {
        this.#unread = undefined;
        this.#failureAhead = error instanceof Error ? error : new Error(String(error));
        this.#nForeseen++;
        this.#tell(FAILED);
      }
    }
  }

  /** That no more is foreseen; or, where the next byte is worth a pass, which it is, before the pass may be made. */
  #tellNext(): void {
    const next = this.#nForeseen + 1;
    if (this.#unread === undefined || next > MAXIMUM_FORESEEN) {
      this.#tell(RESTING);
      return;
    }
    this.#shared.foreseen[next] = this.#unread;
    this.#tell(READING);
  }

  #isAsked(): boolean {
    return Atomics.load(this.#shared.control, REQUEST) !== this.#answered;
  }

  /** Whether the byte of the last pass ahead has been taken. Where there is a request, this changes no more. */
  #mayReadAhead(): boolean {
    const { control } = this.#shared;
    return Atomics.load(control, CONFIRMED) >= Atomics.load(control, AHEAD_AT);
  }

  /** Publishes what follows a foreseen byte. Whether it matters any more is asked only where no pass may follow. */
  readonly #visit: ForesightVisitor = (byte, distribution, itsEvidence) => {
    const { control, distributions, evidence, foreseen } = this.#shared;
    const n = ++this.#nForeseen;
    foreseen[n] = byte;
    distributions[n].set(distribution);
    evidence[n].set(itsEvidence);
    const tookPass = n === Atomics.load(control, AHEAD_AT);
    if (tookPass) Atomics.store(control, N_PASSES, this.#stream?.forwardPasses ?? 0);
    Atomics.store(control, FORESEEN, foreseenWord(n, LOOKING));
    if (n % BYTES_PER_WAKE === 0 || tookPass) Atomics.notify(control, FORESEEN);
    return n < MAXIMUM_FORESEEN && (!this.#isAsked() || (this.#makesPasses && this.#mayReadAhead()));
  };

  #tell(state: number): void {
    const { control } = this.#shared;
    Atomics.store(control, FORESEEN, foreseenWord(this.#nForeseen, state));
    Atomics.notify(control, FORESEEN);
  }

  async #call(id: number, name: string, argument: unknown): Promise<void> {
    this.#nWorking++;
    try {
      const command = this.#commands[name];
      if (!command) throw new Error(`The member ${this.#member.id} has no command ${name}.`);
      this.#post({ type: 'returned', id, value: await command(argument) });
    } catch (error) {
      this.#post({ type: 'threw', id, failure: describeFailure(error) });
    } finally {
      this.#nWorking--;
    }
  }

  async #close(): Promise<void> {
    this.#stream = undefined;
    try {
      await this.#member.close();
    } finally {
      this.#post({ type: 'closed' });
      this.#port.close();
    }
  }
}

/** What of an error crosses to the other thread. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof MemberError) return { message: error.message, hint: error.hint };
  return { message: error instanceof Error ? error.message : String(error) };
}

const LONGEST_SLEEP_MS = 5;
/** Waking the thread that waits takes as long as foreseeing several bytes does. The end of what is foreseen always wakes it. */
const BYTES_PER_WAKE = 8;
const NOTHING = new Uint8Array(0);
