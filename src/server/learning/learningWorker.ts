import { parentPort, workerData } from 'node:worker_threads';
import * as z from 'zod';
import { type PolicyFile, parsePolicyFile } from '../../config/policyFile.ts';
import { onlineDefaults } from '../../training/hyperParameters.ts';
import { onlineUpdate } from '../../training/onlineUpdate.ts';
import { openBackend } from '../../training/tensorflow.ts';
import { openLedger } from '../ledger/ledger.ts';
import type { LedgerProblem } from '../ledger/problems.ts';
import { learnOnce, type Turn } from './learn.ts';
import { onlinePromotion, scheduleDefaults } from './schedule.ts';
import { giveWayToOtherThreads } from './threadPriority.ts';

const startSchema = z.object({
  ledgerPath: z.string(),
  holder: z.string(),
  /** The first number is 1 while training must wait, 2 when it is to end. */
  control: z.instanceof(SharedArrayBuffer),
});
export type LearningWorkerStart = z.output<typeof startSchema>;

/** Server → worker: one turn of learning. */
const turnSchema = z.object({
  /** The text of the policy file that serves where nothing was learned; null for Hedge. */
  shipped: z.string().nullable(),
});
export type TurnRequest = z.output<typeof turnSchema>;

/** Worker → server. */
export type TurnAnswer =
  | { readonly kind: 'turn'; readonly turn: Turn }
  | { readonly kind: 'problem'; readonly problem: LedgerProblem }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly message: string };

/** What the first number of `control` says. */
export const controls = { goOn: 0, wait: 1, end: 2 } as const;

/** The entry of the worker thread that learns: it reads the ledger and adds versions to it. */
if (parentPort) {
  giveWayToOtherThreads();
  const { ledgerPath, holder, control } = startSchema.parse(workerData);
  const state = new Int32Array(control);
  const port = parentPort;
  let isBackendOpen = false;
  port.on('message', async (message: unknown) => {
    const { shipped } = turnSchema.parse(message);
    const answer = await takeTurn(shipped).catch(
      (error: unknown): TurnAnswer =>
        error instanceof Ended
          ? { kind: 'ended' }
          : {
              kind: 'failed',
              message: error instanceof Error ? (error.stack ?? error.message) : String(error),
            },
    );
    port.postMessage(answer satisfies TurnAnswer);
  });

  async function takeTurn(shipped: string | null): Promise<TurnAnswer> {
    const opened = await openLedger(ledgerPath);
    if (opened.problem) return { kind: 'problem', problem: opened.problem };
    const ledger = opened.value;
    try {
      const learned = await learnOnce({
        ledger,
        holder,
        shipped: parsed(shipped),
        hyperParameters: onlineDefaults,
        schedule: scheduleDefaults,
        promotion: onlinePromotion,
        now: Date.now,
        async train(update) {
          if (!isBackendOpen) await openBackend('wasm');
          isBackendOpen = true;
          return onlineUpdate(update);
        },
        pause,
      });
      return learned.problem
        ? { kind: 'problem', problem: learned.problem }
        : { kind: 'turn', turn: learned.value };
    } finally {
      ledger.close();
    }
  }

  /** Between two minibatches: gives its core up for a moment, and for as long as it is told to wait. */
  async function pause(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, restMs));
    for (;;) {
      const now = Atomics.load(state, 0);
      if (now === controls.end) throw new Ended();
      if (now === controls.goOn) return;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}

const restMs = 10;
const waitMs = 20;

/** The turn was told to end. */
class Ended extends Error {}

function parsed(text: string | null): PolicyFile | null {
  return text === null ? null : (parsePolicyFile(text).file ?? null);
}
