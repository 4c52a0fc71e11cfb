/** The longest context that is counted. In bytes. */
export const LONGEST_COUNTED = 5;

/**
 * Hashes the contexts of 0, 1, 2 … bytes before `end` into `keys`, from `first` on; none is 0. Returns the length of
 * the longest: a 0 byte ends the context. In a million contexts about a hundred pairs share a hash, and a slot.
 */
export function hashContexts(bytes: Uint8Array, end: number, keys: Int32Array, first: number): number {
  let context = 0;
  let order = 0;
  keys[first] = 1;
  while (order < LONGEST_COUNTED && order < end) {
    const byte = bytes[end - 1 - order];
    if (byte === 0) break;
    order++;
    if (order <= 4) context |= byte << (8 * (order - 1));
    let hash = Math.imul(context + order, 0x9e3779b1);
    if (order === 5) hash = Math.imul(hash ^ (hash >>> 15) ^ byte, 0x2c1b3c6d);
    hash = Math.imul(hash ^ (hash >>> 15) ^ (order << 20), 0x85ebca6b);
    hash ^= hash >>> 13;
    keys[first + order] = hash === 0 ? 1 : hash;
  }
  return order;
}
