/**
 * Which byte may come next so that the bytes so far stay a prefix of valid UTF-8 (The Unicode Standard, table
 * 3-7: no overlong forms, no surrogates, nothing above U+10FFFF). Starts between two characters.
 */
export class Utf8State {
  /** Inside a character, the bytes allowed next are `low..high`; between characters 0..0xf4 less 0x80..0xc1. */
  low = 0;
  high = 0xf4;
  #missing = 0;

  get betweenCharacters(): boolean {
    return this.#missing === 0;
  }

  /** Takes a byte that is allowed. */
  push(byte: number): void {
    this.#missing = this.#missing > 0 ? this.#missing - 1 : continuationBytes(byte);
    const inside = this.#missing > 0;
    this.low = inside ? (secondByteLow[byte] ?? 0x80) : 0;
    this.high = inside ? (secondByteHigh[byte] ?? 0xbf) : 0xf4;
  }
}

function continuationBytes(lead: number): number {
  if (lead >= 0xf0) return 3;
  if (lead >= 0xe0) return 2;
  return lead >= 0xc2 ? 1 : 0;
}

/** Lead bytes after which not every continuation byte may stand. No continuation byte is among the keys. */
const secondByteLow: Readonly<Record<number, number>> = { 224: 0xa0, 240: 0x90 };
const secondByteHigh: Readonly<Record<number, number>> = { 237: 0x9f, 244: 0x8f };
