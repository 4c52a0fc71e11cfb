import { END } from '../symbols.ts';

/**
 * A token vocabulary sorted bytewise, with the trie of its tokens' prefixes. A trie node is a range
 * [low, high) of the sorted order, so after one cumulative sum the mass of every prefix is a difference of
 * two numbers. Node 0 is the root; a node's children are consecutive nodes, in the order of their bytes.
 */
export class SortedVocabulary {
  /** Number of ordinary tokens, N. */
  readonly size: number;
  /** Token ids in sorted order: N. */
  readonly ids: Int32Array;
  /** Per node: its range of the sorted order. */
  readonly low: Int32Array;
  readonly high: Int32Array;
  /** Per node: the id of the token that ends exactly here, or -1. */
  readonly token: Int32Array;
  /** Per node: its children are firstChild .. firstChild + childCount - 1. */
  readonly firstChild: Int32Array;
  readonly childCount: Int32Array;
  /** Per node: the byte that leads to it from its parent. */
  readonly byte: Uint8Array;
  /** Per token id: the trie node where it ends, or -1 for a token that stands for no bytes. */
  readonly nodeOfToken: Int32Array;
  /** Ids of the tokens that mean "the insertion is complete". */
  readonly endTokens: Int32Array;
  readonly #rootChild = new Int32Array(256).fill(-1);
  readonly #parent: Int32Array;

  /** @param tokens by id; null for a token that stands for no bytes (markers, padding). No two may be equal. */
  constructor(tokens: readonly (Uint8Array | null)[], endTokens: readonly number[]) {
    const order = sortedIds(tokens);
    this.ids = order.ids;
    this.size = order.ids.length;
    this.endTokens = Int32Array.from(endTokens);
    const trie = buildTrie(order);
    this.low = trie.low;
    this.high = trie.high;
    this.token = trie.token;
    this.firstChild = trie.firstChild;
    this.childCount = trie.childCount;
    this.byte = trie.byte;
    this.#parent = trie.parent;
    this.nodeOfToken = new Int32Array(tokens.length).fill(-1);
    for (let node = 0; node < this.token.length; node++) {
      if (this.token[node] >= 0) this.nodeOfToken[this.token[node]] = node;
    }
    for (let i = 0; i < this.childCount[0]; i++) {
      this.#rootChild[this.byte[this.firstChild[0] + i]] = this.firstChild[0] + i;
    }
  }

  /** Length of the rows that `prefixSums` fills: N + 1 cumulative sums, the end tokens' mass, the total. */
  get rowLength(): number {
    return this.size + 3;
  }

  /** The node reached from `node` by `byte`, or -1. */
  child(node: number, byte: number): number {
    if (node === 0) return this.#rootChild[byte];
    const first = this.firstChild[node];
    for (let i = first, end = first + this.childCount[node]; i < end; i++) {
      if (this.byte[i] === byte) return i;
    }
    return -1;
  }

  /**
   * One pass over a row of weights: row[i] = Σ of those of the first i sorted tokens, then the end tokens' mass and
   * the total of both. Unnormalised: a probability is a difference of sums over the total. Tokens that are
   * neither bytes nor an end get no mass; every other token gets some.
   */
  prefixSums(weights: Float32Array | Float64Array, offset: number, row: Float64Array): void {
    const { ids, size, endTokens } = this;
    let sum = 0;
    row[0] = 0;
    for (let i = 0; i < size; i++) {
      sum += LEAST + weights[offset + ids[i]];
      row[i + 1] = sum;
    }
    let end = 0;
    for (let i = 0; i < endTokens.length; i++) end += weights[offset + endTokens[i]];
    row[size + 1] = end;
    row[size + 2] = sum + end;
  }

  /** Unnormalised mass of all tokens that start with the bytes of `node`. */
  mass(row: Float64Array, node: number): number {
    return row[this.high[node]] - row[this.low[node]];
  }

  /** Unnormalised mass of the token that is exactly the bytes of `node`; 0 where there is none. */
  exactMass(row: Float64Array, node: number): number {
    const low = this.low[node];
    return this.token[node] < 0 ? 0 : row[low + 1] - row[low];
  }

  /** Adds `scale` × the next symbol's mass to `out` (SYMBOLS long), for text that stands at `node`. */
  addNext(row: Float64Array, node: number, scale: number, out: Float64Array): void {
    const { low, high, byte } = this;
    const first = this.firstChild[node];
    for (let i = first, end = first + this.childCount[node]; i < end; i++) {
      out[byte[i]] += scale * (row[high[i]] - row[low[i]]);
    }
    if (node === 0) out[END] += scale * row[this.size + 1];
  }

