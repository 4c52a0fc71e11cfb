import { readFileSync } from 'node:fs';
import { ByteTokenizer } from '../../src/lm/neural/byteTokenizer.ts';
import {
  defaultNeuralMemberOptions,
  NeuralMember,
  type NeuralMemberOptions,
} from '../../src/lm/neural/neuralMember.ts';
import { defaultPromptLimits, PromptBuilder } from '../../src/lm/neural/prompt.ts';
import { SortedVocabulary } from '../../src/lm/neural/sortedVocabulary.ts';
import { toyCache } from './toyDecoder.ts';

const tokenizerUrl = new URL('../../models/consort-typescript/tokenizer.json', import.meta.url);

/** A member with a bundled tokenizer and a toy decoder: whatever it reads, it answers alike to the last bit. */
export function toyNeuralMember(options: Partial<NeuralMemberOptions> = {}): NeuralMember {
  const tokenizer = new ByteTokenizer(JSON.parse(readFileSync(tokenizerUrl, 'utf8')));
  const marker = (text: string) => tokenizer.marker(text) ?? 0;
  const markers = {
    prefix: marker('<|fim_prefix|>'),
    suffix: marker('<|fim_suffix|>'),
    middle: marker('<|fim_middle|>'),
    order: 'spm' as const,
  };
  const vocabularySize = tokenizer.tokens.length;
  return new NeuralMember(
    'toy',
    {
      vocabularySize,
      nPositions: 4096,
      createCache: () => toyCache(vocabularySize, 1, 14),
      close: async () => {},
    },
    new SortedVocabulary(tokenizer.tokens, [0]),
    () => new PromptBuilder(tokenizer, markers, 1024, defaultPromptLimits),
    { ...defaultNeuralMemberOptions, cacheBytes: 1, ...options },
  );
}
