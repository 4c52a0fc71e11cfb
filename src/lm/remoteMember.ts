import { Worker } from 'node:worker_threads';
import { MemberError } from '../config/memberError.ts';
import { EVIDENCE } from './evidence.ts';
import type { Member, MemberKind, MemberStream, TextContext } from './member.ts';
import {
  AHEAD_AT,
  ANSWER,
  CONFIRMED,
  countIn,
  createSharedMemory,
  type Failure,
  FORESEEN,
  type FromWorker,
  foreseenWord,
  fromWorkerSchema,
  HAS_FAILED,
  LOOKING,
  MAXIMUM_FORESEEN,
  N_EXPECTED,
  N_PASSES,
  N_REQUESTED,
  READING,
  REQUEST,
  type SharedStream,
  SIGNAL,
  stateIn,
  type ToWorker,
  viewSharedMemory,
} from './remoteProtocol.ts';
import { blockWhile, whenReached } from './sharedWaiting.ts';
import { SYMBOLS } from './symbols.ts';

export interface RemoteMemberOptions {
  readonly id: string;
  readonly kind: MemberKind;
  /** The worker's entry, source or bundle; it serves the member with `serveMember`. */
  readonly workerUrl: URL;
  /** What the worker is told beside its `memory`; must be cloneable. */
  readonly workerData: Readonly<Record<string, unknown>>;
}

/**
 * Starts a worker thread with a member in it; resolves when the member is ready.
 * @throws MemberError where the member cannot be used
 */
export async function startRemoteMember(options: RemoteMemberOptions): Promise<RemoteMember> {
  const memory = createSharedMemory();
  const worker = new Worker(options.workerUrl, {
    workerData: { ...options.workerData, memory },
    name: options.id,
  });
  const member = new RemoteMember(options, worker, viewSharedMemory(memory));
  await member.ready;
  return member;
}

/** A promise's two ends. */
interface Waiting<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** Stands for a member in a worker thread. If the worker dies, all that waits for it rejects, and so does all that is asked later. */
export class RemoteMember implements Member {
  readonly id: string;
  readonly kind: MemberKind;
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #shared: SharedStream;
  readonly #exited: Promise<void>;
  #starting: Waiting<void> | undefined;
  #opening: Waiting<Float64Array> | undefined;
  #advancing: Waiting<void> | undefined;
  readonly #calls = new Map<number, Waiting<unknown>>();
  #nCalls = 0;
  #failure: Error | undefined;

