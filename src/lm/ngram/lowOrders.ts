import { hashContexts, LONGEST_COUNTED } from './contextKeys.ts';
import { bytesOf, SlicePool, SMALLEST_SLICE } from './slicePool.ts';

const ORDERS = LONGEST_COUNTED + 1;
const STRIDE = 4;
/** Contexts whose slots are read together, so that they miss the cache together. */
const BATCH = 32;
const FIRST_SLOTS = 1 << 12;
/** Slots for each context, at least. */
const MOST_FILLED = 1.4;
/** The part of a successor that counts; above it stands the byte. */
const COUNT = 0xffffff;
const LEVEL = 7;

/**
 * Counts of the byte that follows contexts of 0 to 5 bytes, with update exclusion: the longest context counts
 * occurrences, every shorter one counts in how many different longer contexts the byte followed, which is what
 * a model wants to fall back on (Kneser & Ney 1995; PPM's update exclusion). Hence removing undoes adding, in any order.
 *
 * A slot is four words: the context's hash, two successors, and the slice where more are, 0 for none. A successor is
 * its byte (8 bits) and its count (24 bits). A slice begins with the sum of its counts; 0 ends its successors.
 */
export class LowOrders {
  /** After `measure`: the sum of an order's counts, and how many successors there are; 4 stands for more as well. */
  readonly totals = new Float64Array(ORDERS);
  readonly distinct = new Int32Array(ORDERS);

  #slots = new Int32Array(FIRST_SLOTS * STRIDE);
  readonly #slices = new SlicePool();
  #used = 0;
  readonly #keys = new Int32Array(ORDERS * BATCH);
  readonly #tops = new Int32Array(BATCH);
  readonly #found = new Int32Array(ORDERS);
  /** A byte of which one occurrence is left out, whether still, and of which orders it was. */
  #without = -1;
  #leavesOut = false;
  readonly #left = new Uint8Array(ORDERS);
  /** Keeps reads that only warm the cache from being optimised away. */
  #touched = 0;

  get memoryBytes(): number {
    return this.#slots.byteLength + this.#slices.memoryBytes;
  }

