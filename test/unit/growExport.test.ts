import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measureAgreement } from '../../bench/support/agreement.ts';
import type { CacheContract } from '../../bench/support/decoderGraph.ts';
import { openForeignMember } from '../../bench/support/foreignMember.ts';
import type { DecoderSizes } from '../../bench/support/graphParts.ts';
import { randomOnnx } from '../../bench/support/models.ts';
import { dataType, GraphWriter } from '../../bench/support/onnx.ts';
import { IF_AT_HAND, NONE, REQUIRED } from '../../src/lm/neural/decoder.ts';
import { patchExport } from '../../src/lm/neural/exportPatch.ts';
import { openGrowDecoder } from '../../src/lm/neural/growDecoder.ts';
import { ROOT } from '../../src/lm/neural/tokenTree.ts';
import { openTwoPartDecoder } from '../../src/lm/neural/twoPartDecoder.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'grow-'));
});
afterAll(() => rm(folder, { recursive: true }));

const sizes: DecoderSizes = {
  vocabulary: 512,
  width: 32,
  layers: 2,
  heads: 2,
  keyValueHeads: 1,
  headSize: 16,
  hidden: 32,
  positions: 128,
  ropeBase: 10_000,
  normEpsilon: 1e-5,
};
const shape = {
  nLayers: 2,
  nKeyValueHeads: 1,
  headSize: 16,
  vocabularySize: sizes.vocabulary,
  nPositions: sizes.positions,
};
const tokens = [3, 141, 59, 265, 35, 89, 79, 323];

async function modelOf(contract: CacheContract): Promise<string> {
  const written = await randomOnnx({ folder }, sizes, contract);
  return path.join(written, contract === 'twoPart' ? 'model.onnx' : 'onnx/model_q4.onnx');
}

/** Reads the tokens in two runs; the rows that were given, and in how many passes. */
async function rowsOf(contract: CacheContract, wanted: number) {
  const open = contract === 'twoPart' ? openTwoPartDecoder : openGrowDecoder;
  const decoder = await open(await modelOf(contract), shape);
  const cache = decoder.createCache();
  const rows: (readonly number[] | undefined)[] = [];
  let passes = 0;
  let parent = ROOT;
  for (const run of [tokens.slice(0, 5), tokens.slice(5)]) {
    const nodes = Int32Array.from(run, (token) => {
      parent = cache.tree.add(parent, token);
      return parent;
    });
    const wants = new Uint8Array(run.length).fill(wanted);
    wants[run.length - 1] = REQUIRED;
    const given = cache.run(nodes, wants, run.length);
    passes += given.passes;
    for (const [i] of run.entries()) {
      const at = given.offsets[i];
      rows.push(at < 0 ? undefined : [...given.data.slice(at, at + sizes.vocabulary)].map(Math.log));
    }
  }
  await decoder.close();
  return { rows, passes };
}

describe('a model as others export it', () => {
  test.each([
    ['the last rows', NONE],
    ['the rows at hand', IF_AT_HAND],
    ['all rows', REQUIRED],
  ])('gives the log-probabilities that our own export gives: %s', async (_, wanted) => {
    const ours = await rowsOf('twoPart', wanted);
    const theirs = await rowsOf('growAllRows', wanted);
    expect(theirs.passes).toBe(2);
    for (const [i, row] of ours.rows.entries()) {
      const other = theirs.rows[i];
      expect(other === undefined).toBe(row === undefined);
      if (row && other) expect(Math.max(...row.map((x, j) => Math.abs(x - other[j])))).toBeLessThan(0.2);
    }
  });

  test('is patched once: precision where it was open, and rows chosen before the vocabulary', async () => {
    const { parts, isPatched, choosesRows } = patchExport(await readFile(await modelOf('growAllRows')));
    expect([isPatched, choosesRows]).toEqual([true, true]);
    for (const model of [Buffer.concat(parts), await readFile(await modelOf('grow'))]) {
      expect(patchExport(model)).toEqual({ parts: [model], isPatched: false, choosesRows: false });
    }
  });

  test('reads text as our own export does', async () => {
    const ours = await openForeignMember(folder, 'qwen2_5', 'twoPart');
    const theirs = await openForeignMember(folder, 'qwen2_5', 'growAllRows');
    const passage = {
      context: {
        documentId: 'a',
        languageId: 'typescript',
        prefix: Buffer.from('export function total(values: number[]) {\n  return val'),
        suffix: Buffer.from('\n}\n'),
      },
      bytes: Buffer.from('ues.reduce((a, b) =>'),
    };
    const agreement = await measureAgreement(
      [passage],
      { member: ours },
      { member: theirs, isDrafted: true },
    );
    expect(agreement.sameGreedy).toBeGreaterThan(0.9);
    expect(agreement.meanVariation).toBeLessThan(0.03);
    await Promise.all([ours.close(), theirs.close()]);
  });
});

test('a model with keys and values in float16 is refused, and the reason says so', async () => {
  const float16 = 10;
  const writer = new GraphWriter();
  writer.input('input_ids', dataType.int64, [1, 'k']);
  writer.input('past_key_values.0.key', float16, [1, 1, 'past', 16]);
  writer.node('Identity', ['past_key_values.0.key'], 'present.0.key');
  writer.node('Cast', ['input_ids'], 'logits', { to: 1n });
  writer.output('present.0.key', float16, [1, 1, 'past', 16]);
  writer.output('logits', dataType.float32, [1, 'k']);
  const file = path.join(folder, 'float16.onnx');
  await writeFile(file, Buffer.concat([...writer.model()]));
  await expect(openGrowDecoder(file, { ...shape, nLayers: 1 })).rejects.toThrow(
    'its model\'s input "past_key_values.0.key" is float16, not float32',
  );
});
