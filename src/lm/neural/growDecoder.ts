import { type Decoder, type DecoderCache, type LogitRows, MAXIMUM_BATCH, REQUIRED } from './decoder.ts';
import {
  checkSignature,
  type DecoderShape,
  floatData,
  type InferenceSession,
  integers,
  openSession,
  Tensor,
} from './session.ts';
import { ROOT, TokenTree } from './tokenTree.ts';

/**
 * A decoder in the usual Hugging Face export, whose past grows by concatenation: inputs input_ids,
 * attention_mask, position_ids (where it has them), past_key_values.N.key/value; outputs logits (of all rows or
 * the last) and present.N.key/value. Each fork is a run of its own, and a run copies the whole past.
 */
export async function openGrowDecoder(modelPath: string, shape: DecoderShape): Promise<Decoder> {
  const session = await openSession(modelPath);
  const inputs: Record<string, string> = { input_ids: 'int64' };
  const outputs: Record<string, string> = { logits: 'float32' };
  for (let layer = 0; layer < shape.nLayers; layer++) {
    for (const kind of ['key', 'value']) {
      inputs[`past_key_values.${layer}.${kind}`] = 'float32';
      outputs[`present.${layer}.${kind}`] = 'float32';
    }
  }
  checkSignature(session, inputs, outputs);
  return {
    vocabularySize: shape.vocabularySize,
    bytesPerToken: shape.nLayers * 2 * shape.nKeyValueHeads * shape.headSize * 4,
    createCache: () => new GrowCache(session, shape),
    close: () => session.release(),
  };
}

/** Keys and values of the first `length` tokens of a path, never changed: [1, keyValueHeads, length, headSize] each. */
interface Past {
  readonly length: number;
  readonly tensors: readonly Tensor[];
}

class GrowCache implements DecoderCache {
  readonly tree = new TokenTree();
  readonly #session: InferenceSession;
  readonly #shape: DecoderShape;
  /** Per node: a past whose first depth + 1 tokens are its path. A child's past serves its ancestors too. */
  readonly #pasts = new Map<number, Past>();
  readonly #names: readonly string[];
  readonly #offsets = new Int32Array(MAXIMUM_BATCH);

  constructor(session: InferenceSession, shape: DecoderShape) {
    this.#session = session;
    this.#shape = shape;
    this.tree.onFree((node) => this.#pasts.delete(node));
    this.#names = Array.from(
      { length: 2 * shape.nLayers },
      (_, i) => `${i >> 1}.${i % 2 === 0 ? 'key' : 'value'}`,
    );
  }

  get bytes(): number {
    let bytes = 0;
    for (const { tensors } of new Set(this.#pasts.values())) {
      for (const tensor of tensors) bytes += tensor.size * 4;
    }
    return bytes;
  }

  async run(nodes: Int32Array, wanted: Uint8Array, count: number): Promise<LogitRows> {
    const { vocabularySize } = this.#shape;
    const parts: Float32Array[] = [];
    let total = 0;
    let passes = 0;
    for (let from = 0; from < count; passes++) {
      const to = this.#chainEnd(nodes, wanted, from, count);
      const logits = await this.#runChain(nodes.subarray(from, to));
      const nRows = logits.length / vocabularySize;
      for (let i = from; i < to; i++) {
        const row = nRows - (to - i);
        this.#offsets[i] = wanted[i] && row >= 0 ? total + row * vocabularySize : -1;
      }
      parts.push(logits);
      total += logits.length;
      from = to;
    }
    return { data: parts.length === 1 ? parts[0] : joined(parts, total), offsets: this.#offsets, passes };
  }

  /** A run takes tokens that follow one another, up to one whose row must not be missed. */
  #chainEnd(nodes: Int32Array, wanted: Uint8Array, from: number, count: number): number {
    let to = from + 1;
    while (to < count && wanted[to - 1] !== REQUIRED && this.tree.parent[nodes[to]] === nodes[to - 1]) to++;
    return to;
  }

  async #runChain(nodes: Int32Array): Promise<Float32Array> {
    const { tree } = this;
    const parent = tree.parent[nodes[0]];
    const past = this.#pastOf(parent);
    const length = past.length + nodes.length;
    const feeds: Record<string, Tensor> = {
      input_ids: integers(
        BigInt64Array.from(nodes, (node) => BigInt(tree.token[node])),
        [1, nodes.length],
      ),
      attention_mask: integers(new BigInt64Array(length).fill(1n), [1, length]),
      position_ids: integers(
        BigInt64Array.from(nodes, (node) => BigInt(tree.depth[node])),
        [1, nodes.length],
      ),
    };
    for (const [i, name] of this.#names.entries()) feeds[`past_key_values.${name}`] = past.tensors[i];
    for (const name of Object.keys(feeds)) if (!this.#session.inputNames.includes(name)) delete feeds[name];
    const outputs = await this.#session.run(feeds);
    const grown = { length, tensors: this.#names.map((name) => outputs[`present.${name}`]) };
    for (const node of nodes) this.#pasts.set(node, grown);
    for (let node = parent; node !== ROOT && this.#pasts.get(node) === past; node = tree.parent[node]) {
      this.#pasts.set(node, grown);
    }
    return floatData(outputs.logits, 'logits');
  }

  #pastOf(node: number): Past {
    const { nKeyValueHeads, headSize } = this.#shape;
    const length = node === ROOT ? 0 : this.tree.depth[node] + 1;
    const past = this.#pasts.get(node);
    if (past?.length === length) return past;
    const tensors = this.#names.map((_, i) => {
      const data = new Float32Array(nKeyValueHeads * length * headSize);
      const from = past && floatData(past.tensors[i], 'present');
      for (let head = 0; from && past && head < nKeyValueHeads; head++) {
        const start = head * past.length * headSize;
        data.set(from.subarray(start, start + length * headSize), head * length * headSize);
      }
      return new Tensor('float32', data, [1, nKeyValueHeads, length, headSize]);
    });
    return { length, tensors };
  }
}

function joined(parts: readonly Float32Array[], total: number): Float32Array {
  const all = new Float32Array(total);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
