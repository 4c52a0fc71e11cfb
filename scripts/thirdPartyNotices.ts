import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Metafile } from 'esbuild';

/** Writes the licences of every package that is in a bundle, or that stays outside as a native library. */
export function thirdPartyNotices(metafiles: readonly Metafile[], path: string): void {
  const inputs = metafiles.flatMap(({ inputs }) => Object.keys(inputs));
  const bundled = inputs.map((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]);
  const external = ['node_modules/onnxruntime-node', 'node_modules/onnxruntime-common'];
  const folders = [...new Set([...bundled, ...external])].filter((folder) => folder !== undefined).sort();
  writeFileSync(path, folders.map(notice).join(`\n\n${'-'.repeat(80)}\n\n`));
}

function notice(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|thirdpartynotices)/i.test(file));
  const texts = files.map((file) => readFileSync(`${folder}/${file}`, 'utf8').trim());
  return [`${name} ${version} (${license})`, ...texts].join('\n\n');
}
