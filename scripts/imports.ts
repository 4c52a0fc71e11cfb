/** Checks which folder of src/ imports what. Usage: node scripts/imports.ts; exit code 1 where a rule is broken. */
import { globSync, readFileSync } from 'node:fs';
import { posix, resolve, sep } from 'node:path';
import { parseSync } from 'oxc-parser';

interface Layer {
  /** Folders of src/, or single files of them, that the layer may import. */
  readonly layers: readonly string[];
  /** Packages that it may import; `node:` stands for all that come with Node. */
  readonly packages: readonly string[];
}

/** What members are to those who only ask them. */
const memberInterface = ['lm/evidence.ts', 'lm/lexeme.ts', 'lm/member.ts', 'lm/symbols.ts'];

/** From the bottom to the top: each layer imports only layers above it in this list, so there are no cycles. */
export const layers: Readonly<Record<string, Layer>> = {
  protocol: { layers: [], packages: [] },
  config: { layers: ['protocol'], packages: ['node:', 'zod'] },
  lm: {
    layers: ['protocol', 'config'],
    packages: ['node:', '@huggingface/tokenizers', 'ignore', 'onnxruntime-node', 'zod'],
  },
  policy: { layers: ['protocol', 'config', ...memberInterface], packages: [] },
  decoding: { layers: ['protocol', 'config', ...memberInterface, 'policy/policy.ts'], packages: [] },
  evaluation: { layers: ['protocol', 'config', 'lm', 'policy', 'decoding'], packages: [] },
  training: {
    layers: ['protocol', 'config', 'lm', 'policy', 'decoding', 'evaluation'],
    // Only tensorflow.ts needs Node, to load what is there.
    packages: ['node:', '@tensorflow/tfjs-backend-wasm', '@tensorflow/tfjs-core'],
  },
  server: {
    layers: ['protocol', 'config', 'lm', 'policy', 'decoding', 'evaluation', 'training'],
    packages: ['node:', 'ignore', 'vscode-languageserver', 'vscode-languageserver-textdocument', 'zod'],
  },
  cli: {
    layers: ['protocol', 'config', 'lm', 'policy', 'decoding', 'evaluation', 'training', 'server'],
    packages: ['node:', 'zod'],
  },
  extension: {
    layers: ['protocol', 'config'],
    packages: ['node:', 'vscode', 'vscode-languageclient', 'zod'],
  },
  webview: { layers: ['protocol', 'config'], packages: [] },
};

export interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** One line per import that the table above does not allow, of types as of values. */
export function findViolations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, text }) => {
    const layer = layers[layerOf(path)];
    if (layer === undefined) return [`${path}: src/${layerOf(path)} is not in the table of layers`];
    return specifiers(path, text)
      .filter((specifier) => !isAllowed(path, specifier, layer))
      .map((specifier) => `${path}: ${layerOf(path)} may not import ${specifier}`);
  });
}

/** Every TypeScript file in src/. */
export function readSources(root: string): readonly SourceFile[] {
  return globSync('src/**/*.ts', { cwd: root })
    .map((path) => path.replaceAll(sep, '/'))
    .map((path) => ({ path, text: readFileSync(resolve(root, path), 'utf8') }));
}

function isAllowed(path: string, specifier: string, layer: Layer): boolean {
  if (!specifier.startsWith('.')) return layer.packages.includes(packageOf(specifier));
  const target = posix.join(posix.dirname(path), specifier);
  if (target === 'package.json') return layer.packages.includes('node:');
  if (!target.startsWith('src/')) return false;
  const own = layerOf(path);
  return [own, ...layer.layers].some((allowed) => `${target}/`.startsWith(`src/${allowed}/`));
}

function specifiers(path: string, text: string): readonly string[] {
  const { module, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`);
  const exported = module.staticExports.flatMap(({ entries }) =>
    entries.map((entry) => entry.moduleRequest?.value),
  );
  const dynamic = module.dynamicImports.map(({ moduleRequest: { start, end } }) =>
    text.slice(start + 1, end - 1),
  );
  const all = [...module.staticImports.map((entry) => entry.moduleRequest.value), ...exported, ...dynamic];
  return [...new Set(all)].filter((specifier) => specifier !== undefined);
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return 'node:';
  const nParts = specifier.startsWith('@') ? 2 : 1;
  return specifier.split('/').slice(0, nParts).join('/');
}

function layerOf(path: string): string {
  return path.split('/')[1];
}

if (import.meta.main) {
  const files = readSources(resolve(import.meta.dirname, '..'));
  const violations = findViolations(files);
  for (const violation of violations) console.error(violation);
  console.log(`${files.length} files, ${violations.length} imports that the layers do not allow`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
