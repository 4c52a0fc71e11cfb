import * as z from 'zod';
import { readCompletions } from './completions.ts';
import type { Ledger } from './ledger.ts';
import { latestVersion } from './migrations.ts';
import { outcomeKinds } from './outcomes.ts';
import { listPolicyVersions, readPolicyFile } from './policyVersions.ts';
import type { LedgerProblem, Result } from './problems.ts';
import { readTexts } from './survivingTexts.ts';

/** One line of the export, to be written as JSON. */
export type ExportedLine = { readonly type: string } & Readonly<Record<string, unknown>>;

/** How many rows are read at a time. */
const pageSize = 100;

/** Everything in the ledger but the salt, a line at a time; ends early with what went wrong. */
export function* exportLines(ledger: Ledger): Generator<ExportedLine, LedgerProblem | null> {
  const versions = listPolicyVersions(ledger);
  if (versions.problem) return versions.problem;
  yield { type: 'ledger', format: 'consort-ledger', version: latestVersion };
  for (const version of versions.value.toReversed()) {
    const file = readPolicyFile(ledger, version.version);
    if (file.problem) return file.problem;
    yield { type: 'policyVersion', ...version, file: file.value };
  }
  const problem = yield* pages((afterRow) => completionsWithOutcomes(ledger, afterRow));
  if (problem !== null) return problem;
  return yield* pages((afterRow) => textsWithSteps(ledger, afterRow));
}

/** Reads on until a page is empty. */
function* pages(
  read: (afterRow: number) => Result<readonly (ExportedLine & { readonly row: number })[]>,
): Generator<ExportedLine, LedgerProblem | null> {
  let afterRow = 0;
  for (;;) {
    const page = read(afterRow);
    if (page.problem) return page.problem;
    if (page.value.length === 0) return null;
    yield* page.value;
    afterRow = page.value[page.value.length - 1].row;
  }
}

function completionsWithOutcomes(ledger: Ledger, afterRow: number) {
  const completions = readCompletions(ledger, { afterRow, limit: pageSize });
  if (completions.problem) return completions;
  const outcomes = ledger.read((session) =>
    session.all(
      outcomeRow,
      'SELECT * FROM outcomes WHERE completion > ? ORDER BY completion LIMIT ?',
      afterRow,
      pageSize,
    ),
  );
  if (outcomes.problem) return outcomes;
  const byRow = new Map(outcomes.value.map(({ completion, ...outcome }) => [completion, outcome]));
  const value = completions.value.map((completion) => ({
    type: 'completion',
    ...completion,
    steps: completion.steps.map(plain),
    outcome: byRow.get(completion.row) ?? null,
  }));
  return { value };
}

function textsWithSteps(ledger: Ledger, afterRow: number) {
  const texts = readTexts(ledger, { afterRow, limit: pageSize });
  if (texts.problem) return texts;
  return { value: texts.value.map((text) => ({ type: 'text', ...text, steps: text.steps.map(plain) })) };
}

/** JSON knows no typed arrays: plain lists in their place. */
function plain(step: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(step).map(([name, value]) => [
      name,
      value instanceof Float32Array ? Array.from(value, rounded) : value,
    ]),
  );
}

/** float32 has between seven and eight digits; NaN becomes null in JSON. */
function rounded(value: number): number {
  return Number(value.toPrecision(8));
}

const outcomeRow = z
  .object({
    completion: z.int(),
    time: z.number(),
    kind: z.enum(outcomeKinds),
    accepted_length: z.int(),
    retained_30: z.int().nullable(),
    retained_120: z.int().nullable(),
    retained_300: z.int().nullable(),
    agreed_length: z.int().nullable(),
  })
  .transform(({ completion, time, kind, accepted_length, agreed_length, ...retained }) => ({
    completion,
    time,
    kind,
    acceptedLength: accepted_length,
    retained: { 30: retained.retained_30, 120: retained.retained_120, 300: retained.retained_300 },
    agreedLength: agreed_length,
  }));
