import type { Connection } from 'vscode-languageserver';
import * as z from 'zod';
import {
  type ChoosePolicyParams,
  choosePolicy,
  type EraseLearnedResult,
  type ExportLearnedParams,
  eraseLearned,
  exportLearned,
  type LearningAnswer,
  learningReport,
  type SetConsentParams,
  setConsent,
} from '../protocol/messages.ts';
import type { Learning } from './learning/learning.ts';
import { choose, erase, exportTo, report } from './learning/requests.ts';
import type { Ledger } from './ledger/ledger.ts';
import type { WhileServing } from './requestChecks.ts';

/** Answers what a person asks about learning. */
export function answerLearningRequests(
  connection: Connection,
  serving: WhileServing,
  learning: () => Learning | undefined,
): void {
  const on = <Value>(method: string, run: (given: unknown) => Promise<LearningAnswer<Value>>) =>
    connection.onRequest<LearningAnswer<Value>, void>(method, serving(run));
  on(setConsent, (given: unknown) =>
    answer(
      given,
      z.object({ granted: z.boolean() }) satisfies z.ZodType<SetConsentParams>,
      ({ granted }): LearningAnswer<null> => {
        const result = learning()?.setConsent(granted) ?? null;
        if (result === null) return { problem: learning()?.status().message ?? unavailable };
        return result.problem ? { problem: result.problem.message } : { value: null };
      },
    ),
  );
  on(learningReport, () => withLedger(report));
  on(exportLearned, (given: unknown) =>
    answer(
      given,
      z.object({ path: z.string().min(1) }) satisfies z.ZodType<ExportLearnedParams>,
      ({ path }) => withLedger((ledger) => exportTo(ledger, path)),
    ),
  );
  on(choosePolicy, (given: unknown) =>
    answer(
      given,
      z.object({ version: z.int().nullable() }) satisfies z.ZodType<ChoosePolicyParams>,
      async ({ version }) => {
        const chosen = await withLedger((ledger) => choose(ledger, version, Date.now()));
        learning()?.refresh();
        return chosen;
      },
    ),
  );
  on(eraseLearned, async (): Promise<LearningAnswer<EraseLearnedResult>> => {
    const path = learning()?.ledgerPath;
    if (path === undefined) return { problem: unavailable };
    const erased = await erase(path);
    learning()?.refresh();
    return erased;
  });

  async function withLedger<Value>(
    ask: (ledger: Ledger) => LearningAnswer<Value> | Promise<LearningAnswer<Value>>,
  ): Promise<LearningAnswer<Value>> {
    const ledger = await learning()?.opened();
    return ledger ? ask(ledger) : { problem: learning()?.status().message ?? unavailable };
  }
}

const unavailable =
  'Learning needs a folder that is open and trusted, and an editor that keeps data for Consort.';

async function answer<Params, Value>(
  given: unknown,
  schema: z.ZodType<Params>,
  ask: (params: Params) => LearningAnswer<Value> | Promise<LearningAnswer<Value>>,
): Promise<LearningAnswer<Value>> {
  const { data, error } = schema.safeParse(given);
  return error ? { problem: z.prettifyError(error) } : ask(data);
}
