import { GrowingMemory } from './growingMemory.ts';
import { hashAt } from './searchableText.ts';
import { bytesOf, SlicePool, SMALLEST_SLICE } from './slicePool.ts';

/** The largest slice holds 64 words: a header and 63 positions. */
const TOP_LEVEL = 4;
/** A header: three bits of level, seven of the place of the next position, and whether old positions are overwritten. */
const LEVEL = 7;
const NEXT = 3;
const NEXT_MASK = 0x7f;
const WRAPPED = 1 << 20;

/** Buckets that one is split into. */
const FAN_OUT = 4;
const FIRST_BUCKETS = 1 << 12;
/** Positions for each bucket, on average. */
const LOAD = 8;
/** How many independent reads are started together, so that they miss the cache together. */
export const BATCH = 64;

export interface SavedPostings {
  readonly buckets: Uint8Array;
  readonly words: Uint8Array;
  readonly free: Uint8Array;
  /** Buckets before any of them was split, and how many were. */
  readonly size: number;
  readonly nSplit: number;
  readonly nPositions: number;
}

/**
 * The newest positions of each hash, 63 at most, side by side in memory, so that reading them costs one cache miss
 * instead of one each. A bucket is empty (0), one position (> 0) or a slice (the negative of its place). The number
 * of buckets grows by splitting a few at a time (linear hashing, Litwin 1980): no insertion has to wait for long.
 */
export class Postings {
  #buckets = new Int32Array(0);
  readonly #bucketMemory = new GrowingMemory();
  readonly #slices = new SlicePool();
  /** Whether the text of some positions is gone. */
  hasGaps = false;
  #nBuckets = FIRST_BUCKETS;
  #mask = FIRST_BUCKETS - 1;
  /** Buckets up to here have been split since there were mask + 1. */
  #nSplit = 0;
  #nPositions = 0;
  readonly #batch = new Int32Array(BATCH);
  readonly #list = new Int32Array(SMALLEST_SLICE << TOP_LEVEL);
  readonly #dealt = new Int32Array(SMALLEST_SLICE << TOP_LEVEL);
  readonly #parts = new Uint8Array(SMALLEST_SLICE << TOP_LEVEL);
  /** Keeps reads that only warm the cache from being optimised away. */
  #touched = 0;

  constructor() {
    this.#reserveBuckets();
  }

  get memoryBytes(): number {
    return this.#nBuckets * 4 + this.#slices.memoryBytes;
  }

  /** Puts the positions with this hash into `found`, newest first, until it is full; how many. */
  recall(hash: number, found: Int32Array): number {
    const bucket = this.#buckets[this.#bucketOf(hash)];
    if (bucket === 0) return 0;
    if (bucket > 0) {
      found[0] = bucket;
      return 1;
    }
    const slices = this.#slices.words;
    const base = -bucket;
    const header = slices[base];
    const next = (header >>> NEXT) & NEXT_MASK;
    let count = 0;
    for (let i = next - 1; i >= 1 && count < found.length; i--) found[count++] = slices[base + i];
    if ((header & WRAPPED) === 0) return count;
    const size = SMALLEST_SLICE << (header & LEVEL);
    for (let i = size - 1; i >= next && count < found.length; i--) found[count++] = slices[base + i];
    return count;
  }

  /** Enters up to BATCH positions of this text under their hashes. */
  insert(text: Uint8Array, hashes: Int32Array, positions: Int32Array, count: number): void {
    this.#makeRoom(text, count);
    const buckets = this.#buckets;
    const slices = this.#slices.words;
    const batch = this.#batch;
    let touched = 0;
    for (let i = 0; i < count; i++) {
      batch[i] = this.#bucketOf(hashes[i]);
      touched ^= buckets[batch[i]];
    }
    for (let i = 0; i < count; i++) touched ^= slices[Math.max(0, -buckets[batch[i]])];
    this.#touched ^= touched;
    for (let i = 0; i < count; i++) this.#append(text, batch[i], positions[i]);
  }

  clear(): void {
    this.#buckets.fill(0);
    this.#slices.clear();
    this.#nPositions = 0;
  }

