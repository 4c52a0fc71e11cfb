import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Metafile } from 'esbuild';
import * as z from 'zod';

/** Writes the licence of every package that is in a bundle, and of the native runtime that stays outside. */
export function thirdPartyNotices(metafiles: readonly Metafile[], path: string): void {
  const inputs = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const bundled = inputs.map((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]);
  const outside = external.map((name) => `node_modules/${name}`);
  const folders = [...new Set([...bundled, ...outside])].filter((folder) => folder !== undefined).sort();
  writeFileSync(path, folders.map(notice).join(`\n\n${'-'.repeat(80)}\n\n`));
}

/** Packages that stay outside the bundles. */
const external = ['onnxruntime-common', 'onnxruntime-node'];

/** Packages that leave out the text of their licence, which is MIT or Apache-2.0. */
const copyrightHolders: Readonly<Record<string, string>> = {
  '@tensorflow/tfjs-backend-cpu': 'Google LLC',
  '@tensorflow/tfjs-backend-wasm': 'Google LLC',
  '@tensorflow/tfjs-core': 'Google LLC',
  'onnxruntime-common': 'Microsoft Corporation',
  'onnxruntime-node': 'Microsoft Corporation',
  seedrandom: 'David Bau',
  tr46: 'Sebastian Mayr',
};

/** Texts of licences, with the line that names the holder. */
const licenceTexts = {
  MIT: () => readFileSync('LICENSE', 'utf8'),
  // A package that is bundled too has the text as it was published.
  'Apache-2.0': () => `Copyright (c)\n\n${readFileSync('node_modules/long/LICENSE', 'utf8').trimStart()}`,
} as const;

const packageSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });

function notice(folder: string): string {
  const { name, version, license } = packageSchema.parse(
    JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')),
  );
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|thirdpartynotices)/i.test(file));
  const texts = files.map((file) => readFileSync(`${folder}/${file}`, 'utf8').trim());
  if (Object.hasOwn(copyrightHolders, name) && (license === 'MIT' || license === 'Apache-2.0')) {
    texts.push(licenceTexts[license]().replace(/^Copyright.*$/m, `Copyright (c) ${copyrightHolders[name]}`));
  }
  if (texts.length === 0) throw new Error(`${name} comes without the text of its licence (${license}).`);
  return [`${name} ${version} (${license})`, ...texts].join('\n\n');
}
