import { GrowingMemory } from './growingMemory.ts';
import { contextHash, MAXIMUM_MATCH, MINIMUM_MATCH, type SearchableText } from './searchableText.ts';

const CELL_BITS = 9;
const CELL = 1 << CELL_BITS;
/** Where a cell's own bytes begin: after a separator and the lead-in. */
const CONTENT = 1 + MAXIMUM_MATCH;
/** Bytes that a cell is filled with at first, so that most edits fit in. */
const FILL = 400;
/** A stretch shorter than this is put together with the next cell. */
const SMALLEST = 100;
const FIRST_BUCKETS = 1 << 14;
const BYTES_PER_BUCKET = 8;

/** How much a match in the document being read and in other open ones counts; one in the workspace counts 1. */
export const THIS_WEIGHT = 8;
const OPEN_WEIGHT = 2;

/** A document as its cells, in order. */
export interface LiveDocument {
  cells: Cell[];
}

interface Cell {
  readonly base: number;
  document: LiveDocument | undefined;
  /** Offset in the document of the first byte. */
  start: number;
  length: number;
}

/**
 * The open documents, in cells of a few hundred bytes, each led in by the 32 bytes before it so that matches see no
 * boundary. Chains are doubly linked: a cell is taken out and used again without a trace, so an edit costs a cell
 * or two and nothing is ever compacted.
 */
