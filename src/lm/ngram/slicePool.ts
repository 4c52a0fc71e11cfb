import { GrowingMemory } from './growingMemory.ts';

/** Words in a slice of level 0; each level has twice as many. */
export const SMALLEST_SLICE = 4;
const LEVELS = 8;

/** Runs of 4, 8, 16 … 512 words. A released slice is used again for the next one of its size. */
export class SlicePool {
  /** All slices; replaced when the pool grows. */
  words: Int32Array;
  readonly #memory = new GrowingMemory();
  /** The first free slice of each level; its first word leads to the next. */
  readonly #free = new Int32Array(LEVELS);
  /** No slice is at 0, which can stand for none. */
  #end = SMALLEST_SLICE;

  constructor() {
    this.words = new Int32Array(this.#memory.buffer);
  }

  get memoryBytes(): number {
    return this.#memory.byteLength;
  }

  /** Where a new slice begins, a multiple of SMALLEST_SLICE. Its words are not cleared. */
  allocate(level: number): number {
    const free = this.#free[level];
    if (free !== 0) {
      this.#free[level] = this.words[free];
      return free;
    }
    const base = this.#end;
    this.#end += SMALLEST_SLICE << level;
    if (this.#memory.reserve(this.#end * 4)) this.words = new Int32Array(this.#memory.buffer);
    return base;
  }

  release(base: number, level: number): void {
    this.words[base] = this.#free[level];
    this.#free[level] = base;
  }

  clear(): void {
    this.#free.fill(0);
    this.#end = SMALLEST_SLICE;
  }

  /** The bytes that `load` takes back; the first are a view of live memory. */
  save(): { readonly words: Uint8Array; readonly free: Uint8Array } {
    return { words: new Uint8Array(this.#memory.buffer, 0, this.#end * 4), free: bytesOf(this.#free) };
  }

  load({ words, free }: { readonly words: Uint8Array; readonly free: Uint8Array }): void {
    this.#end = words.length / 4;
    this.#memory.load(words);
    this.words = new Int32Array(this.#memory.buffer);
    bytesOf(this.#free).set(free);
  }
}

/** The memory of an array. */
export function bytesOf(array: Int32Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
