import * as z from 'zod';

/** Why the ledger could not do what it was asked. Completions never depend on it. */
export type ProblemKind =
  /** There is no ledger: nobody has agreed to one, or it was erased. */
  | 'absent'
  /** This runtime comes without `node:sqlite`. */
  | 'noSqlite'
  | 'newerVersion'
  | 'readOnly'
  | 'diskFull'
  /** Another process held it for longer than the busy timeout. */
  | 'busy'
  | 'damaged'
  /** The file is something else. */
  | 'notLedger'
  /** Only to be read, but it has to be written first: an older version, or not closed in order. */
  | 'needsEditor'
  | 'unreachable';

export interface LedgerProblem {
  readonly kind: ProblemKind;
  /** What is wrong and how to mend it, in whole sentences for people. */
  readonly message: string;
}

export type Result<Value> =
  | { readonly value: Value; readonly problem?: never }
  | { readonly value?: never; readonly problem: LedgerProblem };

export function problem(kind: ProblemKind, path: string): { readonly problem: LedgerProblem } {
  return { problem: { kind, message: messages[kind](path) } };
}

const messages: Readonly<Record<ProblemKind, (path: string) => string>> = {
  absent: (path) => `There is no ledger at ${path}. It is made when learning is switched on.`,
  noSqlite: () =>
    'This runtime has no SQLite (node:sqlite, Node 22.13 or newer): nothing is recorded or learned. Completions work as before; update the editor to learn.',
  newerVersion: (path) =>
    `The ledger ${path} was written by a newer version of Consort: it is left as it is, and nothing is recorded. Update this one, or erase the ledger.`,
  readOnly: (path) =>
    `The ledger ${path} cannot be written: no permission, or the disk is read-only. Nothing is recorded until that changes.`,
  diskFull: (path) =>
    `The disk is full: the ledger ${path} cannot grow, and nothing is recorded. Free some space, or shorten how long it is kept.`,
  busy: (path) => `The ledger ${path} is in use by another window. It will be tried again.`,
  damaged: (path) =>
    `The ledger ${path} is damaged. The editor moves it aside once no other window has it open; or erase it.`,
  notLedger: (path) =>
    `${path} is not a ledger of Consort; nothing was changed, and nothing is recorded while it lies there.`,
  needsEditor: (path) =>
    `The ledger ${path} is of an older version of Consort or was not closed in order; nothing was changed. Start the editor on it once, and try again.`,
  unreachable: (path) =>
    `The ledger ${path} cannot be opened: something else is in its place, or its disk fails. Nothing is recorded until that changes.`,
};

/** What an error of SQLite or the file system means; null for one that is a defect of this program. */
export function problemOf(error: unknown, path: string): { readonly problem: LedgerProblem } | null {
  const { data } = failure.safeParse(error);
  if (data === undefined) return null;
  // The low byte is SQLite's primary result code: https://www.sqlite.org/rescode.html
  const kind = data.errcode !== undefined ? sqliteKinds[data.errcode & 0xff] : fileKinds[data.code ?? ''];
  return kind === undefined ? null : problem(kind, path);
}

const failure = z.object({ errcode: z.number().optional(), code: z.string().optional() });

const sqliteKinds: Readonly<Record<number, ProblemKind>> = {
  3: 'readOnly', // SQLITE_PERM
  5: 'busy', // SQLITE_BUSY
  6: 'busy', // SQLITE_LOCKED
  8: 'readOnly', // SQLITE_READONLY
  10: 'unreachable', // SQLITE_IOERR
  11: 'damaged', // SQLITE_CORRUPT
  13: 'diskFull', // SQLITE_FULL
  14: 'unreachable', // SQLITE_CANTOPEN
  26: 'damaged', // SQLITE_NOTADB
};

const fileKinds: Readonly<Record<string, ProblemKind>> = {
  EACCES: 'readOnly',
  EPERM: 'readOnly',
  EROFS: 'readOnly',
  ENOSPC: 'diskFull',
  EDQUOT: 'diskFull',
  EISDIR: 'unreachable',
  EEXIST: 'unreachable',
  ENOTDIR: 'unreachable',
  ENOENT: 'unreachable',
  EIO: 'unreachable',
};
