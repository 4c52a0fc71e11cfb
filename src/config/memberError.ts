/** Why a member cannot be used, in words for the person who added it: what is wrong, in one sentence. */
export class MemberError extends Error {
  override readonly name = 'MemberError';
  /** How to mend it, in one or two sentences. */
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(/[.!?]$/.test(message) ? message : `${message}.`);
    this.hint = hint;
  }
}

/** What went wrong with a member and how to mend it, in whole sentences for people. */
export function explainMemberProblem(error: unknown): string {
  const problem =
    error instanceof MemberError
      ? error
      : new MemberError(
          error instanceof Error ? error.message : String(error),
          'Restart the background process; if it happens again, leave the member out (consort.disabledMembers).',
        );
  return `${problem.message} ${problem.hint}`;
}