  /** What `load` takes back; the buckets are the original ones, then three runs of those split off. */
  save(): SavedPostings {
    const { words, free } = this.#slices.save();
    const size = this.#mask + 1;
    const buckets = new Int32Array(this.#nBuckets);
    buckets.set(this.#buckets.subarray(0, size));
    for (let part = 1; part < FAN_OUT; part++) {
      const run = this.#buckets.subarray(part * size, part * size + this.#nSplit);
      buckets.set(run, size + (part - 1) * this.#nSplit);
    }
    return {
      buckets: bytesOf(buckets),
      words,
      free,
      size,
      nSplit: this.#nSplit,
      nPositions: this.#nPositions,
    };
  }

  load(saved: SavedPostings): void {
    const { size, nSplit } = saved;
    this.#slices.load(saved);
    this.#mask = size - 1;
    this.#nSplit = nSplit;
    this.#nPositions = saved.nPositions;
    this.#nBuckets = size + (FAN_OUT - 1) * nSplit;
    this.#reserveBuckets();
    const buckets = bytesOf(this.#buckets);
    buckets.set(saved.buckets.subarray(0, size * 4));
    for (let part = 1; part < FAN_OUT; part++) {
      const from = size + (part - 1) * nSplit;
      buckets.set(saved.buckets.subarray(from * 4, (from + nSplit) * 4), part * size * 4);
    }
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#nSplit ? hash & (FAN_OUT * this.#mask + FAN_OUT - 1) : bucket;
  }

  #append(text: Uint8Array, bucketIdx: number, position: number): void {
    const bucket = this.#buckets[bucketIdx];
    if (bucket === 0) {
      this.#buckets[bucketIdx] = position;
      this.#nPositions++;
      return;
    }
    if (bucket > 0) {
      this.#list[0] = bucket;
      this.#list[1] = position;
      this.#store(bucketIdx, this.#list, 2);
      this.#nPositions++;
      return;
    }
    const slices = this.#slices.words;
    const base = -bucket;
    const header = slices[base];
    const next = (header >>> NEXT) & NEXT_MASK;
    const level = header & LEVEL;
    if (next < SMALLEST_SLICE << level) {
      slices[base + next] = position;
      slices[base] = header + (1 << NEXT);
      if ((header & WRAPPED) === 0) this.#nPositions++;
      return;
    }
    if (level === TOP_LEVEL) {
      if (this.hasGaps && this.#purge(text, bucketIdx)) {
        this.#append(text, bucketIdx, position);
      } else {
        slices[base + 1] = position;
        slices[base] = WRAPPED | (2 << NEXT) | level;
      }
      return;
    }
    const larger = this.#slices.allocate(level + 1);
    const { words } = this.#slices;
    words.copyWithin(larger + 1, base + 1, base + next);
    words[larger + next] = position;
    words[larger] = ((next + 1) << NEXT) | (level + 1);
    this.#slices.release(base, level);
    this.#buckets[bucketIdx] = -larger;
    this.#nPositions++;
  }

  /** Makes room in a full slice by forgetting positions whose text is gone. False where there are none. */
  #purge(text: Uint8Array, bucketIdx: number): boolean {
    const base = -this.#buckets[bucketIdx];
    const list = this.#list;
    const count = this.#unroll(base);
    let nKept = 0;
    for (let i = 0; i < count; i++) if (text[list[i]] !== 0) list[nKept++] = list[i];
    if (nKept === count) return false;
    this.#slices.release(base, TOP_LEVEL);
    this.#store(bucketIdx, list, nKept);
    this.#nPositions -= count - nKept;
    return true;
  }

  /** Makes a bucket of a list of positions, oldest first. */
  #store(bucketIdx: number, list: Int32Array, count: number): void {
    if (count < 2) {
      this.#buckets[bucketIdx] = count === 0 ? 0 : list[0];
      return;
    }
    let level = 0;
    while (count >= SMALLEST_SLICE << level) level++;
    const base = this.#slices.allocate(level);
    const { words } = this.#slices;
    for (let i = 0; i < count; i++) words[base + 1 + i] = list[i];
    words[base] = ((count + 1) << NEXT) | level;
    this.#buckets[bucketIdx] = -base;
  }

  #makeRoom(text: Uint8Array, nNew: number): void {
    while (this.#nPositions + nNew > LOAD * this.#nBuckets) {
      const count = Math.min(BATCH, this.#mask + 1 - this.#nSplit);
      this.#warm(text, this.#nSplit, count);
      for (let i = 0; i < count; i++) this.#split(text, this.#nSplit);
    }
  }

  /** Brings what splitting these buckets reads into the cache. */
  #warm(text: Uint8Array, first: number, count: number): void {
    const slices = this.#slices.words;
    const buckets = this.#buckets;
    let touched = 0;
    for (let i = first; i < first + count; i++) touched ^= slices[Math.max(0, -buckets[i])];
    for (let i = first; i < first + count; i++) {
      const bucket = buckets[i];
      if (bucket > 0) touched ^= text[bucket];
      else if (bucket < 0) for (let k = 1; k <= 3; k++) touched ^= text[slices[k - bucket]];
    }
    this.#touched ^= touched;
  }

  /** Deals a bucket's hashes out to four, and forgets positions whose text is gone. */
  #split(text: Uint8Array, bucketIdx: number): void {
    const bucket = this.#buckets[bucketIdx];
    const list = this.#list;
    const step = this.#mask + 1;
    const shift = 31 - Math.clz32(step);
    const count = bucket < 0 ? this.#unroll(-bucket) : bucket === 0 ? 0 : 1;
    if (bucket > 0) list[0] = bucket;
    if (bucket < 0) this.#slices.release(-bucket, this.#slices.words[-bucket] & LEVEL);
    for (let i = 0; i < count; i++) {
      this.#parts[i] = text[list[i]] === 0 ? FAN_OUT : (hashAt(text, list[i]) >> shift) & (FAN_OUT - 1);
    }
    this.#nPositions -= count;
    for (let part = 0; part < FAN_OUT; part++) {
      let nDealt = 0;
      for (let i = 0; i < count; i++) if (this.#parts[i] === part) this.#dealt[nDealt++] = list[i];
      this.#store(bucketIdx + part * step, this.#dealt, nDealt);
      this.#nPositions += nDealt;
    }
    this.#nBuckets += FAN_OUT - 1;
    if (++this.#nSplit < step) return;
    this.#nSplit = 0;
    this.#mask = FAN_OUT * step - 1;
    this.#reserveBuckets();
  }

  /** Room for the buckets that splitting all of these makes. The system provides what is used. */
  #reserveBuckets(): void {
    this.#bucketMemory.reserve((this.#mask + 1) * FAN_OUT * 4);
    this.#buckets = new Int32Array(this.#bucketMemory.buffer);
  }

  /** Copies a slice's positions to #list, oldest first; how many. */
  #unroll(base: number): number {
    const slices = this.#slices.words;
    const header = slices[base];
    const next = (header >>> NEXT) & NEXT_MASK;
    let count = 0;
    if ((header & WRAPPED) !== 0) {
      for (let i = next; i < SMALLEST_SLICE << (header & LEVEL); i++) this.#list[count++] = slices[base + i];
    }
    for (let i = 1; i < next; i++) this.#list[count++] = slices[base + i];
    return count;
  }
}
