/** Why a completion ended where it did. */
export type StopReason =
  | 'endOfLine'
  | 'suffixOverlap'
  | 'repetition'
  | 'policy'
  | 'lowConfidence'
  | 'maximumLength';

/** Why there is nothing to show. */
export type NoCompletionReason =
  | 'disabled'
  | 'languageDisabled'
  | 'noMembers'
  | 'documentTooLarge'
  | 'documentNotText'
  | 'cursorInsideCharacter'
  | 'conflictsWithSuggestion'
  | 'empty'
  | 'alreadyThere'
  | 'lowConfidence'
  | 'cancelled';

/** A stretch of emitted text between two settings of the weights, and who made it. */
export interface TokenReport {
  readonly text: string;
  /** Each member's contribution, from 0 to 1; they sum to 1. */
  readonly shares: Readonly<Record<string, number>>;
}

/** One completion with all that a person may want to know of it. The texts of `tokens` concatenate to `text`. */
export interface CompletionReport {
  readonly id: string;
  readonly uri: string;
  readonly languageId: string;
  readonly text: string;
  readonly stopReason: StopReason | null;
  /** Set exactly when `text` is empty. */
  readonly noCompletionReason: NoCompletionReason | null;
  readonly tokens: readonly TokenReport[];
  /** ln of the probability that the mixture gave to the whole text and its end. */
  readonly logProbability: number;
  readonly latencyMs: {
    readonly total: number;
    readonly prefill: number;
    readonly decode: number;
    readonly policy: number;
  };
  /** The members that took part. */
  readonly members: readonly { readonly id: string; readonly kind: string; readonly forwardPasses: number }[];
}
