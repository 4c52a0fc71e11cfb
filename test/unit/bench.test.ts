import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { largestBundledMember } from '../../bench/support/bundled.ts';
import { writeGguf } from '../../bench/support/gguf.ts';
import type { DecoderSizes } from '../../bench/support/graphParts.ts';
import { bundledAsGrow, randomOnnx } from '../../bench/support/models.ts';
import { dataType, GraphWriter, readConstants } from '../../bench/support/onnx.ts';
import { intoReadme } from '../../bench/support/report.ts';
import { compare, distributionOf } from '../../bench/support/statistics.ts';
import { joinTimelines, timelineOf } from '../../bench/support/timeline.ts';
import { takeTurns } from '../../bench/support/timing.ts';
import { type Decoder, REQUIRED } from '../../src/lm/neural/decoder.ts';
import { openGrowDecoder } from '../../src/lm/neural/growDecoder.ts';
import { MessageWriter, readFields, readPacked } from '../../src/lm/neural/protobuf.ts';
import { parseDecoderShape } from '../../src/lm/neural/session.ts';
import { ROOT } from '../../src/lm/neural/tokenTree.ts';
import { openTwoPartDecoder } from '../../src/lm/neural/twoPartDecoder.ts';

describe('statistics', () => {
  test('quantiles interpolate', () => {
    expect(distributionOf([4, 1, 3, 2])).toEqual({
      n: 4,
      minimum: 1,
      p25: 1.75,
      p50: 2.5,
      p75: 3.25,
      p95: 3.8499999999999996,
      maximum: 4,
    });
  });

  test('a comparison is the ratio of the medians, spread over the ratios of the rounds', () => {
    const { ratio, rounds } = compare([2, 4, 30], [1, 4, 10]);
    expect([ratio, rounds.minimum, rounds.p50, rounds.maximum]).toEqual([1, 1, 2, 3]);
  });
});

test('contenders take turns, every other round backwards; warm-ups are not measured', async () => {
  const order: string[] = [];
  const contender = (name: string) => ({
    name,
    run: async (round: number) => {
      order.push(`${name}${round}`);
      return round;
    },
  });
  const measured = await takeTurns([contender('a'), contender('b')], { warmUps: 1, rounds: 2 });
  expect(order).toEqual(['b-1', 'a-1', 'a0', 'b0', 'b1', 'a1']);
  expect(measured).toEqual([
    [0, 1],
    [0, 1],
  ]);
});

describe('timelines of forward passes', () => {
  const pass = (threadId: number, start: number, end: number) => ({ threadId, start, end, nTokens: 1 });

  test('time that no member spends in a pass is outside', () => {
    const passes = [pass(1, 10, 14), pass(2, 11, 12), pass(1, 15, 16), pass(2, 15.5, 18), pass(1, 30, 40)];
    expect(timelineOf(passes, 9, 20)).toEqual({
      milliseconds: 11,
      slowest: { milliseconds: 5, passes: 2 },
      allPasses: 8.5,
      nPasses: 4,
      outside: 4,
    });
  });

  test('join by adding up', () => {
    const one = timelineOf([pass(1, 1, 2)], 0, 4);
    const two = timelineOf([pass(2, 5, 9)], 4, 10);
    const slowest = { milliseconds: 5, passes: 2 };
    expect(joinTimelines([one, two])).toEqual({
      milliseconds: 10,
      slowest,
      allPasses: 5,
      nPasses: 2,
      outside: 5,
    });
  });
});

