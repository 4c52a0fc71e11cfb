/** The longest context that is counted here. In bytes. */
export const LONGEST_COUNTED = 5;

const ORDERS = LONGEST_COUNTED + 1;
const STRIDE = 4;
const FIRST_SLOTS = 1 << 12;
/** Slots for each context, at least. */
const MOST_FILLED = 1.4;
/** The part of a successor that counts; above it stands the byte. */
const COUNT = 0xffffff;

/**
 * Counts of the byte that follows contexts of 0 to 5 bytes, with update exclusion: the longest context counts
 * occurrences, every shorter one counts in how many different longer contexts the byte followed, which is what
 * a model wants to fall back on (Kneser & Ney 1995; PPM's update exclusion). Hence removing undoes adding, in any order.
 *
 * A slot is four words: the context's hash, two successors and the block where more are; a block is three successors
 * and the next block. A successor is its byte (8 bits) and its count (24 bits).
 */
export class LowOrders {
  /** After `read`: the successors of each order in 256 places, how many they are, and the sum of their counts. */
  readonly successors = new Uint8Array(ORDERS * 256);
  readonly counts = new Float64Array(ORDERS * 256);
  readonly distinct = new Int32Array(ORDERS);
  readonly totals = new Float64Array(ORDERS);

  #slots = new Int32Array(FIRST_SLOTS * STRIDE);
  #blocks = new Int32Array(FIRST_SLOTS * STRIDE);
  #used = 0;
  #blocksUsed = 1;
  readonly #keys = new Int32Array(ORDERS);
  readonly #found = new Int32Array(ORDERS);
  #without = -1;

  get memoryBytes(): number {
    return this.#slots.byteLength + this.#blocks.byteLength;
  }

  /** Counts the bytes [from, to) of a document after their contexts. */
  add(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const top = this.#hash(bytes, at);
      const byte = bytes[at];
      for (let order = top; order >= 0 && this.#increment(this.#insert(this.#keys[order]), byte); order--);
    }
  }

  /** Takes back what `add` counted for these bytes. */
  remove(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const top = this.#hash(bytes, at);
      const byte = bytes[at];
      for (let order = top; order >= 0 && this.#decrement(this.#slot(this.#keys[order]), byte); order--);
    }
  }

  /**
   * Finds the contexts that end before `end`; how many orders have been seen, the longest last. `read` then reads them,
   * longest first. One occurrence of the byte `without` (-1 for none) after the longest context is left out.
   */
  find(context: Uint8Array, end: number, without: number): number {
    const top = this.#hash(context, end);
    let depth = 0;
    while (depth <= top) {
      const slot = this.#slot(this.#keys[depth]);
      if (slot < 0) break;
      this.#found[depth++] = slot;
    }
    this.#without = depth === top + 1 ? without : -1;
    return depth;
  }