  constructor(options: RemoteMemberOptions, worker: Worker, shared: SharedStream) {
    this.id = options.id;
    this.kind = options.kind;
    this.#worker = worker;
    this.#shared = shared;
    this.ready = new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
    worker.on('message', (message: unknown) => this.#receive(message));
    worker.on('error', (error) => this.#fail(error instanceof Error ? error.message : String(error)));
    this.#exited = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#fail('its thread ended');
        resolve();
      });
    });
  }

  async open(context: TextContext, signal: AbortSignal): Promise<MemberStream> {
    signal.throwIfAborted();
    const prefix = new Uint8Array(context.prefix.subarray(-PREFIX_BYTES));
    const suffix = new Uint8Array(context.suffix.subarray(0, SUFFIX_BYTES));
    const { documentId, languageId } = context;
    const onAbort = () => this.#post({ type: 'abort' });
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const recent = await this.#wait<Float64Array>(
        (waiting) => {
          this.#opening = waiting;
        },
        { type: 'open', documentId, languageId, prefix, suffix },
        [prefix.buffer, suffix.buffer],
      );
      if (signal.aborted) this.#post({ type: 'release' });
      signal.throwIfAborted();
      return new RemoteStream(this.#shared, recent, {
        request: () => this.#request(),
        confirm: () => this.#wake(),
        whenForeseen: (place) => this.#reached(FORESEEN, foreseenWord(place, LOOKING)),
        release: () => this.#post({ type: 'release' }),
      });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Runs one of the commands that the worker serves beside the member; its answer has to be checked. */
  call(name: string, argument: unknown, transfer: ArrayBuffer[] = []): Promise<unknown> {
    const id = this.#nCalls++;
    return this.#wait<unknown>(
      (waiting) => {
        this.#calls.set(id, waiting);
      },
      { type: 'call', id, name, argument },
      transfer,
    );
  }

  /** Never stops the thread in the middle of a forward pass, which would take the whole process with it. */
  async close(): Promise<void> {
    if (!this.#failure) this.#post({ type: 'close' });
    await this.#exited;
  }

  #wait<T>(keep: (waiting: Waiting<T>) => void, message: ToWorker, transfer: ArrayBuffer[] = []): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      keep({ resolve, reject });
      this.#post(message, transfer);
    });
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.#shared.control, SIGNAL, 1);
    Atomics.notify(this.#shared.control, SIGNAL);
  }

  /** The requested bytes are in shared memory. */
  #request(): Promise<void> {
    const { control } = this.#shared;
    const request = (Atomics.load(control, REQUEST) + 1) | 0;
    Atomics.store(control, REQUEST, request);
    this.#wake();
    return this.#reached(ANSWER, request);
  }

  /** Resolves when this word has reached this value. Where a request went wrong, a message says so. */
  #reached(place: number, value: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) {
        reject(this.#failure);
        return;
      }
      const { control } = this.#shared;
      this.#advancing = { resolve, reject };
      whenReached(control, place, value).then(() => {
        if (place !== ANSWER || Atomics.load(control, HAS_FAILED) === 0) resolve();
      });
    });
  }

  #receive(message: unknown): void {
    const answer: FromWorker = fromWorkerSchema.parse(message);
    switch (answer.type) {
      case 'ready':
        this.#starting?.resolve();
        break;
      case 'opened':
        this.#opening?.resolve(answer.recent);
        break;
      case 'notOpened':
        this.#opening?.reject(errorOf(answer.failure));
        break;
      case 'notAdvanced':
        this.#advancing?.reject(errorOf(answer.failure));
        break;
      case 'returned':
        this.#calls.get(answer.id)?.resolve(answer.value);
        this.#calls.delete(answer.id);
        break;
      case 'threw':
        this.#calls.get(answer.id)?.reject(errorOf(answer.failure));
        this.#calls.delete(answer.id);
        break;
      case 'failed':
        this.#fail(answer.failure.message, answer.failure.hint);
        break;
      case 'closed':
        this.#fail('it has been closed');
    }
  }

  /** From now on everything rejects. */
  #fail(reason: string, hint?: string): void {
    if (this.#failure) return;
    this.#failure =
      hint === undefined
        ? new MemberError(
            `The member ${this.id} stopped: ${reason}`,
            'Restart the language models; if it happens again, disable this member.',
          )
        : new MemberError(reason, hint);
    for (const waiting of [this.#starting, this.#opening, this.#advancing]) {
      waiting?.reject(this.#failure);
    }
    for (const waiting of this.#calls.values()) waiting.reject(this.#failure);
    this.#calls.clear();
  }
}

/** Looking ahead by a byte takes microseconds; a thread that takes longer than this has died. */
const LONGEST_FORESIGHT_MS = 50;
/** As much of the text as any member is promised. */
const PREFIX_BYTES = 4096;
const SUFFIX_BYTES = 1024;

function errorOf({ message, hint }: Failure): Error {
  return hint === undefined ? new Error(message) : new MemberError(message, hint);
}

interface StreamActions {
  /** Lets the worker read what is requested and expected. */
  request(): Promise<void>;
  /** Lets the worker know that the byte of its last pass ahead has been taken. */
  confirm(): void;
  /** Resolves when what follows the foreseen byte at this place is there, or its pass has failed. */
  whenForeseen(place: number): Promise<void>;
  release(): void;
}

class RemoteStream implements MemberStream {
  readonly distribution = new Float64Array(SYMBOLS);
  readonly evidence = new Float64Array(EVIDENCE);
  readonly recentLogProbabilities: Float64Array;
  readonly #shared: SharedStream;
  readonly #actions: StreamActions;
  /** How many of the foreseen bytes have been taken since the worker's last answer. */
  #nTaken = 0;
  #isReleased = false;

  constructor(shared: SharedStream, recent: Float64Array, actions: StreamActions) {
    this.#shared = shared;
    this.recentLogProbabilities = recent;
    this.#actions = actions;
    this.#show(0);
  }

  get forwardPasses(): number {
    return Atomics.load(this.#shared.control, N_PASSES);
  }

  advance(byte: number): Promise<void> | undefined {
    if (this.#isReleased) throw new Error('The stream has been released.');
    const { foreseen } = this.#shared;
    const next = this.#nTaken + 1;
    const word = this.#foreseenUpTo(next);
    const isForeseen = next <= countIn(word);
    const isRead = stateIn(word) === READING;
    if (!(isForeseen || isRead) || foreseen[next] !== byte) return this.#request(byte);
    this.#take(next);
    if (!isForeseen) return this.#whenRead(next, byte);
    this.#show(next);
    return undefined;
  }

  /** The pass for this byte is under way, or about to be. */
  async #whenRead(place: number, byte: number): Promise<void> {
    await this.#actions.whenForeseen(place);
    if (countIn(Atomics.load(this.#shared.control, FORESEEN)) >= place) {
      this.#show(place);
      return;
    }
    this.#nTaken = place - 1;
    await this.#request(byte);
  }

  #request(byte: number): Promise<void> {
    const { control, requested } = this.#shared;
    this.#requestTaken();
    requested[this.#nTaken] = byte;
    Atomics.store(control, N_REQUESTED, this.#nTaken + 1);
    Atomics.store(control, N_EXPECTED, 0);
    return this.#actions.request().then(() => {
      this.#nTaken = 0;
      this.#show(0);
    });
  }

  expect(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#isReleased) throw new Error('The stream has been released.');
    const { control, expected } = this.#shared;
    if (this.#foresees(bytes)) return undefined;
    this.#requestTaken();
    const nExpected = Math.min(bytes.length, MAXIMUM_FORESEEN);
    expected.set(bytes.subarray(0, nExpected));
    Atomics.store(control, N_REQUESTED, this.#nTaken);
    Atomics.store(control, N_EXPECTED, nExpected);
    return this.#actions.request().then(() => {
      this.#nTaken = 0;
    });
  }

  foreseen(leastProbability: number): Uint8Array {
    const { foreseen, distributions } = this.#shared;
    const nForeseen = this.#nForeseen();
    let probability = 1;
    let end = this.#nTaken;
    for (; end < nForeseen; end++) {
      probability *= distributions[end][foreseen[end + 1]];
      if (probability < leastProbability) break;
    }
    return foreseen.slice(this.#nTaken + 1, end + 1);
  }

  /** What follows the bytes taken is in this slot. */
  #show(slot: number): void {
    this.distribution.set(this.#shared.distributions[slot]);
    this.evidence.set(this.#shared.evidence[slot]);
  }

  #foresees(bytes: Uint8Array): boolean {
    const { foreseen } = this.#shared;
    if (this.#nTaken + bytes.length > this.#nForeseen()) return false;
    return bytes.every((byte, i) => foreseen[this.#nTaken + 1 + i] === byte);
  }

  /** The reader stands after this foreseen byte now. */
  #take(place: number): void {
    const { control } = this.#shared;
    this.#nTaken = place;
    Atomics.store(control, CONFIRMED, place);
    if (Atomics.load(control, AHEAD_AT) === place) this.#actions.confirm();
  }

  /** The word FORESEEN, as soon as this much has been foreseen or no more is without a forward pass. */
  #foreseenUpTo(wanted: number): number {
    const { control } = this.#shared;
    for (;;) {
      const word = Atomics.load(control, FORESEEN);
      if (countIn(word) >= wanted || stateIn(word) !== LOOKING) return word;
      if (blockWhile(control, FORESEEN, word, LONGEST_FORESIGHT_MS)) return word;
    }
  }

  /** How much has been foreseen without a pass that is not confirmed. It depends on the text alone, never on time. */
  #nForeseen(): number {
    const { control } = this.#shared;
    const isBehindPass = Atomics.load(control, AHEAD_AT) > this.#nTaken;
    const word = this.#foreseenUpTo(isBehindPass ? 0 : MAXIMUM_FORESEEN);
    const at = Atomics.load(control, AHEAD_AT);
    return at > this.#nTaken ? at - 1 : countIn(word);
  }

  #requestTaken(): void {
    const { foreseen, requested } = this.#shared;
    for (let i = 1; i <= this.#nTaken; i++) requested[i - 1] = foreseen[i];
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#actions.release();
  }
}
