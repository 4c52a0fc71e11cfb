import * as z from 'zod';

/** Where a training stands: what `consort train --resume` goes on from. Written and read by the same version. */
const floats = z.base64().transform((text) => {
  const bytes = Buffer.from(text, 'base64');
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
});

const layer = z.object({ inputs: z.int(), outputs: z.int(), weights: floats, bias: floats });
const actor = z.object({
  network: z.object({ hidden: z.array(layer), action: layer, stopHidden: z.array(layer), stop: layer }),
  logSigma: z.number(),
});
const heldOut = z.object({
  reward: z.number(),
  shown: z.number(),
  exact: z.number(),
  bitsPerByte: z.number(),
});

const checkpointSchema = z.object({
  format: z.literal('consort-training'),
  formatVersion: z.literal(1),
  /** What was trained: a checkpoint of anything else is of no use. */
  identity: z.string(),
  state: z.object({
    update: z.int(),
    actor,
    critic: z.array(layer),
    optimiser: z.object({
      weights: z.array(z.object({ name: z.string(), shape: z.array(z.int()), values: floats })),
    }),
    gate: actor,
    best: z.object({ actor, result: heldOut, update: z.int() }),
  }),
});

export type TrainingCheckpoint = z.output<typeof checkpointSchema>;

/** Nothing where the text is not that of a checkpoint. */
export function parseTrainingCheckpoint(text: string): TrainingCheckpoint | undefined {
  try {
    return checkpointSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** @param state as TrainingState has it: arrays of numbers become base64 of float32, little-endian */
export function formatTrainingCheckpoint(identity: string, state: unknown): string {
  const checkpoint = { format: 'consort-training', formatVersion: 1, identity, state };
  return `${JSON.stringify(checkpoint, (_, value: unknown) => (value instanceof Float32Array ? encoded(value) : value))}\n`;
}

function encoded(numbers: Float32Array): string {
  const bytes = Buffer.alloc(4 * numbers.length);
  for (const [i, number] of numbers.entries()) bytes.writeFloatLE(number, 4 * i);
  return bytes.toString('base64');
}
