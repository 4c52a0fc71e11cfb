import * as z from 'zod';
import { type Session, transaction } from './session.ts';

/** What steps of a completion and of a surviving text have in common. Blobs are float32, little-endian. */
const stepColumns = `
  step INTEGER NOT NULL,
  observation BLOB NOT NULL,
  hedge_log_weights BLOB NOT NULL,
  log_likelihoods BLOB NOT NULL,
  log_starts BLOB NOT NULL,
  lexeme_class INTEGER NOT NULL,
  bytes INTEGER NOT NULL`;

/** No column takes free text: identifiers only, so that no source text can get in by mistake. */
const identifier = (column: string) =>
  `TEXT NOT NULL CHECK (length(${column}) BETWEEN 1 AND 64 AND ${column} NOT GLOB '*[^a-zA-Z0-9_.+#-]*')`;

/**
 * The ledger's versions: each step takes it from the version that is its index to the next one (`user_version`).
 * A step that was ever released is never changed.
 */
export const migrations: readonly string[] = [
  `
CREATE TABLE salt (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), bytes BLOB NOT NULL) STRICT;
INSERT INTO salt VALUES (1, randomblob(32));

CREATE TABLE consents (
  workspace ${identifier('workspace')} PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('granted', 'withdrawn')),
  time INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE completions (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  id ${identifier('id')} UNIQUE,
  time INTEGER NOT NULL,
  language ${identifier('language')},
  workspace ${identifier('workspace')},
  members TEXT NOT NULL,
  observation_version INTEGER NOT NULL,
  arm TEXT NOT NULL CHECK (arm IN ('champion', 'challenger', 'hedge')),
  champion INTEGER,
  challenger INTEGER,
  champion_propensity REAL NOT NULL,
  challenger_propensity REAL NOT NULL,
  hedge_propensity REAL NOT NULL,
  latency_ms REAL NOT NULL,
  shown_length INTEGER NOT NULL,
  log_probability REAL NOT NULL
) STRICT;
CREATE INDEX completions_by_time ON completions (time);
CREATE INDEX completions_by_workspace ON completions (workspace);

CREATE TABLE steps (
  completion INTEGER NOT NULL REFERENCES completions ON DELETE CASCADE,${stepColumns},
  weights BLOB NOT NULL,
  action BLOB,
  action_log_probability REAL,
  stops INTEGER NOT NULL CHECK (stops IN (0, 1)),
  PRIMARY KEY (completion, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
  completion INTEGER PRIMARY KEY REFERENCES completions ON DELETE CASCADE,
  time INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('accepted', 'partlyAccepted', 'rejected', 'ignored', 'censored')),
  accepted_length INTEGER NOT NULL,
  retained_30 INTEGER,
  retained_120 INTEGER,
  retained_300 INTEGER
) STRICT;

CREATE TABLE texts (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  language ${identifier('language')},
  workspace ${identifier('workspace')},
  members TEXT NOT NULL,
  observation_version INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX texts_by_time ON texts (time);
CREATE INDEX texts_by_workspace ON texts (workspace);

CREATE TABLE text_steps (
  text INTEGER NOT NULL REFERENCES texts ON DELETE CASCADE,${stepColumns},
  PRIMARY KEY (text, step)
) STRICT, WITHOUT ROWID;
`,
  `
CREATE TABLE policy_versions (
  version INTEGER PRIMARY KEY AUTOINCREMENT,
  parent INTEGER REFERENCES policy_versions ON DELETE SET NULL,
  origin TEXT NOT NULL CHECK (origin IN ('shipped', 'trained', 'imported')),
  state TEXT NOT NULL CHECK (state IN ('challenger', 'champion', 'retired', 'rolledBack')),
  created INTEGER NOT NULL,
  state_since INTEGER NOT NULL,
  -- When it first became champion: only such a one may come back after a rollback.
  promoted INTEGER,
  -- The newest rows when it was made: only what came later is held out for it, whatever the clock did.
  last_completion INTEGER NOT NULL,
  last_text INTEGER NOT NULL,
  changes TEXT NOT NULL,
  evaluation TEXT NOT NULL,
  file BLOB NOT NULL,
  sha256 BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_champion ON policy_versions (state) WHERE state = 'champion';
CREATE UNIQUE INDEX one_challenger ON policy_versions (state) WHERE state = 'challenger';

CREATE TABLE leases (
  name ${identifier('name')} PRIMARY KEY,
  holder ${identifier('holder')},
  renewed INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`,
  `
-- Null: not sampled, or recorded before this was.
ALTER TABLE steps ADD COLUMN could_stop INTEGER CHECK (could_stop IN (0, 1));
-- How much of what was shown the person's own text agrees with; null: not known.
ALTER TABLE outcomes ADD COLUMN agreed_length INTEGER;
`,
];

export const latestVersion = migrations.length;

/** `PRAGMA application_id` of every ledger, "Cnst" in ASCII; those made before it was set have 0 until they are next opened. */
export const applicationId = 0x436e7374;

/** The tables that a ledger of that version has at least. */
export function tablesOf(version: number): readonly string[] {
  return migrations
    .slice(0, version)
    .flatMap((step) => [...step.matchAll(/CREATE TABLE (\w+)/g)].map(([, name]) => name));
}

/** What erasing leaves as `user_version` in a file that other windows may still have open. */
export const erasedVersion = -1;

export function versionOf(session: Session): number {
  return session.first(z.object({ user_version: z.int() }), 'PRAGMA user_version')?.user_version ?? 0;
}

export function applicationIdOf(session: Session): number {
  return session.first(z.object({ application_id: z.int() }), 'PRAGMA application_id')?.application_id ?? 0;
}

/** Brings a ledger to the version asked for and puts Consort's name to it, whole steps or none; another process may do the same meanwhile. */
export function migrate(session: Session, toVersion = latestVersion): void {
  // One that needs nothing is not locked, and may be read-only.
  if (versionOf(session) >= toVersion && applicationIdOf(session) === applicationId) return;
  transaction(session, 'write', () => {
    for (let version = versionOf(session); version < toVersion; version++) {
      session.execute(migrations[version]);
      session.execute(`PRAGMA user_version = ${version + 1}`);
    }
    session.execute(`PRAGMA application_id = ${applicationId}`);
  });
}
