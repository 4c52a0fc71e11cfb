import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Metafile } from 'esbuild';
import * as z from 'zod';

/** Writes the licence of every package that is in a bundle, and of the native runtime that stays outside. */
export function thirdPartyNotices(metafiles: readonly Metafile[], path: string): void {
  const inputs = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const bundled = inputs.map((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]);
  const external = Object.keys(copyrightHolders).map((name) => `node_modules/${name}`);
  const folders = [...new Set([...bundled, ...external])].filter((folder) => folder !== undefined).sort();
  writeFileSync(path, folders.map(notice).join(`\n\n${'-'.repeat(80)}\n\n`));
}

/** Packages under the MIT licence that leave out its text. */
const copyrightHolders: Readonly<Record<string, string>> = {
  'onnxruntime-common': 'Microsoft Corporation',
  'onnxruntime-node': 'Microsoft Corporation',
};

const packageSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });

function notice(folder: string): string {
  const { name, version, license } = packageSchema.parse(
    JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')),
  );
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|thirdpartynotices)/i.test(file));
  const texts = files.map((file) => readFileSync(`${folder}/${file}`, 'utf8').trim());
  if (license === 'MIT' && Object.hasOwn(copyrightHolders, name)) {
    texts.push(
      readFileSync('LICENSE', 'utf8').replace(/^Copyright.*$/m, `Copyright (c) ${copyrightHolders[name]}`),
    );
  }
  if (texts.length === 0) throw new Error(`${name} comes without the text of its licence (${license}).`);
  return [`${name} ${version} (${license})`, ...texts].join('\n\n');
}