export class LiveText implements SearchableText {
  text: Uint8Array;
  #head = new Int32Array(FIRST_BUCKETS);
  /** The next older position in the chain of each, or 0. */
  #previous: Int32Array;
  /** The next newer position in the chain; for the newest, -1 - bucket; 0 where the position is in no chain. */
  #next: Int32Array;
  readonly #memory = {
    text: new GrowingMemory(),
    previous: new GrowingMemory(),
    next: new GrowingMemory(),
  };
  readonly #cells: Cell[] = [];
  readonly #free: Cell[] = [];
  #reading: LiveDocument | undefined;
  #offset = 0;
  #hiddenEnd = 0;

  constructor() {
    this.text = new Uint8Array(this.#memory.text.buffer);
    this.#previous = new Int32Array(this.#memory.previous.buffer);
    this.#next = new Int32Array(this.#memory.next.buffer);
  }

  get memoryBytes(): number {
    const { text, previous, next } = this.#memory;
    return text.byteLength + previous.byteLength + next.byteLength + this.#head.byteLength;
  }

  /**
   * Says whose next byte is being predicted, and at which offset. From there to `hiddenEnd`, and at the offset
   * itself, the document counts as not yet written.
   */
  read(document: LiveDocument | undefined, offset: number, hiddenEnd: number): void {
    this.#reading = document;
    this.#offset = offset;
    this.#hiddenEnd = hiddenEnd;
  }

  recall(hash: number, found: Int32Array): number {
    const previous = this.#previous;
    let count = 0;
    let at = this.#head[hash & (this.#head.length - 1)];
    for (; at !== 0 && count < found.length; at = previous[at]) found[count++] = at;
    return count;
  }

  weightOf(at: number): number {
    const cell = this.#cells[at >>> CELL_BITS];
    if (cell.document !== this.#reading) return OPEN_WEIGHT;
    const ahead = cell.start + at + 1 - cell.base - CONTENT - this.#offset;
    return ahead === 0 || (ahead > 0 && ahead < this.#hiddenEnd - this.#offset) ? 0 : THIS_WEIGHT;
  }

  /**
   * Follows an edit: what stood at [from, oldEnd) of the document is now `bytes` at [from, newEnd).
   * `bytes` is the whole document and holds no 0 byte.
   */
  replace(document: LiveDocument, bytes: Uint8Array, from: number, oldEnd: number, newEnd: number): void {
    const { cells } = document;
    const delta = newEnd - oldEnd;
    let first = 0;
    while (first + 1 < cells.length && cells[first].start + cells[first].length <= from) first++;
    let end = Math.min(cells.length, first + 1);
    const covered = () => (end === 0 ? 0 : cells[end - 1].start + cells[end - 1].length);
    // Every cell is rewritten that holds an edited byte or has one in its lead-in.
    while (end < cells.length && cells[end].start < oldEnd + MAXIMUM_MATCH) end++;
    const start = cells.length === 0 ? 0 : cells[first].start;
    while (end < cells.length && covered() + delta - start < SMALLEST) end++;
    const length = covered() + delta - start;
    for (let i = first; i < end; i++) this.#release(cells[i]);
    const nCells = Math.ceil(length / FILL);
    const fresh: Cell[] = [];
    for (let i = 0; i < nCells; i++) {
      const cellStart = start + Math.floor((length * i) / nCells);
      const cellEnd = start + Math.floor((length * (i + 1)) / nCells);
      fresh.push(this.#write(document, bytes, cellStart, cellEnd));
    }
    for (let i = end; i < cells.length; i++) cells[i].start += delta;
    cells.splice(first, end - first, ...fresh);
  }

  remove(document: LiveDocument): void {
    for (const cell of document.cells) this.#release(cell);
    document.cells = [];
  }

  #write(document: LiveDocument, bytes: Uint8Array, start: number, end: number): Cell {
    const cell = this.#free.pop() ?? this.#newCell();
    cell.document = document;
    cell.start = start;
    cell.length = end - start;
    const lead = Math.max(0, start - MAXIMUM_MATCH);
    this.text.set(bytes.subarray(lead, end), cell.base + CONTENT - (start - lead));
    this.#link(cell);
    return cell;
  }

  #release(cell: Cell): void {
    this.#unlink(cell);
    this.text.fill(0, cell.base, cell.base + CELL);
    cell.document = undefined;
    this.#free.push(cell);
  }

  #newCell(): Cell {
    const base = this.#cells.length * CELL;
    const end = base + CELL;
    const { text, previous, next } = this.#memory;
    if (text.reserve(end)) this.text = new Uint8Array(text.buffer);
    if (previous.reserve(end * 4)) this.#previous = new Int32Array(previous.buffer);
    if (next.reserve(end * 4)) this.#next = new Int32Array(next.buffer);
    if (end > this.#head.length * BYTES_PER_BUCKET) this.#widen();
    const cell: Cell = { base, document: undefined, start: 0, length: 0 };
    this.#cells.push(cell);
    return cell;
  }

  #widen(): void {
    this.#next.fill(0);
    this.#head = new Int32Array(this.#head.length * 4);
    for (const cell of this.#cells) if (cell.document !== undefined) this.#link(cell);
  }

  /** Chains the positions that predict the cell's own bytes. */
  #link(cell: Cell): void {
    const { text } = this;
    const head = this.#head;
    const previous = this.#previous;
    const mask = head.length - 1;
    const next = this.#next;
    const first = cell.base + CONTENT - 1;
    const last = first + cell.length - 1;
    let older = 0;
    let newer = 0;
    let run = 0;
    for (let at = first - MINIMUM_MATCH + 1; at <= last; at++) {
      const byte = text[at];
      run = byte === 0 ? 0 : run + 1;
      older = ((older << 8) | (newer >>> 16)) & 0xffffff;
      newer = ((newer << 8) | byte) & 0xffffff;
      if (run < MINIMUM_MATCH || at < first) continue;
      const bucket = contextHash(older, newer) & mask;
      const newest = head[bucket];
      previous[at] = newest;
      next[at] = -1 - bucket;
      if (newest !== 0) next[newest] = at;
      head[bucket] = at;
    }
  }

  #unlink(cell: Cell): void {
    const head = this.#head;
    const previous = this.#previous;
    const next = this.#next;
    const first = cell.base + CONTENT - 1;
    for (let at = first; at < first + cell.length; at++) {
      const after = next[at];
      if (after === 0) continue;
      const before = previous[at];
      if (after < 0) head[-1 - after] = before;
      else previous[after] = before;
      if (before !== 0) next[before] = after;
      next[at] = 0;
    }
  }
}
