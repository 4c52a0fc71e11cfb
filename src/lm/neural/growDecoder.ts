import { readFile } from 'node:fs/promises';
import { MemberError } from '../../config/memberError.ts';
import { type Decoder, type DecoderCache, MAXIMUM_BATCH, NONE, REQUIRED, type TokenRows } from './decoder.ts';
import { logitRowsInput, patchExport } from './exportPatch.ts';
import {
  checkSignature,
  type DecoderShape,
  floatData,
  integers,
  openSession,
  probabilitiesOutput,
  type Session,
  softmax,
  Tensor,
  type Tensors,
} from './session.ts';
import { ROOT, TokenTree } from './tokenTree.ts';

/**
 * A decoder in the usual Hugging Face export, whose past grows by concatenation: inputs input_ids,
 * attention_mask, position_ids (where it has them), past_key_values.N.key/value; outputs logits (of all rows or
 * the last) and present.N.key/value. Each fork is a run of its own, and a run copies the whole past.
 */
export async function openGrowDecoder(modelPath: string, shape: DecoderShape): Promise<Decoder> {
  const { model, choosesRows } = await patchModel(modelPath);
  const session = openSession(modelPath, model);
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
    nPositions: shape.nPositions,
    createCache: () => new GrowCache(session, shape, choosesRows),
    close: async () => session.close(),
  };
}

/** A file that cannot be read, or is no model, is left to the session to complain about. */
async function patchModel(
  modelPath: string,
): Promise<{ readonly model: Uint8Array<ArrayBuffer>; readonly choosesRows: boolean }> {
  try {
    const file = await readFile(modelPath);
    const { parts, choosesRows } = patchExport(file);
    return { model: Buffer.concat([...parts, softmax()]), choosesRows };
  } catch (error) {
    throw new MemberError(
      `its model cannot be read: ${error instanceof Error ? error.message : error}`,
      'Get the file again.',
    );
  }
}

/** Keys and values of the first `length` tokens of a path, never changed: [1, keyValueHeads, length, headSize] each. */
interface Past {
  readonly length: number;
  readonly tensors: readonly Tensor[];
}

class GrowCache implements DecoderCache {
  readonly tree = new TokenTree();
  /** Where the rows cannot be chosen, known from the first run of several tokens on. */
  givesAllRows: boolean;
  readonly readsTrees = false;
  readonly #session: Session;
  readonly #shape: DecoderShape;
  /** Per node: a past whose first depth + 1 tokens are its path. A child's past serves its ancestors too. */
  readonly #pasts = new Map<number, Past>();
  readonly #names: readonly string[];
  readonly #outputNames: readonly string[];
  readonly #offsets = new Int32Array(MAXIMUM_BATCH);
  readonly #choosesRows: boolean;

  constructor(session: Session, shape: DecoderShape, choosesRows: boolean) {
    this.#session = session;
    this.#choosesRows = choosesRows;
    this.givesAllRows = choosesRows;
    this.#shape = shape;
    this.tree.onFree((node) => this.#pasts.delete(node));
    this.#names = Array.from(
      { length: 2 * shape.nLayers },
      (_, i) => `${i >> 1}.${i % 2 === 0 ? 'key' : 'value'}`,
    );
    this.#outputNames = [probabilitiesOutput, ...this.#names.map((name) => `present.${name}`)];
  }

  get bytes(): number {
    let bytes = 0;
    for (const { tensors } of new Set(this.#pasts.values())) {
      for (const tensor of tensors) bytes += tensor.size * 4;
    }
    return bytes;
  }

  run(nodes: Int32Array, wanted: Uint8Array, count: number): TokenRows {
    const { vocabularySize } = this.#shape;
    const parts: Float32Array[] = [];
    let total = 0;
    let passes = 0;
    for (let from = 0; from < count; passes++) {
      const to = this.#chainEnd(nodes, wanted, from, count);
      const rows = this.#runChain(nodes.subarray(from, to), wanted.subarray(from, to));
      const nRows = rows.length / vocabularySize;
      if (to - from > 1 && !this.#choosesRows) this.givesAllRows = nRows === to - from;
      // Rows from the last back: all of them, those chosen, or the last alone.
      for (let i = to - 1, row = nRows - 1; i >= from; i--) {
        const isGiven = row >= 0 && (wanted[i] !== NONE || !this.#choosesRows);
        this.#offsets[i] = isGiven && wanted[i] !== NONE ? total + row * vocabularySize : -1;
        if (isGiven) row--;
      }
      parts.push(rows);
      total += rows.length;
      from = to;
    }
    return { data: parts.length === 1 ? parts[0] : joined(parts, total), offsets: this.#offsets, passes };
  }

  /** A run takes tokens that follow one another, up to one whose row would be missed. */
  #chainEnd(nodes: Int32Array, wanted: Uint8Array, from: number, count: number): number {
    const mayGoOn = (i: number) => this.givesAllRows || wanted[i] !== REQUIRED;
    let to = from + 1;
    while (to < count && mayGoOn(to - 1) && this.tree.parent[nodes[to]] === nodes[to - 1]) to++;
    return to;
  }

  #runChain(nodes: Int32Array, wanted: Uint8Array): Float32Array {
    const { tree } = this;
    const parent = tree.parent[nodes[0]];
    const past = this.#pastOf(parent);
    const length = past.length + nodes.length;
    const feeds: Tensors = {
      input_ids: integers(
        BigInt64Array.from(nodes, (node) => BigInt(tree.token[node])),
        [1, nodes.length],
      ),
      attention_mask: integers(new BigInt64Array(length).fill(1n), [1, length]),
      position_ids: integers(
        BigInt64Array.from(nodes, (node) => BigInt(Math.min(tree.depth[node], this.#shape.nPositions - 1))),
        [1, nodes.length],
      ),
    };
    if (this.#choosesRows) feeds[logitRowsInput] = chosenRows(wanted);
    for (const [i, name] of this.#names.entries()) feeds[`past_key_values.${name}`] = past.tensors[i];
    for (const name of Object.keys(feeds)) {
      if (!this.#session.inputs.some((input) => input.name === name)) delete feeds[name];
    }
    const outputs = this.#session.run(feeds, this.#outputNames);
    const grown = { length, tensors: this.#names.map((name) => outputs[`present.${name}`]) };
    for (const node of nodes) this.#pasts.set(node, grown);
    for (let node = parent; node !== ROOT && this.#pasts.get(node) === past; node = tree.parent[node]) {
      this.#pasts.set(node, grown);
    }
    return floatData(outputs[probabilitiesOutput], 'logits');
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

/** At least one: a graph may not take none. */
function chosenRows(wanted: Uint8Array): Tensor {
  const rows = [...wanted.keys()].filter((i) => wanted[i] !== NONE);
  if (rows.length === 0) rows.push(wanted.length - 1);
  return integers(BigInt64Array.from(rows, BigInt), [rows.length]);
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
