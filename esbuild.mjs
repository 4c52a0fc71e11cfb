// Usage: node esbuild.mjs [--watch]. Writes dist/: minified as it is packaged, or with source maps while watching.
import { cpSync, rmSync } from 'node:fs';
import { build, context } from 'esbuild';
import { thirdPartyNotices } from './scripts/thirdPartyNotices.ts';

const isWatching = process.argv.includes('--watch');

/** @satisfies {import('esbuild').BuildOptions} */
const shared = {
  bundle: true,
  minify: !isWatching,
  sourcemap: isWatching,
  metafile: true,
  legalComments: 'none',
  logLevel: 'warning',
};

/** @satisfies {import('esbuild').BuildOptions} */
const node = { ...shared, platform: 'node', target: 'node22' };

const targets = [
  {
    ...node,
    entryPoints: ['src/extension/extension.ts'],
    outfile: 'dist/extension.cjs',
    format: 'cjs',
    external: ['vscode'],
  },
  {
    ...node,
    entryPoints: [
      { in: 'src/server/main.ts', out: 'server' },
      { in: 'src/cli/main.ts', out: 'cli' },
      { in: 'src/lm/memberWorker.ts', out: 'memberWorker' },
      { in: 'src/server/ngramWorker.ts', out: 'ngramWorker' },
    ],
    outdir: 'dist',
    format: 'esm',
    // Its native library is found beside its own files.
    external: ['onnxruntime-node'],
    // Bundled CommonJS packages call require, which an ES module doesn't have.
    banner: {
      js: "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url);",
    },
  },
  {
    ...node,
    entryPoints: [
      { in: 'src/cli/trainWorker.ts', out: 'trainWorker' },
      { in: 'src/server/learning/learningWorker.ts', out: 'learningWorker' },
    ],
    outdir: 'dist',
    format: 'esm',
    // TensorFlow.js once, and its gradients, are in its ES modules only.
    mainFields: ['module', 'main'],
    banner: {
      js: "import { createRequire as createBundleRequire } from 'node:module'; const require = createBundleRequire(import.meta.url); const __dirname = import.meta.dirname;",
    },
  },
  {
    ...shared,
    platform: 'browser',
    target: 'es2024',
    entryPoints: ['src/webview/main.ts'],
    outdir: 'dist/webview',
    format: 'iife',
  },
];

rmSync('dist', { recursive: true, force: true });
const wasm = 'tfjs-backend-wasm-simd.wasm';
cpSync(`node_modules/@tensorflow/tfjs-backend-wasm/dist/${wasm}`, `dist/${wasm}`);
if (isWatching) {
  for (const target of targets) await (await context({ ...target, logLevel: 'info' })).watch();
} else {
  // esbuild has said what is wrong.
  const results = await Promise.all(targets.map((target) => build(target))).catch(() => process.exit(1));
  thirdPartyNotices(
    results.map(({ metafile }) => metafile),
    'dist/ThirdPartyNotices.txt',
  );
}
