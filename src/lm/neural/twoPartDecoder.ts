import { MemberError } from '../../config/memberError.ts';
import { type Decoder, type DecoderCache, MAXIMUM_BATCH, NONE, type TokenRows } from './decoder.ts';
import { KeyValueSlabs, type ValueLayout } from './keyValueSlabs.ts';
import {
  checkSignature,
  type DecoderShape,
  floatData,
  integers,
  openSession,
  probabilitiesOutput,
  readWithEnd,
  type Session,
  softmax,
  Tensor,
  type Tensors,
} from './session.ts';
import { ROOT, TokenTree } from './tokenTree.ts';

/**
 * A decoder exported with two-part attention: the past keys and values are slabs that we own, a mask per row says
 * which slots are that row's past, and the outputs are the new rows only. Forks, prefill and rollback are
 * therefore the same call, and nothing is ever copied but the new rows.
 *
 * Inputs: input_ids, position_ids int64 [1, k]; past_mask float32 [k, capacity] and new_mask float32 [k, k],
 * added to the attention scores; logit_rows int64 [r]; past.N.key, past.N.value float32
 * [1, keyValueHeads, capacity, headSize], the values perhaps [1, keyValueHeads, headSize, capacity]. Outputs: logits
 * float32 [r, vocabulary]; present float32 [2 · layers, keyValueHeads, k, headSize].
 */
export async function openTwoPartDecoder(modelPath: string, shape: DecoderShape): Promise<Decoder> {
  const session = openSession(modelPath, await readModel(modelPath));
  const inputs: Record<string, string> = {
    input_ids: 'int64',
    position_ids: 'int64',
    past_mask: 'float32',
    new_mask: 'float32',
    logit_rows: 'int64',
  };
  for (let layer = 0; layer < shape.nLayers; layer++) {
    inputs[`past.${layer}.key`] = 'float32';
    inputs[`past.${layer}.value`] = 'float32';
  }
  checkSignature(session, inputs, { logits: 'float32', present: 'float32' });
  const valueLayout = valueLayoutOf(session);
  return {
    vocabularySize: shape.vocabularySize,
    nPositions: positionsOf(shape),
    createCache: () => new TwoPartCache(session, shape, valueLayout),
    close: async () => session.close(),
  };
}

async function readModel(modelPath: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readWithEnd(modelPath, softmax());
  } catch (error) {
    throw new MemberError(
      `its model cannot be read: ${error instanceof Error ? error.message : error}`,
      'Get the file again.',
    );
  }
}

/** The capacity is the dimension without a fixed size; an export that fixes neither has the values in rows. */
function valueLayoutOf({ inputs }: Session): ValueLayout {
  const value = inputs.find(({ name }) => name === 'past.0.value');
  const [, , third, fourth] = value?.symbolicDimensions ?? [];
  return fourth && !third ? 'turned' : 'rows';
}

/** Every such export has rotary tables for at least as many, more than its config.json says it was trained for. */
const LEAST_POSITIONS = 2048;

function positionsOf({ nPositions }: DecoderShape): number {
  return Number.isFinite(nPositions) ? Math.max(nPositions, LEAST_POSITIONS) : LEAST_POSITIONS;
}

const outputNames = [probabilitiesOutput, 'present'];

/**
 * Additive: no attention, as long as no hidden slot scores more than about 60 above the best one attended to: of one
 * that does so, e⁻²⁰ is left, less than a float32 sum notices. Bundled members come near that where a path begins. The
 * softmax turns a much lower value into denormal numbers, with which some processors are slow to multiply.
 */
const HIDDEN = -80;
const SLOTS_PER_BUCKET = 128;

class TwoPartCache implements DecoderCache {
  readonly tree = new TokenTree();
  readonly givesAllRows = true;
  readonly readsTrees = true;
  readonly #session: Session;
  readonly #shape: DecoderShape;
  readonly #slabs: KeyValueSlabs;
  /** Room for the past masks of the largest run: [MAXIMUM_BATCH, capacity]. */
  #masks = new Float32Array(0);
  readonly #lastPosition: number;
  readonly #feedsBySize = new Map<number, Tensors>();
  readonly #rowsBySize = new Map<number, Tensor>();
  readonly #offsets = new Int32Array(MAXIMUM_BATCH);
  /** Per slot: its index in the run under way, or -1. */
  #rowOfSlot = new Int32Array(0);

