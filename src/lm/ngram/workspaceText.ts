import { type ChainedText, contextHash, MINIMUM_MATCH } from './chainedText.ts';
import { GrowingMemory } from './growingMemory.ts';

const FIRST_BITS = 12;
/** Text bytes per hash bucket beyond which the number of buckets doubles. */
const BYTES_PER_BUCKET = 6;

/** Many whole files, appended one after the other: 1 byte of text, 4 of chain and about 1 of buckets each. */
export class WorkspaceText implements ChainedText {
  text: Uint8Array;
  head = new Int32Array(0);
  previous: Int32Array;
  shift = 32;
  /** Bytes in use, separators and removed files included. */
  size = 1;
  /** Bytes of removed files. */
  removed = 0;
  readonly #text = new GrowingMemory();
  readonly #previous = new GrowingMemory();
  #head = new GrowingMemory();

  constructor() {
    this.text = new Uint8Array(this.#text.buffer);
    this.previous = new Int32Array(this.#previous.buffer);
    this.#setBuckets(FIRST_BITS);
  }

  get memoryBytes(): number {
    return this.#text.byteLength + this.#previous.byteLength + this.#head.byteLength;
  }

  /** Appends a file that holds no 0 byte; the position of its first byte. */
  append(bytes: Uint8Array): number {
    const start = this.size;
    const end = start + bytes.length;
    if (this.#text.reserve(end + 2)) this.text = new Uint8Array(this.#text.buffer);
    if (this.#previous.reserve((end + 2) * 4)) this.previous = new Int32Array(this.#previous.buffer);
    this.text.set(bytes, start);
    this.size = end + 1;
    let bits = 32 - this.shift;
    while (this.size > BYTES_PER_BUCKET * 2 ** bits) bits++;
    if (bits > 32 - this.shift) this.#chainAnew(bits);
    else this.#chain(start, end);
    return start;
  }

  /** Forgets a file: its zeroed text matches nothing. The space comes back with `compact`. */
  remove(start: number, length: number): void {
    this.text.fill(0, start, start + length);
    this.removed += length;
  }

  /** Closes the gaps. `files` are the starts and lengths of all files, ascending; their starts are updated. */
  compact(files: readonly { start: number; readonly length: number }[]): void {
    let end = 1;
    for (const file of files) {
      this.text.copyWithin(end, file.start, file.start + file.length);
      file.start = end;
      end += file.length;
      this.text[end++] = 0;
    }
    this.text.fill(0, end, this.size);
    this.size = end;
    this.removed = 0;
    this.#chainAnew(32 - this.shift);
  }

  weightOf(): number {
    return 1;
  }

  continuation(): number {
    return 0;
  }

  /** The arrays that `restore` takes back. Views of live memory: copy or write them before the next change. */
  snapshot(): { text: Uint8Array; head: Int32Array; previous: Int32Array } {
    return {
      text: this.text.subarray(0, this.size),
      head: this.head,
      previous: this.previous.subarray(0, this.size),
    };
  }

  restore(snapshot: { text: Uint8Array; head: Int32Array; previous: Int32Array }, removed: number): void {
    this.size = snapshot.text.length;
    this.removed = removed;
    this.#text.reserve(this.size + 2);
    this.#previous.reserve((this.size + 2) * 4);
    this.text = new Uint8Array(this.#text.buffer);
    this.previous = new Int32Array(this.#previous.buffer);
    this.text.set(snapshot.text);
    this.previous.set(snapshot.previous);
    this.#setBuckets(Math.log2(snapshot.head.length));
    this.head.set(snapshot.head);
  }

  #setBuckets(bits: number): void {
    if (bits !== 32 - this.shift) this.#head = new GrowingMemory();
    this.#head.reserve(2 ** bits * 4);
    this.head = new Int32Array(this.#head.buffer, 0, 2 ** bits);
    this.head.fill(0);
    this.shift = 32 - bits;
  }

  #chainAnew(bits: number): void {
    this.#setBuckets(bits);
    this.#chain(1, this.size);
  }

  /** Enters every position from `start` that predicts a byte before `end`. */
  #chain(start: number, end: number): void {
    const { text, head, previous, shift } = this;
    let older = 0;
    let newer = 0;
    let run = 0;
    for (let at = start; at < end; at++) {
      const byte = text[at];
      run = byte === 0 ? 0 : run + 1;
      older = ((older << 8) | (newer >>> 16)) & 0xffffff;
      newer = ((newer << 8) | byte) & 0xffffff;
      if (run < MINIMUM_MATCH) continue;
      const bucket = contextHash(older, newer) >>> shift;
      previous[at] = head[bucket];
      head[bucket] = at;
    }
  }
}
