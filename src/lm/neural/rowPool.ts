import type { SortedVocabulary } from './sortedVocabulary.ts';

/** Who keeps rows: the reader of one cache. */
export interface RowOwner {
  /** Whether anybody but the pool needs the row of this node. */
  needsRow(node: number): boolean;
  /** The row of this node goes to somebody else. */
  dropRow(node: number): void;
}

interface KeptRow {
  readonly owner: RowOwner;
  readonly node: number;
  readonly sums: Float64Array;
}

/**
 * Rows of prefix sums, as `SortedVocabulary.prefixSums` fills them, for all caches of one member: what was read last
 * may well be asked for again, in whichever document. They are used again and again: a row is large, and what a thread
 * throws away the garbage collector takes time for, on the cores that forward passes run on.
 */
export class RowPool {
  readonly #rowLength: number;
  readonly #maximumRows: number;
  /** Oldest first. */
  #kept: KeptRow[] = [];
  readonly #free: Float64Array[] = [];

  /** @param maximumRows beyond those that are needed */
  constructor(vocabulary: SortedVocabulary, maximumRows = defaultRows(vocabulary)) {
    this.#rowLength = vocabulary.rowLength;
    this.#maximumRows = maximumRows;
  }

  /** A row for this node, with anything in it. Where there are enough, the oldest that nobody needs go. */
  take(owner: RowOwner, node: number): Float64Array {
    let nSpare = 1;
    for (const row of this.#kept) if (!row.owner.needsRow(row.node)) nSpare++;
    for (let i = 0; nSpare > this.#maximumRows && i < this.#kept.length; i++) {
      const old = this.#kept[i];
      if (old.owner.needsRow(old.node)) continue;
      this.#kept.splice(i--, 1);
      this.#free.push(old.sums);
      old.owner.dropRow(old.node);
      nSpare--;
    }
    const sums = this.#free.pop() ?? new Float64Array(this.#rowLength);
    this.#kept.push({ owner, node, sums });
    return sums;
  }

  /** Takes back the rows of an owner that is no more. */
  forget(owner: RowOwner): void {
    for (const row of this.#kept) if (row.owner === owner) this.#free.push(row.sums);
    this.#kept = this.#kept.filter((row) => row.owner !== owner);
    this.#free.length = Math.min(this.#free.length, this.#maximumRows);
  }
}

const MAXIMUM_ROWS = 64;
const MAXIMUM_ROW_BYTES = 16 << 20;

function defaultRows({ rowLength }: SortedVocabulary): number {
  return Math.min(MAXIMUM_ROWS, Math.max(8, Math.floor(MAXIMUM_ROW_BYTES / (8 * rowLength))));
}
