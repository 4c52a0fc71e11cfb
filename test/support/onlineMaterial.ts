import type { PolicyFile } from '../../src/config/policyFile.ts';
import { lexemeClass } from '../../src/lm/lexeme.ts';
import { MEMBER_FEATURES, SHARED_FEATURES, sharedFeatures } from '../../src/policy/features.ts';
import type { ScoredStep, ServedStep } from '../../src/policy/recordedPolicy.ts';
import type { Completion } from '../../src/server/ledger/completions.ts';
import type { SurvivingText } from '../../src/server/ledger/survivingTexts.ts';
import { hedgePolicy } from '../../src/training/onlineUpdate.ts';
import { completion, survivingText } from './ledgerRecords.ts';

const members = ['good', 'poor'];

/**
 * A step that the first member foresees, the second does not; or, where it is a trap, neither. What is seen tells the two
 * apart: the mixture is sure (`top`), or it is not.
 */
function toyStep(isTrap: boolean): ScoredStep {
  const observation = new Float32Array(members.length * MEMBER_FEATURES + SHARED_FEATURES);
  // The first member's own features are other than the second's.
  observation[MEMBER_FEATURES - 2] = 1;
  observation[members.length * MEMBER_FEATURES + sharedFeatures.top.at] = isTrap ? 0 : 1;
  return {
    observation,
    hedgeLogWeights: Float32Array.of(Math.log(0.7), Math.log(0.3)),
    logLikelihoods: isTrap ? Float32Array.of(-4, -4) : Float32Array.of(-0.1, -3),
    logStarts: new Float32Array(members.length),
    lexemeClass: lexemeClass.word,
    nBytes: 6,
  };
}

/** A line of one step and its end. */
export function toyText(isTrap: boolean): SurvivingText {
  const end: ScoredStep = { ...toyStep(false), lexemeClass: lexemeClass.end, nBytes: 0 };
  return survivingText({ members, nBytes: 6, steps: [toyStep(isTrap), end] });
}

/** What Hedge shows at such a line. */
export function toyCompletion(isTrap: boolean, changes: Partial<Completion> = {}): Completion {
  const step: ServedStep = {
    ...toyStep(isTrap),
    weights: Float32Array.of(0.7, 0.3),
    action: null,
    actionLogProbability: null,
    couldStop: null,
    stops: false,
  };
  return completion({ members, steps: [step], shownLength: 6, ...changes });
}

/** Ends every text at once. */
export function silentPolicy(): PolicyFile {
  return stoppingPolicy(5);
}

/** Ends a text with the same probability, the logistic function of `logit`, whatever it sees. */
export function stoppingPolicy(logit: number): PolicyFile {
  const policy = hedgePolicy();
  const { network } = policy;
  return { ...policy, network: { ...network, stop: { ...network.stop, bias: Float32Array.of(logit) } } };
}
