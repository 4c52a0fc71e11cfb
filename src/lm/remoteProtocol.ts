import * as z from 'zod';
import { EVIDENCE } from './evidence.ts';
import { SYMBOLS } from './symbols.ts';

/**
 * How a member in a worker thread and its stand-in talk. What is rare travels as messages; a byte to read and
 * the distribution after it travel through shared memory. After each answer the worker goes on alone along the
 * expected or the most probable bytes until it is asked again: most bytes are then at hand when they are asked for. It
 * makes one forward pass on this way where it is sure enough, and each further one once the reader has taken the byte
 * of the one before: which passes are made depends on what is read alone, never on time.
 */
export interface SharedStream {
  readonly control: Int32Array;
  /** The bytes that the reader has taken since the last request. */
  readonly requested: Uint8Array;
  /** The bytes that will probably follow those. */
  readonly expected: Uint8Array;
  /** The byte that leads to each distribution from the one before it; [0] is not used. */
  readonly foreseen: Uint8Array;
  /** The distribution asked for, and those foreseen. */
  readonly distributions: readonly Float64Array[];
  /** The evidence that goes with each. */
  readonly evidence: readonly Float64Array[];
}

/** Places in `control`. */
export const SIGNAL = 0; // changes with everything that the worker should look at
export const REQUEST = 1; // number of the last request to read bytes
export const N_REQUESTED = 2; // how many bytes it is
export const FORESEEN = 3; // how many distributions follow the one asked for, and one of the states below: `foreseenWord`
export const N_PASSES = 4; // forward passes since the stream was opened
export const N_EXPECTED = 5; // how many bytes are expected after those requested
export const ANSWER = 6; // number of the last request that has been answered
export const HAS_FAILED = 7; // 1 where that request went wrong; a message then says how
export const AHEAD_AT = 8; // the last foreseen byte that took a forward pass, by its place; 0 for none
export const CONFIRMED = 9; // the last foreseen byte that the reader has taken, by its place

/** The states that go with FORESEEN. */
export const LOOKING = 0; // no forward pass is under way; more may come in a moment
export const READING = 1; // the next byte is there; the pass for what follows it is under way, or will be when its turn comes
export const RESTING = 2; // no more will come
export const FAILED = 3; // the pass for the last byte failed: nothing follows it, and the next request is told why

/** A word with a higher place is greater, whatever the states. */
export function foreseenWord(place: number, state: number): number {
  return 4 * place + state;
}

export function stateIn(word: number): number {
  return word & 3;
}

/** How many distributions are there. */
export function countIn(word: number): number {
  return stateIn(word) === FAILED ? (word >> 2) - 1 : word >> 2;
}

export const MAXIMUM_FORESEEN = 32;
const N_CONTROLS = 10;
/** A distribution and its evidence, side by side. */
const SLOT = SYMBOLS + EVIDENCE;

export function createSharedMemory(): SharedArrayBuffer {
  const nDistributions = MAXIMUM_FORESEEN + 1;
  return new SharedArrayBuffer(8 * SLOT * nDistributions + 4 * N_CONTROLS + 3 * nDistributions);
}

export function viewSharedMemory(memory: SharedArrayBuffer): SharedStream {
  const nDistributions = MAXIMUM_FORESEEN + 1;
  let at = 8 * SLOT * nDistributions;
  const slots = Array.from(
    { length: nDistributions },
    (_, i) => new Float64Array(memory, 8 * SLOT * i, SLOT),
  );
  const control = new Int32Array(memory, at, N_CONTROLS);
  at += 4 * N_CONTROLS;
  return {
    control,
    requested: new Uint8Array(memory, at, nDistributions),
    foreseen: new Uint8Array(memory, at + nDistributions, nDistributions),
    expected: new Uint8Array(memory, at + 2 * nDistributions, nDistributions),
    distributions: slots.map((slot) => slot.subarray(0, SYMBOLS)),
    evidence: slots.map((slot) => slot.subarray(SYMBOLS)),
  };
}

/** To the worker. */
export const toWorkerSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('open'),
    documentId: z.string(),
    languageId: z.string(),
    prefix: z.instanceof(Uint8Array),
    suffix: z.instanceof(Uint8Array),
  }),
  z.object({ type: z.literal('abort') }),
  z.object({ type: z.literal('release') }),
  z.object({ type: z.literal('call'), id: z.int(), name: z.string(), argument: z.unknown() }),
  z.object({ type: z.literal('close') }),
]);
export type ToWorker = z.infer<typeof toWorkerSchema>;

const failureSchema = z.object({ message: z.string(), hint: z.string().optional() });
export type Failure = z.infer<typeof failureSchema>;

/** From the worker. */
export const fromWorkerSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('opened'), recent: z.instanceof(Float64Array<ArrayBufferLike>) }),
  z.object({ type: z.literal('notOpened'), failure: failureSchema }),
  z.object({ type: z.literal('notAdvanced'), failure: failureSchema }),
  z.object({ type: z.literal('returned'), id: z.int(), value: z.unknown() }),
  z.object({ type: z.literal('threw'), id: z.int(), failure: failureSchema }),
  z.object({ type: z.literal('failed'), failure: failureSchema }),
  z.object({ type: z.literal('closed') }),
]);
export type FromWorker = z.infer<typeof fromWorkerSchema>;
