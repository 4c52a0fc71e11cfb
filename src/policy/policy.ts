import type { MemberKind } from '../lm/member.ts';

/** Decides whom to trust, and whether and how much to show: asked at each step of a completion. */
export interface Policy {
  readonly name: string;
  /** A completion begins at this cursor. Nothing is carried over from another cursor. */
  begin(situation: Situation): void;
  /**
   * Writes the weights of the step that may begin here, one per member, in the members' order. It may be asked where
   * then no step begins: only what is observed has happened.
   */
  weights(out: Float64Array, state: StepState): void;
  /**
   * This symbol comes next: a byte of the text, or END. The distributions are those it was drawn from; the text is
   * still the one before it.
   */
  observe?(symbol: number, state: StepState): void;
  /**
   * Whether the text ends here instead, before the step that begins: at the very start this is silence. Asked after
   * `weights` at the same place, and never where the line ends anyhow.
   */
  stops?(state: StepState): boolean;
  /** The text has ended here without END having been observed: it is cut short, or the policy has stopped it. */
  end?(state: StepState): void;
}

/** What stays the same during one completion. */
export interface Situation {
  readonly recent: RecentText;
  /** VS Code's language identifier. */
  readonly languageId: string;
  /** The members that take part, in the order of the weights. */
  readonly members: readonly PolicyMember[];
  /** Bytes before and after the cursor. How many there are may differ from cursor to cursor: read the nearest only. */
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
}

export interface PolicyMember {
  readonly id: string;
  readonly kind: MemberKind;
}

/** Text the person has, and how well each member foresaw it. */
export interface RecentText {
  /** The last bytes before the cursor. */
  readonly bytes: Uint8Array;
  /** Per member: ln p of each of the last bytes, the newest last; may be shorter than `bytes`. In nats. */
  readonly logProbabilities: readonly Float64Array[];
}

/** A place where a step may begin. The decode loop overwrites it: keep no part of it. */
export interface StepState {
  /** Per member: SYMBOLS probabilities of what comes next, the ends of the line folded into END. */
  readonly distributions: readonly Float64Array[];
  /** Per member: what it says about its prediction (`MemberStream.evidence`). */
  readonly evidence: readonly Float64Array[];
  /** Per member: bytes of the text that it has not read. Its distribution and evidence are stale where this is above 0. */
  readonly lag: Int32Array;
  /** What has been written so far: `text[0..length)`. */
  readonly text: Uint8Array;
  readonly length: number;
  /** ln p of it. In nats. */
  readonly logProbability: number;
}