  /**
   * ln p of each byte of a token, given the text before it: the mass of the longer prefix over that of the
   * shorter. Returns ln p that the token then ends; with it the values add up to ln p of the token.
   */
  byteLogProbabilities(row: Float64Array, token: number, out: Float64Array): number {
    let node = this.nodeOfToken[token];
    const ends = Math.log(this.exactMass(row, node) / this.mass(row, node));
    for (let i = out.length - 1; i >= 0; i--) {
      const parent = this.#parent[node];
      const whole = parent === 0 ? row[this.size + 2] : this.mass(row, parent);
      out[i] = Math.log(this.mass(row, node) / whole);
      node = parent;
    }
    return ends;
  }

  /** The longest token that `bytes` from `from` to `to` start with, as a trie node; 0 where there is none. */
  longestToken(bytes: Uint8Array, from: number, to: number): number {
    let best = 0;
    for (let i = from, node = 0; i < to; i++) {
      node = this.child(node, bytes[i]);
      if (node < 0) break;
      if (this.token[node] >= 0) best = node;
    }
    return best;
  }

  /** The node that `bytes` from `from` to `to` lead to from the root, or -1. */
  walk(bytes: Uint8Array, from: number, to: number): number {
    let node = 0;
    for (let i = from; i < to && node >= 0; i++) node = this.child(node, bytes[i]);
    return node;
  }

  /** How many bytes lead to the node. */
  depth(node: number): number {
    let depth = 0;
    for (let at = node; at > 0; at = this.#parent[at]) depth++;
    return depth;
  }
}

/** Weight that a token gets at least: less would be lost in the sums, and the token with it. */
const LEAST = 1e-12;

interface SortedOrder {
  readonly ids: Int32Array;
  /** All tokens' bytes in sorted order, one after the other; token i from offsets[i] to offsets[i + 1]. */
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
}

function sortedIds(tokens: readonly (Uint8Array | null)[]): SortedOrder {
  // Latin-1 strings: one character a byte, compared by the engine's own memory comparison.
  const keyed: [string, number][] = [];
  for (const [id, token] of tokens.entries()) {
    if (token && token.length > 0) keyed.push([Buffer.from(token).toString('latin1'), id]);
  }
  keyed.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  const offsets = new Int32Array(keyed.length + 1);
  for (let i = 0; i < keyed.length; i++) offsets[i + 1] = offsets[i] + keyed[i][0].length;
  const bytes = Buffer.alloc(offsets[keyed.length]);
  for (let i = 0; i < keyed.length; i++) bytes.write(keyed[i][0], offsets[i], 'latin1');
  return { ids: Int32Array.from(keyed, (pair) => pair[1]), bytes, offsets };
}

/** Breadth first, so that a node's children are consecutive. */
function buildTrie({ ids, bytes, offsets }: SortedOrder) {
  const bound = bytes.length + 1;
  const low = new Int32Array(bound);
  const high = new Int32Array(bound);
  const token = new Int32Array(bound);
  const firstChild = new Int32Array(bound);
  const childCount = new Int32Array(bound);
  const parent = new Int32Array(bound);
  const byte = new Uint8Array(bound);
  high[0] = ids.length;
  let nNodes = 1;
  for (let node = 0, levelEnd = 1, depth = 0; node < nNodes; node++) {
    if (node === levelEnd) {
      levelEnd = nNodes;
      depth++;
    }
    const exact = depth > 0 && offsets[low[node] + 1] - offsets[low[node]] === depth;
    token[node] = exact ? ids[low[node]] : -1;
    firstChild[node] = nNodes;
    for (let i = exact ? low[node] + 1 : low[node]; i < high[node]; ) {
      const value = bytes[offsets[i] + depth];
      let end = i + 1;
      while (end < high[node] && bytes[offsets[end] + depth] === value) end++;
      low[nNodes] = i;
      high[nNodes] = end;
      parent[nNodes] = node;
      byte[nNodes++] = value;
      i = end;
    }
    childCount[node] = nNodes - firstChild[node];
  }
  return {
    low: low.slice(0, nNodes),
    high: high.slice(0, nNodes),
    token: token.slice(0, nNodes),
    firstChild: firstChild.slice(0, nNodes),
    childCount: childCount.slice(0, nNodes),
    parent: parent.slice(0, nNodes),
    byte: byte.slice(0, nNodes),
  };
}