  constructor(session: Session, shape: DecoderShape, valueLayout: ValueLayout) {
    this.#session = session;
    this.#shape = shape;
    this.#slabs = new KeyValueSlabs(shape, valueLayout);
    this.#lastPosition = positionsOf(shape) - 1;
  }

  get bytes(): number {
    return this.#slabs.bytes + this.#masks.byteLength;
  }

  run(nodes: Int32Array, wanted: Uint8Array, count: number): TokenRows {
    if (this.tree.size > this.#slabs.capacity) this.#layOut(this.tree.size);
    const feeds = this.#feeds(count);
    this.#fillFeeds(feeds, nodes, count);
    feeds.logit_rows = this.#chooseRows(wanted, count);
    const outputs = this.#session.run(feeds, outputNames);
    this.#slabs.store(floatData(outputs.present, 'present'), nodes, count);
    return { data: floatData(outputs[probabilitiesOutput], 'logits'), offsets: this.#offsets, passes: 1 };
  }

  /** Tensors over buffers that are used again by every run of k tokens at this capacity. */
  #feeds(k: number): Tensors {
    const known = this.#feedsBySize.get(k);
    if (known) return known;
    const { capacity } = this.#slabs;
    const feeds: Tensors = {
      input_ids: integers(new BigInt64Array(k), [1, k]),
      position_ids: integers(new BigInt64Array(k), [1, k]),
      past_mask: new Tensor('float32', this.#masks.subarray(0, k * capacity), [k, capacity]),
      new_mask: new Tensor('float32', new Float32Array(k * k), [k, k]),
    };
    for (const [name, slab, dimensions] of this.#slabs.inputs()) {
      feeds[name] = new Tensor('float32', slab, dimensions);
    }
    this.#feedsBySize.set(k, feeds);
    return feeds;
  }

  /** Every row attends to its own path through the tree: slots of the past, and rows of this run. */
  #fillFeeds(feeds: Tensors, nodes: Int32Array, count: number): void {
    const { tree } = this;
    const { capacity } = this.#slabs;
    const ids = feeds.input_ids.data;
    const positions = feeds.position_ids.data;
    if (!(ids instanceof BigInt64Array && positions instanceof BigInt64Array)) return;
    const pastMask = floatData(feeds.past_mask, 'past_mask').fill(HIDDEN);
    const newMask = floatData(feeds.new_mask, 'new_mask').fill(HIDDEN);
    for (let i = 0; i < count; i++) this.#rowOfSlot[nodes[i]] = i;
    for (let i = 0; i < count; i++) {
      ids[i] = BigInt(tree.token[nodes[i]]);
      positions[i] = BigInt(Math.min(tree.depth[nodes[i]], this.#lastPosition));
      for (let node = nodes[i]; node !== ROOT; node = tree.parent[node]) {
        const row = this.#rowOfSlot[node];
        if (row < 0) pastMask[i * capacity + node] = 0;
        else newMask[i * count + row] = 0;
      }
    }
    for (let i = 0; i < count; i++) this.#rowOfSlot[nodes[i]] = -1;
  }

  #chooseRows(wanted: Uint8Array, count: number): Tensor {
    let nRows = 0;
    for (let i = 0; i < count; i++) {
      this.#offsets[i] = wanted[i] === NONE ? -1 : nRows++ * this.#shape.vocabularySize;
    }
    if (nRows === count) return this.#allRows(count);
    const rows = new BigInt64Array(Math.max(1, nRows));
    for (let i = 0, at = 0; i < count; i++) if (wanted[i] !== NONE) rows[at++] = BigInt(i);
    return integers(rows, [rows.length]);
  }

  #allRows(count: number): Tensor {
    const known = this.#rowsBySize.get(count);
    if (known) return known;
    const rows = integers(
      BigInt64Array.from({ length: count }, (_, i) => BigInt(i)),
      [count],
    );
    this.#rowsBySize.set(count, rows);
    return rows;
  }

  /** Larger slabs with the same slots, in steps that keep a little room. */
  #layOut(nSlots: number): void {
    const capacity = (Math.ceil(nSlots / SLOTS_PER_BUCKET) + (nSlots > 512 ? 1 : 0)) * SLOTS_PER_BUCKET;
    this.#slabs.grow(capacity);
    this.#masks = new Float32Array(MAXIMUM_BATCH * capacity);
    this.#rowOfSlot = new Int32Array(capacity).fill(-1);
    this.#feedsBySize.clear();
  }
}
