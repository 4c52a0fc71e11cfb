import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type * as z from 'zod';

/** The statements of one open database, each prepared once; rows are checked as they are read. */
export class Session {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Any number of statements without parameters; not kept. */
  execute(sql: string): void {
    this.#database.exec(sql);
  }

  /** Gives how many rows changed, and the id of the last one that was inserted. */
  run(sql: string, ...parameters: readonly SQLInputValue[]): { nChanges: number; id: number } {
    const { changes, lastInsertRowid } = this.#prepare(sql).run(...parameters);
    return { nChanges: Number(changes), id: Number(lastInsertRowid) };
  }

  /** Throws where a row is not what the schema says: the ledger was written by something else. */
  all<Row>(schema: z.ZodType<Row>, sql: string, ...parameters: readonly SQLInputValue[]): readonly Row[] {
    return this.#prepare(sql)
      .all(...parameters)
      .map((row) => schema.parse(row));
  }

  /** The first row; null without one. */
  first<Row>(schema: z.ZodType<Row>, sql: string, ...parameters: readonly SQLInputValue[]): Row | null {
    const row = this.#prepare(sql).get(...parameters);
    return row === undefined ? null : schema.parse(row);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** All that the work writes or nothing of it. What it throws goes on after the rollback. */
export function transaction<Value>(
  session: Session,
  kind: 'read' | 'write',
  work: (session: Session) => Value,
): Value {
  // A writer takes its lock at once: one that reads first could not wait for another writer.
  session.execute(kind === 'read' ? 'BEGIN' : 'BEGIN IMMEDIATE');
  try {
    const value = work(session);
    session.execute('COMMIT');
    return value;
  } catch (error) {
    rollBack(session);
    throw error;
  }
}

/** After some errors (a full disk) SQLite has rolled back already. */
function rollBack(session: Session): void {
  try {
    session.execute('ROLLBACK');
  } catch {
    // No transaction is open, which is what is wanted.
  }
}
