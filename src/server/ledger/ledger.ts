import { latestVersion, versionOf } from './migrations.ts';
import { identify, type OpenFile, type OpenOptions, openFile, type Sqlite } from './openFile.ts';
import { openUnchanged } from './openUnchanged.ts';
import { type LedgerProblem, problem, problemOf, type Result } from './problems.ts';
import { type Session, transaction } from './session.ts';

export interface LedgerOptions extends Pick<OpenOptions, 'busyTimeoutMs' | 'onNotice'> {
  /** Loads `node:sqlite`; rejects where this runtime has none. */
  readonly loadSqlite: () => Promise<Sqlite>;
  /** After a failed attempt to open it, the next one is made no sooner, in milliseconds. */
  readonly retryAfterMs: number;
  /** 'readOnly': whatever is at the path stays as it is, to the byte; writing is a problem. */
  readonly access: 'write' | 'readOnly';
}

export const ledgerDefaults: LedgerOptions = {
  busyTimeoutMs: 2000,
  onNotice: () => undefined,
  loadSqlite: () => import('node:sqlite'),
  retryAfterMs: 10_000,
  access: 'write',
};

export interface WriteOptions {
  /** What to do where there is no ledger; only consent may make one. */
  readonly missing?: 'create' | 'report';
  /** What the commit outlives at once: the process, or power as well (it then waits for the disk). */
  readonly survives?: 'crash' | 'powerLoss';
}

/** The ledger at a path. There need not be a file: it is made by the first consent, and only then. */
export async function openLedger(
  path: string,
  options: Partial<LedgerOptions> = {},
): Promise<Result<Ledger>> {
  const { loadSqlite, ...rest } = { ...ledgerDefaults, ...options };
  try {
    return { value: new Ledger(path, { ...rest, sqlite: await loadSqlite() }) };
  } catch {
    return problem('noSqlite', path);
  }
}

/**
 * A file that several processes may read, write, erase and replace at any time. Before each use it is made sure that
 * the open file is still the one at the path and of the version that this program knows; if not, it is opened anew.
 */
export class Ledger {
  readonly path: string;
  readonly #options: OpenOptions & Pick<LedgerOptions, 'retryAfterMs' | 'access'>;
  #file: OpenFile | null = null;
  #failure: { readonly result: ReturnType<typeof problem>; readonly at: number } | null = null;

  constructor(path: string, options: OpenOptions & Pick<LedgerOptions, 'retryAfterMs' | 'access'>) {
    this.path = path;
    this.#options = options;
  }

  /** All that the work reads is of one moment. */
  read<Value>(work: (session: Session) => Value): Result<Value> {
    return this.#use('report', ({ session }) => transaction(session, 'read', this.#checked(work)));
  }

  /** What the work writes is kept whole or not at all, and is kept once this returns a value. */
  write<Value>(
    work: (session: Session) => Value,
    { missing = 'report', survives = 'crash' }: WriteOptions = {},
  ): Result<Value> {
    return this.#use(missing, ({ session }) => {
      session.execute(`PRAGMA synchronous = ${survives === 'powerLoss' ? 'FULL' : 'NORMAL'}`);
      return transaction(session, 'write', this.#checked(work));
    });
  }

  /** Outside any transaction, for what cannot be inside one. */
  maintain<Value>(work: (session: Session) => Value): Result<Value> {
    return this.#use('report', ({ session }) => work(session));
  }

  /** The next use opens it again. */
  close(): void {
    const file = this.#file;
    this.#file = null;
    file?.session.close();
  }

  #use<Value>(missing: 'create' | 'report', work: (file: OpenFile) => Value): Result<Value> {
    try {
      for (;;) {
        const opened = this.#open(missing);
        if (opened.problem) return opened;
        try {
          const value = work(opened.value);
          if (opened.value.isStale?.()) throw new StaleError();
          return { value };
        } catch (error) {
          if (!(error instanceof StaleError || opened.value.isStale?.())) throw error;
          this.close();
        }
      }
    } catch (error) {
      const known = problemOf(error, this.path);
      if (known === null) throw error;
      if (known.problem.kind === 'damaged') this.close();
      return known;
    }
  }

  #open(missing: 'create' | 'report'): Result<OpenFile> {
    const identity = identify(this.path);
    if (this.#file !== null && this.#file.identity !== identity) this.close();
    if (this.#file !== null) return { value: this.#file };
    if (identity === null && missing === 'report') return problem('absent', this.path);
    if (this.#failure !== null && performance.now() - this.#failure.at < this.#options.retryAfterMs)
      return this.#failure.result;
    const opened =
      this.#options.access === 'readOnly'
        ? openUnchanged(this.path, this.#options)
        : openFile(this.path, missing, this.#options);
    this.#failure =
      opened.problem && isLasting(opened.problem) ? { result: opened, at: performance.now() } : null;
    if (opened.value) this.#file = opened.value;
    return opened;
  }

  /** Inside the transaction, so that nobody can erase or migrate it between the check and the work. */
  #checked<Value>(work: (session: Session) => Value): (session: Session) => Value {
    return (session) => {
      if (versionOf(session) !== latestVersion) throw new StaleError();
      return work(session);
    };
  }
}

/** Whether it makes no sense to try again at once. */
function isLasting({ kind }: LedgerProblem): boolean {
  return kind !== 'absent' && kind !== 'busy';
}

/** Another process has erased or migrated the open file, or written to one that is only read. */
class StaleError extends Error {}
