/**
 * Writes the member.json of the bundled members, with the size and sha256 of each file as it is now.
 * Usage: node scripts/memberManifest.ts [--check]
 * --check writes nothing and fails if a manifest is not up to date.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  hashFile,
  type MemberManifest,
  memberManifestFile,
  memberManifestSchema,
} from '../src/config/memberManifest.ts';

const models = path.join(import.meta.dirname, '..', 'models');

const common = {
  version: '0.2.0',
  kind: 'neural',
  license: 'MIT',
  parameters: 2_361_024,
  contextTokens: 512,
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
} satisfies Partial<MemberManifest>;

const members: Omit<MemberManifest, 'files'>[] = [
  {
    ...common,
    id: 'consort-typescript',
    name: 'TypeScript',
    description:
      'A small decoder trained on permissively licensed TypeScript, JavaScript and Python, then mostly on the first two.',
    languages: '*',
  },
  {
    ...common,
    id: 'consort-python',
    name: 'Python',
    description:
      'A small decoder with the same beginning, then trained mostly on permissively licensed Python.',
    languages: '*',
  },
];

const checkOnly = process.argv.includes('--check');
for (const member of members) {
  const folder = path.join(models, member.id);
  const files: MemberManifest['files'] = [];
  for (const name of [member.config, member.model, member.tokenizer]) {
    files.push({ path: name, ...(await hashFile(path.join(folder, name))) });
  }
  const manifest = memberManifestSchema.parse({ ...member, files });
  // As Biome formats it: a short list of words stands on one line.
  const text = `${JSON.stringify(manifest, null, 2).replace(/\[\s+("[^"]+")\s+\]/g, '[$1]')}\n`;
  const target = path.join(folder, memberManifestFile);
  const old: unknown = JSON.parse(await readFile(target, 'utf8').catch(() => 'null'));
  if (isDeepStrictEqual(old, manifest)) continue;
  if (checkOnly) {
    console.error(`${target} is not up to date: run node scripts/memberManifest.ts`);
    process.exitCode = 1;
  } else {
    await writeFile(target, text);
    console.log(`wrote ${target}`);
  }
}
