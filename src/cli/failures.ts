/** The command line is wrong: exit code 2. The message has no full stop; the hint says how it should be. */
export class UsageError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** What was asked for cannot be done: exit code 1. The message says what is wrong and how to mend it. */
export class Failure extends Error {}