describe('files', () => {
  test('a message is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
        fc.uint8Array({ maxLength: 300 }),
        (integer, bytes) => {
          const message = new MessageWriter()
            .integer(3, integer)
            .message(1, new MessageWriter().bytes(200, bytes));
          const [first, second] = readFields(Buffer.concat(message.parts));
          expect(first).toMatchObject({ number: 3, integer });
          const [inner] = 'bytes' in second ? readFields(second.bytes) : [];
          expect(inner.number).toBe(200);
          expect('bytes' in inner && [...inner.bytes]).toEqual([...bytes]);
        },
      ),
      { seed: 5, numRuns: 200 },
    );
    expect(readPacked(Uint8Array.of(3, 0x8e, 0x02, 0x9e, 0xa7, 0x05))).toEqual([3, 270, 86942]);
  });

  test('constants of a model are read as they were written', () => {
    const writer = new GraphWriter();
    const tensor = { dataType: dataType.uint8, dimensions: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
    writer.constant('w', tensor);
    writer.integers('sizes', [-1, 7]);
    const constants = readConstants(Buffer.concat([...writer.model()]));
    expect(constants.get('w')).toEqual(tensor);
    expect(constants.get('sizes')?.dimensions).toEqual([2]);
  });

  test('a GGUF file says how many tensors and values it has, and is as long as they need', () => {
    const bytes = Buffer.concat([...writeGguf(tiny)]);
    expect(bytes.subarray(0, 4).toString()).toBe('GGUF');
    expect([bytes.readUInt32LE(4), bytes.readBigUInt64LE(8), bytes.readBigUInt64LE(16)]).toEqual([
      3,
      20n,
      21n,
    ]);
    expect(bytes.length % 32).toBe(0);
  });

  test('the table goes between its markers, and nothing else changes', () => {
    const markers = ['<!-- bench: begin (npm run bench -- --readme) -->', '<!-- bench: end -->'];
    expect(intoReadme(`a\n${markers[0]}\nold\n${markers[1]}\nb`, 'new\n')).toBe(
      `a\n${markers[0]}\nnew\n${markers[1]}\nb`,
    );
    expect(() => intoReadme('a', 'new\n')).toThrow(markers[0]);
  });
});

describe('both exports of one model write the same', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bench-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function check(
    twoPart: string,
    grow: string,
    shape: Parameters<typeof openTwoPartDecoder>[1],
    largestMean: number,
  ): Promise<void> {
    const [ours, theirs] = [await openTwoPartDecoder(twoPart, shape), await openGrowDecoder(grow, shape)];
    try {
      const prompt = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % shape.vocabularySize);
      const written = greedy(ours, prompt, 30);
      const differences = greedy(theirs, prompt, 30, written.tokens).rows.map((row, i) =>
        totalVariation(row, written.rows[i]),
      );
      const mean = differences.reduce((a, b) => a + b) / differences.length;
      expect(mean).toBeLessThan(largestMean);
    } finally {
      await Promise.all([ours.close(), theirs.close()]);
    }
  }

  test('the largest bundled member', async () => {
    const member = await largestBundledMember();
    const exported = await bundledAsGrow({ folder }, member.folder);
    const shape = parseDecoderShape(
      JSON.parse(await readFile(path.join(member.folder, 'config.json'), 'utf8')),
    );
    await check(
      path.join(member.folder, 'model.onnx'),
      path.join(exported, 'onnx/model_quantized.onnx'),
      shape,
      ROUNDED_ACTIVATIONS,
    );
  });

  test('random weights of 4 bits', async () => {
    const twoPart = await randomOnnx({ folder }, tiny, 'twoPart');
    const grow = await randomOnnx({ folder }, tiny, 'grow');
    const shape = {
      nLayers: 2,
      nKeyValueHeads: 2,
      headSize: 16,
      vocabularySize: tiny.vocabulary,
      nPositions: tiny.positions,
    };
    await check(path.join(twoPart, 'model.onnx'), path.join(grow, 'onnx/model_q4.onnx'), shape, 1e-5);
  });
});

const tiny: DecoderSizes = {
  vocabulary: 1024,
  width: 64,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 16,
  hidden: 96,
  positions: 128,
  ropeBase: 10_000,
  normEpsilon: 1e-5,
};

/** The same weights; a sum in another order can round an activation to the next of its 8 bits (mean 0.004 where AMX adds). */
const ROUNDED_ACTIVATIONS = 0.02;

/** What a decoder writes after a prompt, or says about given tokens after it: each token and the distribution it is from. */
function greedy(decoder: Decoder, prompt: readonly number[], count: number, given?: readonly number[]) {
  const cache = decoder.createCache();
  const tokens: number[] = [];
  const rows: Float32Array[] = [];
  let parent = ROOT;
  let next: readonly number[] = prompt;
  while (tokens.length < count) {
    const nodes = Int32Array.from(next, (token) => {
      parent = cache.tree.add(parent, token);
      return parent;
    });
    const wanted = new Uint8Array(next.length);
    wanted[next.length - 1] = REQUIRED;
    const { data, offsets } = cache.run(nodes, wanted, next.length);
    const from = offsets[next.length - 1];
    const row = Float32Array.from(data.subarray(from, from + decoder.vocabularySize));
    next = [given?.[tokens.length] ?? row.indexOf(Math.max(...row))];
    tokens.push(next[0]);
    rows.push(row);
  }
  return { tokens, rows };
}

function totalVariation(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, probability, i) => sum + Math.abs(probability - b[i]), 0) / 2;
}
