import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { findViolations, layers, readSources } from '../../scripts/imports.ts';

const sources = readSources(resolve(import.meta.dirname, '..', '..'));

test('the sources keep to the layers', () => {
  expect(sources.length).toBeGreaterThan(50);
  expect(findViolations(sources)).toEqual([]);
});

test('every layer imports only layers above it in the table, so there are no cycles', () => {
  for (const [index, [name, layer]] of Object.entries(layers).entries()) {
    const above = Object.keys(layers).slice(0, index);
    const imported = layer.layers.map((path) => path.split('/')[0]);
    expect(imported.filter((other) => other !== name && !above.includes(other))).toEqual([]);
  }
});

/** Each is planted at the end of a real source file. */
const planted: readonly (readonly [path: string, source: string, forbidden: string | null])[] = [
  ['src/decoding/decode.ts', "import { readFile } from 'node:fs/promises';", 'node:fs/promises'],
  ['src/decoding/decode.ts', "import { Hedge } from '../policy/hedge.ts';", '../policy/hedge.ts'],
  ['src/decoding/decode.ts', "import type { Policy } from '../policy/policy.ts';", null],
  ['src/decoding/decode.ts', "export * from '../server/engine.ts';", '../server/engine.ts'],
  ['src/policy/hedge.ts', "const fs = await import('node:fs');", 'node:fs'],
  [
    'src/policy/hedge.ts',
    "import type { Decoder } from '../lm/neural/decoder.ts';",
    '../lm/neural/decoder.ts',
  ],
  ['src/protocol/messages.ts', "import * as z from 'zod';", 'zod'],
  [
    'src/protocol/messages.ts',
    "import type { Settings } from '../config/settings.ts';",
    '../config/settings.ts',
  ],
  ['src/evaluation/evaluate.ts', "import * as vscode from 'vscode';", 'vscode'],
  [
    'src/evaluation/evaluate.ts',
    "import { startEnsemble } from '../server/ensemble.ts';",
    '../server/ensemble.ts',
  ],
  ['src/server/main.ts', "import type { Uri } from 'vscode';", 'vscode'],
  [
    'src/server/main.ts',
    "import { helper } from '../../test/support/toyStream.ts';",
    '../../test/support/toyStream.ts',
  ],
  [
    'src/extension/client.ts',
    "import { startEnsemble } from '../server/ensemble.ts';",
    '../server/ensemble.ts',
  ],
  ['src/extension/client.ts', "import { join } from 'node:path';", null],
  ['src/webview/main.ts', "import { join } from 'node:path';", 'node:path'],
  [
    'src/webview/main.ts',
    "export { panelTexts } from '../extension/panelTexts.ts';",
    '../extension/panelTexts.ts',
  ],
];

test.each(planted)('%s: %s', (path, source, forbidden) => {
  const layer = path.split('/')[1];
  const files = sources.map((file) =>
    file.path === path ? { path, text: `${file.text}\n${source}\n` } : file,
  );
  expect(files).not.toEqual(sources);
  expect(findViolations(files)).toEqual(
    forbidden === null ? [] : [`${path}: ${layer} may not import ${forbidden}`],
  );
});

test('a folder that is not in the table is refused', () => {
  const path = 'src/elsewhere/file.ts';
  expect(findViolations([{ path, text: '' }])).toEqual([
    `${path}: src/elsewhere is not in the table of layers`,
  ]);
});
