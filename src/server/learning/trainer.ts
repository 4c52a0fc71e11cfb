import { randomUUID } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { formatPolicyFile, type PolicyFile } from '../../config/policyFile.ts';
import type { Missing } from '../../training/promotion.ts';
import type { Log } from '../log.ts';
import { controls, type LearningWorkerStart, type TurnAnswer, type TurnRequest } from './learningWorker.ts';

export interface TrainerOptions {
  readonly ledgerPath: string;
  /** Learns only where this says so when it comes to it. */
  readonly isOn: () => boolean;
  /** Serves where nothing was learned; null for Hedge, undefined for what cannot be learned from. */
  readonly shipped: () => PolicyFile | null | undefined;
  readonly isOnBattery: () => Promise<boolean>;
  readonly schedule: (milliseconds: number, run: () => void) => () => void;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** The versions that serve, or what is known of them, may have changed. */
  readonly onLearned: () => void;
  /** A minute, then five from turn to turn, by default. */
  readonly rest?: RestingTimes;
  /** Starts the thread that learns; its own by default. */
  readonly startWorker?: (start: LearningWorkerStart) => TrainerWorker;
}

/** What is used of a worker thread. */
export interface TrainerWorker {
  postMessage(message: TurnRequest): void;
  on(event: 'message', listener: (answer: TurnAnswer) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  terminate(): Promise<unknown>;
}

/** In milliseconds. */
export interface RestingTimes {
  /** The person has done nothing for so long. */
  readonly idleMs: number;
  /** From turn to turn while that lasts. */
  readonly betweenTurnsMs: number;
}

const usualRest: RestingTimes = { idleMs: 60_000, betweenTurnsMs: 300_000 };
/** After a key or a request the person is taken to be at work for so long. In milliseconds. */
const atWorkMs = 2000;

/**
 * Learns while the person rests and the machine has power: a turn in a thread of its own, which waits between two
 * minibatches whenever the person is at work. Several windows may do this; the ledger's lease lets one of them train.
 */
export class Trainer {
  readonly #options: TrainerOptions;
  readonly #control = new Int32Array(new SharedArrayBuffer(4));
  readonly #holder = randomUUID();
  readonly #rest: RestingTimes;
  #worker: TrainerWorker | undefined;
  #isAtWork = false;
  #isClosed = false;
  #cancel: () => void = () => {};
  #cancelRelease: () => void = () => {};

  constructor(options: TrainerOptions) {
    this.#options = options;
    this.#rest = options.rest ?? usualRest;
    this.#sleep(this.#rest.idleMs);
  }

  /** The person is at work: nothing is begun, and what is under way waits. */
  busy(): void {
    if (this.#isClosed) return;
    Atomics.store(this.#control, 0, controls.wait);
    this.#cancelRelease();
    this.#cancelRelease = this.#options.schedule(atWorkMs, () =>
      Atomics.store(this.#control, 0, controls.goOn),
    );
    if (!this.#isAtWork) this.#sleep(this.#rest.idleMs);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    this.#cancelRelease();
    Atomics.store(this.#control, 0, controls.end);
    // What a turn has written is whole at any moment.
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #sleep(milliseconds: number): void {
    this.#cancel();
    if (!this.#isClosed) this.#cancel = this.#options.schedule(milliseconds, () => void this.#begin());
  }

  async #begin(): Promise<void> {
    const { isOn, isOnBattery, shipped } = this.#options;
    if (this.#isAtWork || this.#isClosed) return;
    this.#isAtWork = true;
    const file = shipped();
    if (file === undefined || !isOn() || (await isOnBattery()) || this.#isClosed) return this.#finish();
    this.#worker ??= this.#start();
    this.#worker.postMessage({ shipped: file && formatPolicyFile(file) });
  }

  #start(): TrainerWorker {
    const { ledgerPath, startWorker = startThread } = this.#options;
    const worker = startWorker({ ledgerPath, holder: this.#holder, control: this.#control.buffer });
    worker.on('message', (answer) => {
      this.#take(answer);
      this.#finish();
    });
    worker.on('error', (error) => {
      this.#worker = undefined;
      this.#options.log.warn(`Learning stopped: ${error.stack ?? error.message}`);
      this.#finish();
    });
    return worker;
  }

  #finish(): void {
    this.#isAtWork = false;
    this.#sleep(this.#rest.betweenTurnsMs);
  }

  #take(answer: TurnAnswer): void {
    const { log, onLearned } = this.#options;
    if (answer.kind === 'failed') log.warn(`Learning failed: ${answer.message}`);
    if (answer.kind === 'problem' && answer.problem.kind !== 'absent') log.warn(answer.problem.message);
    if (answer.kind !== 'turn') return;
    const { turn } = answer;
    if (!('version' in turn)) return;
    const { version } = turn;
    log.info(
      turn.kind === 'notEnoughEvidence'
        ? `Version ${version} is on trial: not enough evidence yet (${turn.missing.map(explain).join(', ')}).`
        : `Version ${version} of the policy was ${words[turn.kind]}.`,
    );
    onLearned();
  }
}

function explain(missing: Missing): string {
  return missing.what === 'certainty'
    ? 'it is not certain'
    : `${missing.have} of ${missing.need} ${missing.what}`;
}

const words = {
  trained: 'trained and is on trial',
  promoted: 'promoted: it serves from now on',
  rejected: 'rejected',
  rolledBack: 'rolled back',
} as const;

const isBuilt = !import.meta.url.endsWith('.ts');
const workerUrl = new URL(isBuilt ? 'learningWorker.js' : 'learningWorker.ts', import.meta.url);

function startThread(start: LearningWorkerStart): TrainerWorker {
  const worker = new Worker(workerUrl, { workerData: start });
  // Learning keeps no process alive.
  worker.unref();
  return worker;
}
