const SPACE = 32;
/** A window's smallest size and the distance of its beginnings. In bytes. */
const WINDOW = { smallest: 131_072, step: 65_536 };

/** A copy of the text with spaces for 0 bytes, which separate documents in the index. */
export function withoutZeros(text: Uint8Array): Uint8Array {
  const bytes = text.slice();
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) bytes[at] = SPACE;
  return bytes;
}

/** The end of a long prefix; it begins at the same place as long as only a little is typed. */
export function windowOf(prefix: Uint8Array): Uint8Array {
  return prefix.subarray(
    Math.max(0, Math.floor((prefix.length - WINDOW.smallest) / WINDOW.step)) * WINDOW.step,
  );
}
