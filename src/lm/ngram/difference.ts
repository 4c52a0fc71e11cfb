const BLOCK = 4096;

/** How many first bytes agree. */
export function commonPrefix(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  let at = 0;
  while (
    at + BLOCK <= length &&
    Buffer.compare(a.subarray(at, at + BLOCK), b.subarray(at, at + BLOCK)) === 0
  ) {
    at += BLOCK;
  }
  while (at < length && a[at] === b[at]) at++;
  return at;
}

/** How many last bytes agree, none of them before `from`. */
export function commonSuffix(a: Uint8Array, b: Uint8Array, from: number): number {
  const length = Math.min(a.length, b.length) - from;
  const ends = (kept: number) =>
    Buffer.compare(
      a.subarray(a.length - kept - BLOCK, a.length - kept),
      b.subarray(b.length - kept - BLOCK, b.length - kept),
    ) === 0;
  let kept = 0;
  while (kept + BLOCK <= length && ends(kept)) kept += BLOCK;
  while (kept < length && a[a.length - 1 - kept] === b[b.length - 1 - kept]) kept++;
  return kept;
}