  /** After `find`: reads the successors of one order. False where there are none. */
  read(order: number): boolean {
    this.#copySuccessors(this.#found[order], order * 256, order);
    if (this.#without >= 0 && !this.#leaveOut(order)) this.#without = -1;
    return this.totals[order] > 0;
  }

  /** How often this byte followed the context that was read. */
  countOf(order: number, byte: number): number {
    const first = order * 256;
    for (let i = first; i < first + this.distinct[order]; i++)
      if (this.successors[i] === byte) return this.counts[i];
    return 0;
  }

  snapshot(): { slots: Int32Array; blocks: Int32Array } {
    return { slots: this.#slots, blocks: this.#blocks.subarray(0, this.#blocksUsed * STRIDE) };
  }

  restore(snapshot: { slots: Int32Array; blocks: Int32Array }): void {
    this.#slots = snapshot.slots.slice();
    this.#blocks = snapshot.blocks.slice();
    this.#blocksUsed = this.#blocks.length / STRIDE;
    this.#used = 0;
    for (let i = 0; i < this.#slots.length; i += STRIDE) if (this.#slots[i] !== 0) this.#used++;
  }

  /** Hashes the contexts before `end` into #keys; the longest order, as a 0 byte ends the context. */
  #hash(bytes: Uint8Array, end: number): number {
    const keys = this.#keys;
    let context = 0;
    let order = 0;
    keys[0] = 1;
    while (order < LONGEST_COUNTED && order < end) {
      const byte = bytes[end - 1 - order];
      if (byte === 0) break;
      order++;
      if (order <= 4) context |= byte << (8 * (order - 1));
      let hash = Math.imul(context + order, 0x9e3779b1);
      if (order === 5) hash = Math.imul(hash ^ (hash >>> 15) ^ byte, 0x2c1b3c6d);
      hash = Math.imul(hash ^ (hash >>> 15) ^ (order << 20), 0x85ebca6b);
      hash ^= hash >>> 13;
      keys[order] = hash === 0 ? 1 : hash;
    }
    return order;
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

  /** True where the byte had not followed this context. */
  #increment(slot: number, byte: number): boolean {
    const slots = this.#slots;
    let spare = 0;
    for (let i = slot + 1; i <= slot + 2; i++) {
      if (slots[i] >>> 24 === byte) {
        slots[i]++;
        return false;
      }
      if (slots[i] === 0) spare = i;
    }
    const blocks = this.#blocks;
    let spareInBlock = -1;
    for (let block = slots[slot + 3]; block !== 0; block = blocks[block * STRIDE + 3]) {
      for (let i = block * STRIDE; i < block * STRIDE + 3; i++) {
        if (blocks[i] >>> 24 === byte) {
          blocks[i]++;
          return false;
        }
        if (blocks[i] === 0) spareInBlock = i;
      }
    }
    const successor = (byte << 24) | 1;
    if (spare > 0) slots[spare] = successor;
    else if (spareInBlock >= 0) blocks[spareInBlock] = successor;
    else slots[slot + 3] = this.#newBlock(successor, slots[slot + 3]);
    return true;
  }

  /** True where that was the last time that the byte followed this context. */
  #decrement(slot: number, byte: number): boolean {
    if (slot < 0) return false;
    const slots = this.#slots;
    for (let i = slot + 1; i <= slot + 2; i++) {
      if (slots[i] >>> 24 === byte) return decrementAt(slots, i);
    }
    const blocks = this.#blocks;
    for (let block = slots[slot + 3]; block !== 0; block = blocks[block * STRIDE + 3]) {
      for (let i = block * STRIDE; i < block * STRIDE + 3; i++) {
        if (blocks[i] >>> 24 === byte) return decrementAt(blocks, i);
      }
    }
    return false;
  }

  #newBlock(successor: number, next: number): number {
    const block = this.#blocksUsed++;
    const at = block * STRIDE;
    if (at >= this.#blocks.length) {
      const larger = new Int32Array(Math.ceil((this.#blocks.length * 1.25) / STRIDE) * STRIDE);
      larger.set(this.#blocks);
      this.#blocks = larger;
    }
    this.#blocks[at] = successor;
    this.#blocks[at + 3] = next;
    return block;
  }

  /** Makes room, by forgetting contexts without successors where they are many, else by growing. */
  #rehash(): void {
    const old = this.#slots;
    let live = 0;
    for (let i = 0; i < old.length; i += STRIDE)
      if (old[i + 1] !== 0 || old[i + 2] !== 0 || old[i + 3] !== 0) live++;
    this.#slots = new Int32Array(live * 2 > this.#used ? old.length * 2 : old.length);
    this.#used = live;
    const mask = this.#slots.length - 1;
    for (let i = 0; i < old.length; i += STRIDE) {
      if (old[i + 1] === 0 && old[i + 2] === 0 && old[i + 3] === 0) continue;
      let to = (old[i] << 2) & mask;
      while (this.#slots[to] !== 0) to = (to + STRIDE) & mask;
      for (let k = 0; k < STRIDE; k++) this.#slots[to + k] = old[i + k];
    }
  }

  #copySuccessors(slot: number, first: number, order: number): void {
    const slots = this.#slots;
    const blocks = this.#blocks;
    const { successors, counts } = this;
    let to = first;
    let total = 0;
    for (let i = slot + 1; i <= slot + 2; i++) {
      if (slots[i] === 0) continue;
      successors[to] = slots[i] >>> 24;
      counts[to++] = slots[i] & COUNT;
      total += slots[i] & COUNT;
    }
    for (let block = slots[slot + 3]; block !== 0; block = blocks[block * STRIDE + 3]) {
      for (let i = block * STRIDE; i < block * STRIDE + 3; i++) {
        if (blocks[i] === 0) continue;
        successors[to] = blocks[i] >>> 24;
        counts[to++] = blocks[i] & COUNT;
        total += blocks[i] & COUNT;
      }
    }
    this.distinct[order] = to - first;
    this.totals[order] = total;
  }

  /** True where that was the only occurrence, which then counted for the next shorter context too. */
  #leaveOut(order: number): boolean {
    const byte = this.#without;
    const first = order * 256;
    const last = first + this.distinct[order] - 1;
    for (let i = first; i <= last; i++) {
      if (this.successors[i] !== byte) continue;
      this.totals[order]--;
      if (--this.counts[i] > 0) return false;
      this.successors[i] = this.successors[last];
      this.counts[i] = this.counts[last];
      this.distinct[order]--;
      return true;
    }
    return false;
  }
}

function decrementAt(cells: Int32Array, i: number): boolean {
  if ((--cells[i] & COUNT) > 0) return false;
  cells[i] = 0;
  return true;
}
