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

/** The person ended it: exit code 130. The message says what is left. */
export class Interrupted extends Error {}

/** Why a file or folder cannot be used, without a full stop. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return reasons[code] ?? error.message;
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EISDIR: 'it is a folder',
  ENOENT: 'there is no such file or folder',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is not a folder',
  EROFS: 'the disk is read-only',
};
