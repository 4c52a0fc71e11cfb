import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { type DecoderCache, REQUIRED } from '../../src/lm/neural/decoder.ts';
import { parseDecoderShape } from '../../src/lm/neural/session.ts';
import { ROOT } from '../../src/lm/neural/tokenTree.ts';
import { openTwoPartDecoder } from '../../src/lm/neural/twoPartDecoder.ts';
import { bundledMembersPath } from '../../src/server/memberFolders.ts';

const firstToken = 20;
const nTokens = 4000;

/** Reads pseudo-random tokens in one pass, as branches of equal length after `parent`. */
function readTokens(cache: DecoderCache, parent: number, [count, branches, seed]: readonly number[]) {
  const nodes = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const isFirst = i % (count / branches) === 0;
    const token = firstToken + (((i + 1) * 7919 + seed * 104_729) % nTokens);
    nodes[i] = cache.tree.add(isFirst ? parent : nodes[i - 1], token);
  }
  const { data } = cache.run(nodes, new Uint8Array(count).fill(REQUIRED), count);
  return { data: data.slice(), last: nodes[count - 1] };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i]));
  return largest;
}

/** Total variation between the distributions in `n` rows, on average. */
function meanVariation(a: ArrayLike<number>, b: ArrayLike<number>, n: number): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / 2 / n;
}

const members = readdirSync(bundledMembersPath()).filter((name) => name.startsWith('consort-'));

test.each(members)('%s: what other paths have left in the cache changes no probability', async (member) => {
  const folder = path.join(bundledMembersPath(), member);
  const shape = parseDecoderShape(JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8')));
  const decoder = await openTwoPartDecoder(path.join(folder, 'model.onnx'), shape);
  // Equally full caches: exactly the same.
  const caches = [decoder.createCache(), decoder.createCache()];
  for (const [which, cache] of caches.entries()) {
    for (let seed = 100; seed < 108; seed++) readTokens(cache, ROOT, [32, 2, seed + which * 1000]);
  }
  // And one that held nothing: another number of hidden slots may change the order of sums, and with it what is rounded
  // to 8 bits; how much depends on the processor.
  const readByAll = (empty: DecoderCache, read: readonly number[], parents: readonly number[]) => {
    const all = [...caches, empty].map((cache, which) => readTokens(cache, parents[which], read));
    const [first, second, alone] = all.map(({ data }) => data);
    expect(largestDifference(first, second)).toBeLessThan(1e-6);
    expect(meanVariation(first, alone, read[0])).toBeLessThan(0.01);
    return all.map(({ last }) => last);
  };
  const empty = decoder.createCache();
  let ends: readonly number[] = [ROOT, ROOT, ROOT];
  for (const read of [
    [1, 1, 0],
    [7, 1, 1],
    [20, 1, 2],
    [8, 2, 3],
  ]) {
    ends = readByAll(empty, read, ends);
  }
  // Where a path begins it attends to little, and what is hidden from it may score far above that.
  for (let seed = 0; seed < 40; seed++) {
    readByAll(decoder.createCache(), [16, 1, seed], [ROOT, ROOT, ROOT]);
  }
  await decoder.close();
});
