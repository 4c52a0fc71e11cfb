import path from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import * as z from 'zod';
import { MemberError } from '../../config/memberError.ts';

export { type InferenceSession, Tensor } from 'onnxruntime-node';

/** The shape of a decoder, from a Hugging Face config.json. */
export interface DecoderShape {
  readonly nLayers: number;
  readonly nKeyValueHeads: number;
  readonly headSize: number;
  readonly vocabularySize: number;
}

const configSchema = z.looseObject({
  num_hidden_layers: z.int().positive(),
  num_attention_heads: z.int().positive(),
  num_key_value_heads: z.int().positive().optional(),
  hidden_size: z.int().positive(),
  head_dim: z.int().positive().nullish(),
  vocab_size: z.int().positive(),
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
  };
}

/**
 * One thread and no spinning: the members run side by side, each in its own worker.
 *
 * @param model what to open in place of the file; its external data still lies beside the file
 */
export async function openSession(modelPath: string, model?: Uint8Array): Promise<InferenceSession> {
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
    return await (model
      ? InferenceSession.create(model, options)
      : InferenceSession.create(modelPath, options));
  } catch (error) {
    throw new MemberError(
      `its model cannot be opened: ${error instanceof Error ? error.message : error}`,
      'The file may be damaged or made for a newer ONNX Runtime; get it again.',
    );
  }
}

/** @throws MemberError where the graph lacks an input or output, or has one of another type */
export function checkSignature(
  session: InferenceSession,
  inputs: Readonly<Record<string, string>>,
  outputs: Readonly<Record<string, string>>,
): void {
  const check = (
    kind: string,
    wanted: Readonly<Record<string, string>>,
    found: typeof session.inputMetadata,
  ) => {
    for (const [name, type] of Object.entries(wanted)) {
      const value = found.find((metadata) => metadata.name === name);
      const foundType = value?.isTensor ? value.type : undefined;
      if (foundType === type) continue;
      throw new MemberError(
        value
          ? `its model's ${kind} "${name}" is ${foundType}, not ${type}`
          : `its model has no ${kind} "${name}"`,
        'Export the model with keys and values as float32 inputs and outputs (text-generation-with-past).',
      );
    }
  };
  check('input', inputs, session.inputMetadata);
  check('output', outputs, session.outputMetadata);
}

/** The data of an output that is float32 by the checked signature. */
export function floatData(tensor: Tensor | undefined, name: string): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new MemberError(`its model gave no ${name}`, 'Export the model again with float32 outputs.');
}

export function integers(values: BigInt64Array, dimensions: readonly number[]): Tensor {
  return new Tensor('int64', values, dimensions);
}
