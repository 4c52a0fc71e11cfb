/** Bytes after the cursor that tell two places apart. */
const AFTER_CURSOR = 64;

/** Where in the text the cursor is, if the text holds the prefix, else -1. The suffix helps where it does so more than once. */
export function cursorIn(text: Uint8Array, prefix: Uint8Array, suffix: Uint8Array): number {
  const holds = (bytes: Uint8Array, at: number) =>
    at >= 0 && Buffer.compare(text.subarray(at, at + bytes.length), bytes) === 0;
  if (holds(prefix, 0)) return prefix.length;
  const beforeSuffix = text.length - suffix.length;
  if (holds(prefix, beforeSuffix - prefix.length) && holds(suffix, beforeSuffix)) return beforeSuffix;
  const haystack = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  const after = suffix.subarray(0, AFTER_CURSOR);
  let last = -1;
  for (let at = haystack.indexOf(prefix); at >= 0; at = haystack.indexOf(prefix, at + 1)) {
    last = at + prefix.length;
    if (holds(after, last)) return last;
  }
  return last;
}
