/**
 * Makes the VSIX of one platform out of dist/.
 * Usage: node scripts/package.ts [--target linux-x64 | linux-arm64 | win32-x64 | win32-arm64 | darwin-arm64]
 */
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createVSIX, listFiles, PackageManager } from '@vscode/vsce';
import * as z from 'zod';

const root = join(import.meta.dirname, '..');

/** Where onnxruntime-node keeps the native library of each platform that it supports. */
const nativeFolders = {
  'linux-x64': 'linux/x64',
  'linux-arm64': 'linux/arm64',
  'win32-x64': 'win32/x64',
  'win32-arm64': 'win32/arm64',
  'darwin-arm64': 'darwin/arm64',
} as const;

export type Target = keyof typeof nativeFolders;

/** Everything that a VSIX holds; what matches nothing here stays out. */
const contents = [
  'CHANGELOG.md',
  'LICENSE',
  'README.md',
  'package.json',
  'package.nls*.json',
  'l10n/*.json',
  'dist/{cli,learningWorker,memberWorker,ngramWorker,server,trainWorker}.js',
  'dist/tfjs-backend-wasm-simd.wasm',
  'dist/extension.cjs',
  'dist/ThirdPartyNotices.txt',
  'dist/webview/main.{css,js}',
  'media/**/*.{png,svg}',
  'models/*.md',
  'models/consort-*/*.{json,md,onnx,onnx.data}',
  'models/consort-*/LICENSE*',
  'policies/**/*.{json,md}',
];

/** A VSIX that lacks one of these cannot work. */
const indispensable = [
  'package.json',
  'README.md',
  'LICENSE',
  'dist/extension.cjs',
  'dist/server.js',
  'dist/memberWorker.js',
  'dist/ngramWorker.js',
  'dist/learningWorker.js',
  'dist/cli.js',
  'dist/trainWorker.js',
  'dist/tfjs-backend-wasm-simd.wasm',
  'dist/webview/main.js',
  'dist/webview/main.css',
  'dist/node_modules/onnxruntime-common/dist/cjs/package.json',
];

const maximumBytes = 60e6;

/** Returns the path of the VSIX. Throws where what would go into it is not what should. */
export async function packageExtension(target: Target): Promise<string> {
  const packagePath = join(root, 'dist', `consort-${target}.vsix`);
  const stage = mkdtempSync(join(tmpdir(), 'consort-vsix-'));
  try {
    const files = fill(stage, target);
    const packaged = await listFiles({ cwd: stage, packageManager: PackageManager.None });
    const strays = files.filter((file) => !packaged.includes(file));
    if (strays.length > 0) throw new Error(`vsce would leave out ${strays.join(', ')}.`);
    await createVSIX({
      cwd: stage,
      target,
      packagePath,
      dependencies: false,
      rewriteRelativeLinks: false,
      allowMissingRepository: true,
    });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
  const { size } = statSync(packagePath);
  console.log(`${packagePath}: ${(size / 1e6).toFixed(1)} MB of at most ${maximumBytes / 1e6} MB`);
  if (size > maximumBytes) throw new Error(`The VSIX for ${target} is too large.`);
  return packagePath;
}

/** Copies what goes into the VSIX to `stage`; returns the paths there. */
function fill(stage: string, target: Target): readonly string[] {
  const files = globSync(contents, { cwd: root });
  for (const file of files) cpSync(join(root, file), join(stage, file));
  // Beside the bundles, because vsce passes over a node_modules folder at the top.
  const runtime = globSync(runtimeContents(target), { cwd: root });
  for (const file of runtime) cpSync(join(root, file), join(stage, 'dist', file));
  writeFileSync(join(stage, 'package.json'), publishedManifest());

  const all = [...files, ...runtime.map((file) => join('dist', file))];
  const missing = indispensable.filter((file) => !all.includes(file));
  if (missing.length > 0) throw new Error(`Missing: ${missing.join(', ')}. Run "npm run build" first.`);
  if (!all.some((file) => file.endsWith('.onnx'))) throw new Error('models/ has no members.');
  if (!runtime.some((file) => file.endsWith('.node'))) throw new Error(`No ONNX Runtime for ${target}.`);
  return all;
}

/** What onnxruntime-node needs of itself at run time: the CPU library of one platform. */
function runtimeContents(target: Target): readonly string[] {
  return [
    'node_modules/onnxruntime-node/package.json',
    'node_modules/onnxruntime-node/dist/**/*.js',
    `node_modules/onnxruntime-node/bin/napi-v6/${nativeFolders[target]}/*`,
    'node_modules/onnxruntime-common/package.json',
    'node_modules/onnxruntime-common/dist/cjs/package.json',
    'node_modules/onnxruntime-common/dist/cjs/**/*.js',
  ];
}

/** package.json without what concerns the repository alone. */
function publishedManifest(): string {
  const manifest = z
    .record(z.string(), z.unknown())
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  if ('enabledApiProposals' in manifest) throw new Error('A published extension may not use proposed API.');
  const kept = Object.entries(manifest).filter(([name]) => !repositoryOnly.includes(name));
  return `${JSON.stringify({ ...Object.fromEntries(kept), files: ['**'] }, undefined, 2)}\n`;
}

const repositoryOnly = [
  'allowScripts',
  'dependencies',
  'devDependencies',
  'optionalDependencies',
  'private',
  'scripts',
];

function isTarget(name: string): name is Target {
  return Object.hasOwn(nativeFolders, name);
}

/** The platform that this process runs on. Throws where there is no VSIX for it. */
export function currentTarget(): Target {
  return targetNamed(`${process.platform}-${process.arch}`);
}

function targetNamed(name: string): Target {
  if (isTarget(name)) return name;
  throw new Error(`No VSIX for ${name}; there is one for ${Object.keys(nativeFolders).join(', ')}.`);
}

if (import.meta.main) {
  try {
    const { values } = parseArgs({ options: { target: { type: 'string' } } });
    await packageExtension(values.target === undefined ? currentTarget() : targetNamed(values.target));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
