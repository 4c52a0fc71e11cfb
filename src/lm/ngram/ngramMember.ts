import { type Member, type MemberStream, RECENT_BYTES, type TextContext } from '../member.ts';
import type { ForeseeingStream, ForesightVisitor } from '../remoteHost.ts';
import { NEWLINE } from '../symbols.ts';
import type { DocumentReader, ReadableDocument } from './documentReader.ts';
import type { NgramIndex } from './ngramIndex.ts';
import type { Predictor } from './predictor.ts';
import { RecentScores, SCORED_BYTES } from './recentScores.ts';

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
    const nBefore = Math.min(context.prefix.length, cursor);
    const tail = document.bytes.subarray(cursor - Math.min(SCORED_BYTES, nBefore), cursor);
    const nFresh = this.#scores.align(context.documentId, tail);
    this.#reader.read(document, cursor - nFresh, cursor, (byte, score) => this.#scores.push(byte, score));
    return new NgramStream(
      index,
      this.#reader.predictor,
      document,
      cursor,
      this.#scores.last(Math.min(RECENT_BYTES, nBefore)),
    );
  }

  async close(): Promise<void> {}
}

class NgramStream implements ForeseeingStream {
  readonly distribution: Float64Array;
  readonly evidence: Float64Array;
  readonly recentLogProbabilities: Float64Array;
  readonly forwardPasses = 0;
  readonly #index: NgramIndex;
  readonly #predictor: Predictor;
  readonly #document: ReadableDocument;
  readonly #bytes: Uint8Array;
  #version: number;
  #offset: number;
  /** Whether the text read so far stands in the document as it is, at the cursor. */
  #following = true;

  constructor(
    index: NgramIndex,
    predictor: Predictor,
    document: ReadableDocument,
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
    this.evidence = predictor.evidence;
    this.recentLogProbabilities = recentLogProbabilities;
    this.#predict();
  }

  advance(byte: number): undefined {
    if (byte !== this.#bytes[this.#offset]) this.#following = false;
    this.#offset++;
    this.#readFrom(this.#offset);
    if (this.#version !== this.#index.version) {
      this.#version = this.#index.version;
      this.#predictor.refresh();
    }
    this.#predictor.advance(byte);
    this.#predict();
  }

  /** Along the expected bytes, and then as far as it is likely to be right. */
  foresee(visit: ForesightVisitor, expected: Uint8Array): undefined {
    const offset = this.#offset;
    const isFollowing = this.#following;
    this.#predictor.mark();
    let probability = 1;
    for (let i = 0; i < MOST_FORESEEN; i++) {
      const byte = i < expected.length ? expected[i] : mostProbableByte(this.distribution);
      if (i >= expected.length) probability *= this.distribution[byte];
      if (byte === NEWLINE || probability < LEAST_FORESEEN) break;
      this.advance(byte);
      if (!visit(byte, this.distribution, this.evidence)) break;
    }
    this.#predictor.rewind();
    this.#offset = offset;
    this.#following = isFollowing;
    this.#readFrom(offset);
    this.#predict();
  }

  release(): void {}

  #readFrom(offset: number): void {
    const unchanged = this.#document.bytes === this.#bytes;
    this.#index.live.read(unchanged ? this.#document : undefined, offset, offset);
  }

  #predict(): void {
    const { counted, bytes } = this.#document;
    // The document's own text after the cursor is one occurrence of this very context, and no evidence.
    const isOwn = this.#following && counted && bytes === this.#bytes && this.#offset < bytes.length;
    this.#predictor.predict(isOwn ? bytes[this.#offset] : -1);
  }
}

/** The most bytes read ahead, and how probable all of them must be together. */
const MOST_FORESEEN = 32;
const LEAST_FORESEEN = 0.2;

function mostProbableByte(distribution: Float64Array): number {
  let best = 0;
  for (let byte = 1; byte < 256; byte++) if (distribution[byte] > distribution[best]) best = byte;
  return best;
}
