import type { MemberStream, TextContext } from '../lm/member.ts';
import type { PolicyMember } from '../policy/policy.ts';
import type { Outcome } from './contender.ts';

/** A place where a line is to be completed, read live or from collected paths. */
export interface Cursor {
  readonly packageIdx: number;
  readonly languageId: string;
  /** The members that take part, in order. */
  readonly members: readonly PolicyMember[];
  readonly context: TextContext;
  /** The rest of the line, without white space at its end. */
  readonly target: string;
  readonly exponents: Exponents;
  /** What contenders made of this cursor when it was collected, by their names. */
  readonly kept?: Readonly<Record<string, Outcome>>;
  /** One stream per member, fresh at the cursor. */
  streams(): readonly CursorStream[];
}

export interface CursorStream extends MemberStream {
  /** Whether the text has left what had been collected. */
  readonly hasLeft?: boolean;
}

/** Per member: exponents for the geometric combiner, learned by online gradient on the bytes before the cursor. */
export interface Exponents {
  /** From the initial value, here alone. */
  readonly fresh: Float64Array;
  /** Going on from the package's cursor before. */
  readonly carried: Float64Array;
}
