import * as z from 'zod';
import type { ScoredStep, ServedStep } from '../../policy/recordedPolicy.ts';
import { floats } from './rows.ts';
import type { Session } from './session.ts';

export function insertServedSteps(session: Session, completion: number, steps: readonly ServedStep[]): void {
  for (const [stepIdx, step] of steps.entries()) {
    session.run(
      `INSERT INTO steps (completion, ${columns}, weights, action, action_log_probability, could_stop, stops)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      completion,
      stepIdx,
      ...values(step),
      step.weights,
      step.action,
      step.actionLogProbability,
      step.couldStop === null ? null : toBit(step.couldStop),
      toBit(step.stops),
    );
  }
}

export function insertScoredSteps(session: Session, text: number, steps: readonly ScoredStep[]): void {
  for (const [stepIdx, step] of steps.entries()) {
    session.run(
      `INSERT INTO text_steps (text, ${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      text,
      stepIdx,
      ...values(step),
    );
  }
}

export function servedSteps(session: Session, completion: number): readonly ServedStep[] {
  return session.all(servedStepRow, 'SELECT * FROM steps WHERE completion = ? ORDER BY step', completion);
}

export function scoredSteps(session: Session, text: number): readonly ScoredStep[] {
  return session.all(scoredStepRow, 'SELECT * FROM text_steps WHERE text = ? ORDER BY step', text);
}

const columns = 'step, observation, hedge_log_weights, log_likelihoods, log_starts, lexeme_class, bytes';

function values(step: ScoredStep) {
  const { observation, hedgeLogWeights, logLikelihoods, logStarts, lexemeClass, nBytes } = step;
  return [observation, hedgeLogWeights, logLikelihoods, logStarts, lexemeClass, nBytes];
}

const scoredColumns = z.object({
  observation: floats,
  hedge_log_weights: floats,
  log_likelihoods: floats,
  log_starts: floats,
  lexeme_class: z.int(),
  bytes: z.int(),
});

const bit = z.union([z.literal(0), z.literal(1)]);

function toBit(flag: boolean): 0 | 1 {
  return flag ? 1 : 0;
}

const scoredStepRow = scoredColumns.transform(toScoredStep);

const servedStepRow = scoredColumns
  .extend({
    weights: floats,
    action: floats.nullable(),
    action_log_probability: z.number().nullable(),
    could_stop: bit.nullable(),
    stops: bit,
  })
  .transform((row) => ({
    ...toScoredStep(row),
    weights: row.weights,
    action: row.action,
    actionLogProbability: row.action_log_probability,
    couldStop: row.could_stop === null ? null : row.could_stop === 1,
    stops: row.stops === 1,
  }));

function toScoredStep(row: z.infer<typeof scoredColumns>): ScoredStep {
  return {
    observation: row.observation,
    hedgeLogWeights: row.hedge_log_weights,
    logLikelihoods: row.log_likelihoods,
    logStarts: row.log_starts,
    lexemeClass: row.lexeme_class,
    nBytes: row.bytes,
  };
}
