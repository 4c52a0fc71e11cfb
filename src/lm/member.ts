/** What a member completes: the text around a cursor, as UTF-8. */
export interface TextContext {
  /** Which document this is (its URI); members keep caches and per-file counts under it. */
  readonly documentId: string;
  /** VS Code's language identifier, such as `typescript`. */
  readonly languageId: string;
  /** The bytes before the cursor; at least the last 4,000 where the document has as many. */
  readonly prefix: Uint8Array;
  /** The bytes after the cursor; at least the first 1,000 where the document has as many. */
  readonly suffix: Uint8Array;
}

export type MemberKind = 'neural' | 'ngram' | 'endpoint';

/** One language model of the ensemble. Every member answers one question: which byte comes next? */
export interface Member {
  readonly id: string;
  readonly kind: MemberKind;
  /**
   * Reads the context up to the cursor. Rejects with the signal's reason as soon as the work in hand
   * (one forward pass at most) is done. At most one stream of a member is open at a time.
   */
  open(context: TextContext, signal: AbortSignal): Promise<MemberStream>;
  /** Frees the member's resources. No stream may be open. */
  close(): Promise<void>;
}

/** A member reading one text: the distribution over the symbol that follows what it has read. */
export interface MemberStream {
  /**
   * SYMBOLS probabilities, summing to 1, all greater than 0. The next call overwrites it and reads nothing from
   * it: whoever holds the stream may alter it.
   */
  readonly distribution: Float64Array;
  /** EVIDENCE numbers about this prediction (evidence.ts); overwritten like `distribution`. */
  readonly evidence: Float64Array;
  /**
   * ln p that this member gave to each of the last bytes of the prefix (up to 120, the newest last) before
   * it had seen them: what Hedge is warmed with. In nats.
   */
  readonly recentLogProbabilities: Float64Array;
  /** Forward passes spent since `open`, prefill and those made ahead of time included; 0 for a member without a network. */
  readonly forwardPasses: number;
  /**
   * The text continues with this byte. Afterwards `distribution` is that of the next symbol. Returns nothing
   * where the answer was at hand, so that most bytes cost no turn of the event loop.
   */
  advance(byte: number): Promise<void> | undefined;
  /**
   * A hint that these bytes are likely to follow, so that they can be evaluated in one batch. Changes no distribution.
   * To be awaited before the next `advance`.
   */
  expect?(bytes: Uint8Array): Promise<void> | undefined;
  /**
   * The bytes most likely to follow, as far as the member has looked ahead already and gives them together at least
   * this probability. Empty where it has not.
   */
  foreseen?(leastProbability: number): Uint8Array;
  /** Ends the reading. The member may be opened again afterwards. */
  release(): void;
}

/** How many of the prefix's last bytes are scored when a stream opens. */
export const RECENT_BYTES = 120;
