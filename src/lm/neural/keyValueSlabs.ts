import type { DecoderShape } from './session.ts';

/** How a graph takes the past values. */
export type ValueLayout =
  /** [1, keyValueHeads, capacity, headSize], as the keys. */
  | 'rows'
  /** [1, keyValueHeads, headSize, capacity]: ONNX Runtime multiplies with these without copying them first. */
  | 'turned';

const NOTHING = new Float32Array(0);
/** Slots that a slab in one run has room for from the start. */
const LEAST_ROOM = 1024;

/** The keys and values of the tokens of one cache, each token in a slot. */
export class KeyValueSlabs {
  readonly #shape: DecoderShape;
  readonly #valueLayout: ValueLayout;
  /** Keys and values of layer N at 2N and 2N + 1. */
  #slabs: readonly Float32Array[] = [];
  #capacity = 0;

  constructor(shape: DecoderShape, valueLayout: ValueLayout) {
    this.#shape = shape;
    this.#valueLayout = valueLayout;
  }

  /** How many slots there are. */
  get capacity(): number {
    return this.#capacity;
  }

  get bytes(): number {
    return this.#slabs.reduce((sum, slab) => sum + slab.byteLength, 0);
  }

  /** As a graph's inputs: names, data and dimensions; until the capacity changes. */
  *inputs(): Generator<readonly [string, Float32Array, readonly number[]]> {
    const { nKeyValueHeads, headSize } = this.#shape;
    for (const [i, slab] of this.#slabs.entries()) {
      const sizes = this.#isTurned(i) ? [headSize, this.#capacity] : [this.#capacity, headSize];
      yield [`past.${i >> 1}.${i % 2 === 0 ? 'key' : 'value'}`, slab, [1, nKeyValueHeads, ...sizes]];
    }
  }

  /** Puts new rows, [2 · layers, keyValueHeads, count, headSize], into these slots. */
  store(rows: Float32Array, slots: Int32Array, count: number): void {
    const { nKeyValueHeads, headSize } = this.#shape;
    const capacity = this.#capacity;
    let from = 0;
    for (const [i, slab] of this.#slabs.entries()) {
      const isTurned = this.#isTurned(i);
      const stride = isTurned ? capacity : 1;
      for (let head = 0; head < nKeyValueHeads; head++) {
        const first = head * capacity * headSize;
        for (let k = 0; k < count; k++) {
          let to = first + (isTurned ? slots[k] : slots[k] * headSize);
          for (let end = from + headSize; from < end; from++, to += stride) slab[to] = rows[from];
        }
      }
    }
  }

  /** Larger slabs with the same in their slots; those that are new hold zeros. */
  grow(capacity: number): void {
    const { nLayers, nKeyValueHeads, headSize } = this.#shape;
    const size = nKeyValueHeads * headSize;
    this.#slabs = Array.from({ length: 2 * nLayers }, (_, i) => {
      const old = this.#slabs[i] ?? NOTHING;
      const nRuns = this.#isTurned(i) ? size : nKeyValueHeads;
      // One run grows into the room behind it, which the system provides as it is used.
      if (nRuns === 1 && old.buffer.byteLength >= 4 * size * capacity)
        return new Float32Array(old.buffer, 0, size * capacity);
      const room = nRuns === 1 ? Math.max(capacity, LEAST_ROOM) : capacity;
      const slab = new Float32Array(size * room);
      const [oldRun, run] = [old.length / nRuns, (size * capacity) / nRuns];
      for (let j = 0; j < nRuns; j++) slab.set(old.subarray(j * oldRun, (j + 1) * oldRun), j * run);
      return slab.subarray(0, size * capacity);
    });
    this.#capacity = capacity;
  }

  #isTurned(slab: number): boolean {
    return slab % 2 === 1 && this.#valueLayout === 'turned';
  }
}
