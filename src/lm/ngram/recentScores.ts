import { RECENT_BYTES } from '../member.ts';

/** Bytes remembered, so that a step back or a correction needs few new scores. */
const REMEMBERED = 4 * RECENT_BYTES;
/** How many of the last scored bytes may have been taken back since. */
const TAKEN_BACK = 64;
/** Fewer bytes in common than this are a coincidence. */
const COMMON = 16;

/** ln p of the bytes before the cursor, kept from one prefix to the next so that each byte is scored and learned once. */
export class RecentScores {
  readonly #bytes = new Uint8Array(REMEMBERED);
  readonly #scores = new Float64Array(REMEMBERED);
  #documentId = '';
  #length = 0;

  /** How many of the last bytes of `tail`, the end of the document's text before the cursor, have no score yet. */
  align(documentId: string, tail: Uint8Array): number {
    if (documentId === this.#documentId) {
      for (let back = 0; back <= Math.min(TAKEN_BACK, this.#length); back++) {
        const end = this.#length - back;
        for (let common = Math.min(tail.length, end); common >= COMMON; common--) {
          if (!this.#endsAt(end, tail, common)) continue;
          this.#length = end;
          return tail.length - common;
        }
      }
    }
    this.#documentId = documentId;
    this.#length = 0;
    return tail.length;
  }

  push(byte: number, score: number): void {
    if (this.#length === REMEMBERED) {
      this.#length = REMEMBERED / 2;
      this.#bytes.copyWithin(0, this.#length);
      this.#scores.copyWithin(0, this.#length);
    }
    this.#bytes[this.#length] = byte;
    this.#scores[this.#length++] = score;
  }

  /** The last scores, the newest last. */
  last(count: number): Float64Array {
    return this.#scores.slice(this.#length - count, this.#length);
  }

  /** Whether the remembered bytes before `end` are the first `common` ones of the tail. */
  #endsAt(end: number, tail: Uint8Array, common: number): boolean {
    for (let i = 1; i <= common; i++) if (this.#bytes[end - i] !== tail[common - i]) return false;
    return true;
  }
}
