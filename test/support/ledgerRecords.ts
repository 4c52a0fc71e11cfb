import { randomUUID } from 'node:crypto';
import type { ScoredStep, ServedStep } from '../../src/policy/recordedPolicy.ts';
import type { Completion } from '../../src/server/ledger/completions.ts';
import type { Result } from '../../src/server/ledger/problems.ts';
import type { SurvivingText } from '../../src/server/ledger/survivingTexts.ts';

export const workspace = 'file:///home/someone/workspace';

/** The value; fails where there is a problem. */
export function value<Value>(result: Result<Value>): Value {
  if (result.problem) throw new Error(`${result.problem.kind}: ${result.problem.message}`);
  return result.value;
}

const scoredStep: ScoredStep = {
  observation: Float32Array.of(0.5, -0.25, 1, 0),
  hedgeLogWeights: Float32Array.of(-0.5, -1),
  logLikelihoods: Float32Array.of(-2, -3),
  logStarts: Float32Array.of(-0.125, 0),
  lexemeClass: 2,
  nBytes: 5,
};

export const servedStep: ServedStep = {
  ...scoredStep,
  weights: Float32Array.of(0.75, 0.25),
  action: Float32Array.of(0.5, -0.5),
  actionLogProbability: -1.5,
  couldStop: true,
  stops: false,
};

export function completion(changes: Partial<Completion> = {}): Completion {
  return {
    id: randomUUID(),
    time: 1_700_000_000_000,
    languageId: 'typescript',
    members: ['ngram', 'consort-typescript'],
    observationVersion: 1,
    draw: {
      arm: 'champion',
      policyVersion: 1,
      propensities: { champion: 0.8, challenger: 0.15, hedge: 0.05 },
      versions: { champion: 1, challenger: 2 },
    },
    latencyMs: 42.5,
    shownLength: 12,
    logProbability: -1.25,
    steps: [
      servedStep,
      { ...servedStep, action: null, actionLogProbability: null, couldStop: null, stops: true },
    ],
    ...changes,
  };
}

export function survivingText(changes: Partial<SurvivingText> = {}): SurvivingText {
  return {
    time: 1_700_000_000_000,
    languageId: 'python',
    members: ['ngram', 'consort-python'],
    observationVersion: 1,
    nBytes: 10,
    steps: [scoredStep, scoredStep],
    ...changes,
  };
}
