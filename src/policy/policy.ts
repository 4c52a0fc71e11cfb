/** What a policy knows when a completion begins: text the person has, and how well each member foresaw it. */
export interface RecentText {
  /** The last bytes before the cursor. */
  readonly bytes: Uint8Array;
  /** Per member: ln p of each of the last bytes, the newest last; may be shorter than `bytes`. */
  readonly logProbabilities: readonly Float64Array[];
}

/** Decides whom to trust: sets the ensemble's weights at each step. */
export interface Policy {
  readonly name: string;
  /** A completion begins at this cursor. Weights from another cursor are never carried over. */
  begin(recent: RecentText): void;
  /** Writes the weights of the next step, one per member, in the members' order. */
  weights(out: Float64Array): void;
}
