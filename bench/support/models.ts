import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import * as z from 'zod';
import { buildDecoder, type CacheContract } from './decoderGraph.ts';
import { writeGguf } from './gguf.ts';
import type { DecoderSizes, DecoderWeights } from './graphParts.ts';
import { type ConstantTensor, dataType, floatTensor, readConstants } from './onnx.ts';
import { randomBytes } from './randomBytes.ts';

/** Qwen2.5-Coder-0.5B, without the biases of its attention. */
export const halfBillion: DecoderSizes = {
  vocabulary: 151_936,
  width: 896,
  layers: 24,
  heads: 14,
  keyValueHeads: 2,
  headSize: 64,
  hidden: 4864,
  positions: 4096,
  ropeBase: 1e6,
  normEpsilon: 1e-6,
};

/** Part of the folders' names; goes up with every change of what is built. */
const graphVersion = 3;

/** Where built models are kept, between runs too. */
export interface ModelCache {
  readonly folder: string;
}

/**
 * Random 4-bit weights of a shape, as ONNX in one of the contracts.
 * @returns the folder, in Hugging Face's layout
 */
export async function randomOnnx(
  cache: ModelCache,
  sizes: DecoderSizes,
  contract: CacheContract,
): Promise<string> {
  const folder = path.join(
    cache.folder,
    `random-${sizes.layers}x${sizes.width}-q4-${contract}-v${graphVersion}`,
  );
  return built(folder, async (target) => {
    await writeModel(
      target,
      contract === 'twoPart' ? 'model.onnx' : 'onnx/model_q4.onnx',
      sizes,
      randomWeights(sizes),
      contract,
    );
  });
}

/** The same shape for llama.cpp, in its 4-bit format Q4_0. @returns the file */
export async function randomGguf(cache: ModelCache, sizes: DecoderSizes): Promise<string> {
  const folder = path.join(cache.folder, `random-${sizes.layers}x${sizes.width}-q4-gguf-v${graphVersion}`);
  await built(folder, (target) => writeParts(path.join(target, 'model.gguf'), writeGguf(sizes)));
  return path.join(folder, 'model.gguf');
}

const configSchema = z.looseObject({
  vocab_size: z.int(),
  hidden_size: z.int(),
  num_hidden_layers: z.int(),
  num_attention_heads: z.int(),
  num_key_value_heads: z.int(),
  head_dim: z.int(),
  intermediate_size: z.int(),
  rope_theta: z.number(),
  rms_norm_eps: z.number(),
});

/** A bundled member's own weights in the usual export. @returns the folder, in Hugging Face's layout */
export async function bundledAsGrow(cache: ModelCache, member: string): Promise<string> {
  const modelPath = path.join(member, 'model.onnx');
  const { mtimeMs, size } = await stat(modelPath);
  const folder = path.join(
    cache.folder,
    `${path.basename(member)}-q8-grow-v${graphVersion}-${size}-${Math.round(mtimeMs)}`,
  );
  return built(folder, async (target) => {
    const config = configSchema.parse(JSON.parse(await readFile(path.join(member, 'config.json'), 'utf8')));
    const constants = readConstants(await readFile(modelPath));
    const sizes: DecoderSizes = {
      vocabulary: config.vocab_size,
      width: config.hidden_size,
      layers: config.num_hidden_layers,
      heads: config.num_attention_heads,
      keyValueHeads: config.num_key_value_heads,
      headSize: config.head_dim,
      hidden: config.intermediate_size,
      positions: constant(constants, 'cosine').dimensions[0],
      ropeBase: config.rope_theta,
      normEpsilon: config.rms_norm_eps,
    };
    await writeModel(target, 'onnx/model_quantized.onnx', sizes, storedWeights(constants), 'grow');
  });
}

function storedWeights(constants: ReadonlyMap<string, ConstantTensor>): DecoderWeights {
  return {
    bits: 8,
    matrix: (name) => ({
      values: constant(constants, `${name}.values`),
      scales: constant(constants, `${name}.scales`),
    }),
    norm: (name) => constant(constants, name),
  };
}

function constant(constants: ReadonlyMap<string, ConstantTensor>, name: string): ConstantTensor {
  const found = constants.get(name);
  if (!found) throw new Error(`The model has no constant "${name}": it was exported by another recipe.`);
  return found;
}

/** Uniform nibbles; the scale keeps the variance of what passes through. */
function randomWeights({ width }: DecoderSizes): DecoderWeights {
  return {
    bits: 4,
    matrix: (name, rows, columns) => {
      const nBlocks = columns / 32;
      const scales = new Float32Array(rows * nBlocks).fill(
        columns ** -0.5 / (name === 'embedding' ? 1 : 4.6),
      );
      return {
        values: {
          dataType: dataType.uint8,
          dimensions: [rows, nBlocks, 16],
          data: randomBytes(rows * nBlocks * 16),
        },
        scales: floatTensor(scales, [rows, nBlocks]),
      };
    },
    norm: () => floatTensor(new Float32Array(width).fill(1)),
  };
}

async function writeModel(
  folder: string,
  file: string,
  sizes: DecoderSizes,
  weights: DecoderWeights,
  contract: CacheContract,
): Promise<void> {
  await writeParts(path.join(folder, file), buildDecoder(sizes, weights, contract));
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: sizes.width,
    intermediate_size: sizes.hidden,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.keyValueHeads,
    head_dim: sizes.headSize,
    vocab_size: sizes.vocabulary,
    rope_theta: sizes.ropeBase,
    rms_norm_eps: sizes.normEpsilon,
    eos_token_id: 0,
    bos_token_id: 0,
  };
  await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
}

/** Builds into a folder beside it first, so that an interrupted build is never taken for a finished one. */
export async function built(folder: string, build: (target: string) => Promise<void>): Promise<string> {
  if (await stat(folder).catch(() => undefined)) return folder;
  const target = `${folder}.part`;
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  await build(target);
  await rename(target, folder);
  return folder;
}

async function writeParts(file: string, parts: Iterable<Uint8Array>): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const stream = createWriteStream(file);
  for (const part of parts) {
    if (!stream.write(part)) await new Promise<void>((resolve) => stream.once('drain', resolve));
  }
  stream.end();
  await finished(stream);
}
