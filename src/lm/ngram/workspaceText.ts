import { GrowingMemory } from './growingMemory.ts';
import { BATCH, Postings, type SavedPostings } from './postings.ts';
import { contextHash, MINIMUM_MATCH, type SearchableText } from './searchableText.ts';

/** Many whole files, one after the other with a 0 byte between. Files are replaced as a whole. */
export class WorkspaceText implements SearchableText {
  text: Uint8Array;
  /** Bytes in use, separators and removed files included. */
  size = 1;
  /** Bytes of removed files. */
  removed = 0;
  /** Grows with every change: what `save` gave before is then no longer whole. */
  version = 0;
  readonly #memory = new GrowingMemory();
  readonly #postings = new Postings();
  readonly #hashes = new Int32Array(BATCH);
  readonly #positions = new Int32Array(BATCH);

  constructor() {
    this.text = new Uint8Array(this.#memory.buffer);
  }

  get memoryBytes(): number {
    return this.#memory.byteLength + this.#postings.memoryBytes;
  }

  recall(hash: number, found: Int32Array): number {
    return this.#postings.recall(hash, found);
  }

  weightOf(): number {
    return 1;
  }

  /** Appends a file that holds no 0 byte; the position of its first byte. */
  append(bytes: Uint8Array): number {
    this.version++;
    const start = this.size;
    const end = start + bytes.length;
    if (this.#memory.reserve(end + 2)) this.text = new Uint8Array(this.#memory.buffer);
    this.text.set(bytes, start);
    this.size = end + 1;
    this.#enter(start, end);
    return start;
  }

  /** Forgets a file: its zeroed text matches nothing. The space comes back with `compact`. */
  remove(start: number, length: number): void {
    this.version++;
    this.text.fill(0, start, start + length);
    this.removed += length;
    this.#postings.hasGaps = true;
  }

  /** Closes the gaps. `files` are all that are left, in the order of their starts, which are updated. */
  compact(files: readonly { start: number; readonly length: number }[]): void {
    this.version++;
    this.#postings.clear();
    this.#postings.hasGaps = false;
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
    this.#enter(1, end);
  }

  /** What `load` takes back. Views of live memory. */
  save(): SavedPostings & { readonly text: Uint8Array; readonly removed: number } {
    return { ...this.#postings.save(), text: this.text.subarray(0, this.size), removed: this.removed };
  }

  load(saved: SavedPostings & { readonly text: Uint8Array; readonly removed: number }): void {
    this.size = saved.text.length;
    this.removed = saved.removed;
    this.#memory.reserve(this.size + 2);
    this.#memory.load(saved.text);
    this.text = new Uint8Array(this.#memory.buffer);
    this.#postings.load(saved);
    this.#postings.hasGaps = saved.removed > 0;
  }

  /** Enters the positions in [start, end) that predict a byte before `end`. */
  #enter(start: number, end: number): void {
    const { text } = this;
    const hashes = this.#hashes;
    const positions = this.#positions;
    let older = 0;
    let newer = 0;
    let run = 0;
    let count = 0;
    for (let at = start; at < end - 1; at++) {
      const byte = text[at];
      run = byte === 0 ? 0 : run + 1;
      older = ((older << 8) | (newer >>> 16)) & 0xffffff;
      newer = ((newer << 8) | byte) & 0xffffff;
      if (run < MINIMUM_MATCH) continue;
      positions[count] = at;
      hashes[count++] = contextHash(older, newer);
      if (count < BATCH) continue;
      this.#postings.insert(text, hashes, positions, count);
      count = 0;
    }
    this.#postings.insert(text, hashes, positions, count);
  }
}
