import { LONGEST_COUNTED } from './contextKeys.ts';
import { commonPrefix, commonSuffix } from './difference.ts';
import type { LiveDocument, LiveText } from './liveText.ts';
import type { LowOrders } from './lowOrders.ts';
import type { Predictor } from './predictor.ts';

/** A document that can be read. */
export interface ReadableDocument extends LiveDocument {
  readonly bytes: Uint8Array;
  /** Whether its short contexts are among the shared counts. */
  readonly counted: boolean;
}

/** Bytes read before the first prediction, so that long matches are found. */
const LEAD = 64;

/** Reads an open document up to a cursor, and predicts on the way what had not been scored yet. */
export class DocumentReader {
  readonly predictor: Predictor;
  readonly #live: LiveText;
  readonly #shared: LowOrders;
  #document: ReadableDocument | undefined;
  /** The text whose counts are in predictor.own. */
  #counted: Uint8Array = new Uint8Array(0);

  constructor(predictor: Predictor, live: LiveText, shared: LowOrders) {
    this.predictor = predictor;
    this.#live = live;
    this.#shared = shared;
  }

  /**
   * Predicts the bytes [from, cursor) as if they had not been written, and learns from each. Reports each byte
   * and ln p. Afterwards the predictor stands at the cursor.
   */
  read(
    document: ReadableDocument,
    from: number,
    cursor: number,
    report: (byte: number, logProbability: number) => void,
  ): void {
    this.#follow(document);
    const { predictor } = this;
    const { bytes, counted } = document;
    const tables = counted ? [predictor.own, this.#shared] : [];
    for (const table of tables) table.remove(bytes, from, cursor);
    predictor.reset();
    for (let at = Math.max(0, from - LEAD); at < cursor; at++) {
      if (at >= from) {
        const p = predictor.predict(-1)[bytes[at]];
        predictor.learn(bytes[at]);
        for (const table of tables) table.add(bytes, at, at + 1);
        report(bytes[at], Math.log(p));
      }
      this.#live.read(document, at + 1, cursor);
      predictor.advance(bytes[at]);
    }
    this.#live.read(document, cursor, cursor);
  }

  /** Brings the document's own counts up to date. */
  #follow(document: ReadableDocument): void {
    const old = this.#counted;
    const bytes = document.counted ? document.bytes : old.subarray(0, 0);
    if (this.#document === document) {
      const from = commonPrefix(old, bytes);
      const kept = commonSuffix(old, bytes, from);
      const { own } = this.predictor;
      own.remove(old, from, Math.min(old.length, old.length - kept + LONGEST_COUNTED));
      own.add(bytes, from, Math.min(bytes.length, bytes.length - kept + LONGEST_COUNTED));
    } else {
      this.predictor.own.clear();
      this.predictor.own.add(bytes, 0, bytes.length);
    }
    this.#document = document;
    this.#counted = bytes;
  }
}
