import * as z from 'zod';
import { SYMBOLS } from './symbols.ts';

/**
 * How a member in a worker thread and its stand-in talk. What is rare travels as messages; a byte to read and
 * the distribution after it travel through shared memory. With each answer the worker goes on alone along the
 * expected or the most probable bytes as far as that costs no forward pass: most bytes are then at hand when they
 * are asked for.
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
}

/** Places in `control`. */
export const SIGNAL = 0; // changes with everything that the worker should look at
export const REQUEST = 1; // number of the last request to read bytes
export const N_REQUESTED = 2; // how many bytes it is
export const N_FORESEEN = 3; // how many distributions follow the one asked for
export const N_PASSES = 4; // forward passes since the stream was opened
export const N_EXPECTED = 5; // how many bytes are expected after those requested

export const MAXIMUM_FORESEEN = 32;
const N_CONTROLS = 8;

export function createSharedMemory(): SharedArrayBuffer {
  const nDistributions = MAXIMUM_FORESEEN + 1;
  return new SharedArrayBuffer(8 * SYMBOLS * nDistributions + 4 * N_CONTROLS + 3 * nDistributions);
}

export function viewSharedMemory(memory: SharedArrayBuffer): SharedStream {
  const nDistributions = MAXIMUM_FORESEEN + 1;
  let at = 8 * SYMBOLS * nDistributions;
  const distributions = Array.from(
    { length: nDistributions },
    (_, i) => new Float64Array(memory, 8 * SYMBOLS * i, SYMBOLS),
  );
  const control = new Int32Array(memory, at, N_CONTROLS);
  at += 4 * N_CONTROLS;
  return {
    control,
    requested: new Uint8Array(memory, at, nDistributions),
    foreseen: new Uint8Array(memory, at + nDistributions, nDistributions),
    expected: new Uint8Array(memory, at + 2 * nDistributions, nDistributions),
    distributions,
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

/** From the worker; the bare number ADVANCED says that the requested bytes have been read. */
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
export const ADVANCED = 1;
