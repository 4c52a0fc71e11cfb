import * as z from 'zod';
import type { PolicyFile } from '../../config/policyFile.ts';
import type { Arm, ServingVersions } from '../../policy/arms.ts';
import type { Range } from '../../training/confidenceSequence.ts';
import { judgeTexts } from '../../training/judgedTexts.ts';
import {
  type JudgedCompletion,
  type LearnedText,
  type OnlinePrices,
  worthOf,
} from '../../training/onlineMaterial.ts';
import type { Evidence } from '../../training/promotion.ts';
import { type KeptCompletion, readCompletions } from '../ledger/completions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { outcomeKinds, readComparison } from '../ledger/outcomes.ts';
import type { PolicyVersion } from '../ledger/policyVersions.ts';
import type { Result } from '../ledger/problems.ts';
import { type KeptText, readTexts } from '../ledger/survivingTexts.ts';

/** What training reads of the ledger: the newest rows, oldest first. */
export interface OnlineMaterial {
  /** Those of which it is known what became of them. */
  readonly completions: readonly JudgedCompletion[];
  readonly texts: readonly LearnedText[];
  readonly lastCompletion: number;
  readonly lastText: number;
}

export function readMaterial(ledger: Ledger, maximumRows: number): Result<OnlineMaterial> {
  const newest = newestRows(ledger);
  if (newest.problem) return newest;
  const { lastCompletion, lastText } = newest.value;
  const completions = readCompletions(ledger, { afterRow: lastCompletion - maximumRows, limit: maximumRows });
  if (completions.problem) return completions;
  const outcomes = readOutcomes(ledger, lastCompletion - maximumRows);
  if (outcomes.problem) return outcomes;
  const texts = readTexts(ledger, { afterRow: lastText - maximumRows, limit: maximumRows });
  if (texts.problem) return texts;
  return {
    value: {
      completions: completions.value.flatMap((completion) => judged(completion, outcomes.value)),
      texts: texts.value.filter(isHeldTo(lastText)),
      lastCompletion,
      lastText,
    },
  };
}

/** Rows that came while it was read wait for the next time. */
function isHeldTo(lastText: number) {
  return ({ row }: KeptText) => row <= lastText;
}

/** Of the two policies compared, what has come since the one on trial got its place. */
export function evidenceFor(
  ledger: Ledger,
  compared: {
    readonly treatment: { readonly arm: Arm; readonly file: PolicyFile | null };
    readonly control: { readonly arm: Arm; readonly file: PolicyFile | null };
    readonly serving: ServingVersions;
    readonly after: Pick<PolicyVersion, 'lastCompletion' | 'lastText'>;
    /** What is shown is reckoned with these. */
    readonly prices: OnlinePrices;
    /** Beyond these an outcome counts as if it were at them. */
    readonly rewards: Range;
  },
): Result<Evidence> {
  const { treatment, control, serving, after, prices, rewards } = compared;
  const outcomes = readComparison(ledger, {
    treatment: treatment.arm,
    control: control.arm,
    ...serving,
    afterRow: after.lastCompletion,
  });
  if (outcomes.problem) return outcomes;
  const texts = readTexts(ledger, { afterRow: after.lastText, limit: mostTexts });
  if (texts.problem) return texts;
  const judgements = judgeTexts(treatment.file, texts.value, prices);
  const others = judgeTexts(control.file, texts.value, prices);
  return {
    value: {
      texts: texts.value.flatMap(({ nBytes }, i) => {
        const lossDifference = judgements[i].loss - others[i].loss;
        const worthDifference = judgements[i].worth - others[i].worth;
        // The end of a line is foreseen like a byte.
        return Number.isFinite(lossDifference)
          ? [{ nBytes: nBytes + 1, lossDifference, worthDifference }]
          : [];
      }),
      outcomes: outcomes.value.flatMap(({ arm, propensity, shownLength, kind, acceptedLength, retained }) => {
        // What was shown too shortly to be judged says nothing; silence does.
        if (kind === 'censored' || (kind === null && shownLength > 0)) return [];
        const worth = worthOf({ shown: shownLength, accepted: acceptedLength, retained }, prices);
        return [{ arm, propensity, reward: Math.min(rewards.high, Math.max(rewards.low, worth)) }];
      }),
    },
  };
}

/** As many texts as a verdict looks at. */
const mostTexts = 5000;

function judged(
  completion: KeptCompletion,
  outcomes: ReadonlyMap<number, JudgedOutcome>,
): JudgedCompletion[] {
  const outcome = outcomes.get(completion.row);
  if (outcome === undefined || outcome.kind === 'censored') return [];
  const { members, steps, shownLength } = completion;
  return [{ members, steps, shownLength, ...outcome }];
}

type JudgedOutcome = z.output<typeof outcomeRow>;

function readOutcomes(ledger: Ledger, afterRow: number): Result<ReadonlyMap<number, JudgedOutcome>> {
  return ledger.read((session) => {
    const rows = session.all(
      outcomeRow,
      `SELECT completion, kind, accepted_length AS acceptedLength,
         coalesce(retained_300, retained_120, retained_30) AS retained, agreed_length AS agreedLength
       FROM outcomes WHERE completion > ?`,
      afterRow,
    );
    return new Map(rows.map((row) => [row.completion, row]));
  });
}

const outcomeRow = z.object({
  completion: z.int(),
  kind: z.enum(outcomeKinds),
  acceptedLength: z.int(),
  retained: z.int().nullable(),
  agreedLength: z.int().nullable(),
});

/** The numbers of the newest rows; 0 for none. */
export function newestRows(
  ledger: Ledger,
): Result<{ readonly lastCompletion: number; readonly lastText: number }> {
  return ledger.read((session) => {
    const newest = (table: 'completions' | 'texts') =>
      session.first(newestRow, `SELECT coalesce(max(row), 0) AS newest FROM ${table}`)?.newest ?? 0;
    return { lastCompletion: newest('completions'), lastText: newest('texts') };
  });
}

const newestRow = z.object({ newest: z.int() });
