import { open } from 'node:fs/promises';
import path from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { type Binding, binding, initOrt } from 'onnxruntime-node/dist/binding.js';
import * as z from 'zod';
import { MemberError } from '../../config/memberError.ts';
import { MessageWriter } from './protobuf.ts';

export { Tensor } from 'onnxruntime-node';

/** The shape of a decoder, from a Hugging Face config.json. */
export interface DecoderShape {
  readonly nLayers: number;
  readonly nKeyValueHeads: number;
  readonly headSize: number;
  readonly vocabularySize: number;
  /** Positions that a text may have; Infinity where nothing is said of it. */
  readonly nPositions: number;
}

const configSchema = z.looseObject({
  num_hidden_layers: z.int().positive(),
  num_attention_heads: z.int().positive(),
  num_key_value_heads: z.int().positive().optional(),
  hidden_size: z.int().positive(),
  head_dim: z.int().positive().nullish(),
  vocab_size: z.int().positive(),
  max_position_embeddings: z.int().positive().nullish(),
});

/** @throws MemberError for a config.json that does not describe a decoder */
export function parseDecoderShape(config: unknown): DecoderShape {
  const parsed = configSchema.safeParse(config);
  if (!parsed.success) {
    throw new MemberError(
      `its config.json does not describe a decoder: ${z.prettifyError(parsed.error)}`,
      'Use the config.json that belongs to the model, from its folder on the hub.',
    );
  }
  const { data } = parsed;
  return {
    nLayers: data.num_hidden_layers,
    nKeyValueHeads: data.num_key_value_heads ?? data.num_attention_heads,
    headSize: data.head_dim ?? data.hidden_size / data.num_attention_heads,
    vocabularySize: data.vocab_size,
    nPositions: data.max_position_embeddings ?? Number.POSITIVE_INFINITY,
  };
}

/** Values of a graph's inputs or outputs by their names. */
export type Tensors = Record<string, Tensor>;

/** A graph that runs in the calling thread: the library's own interface would wait for the event loop at each run. */
export class Session {
  readonly inputs: readonly Binding.ValueMetadata[];
  readonly outputs: readonly Binding.ValueMetadata[];
  readonly #native: Binding.InferenceSession;

  constructor(native: Binding.InferenceSession) {
    this.#native = native;
    this.inputs = native.inputMetadata;
    this.outputs = native.outputMetadata;
  }

  /** @param outputs names of those that are wanted; what the others need is not copied */
  run(inputs: Tensors, outputs: readonly string[]): Tensors {
    const results = this.#native.run(inputs, Object.fromEntries(outputs.map((name) => [name, null])), {});
    const tensors: Tensors = {};
    for (const name of outputs) {
      const result = results[name];
      if (result instanceof Tensor) tensors[name] = result;
    }
    return tensors;
  }

  close(): void {
    this.#native.dispose();
  }
}

/**
 * One thread and no spinning: the members run side by side, each in its own worker.
 *
 * @param model the file's bytes, perhaps patched; its external data lies beside the file
 */
export function openSession(modelPath: string, model: Uint8Array<ArrayBuffer>): Session {
  const options = {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        model_external_initializers_file_folder_path: path.dirname(modelPath),
      },
    },
  } as const;
  try {
    initOrt();
    const native = new binding.InferenceSession();
    native.loadModel(model.buffer, model.byteOffset, model.byteLength, options);
    return new Session(native);
  } catch (error) {
    throw new MemberError(
      `its model cannot be opened: ${error instanceof Error ? error.message : error}`,
      'The file may be damaged or made for a newer ONNX Runtime; get it again.',
    );
  }
}

/** What a graph whose output is `logits` gives besides, once `softmax` stands behind it: float32 like these. */
export const probabilitiesOutput = 'consort.probabilities';

/**
 * A softmax over the logits, as the end of an encoded model: protocol buffers merge what stands one after the other.
 * The library takes a tenth of the time that a script does.
 */
export function softmax(): Uint8Array {
  const axis = new MessageWriter().text(1, 'axis').integer(3, -1).integer(20, 2);
  const node = new MessageWriter()
    .text(1, 'logits')
    .text(2, probabilitiesOutput)
    .text(3, probabilitiesOutput)
    .text(4, 'Softmax')
    .message(5, axis);
  const type = new MessageWriter().message(1, new MessageWriter().integer(1, 1));
  const output = new MessageWriter().text(1, probabilitiesOutput).message(2, type);
  const model = new MessageWriter().message(7, new MessageWriter().message(1, node).message(12, output));
  return Buffer.concat(model.parts);
}

/** @throws Error where the file cannot be read */
export async function readWithEnd(file: string, end: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(size + end.length);
    bytes.set(end, size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await handle.read(bytes, at, size - at, at);
      if (bytesRead === 0) throw new Error(`${file} became shorter while it was read`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

/** @throws MemberError where the graph lacks an input or output, or has one of another type */
export function checkSignature(
  session: Session,
  inputs: Readonly<Record<string, string>>,
  outputs: Readonly<Record<string, string>>,
): void {
  const check = (
    kind: string,
    wanted: Readonly<Record<string, string>>,
    found: readonly Binding.ValueMetadata[],
  ) => {
    for (const [name, type] of Object.entries(wanted)) {
      const value = found.find((metadata) => metadata.name === name);
      const foundType = value?.isTensor ? (typeNames[value.type] ?? `of type ${value.type}`) : undefined;
      if (foundType === type) continue;
      throw new MemberError(
        value
          ? `its model's ${kind} "${name}" is ${foundType}, not ${type}`
          : `its model has no ${kind} "${name}"`,
        'Export the model with keys and values as float32 inputs and outputs (text-generation-with-past).',
      );
    }
  };
  check('input', inputs, session.inputs);
  check('output', outputs, session.outputs);
}

/** By their numbers in onnx.proto. */
const typeNames: Readonly<Record<number, string>> = {
  1: 'float32',
  6: 'int32',
  7: 'int64',
  10: 'float16',
  11: 'float64',
};

/** The data of an output that is float32 by the checked signature. */
export function floatData(tensor: Tensor | undefined, name: string): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new MemberError(`its model gave no ${name}`, 'Export the model again with float32 outputs.');
}

export function integers(values: BigInt64Array, dimensions: readonly number[]): Tensor {
  return new Tensor('int64', values, dimensions);
}