  /** Counts the bytes [from, to) of a document after their contexts. */
  add(bytes: Uint8Array, from: number, to: number): void {
    for (let start = from; start < to; start += BATCH) {
      const end = Math.min(to, start + BATCH);
      this.#prepare(bytes, start, end);
      for (let at = start; at < end; at++) {
        const first = (at - start) * ORDERS;
        let order = this.#tops[at - start];
        while (order >= 0 && this.#increment(this.#insert(this.#keys[first + order]), bytes[at])) order--;
      }
    }
  }

  /** Takes back what `add` counted for these bytes. */
  remove(bytes: Uint8Array, from: number, to: number): void {
    for (let start = from; start < to; start += BATCH) {
      const end = Math.min(to, start + BATCH);
      this.#prepare(bytes, start, end);
      for (let at = start; at < end; at++) {
        const first = (at - start) * ORDERS;
        let order = this.#tops[at - start];
        while (order >= 0 && this.#decrement(this.#slot(this.#keys[first + order]), bytes[at])) order--;
      }
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#slots.fill(0);
    this.#slices.clear();
    this.#used = 0;
  }

  /**
   * Finds the contexts that end before `end`; how many orders have been seen. `measure` and `spread` then read them,
   * longest first. One occurrence of the byte `without` (-1 for none) after the longest context is left out.
   */
  find(context: Uint8Array, end: number, without: number): number {
    const top = hashContexts(context, end, this.#keys, 0);
    for (let order = 2; order <= top; order++) this.#touch(order);
    let depth = 0;
    while (depth <= top) {
      const slot = this.#slot(this.#keys[depth]);
      if (slot < 0) break;
      this.#found[depth++] = slot;
    }
    this.#without = without;
    this.#leavesOut = without >= 0 && depth === top + 1;
    this.#left.fill(0);
    return depth;
  }

  /** Measures the successors of one order. False where there are none. */
  measure(order: number): boolean {
    const slots = this.#slots;
    const slot = this.#found[order];
    let total = (slots[slot + 1] & COUNT) + (slots[slot + 2] & COUNT);
    let distinct = slots[slot + 2] !== 0 ? 2 : slots[slot + 1] !== 0 ? 1 : 0;
    const link = slots[slot + 3];
    if (link !== 0) {
      const { words } = this.#slices;
      const base = baseOf(link);
      total += words[base];
      for (let i = base + 1; i < base + SMALLEST_SLICE && words[i] !== 0; i++) distinct++;
    }
    if (this.#leavesOut) {
      const count = this.countOf(order, this.#without);
      this.#left[order] = Math.min(1, count);
      total -= this.#left[order];
      // The only occurrence counted for the next shorter context too.
      this.#leavesOut = count === 1;
      if (count === 1) distinct--;
    }
    this.totals[order] = total;
    this.distinct[order] = distinct;
    return total > 0;
  }

  /** After `measure`: adds `scale` to each successor's place for every time that it was counted. */
  spread(order: number, scale: number, target: Float64Array): void {
    const slots = this.#slots;
    const slot = this.#found[order];
    for (let i = slot + 1; i <= slot + 2; i++) target[slots[i] >>> 24] += scale * (slots[i] & COUNT);
    if (this.#left[order] === 1) target[this.#without] -= scale;
    const link = slots[slot + 3];
    if (link === 0) return;
    const { words } = this.#slices;
    const base = baseOf(link);
    const end = base + sizeOf(link);
    for (let i = base + 1; i < end; i++) {
      const successor = words[i];
      if (successor === 0) return;
      target[successor >>> 24] += scale * (successor & COUNT);
    }
  }

  /** How often this byte followed the context that was found. */
  countOf(order: number, byte: number): number {
    const slots = this.#slots;
    const slot = this.#found[order];
    for (let i = slot + 1; i <= slot + 2; i++) if (slots[i] >>> 24 === byte) return slots[i] & COUNT;
    const link = slots[slot + 3];
    const { words } = this.#slices;
    for (let i = baseOf(link) + 1; i < baseOf(link) + sizeOf(link); i++) {
      if (words[i] >>> 24 === byte) return words[i] & COUNT;
    }
    return 0;
  }

  /** Copies of the tables, for `load`. */
  save(): { readonly slots: Uint8Array; readonly words: Uint8Array; readonly free: Uint8Array } {
    const { words, free } = this.#slices.save();
    return { slots: bytesOf(this.#slots.slice()), words: words.slice(), free: free.slice() };
  }

  load(saved: { readonly slots: Uint8Array; readonly words: Uint8Array; readonly free: Uint8Array }): void {
    this.#slices.load(saved);
    this.#slots = new Int32Array(saved.slots.length / 4);
    bytesOf(this.#slots).set(saved.slots);
    this.#used = 0;
    for (let i = 0; i < this.#slots.length; i += STRIDE) if (this.#slots[i] !== 0) this.#used++;
  }

  /** Hashes the contexts of a batch, and brings the slots of the long ones into the cache. */
  #prepare(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++)
      this.#tops[at - start] = hashContexts(bytes, at, this.#keys, (at - start) * ORDERS);
    for (let i = ORDERS - 1; i < (end - start) * ORDERS; i += ORDERS) this.#touch(i);
    for (let i = ORDERS - 2; i < (end - start) * ORDERS; i += ORDERS) this.#touch(i);
  }

  #touch(keyIdx: number): void {
    this.#touched ^= this.#slots[(this.#keys[keyIdx] << 2) & (this.#slots.length - 1)];
  }

  #slot(key: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let i = (key << 2) & mask; slots[i] !== 0; i = (i + STRIDE) & mask) if (slots[i] === key) return i;
    return -1;
  }

  #insert(key: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let i = (key << 2) & mask;
    while (slots[i] !== 0) {
      if (slots[i] === key) return i;
      i = (i + STRIDE) & mask;
    }
    if (this.#used * STRIDE * MOST_FILLED > slots.length) {
      this.#rehash();
      return this.#insert(key);
    }
    this.#used++;
    slots[i] = key;
    return i;
  }

  /** True where the byte had not followed this context. Successors stand without gaps: two in the slot, then the slice. */
  #increment(slot: number, byte: number): boolean {
    const slots = this.#slots;
    for (let i = slot + 1; i <= slot + 2; i++) {
      if (slots[i] === 0) {
        slots[i] = (byte << 24) | 1;
        return true;
      }
      if (slots[i] >>> 24 === byte) {
        slots[i]++;
        return false;
      }
    }
    return this.#incrementInSlice(slot, byte);
  }

  #incrementInSlice(slot: number, byte: number): boolean {
    let base = baseOf(this.#slots[slot + 3]);
    const end = base + sizeOf(this.#slots[slot + 3]);
    const { words } = this.#slices;
    let i = base + 1;
    for (; i < end && words[i] !== 0; i++) {
      if (words[i] >>> 24 !== byte) continue;
      words[i]++;
      words[base]++;
      return false;
    }
    if (i >= end) {
      i = this.#enlarge(slot) + Math.max(1, end - base);
      base = baseOf(this.#slots[slot + 3]);
    }
    this.#slices.words[i] = (byte << 24) | 1;
    this.#slices.words[base]++;
    return true;
  }

  /** Gives a slot a slice twice as large; where it begins. */
  #enlarge(slot: number): number {
    const link = this.#slots[slot + 3];
    const level = link === 0 ? 0 : (link & LEVEL) + 1;
    const base = this.#slices.allocate(level);
    const { words } = this.#slices;
    words.copyWithin(base, baseOf(link), baseOf(link) + sizeOf(link));
    words.fill(0, base + sizeOf(link), base + (SMALLEST_SLICE << level));
    if (link !== 0) this.#slices.release(baseOf(link), link & LEVEL);
    this.#slots[slot + 3] = base * 2 + level;
    return base;
  }

  /** True where that was the last time that the byte followed this context. */
  #decrement(slot: number, byte: number): boolean {
    if (slot < 0) return false;
    const slots = this.#slots;
    for (let i = slot + 1; i <= slot + 2; i++) {
      if (slots[i] >>> 24 !== byte) continue;
      if ((--slots[i] & COUNT) > 0) return false;
      slots[i] = 0;
      slots[i] = this.#takeLast(slot);
      return true;
    }
    const { words } = this.#slices;
    const base = baseOf(slots[slot + 3]);
    const end = base + sizeOf(slots[slot + 3]);
    for (let i = base + 1; i < end; i++) {
      if (words[i] >>> 24 !== byte) continue;
      words[base]--;
      if ((--words[i] & COUNT) > 0) return false;
      const last = this.#takeLast(slot);
      if (last >>> 24 !== byte) {
        words[i] = last;
        words[base] += last & COUNT;
      }
      return true;
    }
    return false;
  }

  /** Takes a slot's last successor out, so that it can fill the gap of one that is gone; 0 where there is none. */
  #takeLast(slot: number): number {
    const slots = this.#slots;
    const link = slots[slot + 3];
    if (link === 0) {
      const successor = slots[slot + 2];
      slots[slot + 2] = 0;
      return successor;
    }
    const { words } = this.#slices;
    const base = baseOf(link);
    let last = base + sizeOf(link) - 1;
    while (words[last] === 0) last--;
    const successor = words[last];
    words[last] = 0;
    words[base] -= successor & COUNT;
    if (last === base + 1) {
      this.#slices.release(base, link & LEVEL);
      slots[slot + 3] = 0;
    }
    return successor;
  }

  /** Makes room, by forgetting contexts without successors where they are many, else by growing. */
  #rehash(): void {
    const old = this.#slots;
    let live = 0;
    for (let i = 0; i < old.length; i += STRIDE) if (old[i + 1] !== 0) live++;
    this.#slots = new Int32Array(live * 2 > this.#used ? old.length * 2 : old.length);
    this.#used = live;
    const mask = this.#slots.length - 1;
    for (let i = 0; i < old.length; i += STRIDE) {
      if (old[i + 1] === 0) continue;
      let to = (old[i] << 2) & mask;
      while (this.#slots[to] !== 0) to = (to + STRIDE) & mask;
      for (let k = 0; k < STRIDE; k++) this.#slots[to + k] = old[i + k];
    }
  }
}

/** A link is twice the place of a slice, plus its level. */
function baseOf(link: number): number {
  return (link >>> 3) << 2;
}

function sizeOf(link: number): number {
  return link === 0 ? 0 : SMALLEST_SLICE << (link & LEVEL);
}
