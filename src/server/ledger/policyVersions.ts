import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { ServingVersions } from '../../policy/arms.ts';
import { isHeld, type LeaseHolder } from './leases.ts';
import type { Ledger } from './ledger.ts';
import { problem, type Result } from './problems.ts';
import { type NamedNumbers, namedNumbers, namedNumbersText } from './rows.ts';
import type { Session } from './session.ts';

export type PolicyState = 'challenger' | 'champion' | 'retired' | 'rolledBack';

export interface PolicyVersion {
  readonly version: number;
  /** The version it was trained from; null where there is none, or it is not kept any more. */
  readonly parent: number | null;
  readonly origin: 'shipped' | 'trained' | 'imported';
  readonly state: PolicyState;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly stateSince: number;
  /** The newest completion and text when it was made: later rows are held out for it. */
  readonly lastCompletion: number;
  readonly lastText: number;
  /** What changed against the parent, in numbers: texts and outcomes learned from, distance, … */
  readonly changes: NamedNumbers;
  /** The figures of the latest look at it. */
  readonly evaluation: NamedNumbers;
}

export interface NewPolicyVersion extends Pick<PolicyVersion, 'parent' | 'origin' | 'changes'> {
  /** The policy file's text. */
  readonly file: string;
  readonly state: 'challenger' | 'champion';
  readonly time: number;
  /** The newest rows that it was trained on, where that is known better than now. */
  readonly trainedTo?: { readonly lastCompletion: number; readonly lastText: number };
  /** Under this lease it was trained; another holder's result is not taken. */
  readonly lease?: LeaseHolder;
}

/** Why and on what grounds a version changes its state. */
export interface Decision {
  readonly time: number;
  readonly evaluation: NamedNumbers;
}

/** Adds a version in the place of the present challenger or champion, which retires. Gives its number. */
export function addPolicyVersion(ledger: Ledger, added: NewPolicyVersion): Result<number | 'leaseLost'> {
  return ledger.write(
    (session) => {
      if (added.lease !== undefined && !isHeld(session, added.lease)) return 'leaseLost';
      vacate(session, added.state, added.time);
      const { lastCompletion, lastText } = added.trainedTo ?? newestRows(session);
      const { id } = session.run(
        `INSERT INTO policy_versions (parent, origin, state, created, state_since, promoted, last_completion,
           last_text, changes, evaluation, file, sha256)
         VALUES ((SELECT version FROM policy_versions WHERE version = ?), ?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?)`,
        added.parent,
        added.origin,
        added.state,
        added.time,
        added.time,
        added.state === 'champion' ? added.time : null,
        lastCompletion,
        lastText,
        namedNumbersText(added.changes),
        Buffer.from(added.file),
        digest(added.file),
      );
      return id;
    },
    { survives: 'powerLoss' },
  );
}

/** The challenger becomes champion. `stale`: it is not the challenger any more, another window was quicker. */
export function promote(ledger: Ledger, version: number, decision: Decision): Result<'done' | 'stale'> {
  return change(ledger, version, 'challenger', (session) => {
    vacate(session, 'champion', decision.time);
    setState(session, version, 'champion', decision);
  });
}

/** The challenger goes. */
export function reject(ledger: Ledger, version: number, decision: Decision): Result<'done' | 'stale'> {
  return change(ledger, version, 'challenger', (session) => setState(session, version, 'retired', decision));
}

/** The figures of the latest look at a challenger that stays on trial; of nothing where it is no challenger any more. */
export function noteEvaluation(ledger: Ledger, version: number, evaluation: NamedNumbers): Result<void> {
  return ledger.write((session) => {
    session.run(
      `UPDATE policy_versions SET evaluation = ? WHERE version = ? AND state = 'challenger'`,
      namedNumbersText(evaluation),
      version,
    );
  });
}

/**
 * The champion gives its place to the nearest version that it came from, that once was champion and was not rolled back; without one
 * Hedge serves. A challenger that was trained from it goes with it.
 */
export function rollBack(ledger: Ledger, version: number, decision: Decision): Result<'done' | 'stale'> {
  return change(ledger, version, 'champion', (session) => {
    setState(session, version, 'rolledBack', decision);
    session.run(
      `UPDATE policy_versions SET state = 'retired', state_since = ? WHERE state = 'challenger' AND parent = ?`,
      decision.time,
      version,
    );
    const ancestor = session.first(
      versionRow,
      `WITH RECURSIVE ancestors (version, parent, state, promoted, distance) AS (
         SELECT version, parent, state, promoted, 0 FROM policy_versions WHERE version = ?
         UNION ALL
         SELECT p.version, p.parent, p.state, p.promoted, distance + 1
         FROM policy_versions p JOIN ancestors a ON p.version = a.parent)
       SELECT version FROM ancestors WHERE state = 'retired' AND promoted IS NOT NULL ORDER BY distance LIMIT 1`,
      version,
    );
    if (ancestor !== null) setState(session, ancestor.version, 'champion', { time: decision.time });
  });
}

