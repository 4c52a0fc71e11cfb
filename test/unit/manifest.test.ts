import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { explainMemberProblem, MemberError } from '../../src/config/memberError.ts';
import { loadMemberManifest } from '../../src/config/memberManifest.ts';
import { openNeuralMember } from '../../src/lm/neural/neuralMember.ts';

const bundled = fileURLToPath(new URL('../../models/consort-python', import.meta.url));
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'member-'));
  for (const file of ['member.json', 'config.json', 'tokenizer.json', 'model.onnx']) {
    await cp(path.join(bundled, file), path.join(folder, file));
  }
});
afterEach(() => rm(folder, { recursive: true }));

async function changeManifest(change: (manifest: Record<string, unknown>) => void): Promise<void> {
  const file = path.join(folder, 'member.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  change(manifest);
  await writeFile(file, JSON.stringify(manifest));
}

test('a bundled member is described by its manifest', async () => {
  const { manifest, problem } = await loadMemberManifest(folder);
  expect(problem).toBeUndefined();
  expect(manifest?.id).toBe('consort-python');
});

describe('what is wrong with a member is said, and how to mend it', () => {
  const check = async (spoil: () => Promise<void>, ...words: RegExp[]) => {
    await spoil();
    const { problem } = await loadMemberManifest(folder);
    expect(problem).toBeInstanceOf(MemberError);
    const explained = explainMemberProblem(problem);
    for (const word of words) expect(explained).toMatch(word);
    expect(problem?.hint).toMatch(/[.]$/);
  };

  test('no manifest', () => check(() => rm(path.join(folder, 'member.json')), /member\.json/, /ENOENT/));
  test('no JSON', () => check(() => writeFile(path.join(folder, 'member.json'), '{'), /not JSON/));
  test('an unknown field', () =>
    check(() => changeManifest((manifest) => Object.assign(manifest, { colour: 'red' })), /colour/));
  test('a missing field', () =>
    check(() => changeManifest((manifest) => delete manifest.license), /license/));
  test('a path outside the folder', () =>
    check(() => changeManifest((manifest) => Object.assign(manifest, { model: '../model.onnx' })), /inside/));
  test('a model that is not among the files', () =>
    check(
      () => changeManifest((manifest) => Object.assign(manifest, { model: 'other.onnx' })),
      /other\.onnx is not listed/,
    ));
  test('a missing file', () =>
    check(() => rm(path.join(folder, 'model.onnx')), /lacks its file model\.onnx/, /again/));
  test('a file cut short', () =>
    check(() => truncate(path.join(folder, 'model.onnx'), 1000), /model\.onnx/, /1000 bytes instead/));
  test('a file with one byte changed', () =>
    check(
      async () => {
        const file = path.join(folder, 'model.onnx');
        const bytes = await readFile(file);
        bytes[bytes.length >> 1] ^= 1;
        await writeFile(file, bytes);
      },
      /model\.onnx/,
      /sha256 differs/,
    ));
});

describe('a member whose parts do not fit together is refused', () => {
  const check = async (change: (manifest: Record<string, unknown>) => void, reason: RegExp) => {
    await changeManifest(change);
    const { manifest } = await loadMemberManifest(folder);
    if (!manifest) throw new Error('the manifest itself should be accepted');
    const attempt = openNeuralMember(folder, manifest);
    await expect(attempt).rejects.toThrow(MemberError);
    await expect(attempt).rejects.toThrow(reason);
  };

  test('a marker that is no token', () =>
    check(
      (manifest) => Object.assign(manifest.fillInTheMiddle as object, { middle: '<MID>' }),
      /<MID> .* is not one special token/,
    ));
  test('an end token that is no token', () =>
    check((manifest) => Object.assign(manifest, { endTokens: ['</s>'] }), /<\/s>/));
  test('an export of the other kind', () =>
    check(
      (manifest) => Object.assign(manifest, { export: 'grow' }),
      /has no input "past_key_values\.0\.key"/,
    ));
  test('a model that is none', () =>
    check((manifest) => Object.assign(manifest, { model: 'config.json' }), /cannot be opened/));
});
