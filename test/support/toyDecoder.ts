import type { DecoderCache, TokenRows } from '../../src/lm/neural/decoder.ts';
import { NONE } from '../../src/lm/neural/decoder.ts';
import { ROOT, TokenTree } from '../../src/lm/neural/tokenTree.ts';

/** A deterministic pseudo-random generator (mulberry32), from 0 to 1. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Logits that depend on the last three tokens and the seed only, spread over `range`. */
export function toyLogits(path: readonly number[], size: number, seed: number, range = 4): Float32Array {
  let hash = seed + 1;
  for (const token of path.slice(-3)) hash = Math.imul(hash ^ (token + 1), 0x9e3779b1) >>> 0;
  const random = seededRandom(hash);
  return Float32Array.from({ length: size }, () => range * random());
}

/** A decoder without a network: any function of the path serves to test what is built on top. */
export function toyCache(size: number, seed: number, range?: number): DecoderCache & { nRead: number } {
  const tree = new TokenTree();
  return {
    tree,
    bytes: 0,
    givesAllRows: true,
    readsTrees: true,
    nRead: 0,
    run(nodes: Int32Array, wanted: Uint8Array, count: number): TokenRows {
      this.nRead += count;
      const rows: Float64Array[] = [];
      const offsets = new Int32Array(count).fill(-1);
      for (let i = 0; i < count; i++) {
        if (wanted[i] === NONE) continue;
        offsets[i] = rows.length * size;
        rows.push(Float64Array.from(toyLogits(pathOf(tree, nodes[i]), size, seed, range), Math.exp));
      }
      const data = new Float64Array(rows.length * size);
      for (const [i, row] of rows.entries()) data.set(row, i * size);
      return { data, offsets, passes: 1 };
    },
  };
}

function pathOf(tree: TokenTree, node: number): number[] {
  const path: number[] = [];
  for (let at = node; at !== ROOT; at = tree.parent[at]) path.unshift(tree.token[at]);
  return path;
}