/** A person chooses: this version serves from now on, or Hedge where it is null. The challenger goes. */
export function chooseChampion(
  ledger: Ledger,
  version: number | null,
  time: number,
): Result<'done' | 'unknown'> {
  return ledger.write(
    (session) => {
      if (version !== null && stateOf(session, version) === null) return 'unknown';
      vacate(session, 'champion', time);
      vacate(session, 'challenger', time);
      if (version !== null) setState(session, version, 'champion', { time });
      return 'done';
    },
    { survives: 'powerLoss' },
  );
}

export function servingVersions(ledger: Ledger): Result<ServingVersions> {
  return ledger.read((session) => {
    const serving = (state: PolicyState) =>
      session.first(versionRow, 'SELECT version FROM policy_versions WHERE state = ?', state)?.version ??
      null;
    return { champion: serving('champion'), challenger: serving('challenger') };
  });
}

/** The newest first. */
export function listPolicyVersions(ledger: Ledger): Result<readonly PolicyVersion[]> {
  return ledger.read((session) =>
    session.all(
      listedRow,
      `SELECT version, parent, origin, state, created, state_since, last_completion, last_text, changes, evaluation
       FROM policy_versions ORDER BY version DESC`,
    ),
  );
}

/** The policy file's text as it was added; null for a version that is not kept. */
export function readPolicyFile(ledger: Ledger, version: number): Result<string | null> {
  const result = ledger.read((session) =>
    session.first(fileRow, 'SELECT file, sha256 FROM policy_versions WHERE version = ?', version),
  );
  if (result.problem) return result;
  if (result.value === null) return { value: null };
  const text = Buffer.from(result.value.file).toString();
  return digest(text).equals(result.value.sha256) ? { value: text } : problem('damaged', ledger.path);
}

/** Changes a version's state if it still is what the decision was about. */
function change(
  ledger: Ledger,
  version: number,
  from: PolicyState,
  work: (session: Session) => void,
): Result<'done' | 'stale'> {
  return ledger.write(
    (session) => {
      if (stateOf(session, version) !== from) return 'stale';
      work(session);
      return 'done';
    },
    { survives: 'powerLoss' },
  );
}

function stateOf(session: Session, version: number): PolicyState | null {
  return (
    session.first(stateRow, 'SELECT state FROM policy_versions WHERE version = ?', version)?.state ?? null
  );
}

function setState(
  session: Session,
  version: number,
  state: PolicyState,
  { time, evaluation }: Pick<Decision, 'time'> & Partial<Decision>,
): void {
  session.run(
    `UPDATE policy_versions SET state = ?, state_since = ?, promoted = coalesce(promoted, ?),
       evaluation = coalesce(?, evaluation) WHERE version = ?`,
    state,
    time,
    state === 'champion' ? time : null,
    evaluation === undefined ? null : namedNumbersText(evaluation),
    version,
  );
}

function vacate(session: Session, state: 'champion' | 'challenger', time: number): void {
  session.run(`UPDATE policy_versions SET state = 'retired', state_since = ? WHERE state = ?`, time, state);
}

function newestRows(session: Session): { readonly lastCompletion: number; readonly lastText: number } {
  const newest = (table: 'completions' | 'texts') =>
    session.first(newestRow, `SELECT coalesce(max(row), 0) AS newest FROM ${table}`)?.newest ?? 0;
  return { lastCompletion: newest('completions'), lastText: newest('texts') };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

const state = z.enum(['challenger', 'champion', 'retired', 'rolledBack']);
const stateRow = z.object({ state });
const versionRow = z.object({ version: z.int() });
const newestRow = z.object({ newest: z.int() });
const fileRow = z.object({ file: z.instanceof(Uint8Array), sha256: z.instanceof(Uint8Array) });
const listedRow = z
  .object({
    version: z.int(),
    parent: z.int().nullable(),
    origin: z.enum(['shipped', 'trained', 'imported']),
    state,
    created: z.number(),
    state_since: z.number(),
    last_completion: z.int(),
    last_text: z.int(),
    changes: namedNumbers,
    evaluation: namedNumbers,
  })
  .transform(({ state_since, last_completion, last_text, ...row }) => ({
    ...row,
    stateSince: state_since,
    lastCompletion: last_completion,
    lastText: last_text,
  }));
