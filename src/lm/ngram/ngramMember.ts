import { type Member, type MemberStream, RECENT_BYTES, type TextContext } from '../member.ts';
import type { DocumentReader } from './documentReader.ts';
import type { IndexedDocument, NgramIndex } from './ngramIndex.ts';
import type { Predictor } from './predictor.ts';
import { RecentScores } from './recentScores.ts';

/** The member that needs no weights: it predicts from the text of the workspace itself. */
export class NgramMember implements Member {
  readonly id: string;
  readonly kind = 'ngram';
  readonly #index: NgramIndex;
  readonly #reader: DocumentReader;
  readonly #scores = new RecentScores();

  constructor(id: string, index: NgramIndex) {
    this.id = id;
    this.#index = index;
    this.#reader = index.createReader();
  }

  async open(context: TextContext, signal: AbortSignal): Promise<MemberStream> {
    signal.throwIfAborted();
    const index = this.#index;
    const { document, cursor } = index.locate(context.documentId, context.prefix, context.suffix);
    const nRecent = Math.min(RECENT_BYTES, context.prefix.length, cursor);
    const tail = document.bytes.subarray(cursor - nRecent, cursor);
    const nFresh = this.#scores.align(context.documentId, tail);
    this.#reader.read(document, cursor - nFresh, cursor, (byte, score) => this.#scores.push(byte, score));
    return new NgramStream(index, this.#reader.predictor, document, cursor, this.#scores.last(nRecent));
  }

  async close(): Promise<void> {}
}

class NgramStream implements MemberStream {
  readonly distribution: Float64Array;
  readonly recentLogProbabilities: Float64Array;
  readonly forwardPasses = 0;
  readonly #index: NgramIndex;
  readonly #predictor: Predictor;
  readonly #document: IndexedDocument;
  readonly #bytes: Uint8Array;
  #version: number;
  #offset: number;
  /** Whether the text read so far stands in the document as it is, at the cursor. */
  #following = true;

  constructor(
    index: NgramIndex,
    predictor: Predictor,
    document: IndexedDocument,
    cursor: number,
    recentLogProbabilities: Float64Array,
  ) {
    this.#index = index;
    this.#predictor = predictor;
    this.#document = document;
    this.#bytes = document.bytes;
    this.#offset = cursor;
    this.#version = index.version;
    this.distribution = predictor.distribution;
    this.recentLogProbabilities = recentLogProbabilities;
    this.#predict();
  }

  advance(byte: number): undefined {
    if (byte !== this.#bytes[this.#offset]) this.#following = false;
    this.#offset++;
    const unchanged = this.#document.bytes === this.#bytes;
    this.#index.live.read(unchanged ? this.#document : undefined, this.#offset, this.#offset);
    if (this.#version !== this.#index.version) {
      this.#version = this.#index.version;
      this.#predictor.refresh();
    }
    this.#predictor.advance(byte);
    this.#predict();
  }

  release(): void {}

  #predict(): void {
    const { counted, bytes } = this.#document;
    // The document's own text after the cursor is one occurrence of this very context, and no evidence.
    const isOwn = this.#following && counted && bytes === this.#bytes && this.#offset < bytes.length;
    this.#predictor.predict(isOwn ? bytes[this.#offset] : -1);
  }
}
