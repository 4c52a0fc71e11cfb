import { RECENT_BYTES } from '../member.ts';

/** Bytes remembered, so that a step back or a correction needs few new scores. */
const REMEMBERED = 4 * RECENT_BYTES;
/** How many of the last scored bytes may be taken back before others have to be scored. */
const TAKEN_BACK = 64;
/** Bytes before the cursor that are scored at a new place. */
export const SCORED_BYTES = RECENT_BYTES + TAKEN_BACK;
/** Fewer bytes in common than this are a coincidence, unless they are all there are. */
const COMMON = 16;

/** ln p of the bytes before the cursor, kept from one prefix to the next so that each byte is scored and learned once. */
export class RecentScores {
  readonly #bytes = new Uint8Array(REMEMBERED);
  readonly #scores = new Float64Array(REMEMBERED);
  #documentId = '';
  #length = 0;

  /**
   * How many of the last bytes of `tail`, the end of the document's text before the cursor, have to be scored so that
   * the last RECENT_BYTES have a score. That is all of them where the tail is new, which leaves some to step back to.
   */
  align(documentId: string, tail: Uint8Array): number {
    const needed = Math.min(RECENT_BYTES, tail.length);
    if (documentId === this.#documentId) {
      for (let back = 0; back <= Math.min(TAKEN_BACK, this.#length); back++) {
        const end = this.#length - back;
        for (let fresh = 0; fresh <= needed; fresh++) {
          const common = Math.min(end, tail.length - fresh);
          const isWhole = common === end && common === tail.length - fresh;
          if (common < needed - fresh || (common < COMMON && !isWhole)) continue;
          if (!this.#endsAt(end, tail, tail.length - fresh, common)) continue;
          this.#length = end;
          return fresh;
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

  /** Whether the remembered bytes before `end` are those of the tail before `tailEnd`, as many as `common`. */
  #endsAt(end: number, tail: Uint8Array, tailEnd: number, common: number): boolean {
    for (let i = 1; i <= common; i++) if (this.#bytes[end - i] !== tail[tailEnd - i]) return false;
    return true;
  }
}
