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

/** What went wrong with a member and how to mend it, for people. */
export function explainMemberProblem(error: unknown): string {
  if (error instanceof MemberError) return `${error.message} ${error.hint}`;
  return error instanceof Error ? error.message : String(error);
}
