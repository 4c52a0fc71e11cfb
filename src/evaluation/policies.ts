import { Hedge } from '../policy/hedge.ts';
import type { Policy, Situation } from '../policy/policy.ts';
import { type Contender, type Ensemble, ensemble, type SeenByPolicy } from './contender.ts';
import { oracle } from './oracle.ts';
import { languageGroup, type TunedBaselines, type TunedLanguage } from './tuned.ts';

/**
 * The contenders that learn nothing from examples, by their names in the reports: `single:<member>`, `uniform`, `bayes`
 * (no forgetting), `packllm` (weights from the perplexity of the text before the cursor), `fixedShare` (as published),
 * `hedge` (fixed share as the product has it), `geometricConstant` (a product of experts under constant
 * exponents), `geometric` and `geometricFresh` (exponents learned online, carried along the package or from
 * the text before the cursor alone), `oracleToken` (the best member at each step, in hindsight); and, where they have
 * been tuned on other packages, `bestSingle`, `fixed` and `fixedGeometric`.
 */
export function contenders(memberIds: readonly string[], tuned?: TunedBaselines): Contender[] {
  const least = (name: string) => tuned?.minimumConfidence[name];
  const made = (name: string, how: Omit<Ensemble, 'minimumConfidence'>): Contender => {
    const minimumConfidence = least(name);
    return ensemble(name, minimumConfidence === undefined ? how : { ...how, minimumConfidence });
  };
  const linear = (name: string, createPolicy: Ensemble['createPolicy']) =>
    made(name, { combiner: 'linear', createPolicy });
  const geometric = (name: string, exponents: (seen: SeenByPolicy) => ArrayLike<number>) =>
    made(name, {
      combiner: 'geometric',
      createPolicy: (seen) => constantWeights(name, exponents(seen)),
    });
  const alone = (name: string, memberId: (languageId: string) => string | undefined) =>
    made(name, {
      combiner: 'linear',
      choose: ({ members, languageId }) => {
        const memberIdx = members.findIndex(({ id }) => id === memberId(languageId));
        return memberIdx < 0 ? undefined : [memberIdx];
      },
      createPolicy: () => constantWeights(name, [1]),
    });
  const tunedFor = (languageId: string) => tuned?.languages[languageGroup(languageId)];
  return [
    ...memberIds.map((id) => alone(`single:${id}`, () => id)),
    ...(tuned ? [alone('bestSingle', (languageId) => tunedFor(languageId)?.bestSingle)] : []),
    linear('uniform', ({ members }) => constantWeights('uniform', equal(members.length))),
    ...(tuned
      ? [
          linear('fixed', ({ members, languageId }) =>
            constantWeights('fixed', weightsFor(members, tunedFor(languageId), 'fixed', 1 / members.length)),
          ),
        ]
      : []),
    linear('packllm', ({ members }) => new PerplexityWeights(members.length)),
    linear('bayes', ({ members }) => new Hedge(members.length, { learningRate: 1, share: 0.001 })),
    linear('fixedShare', ({ members }) => new Hedge(members.length, { learningRate: 1, share: 0.05 })),
    linear('hedge', ({ members }) => new Hedge(members.length)),
    geometric('geometricConstant', ({ members }) => constantExponents(members.length)),
    ...(tuned
      ? [
          geometric('fixedGeometric', ({ members, languageId }) =>
            weightsFor(members, tunedFor(languageId), 'fixedGeometric', constantExponents(members.length)[0]),
          ),
        ]
      : []),
    geometric('geometricFresh', ({ exponents }) => exponents.fresh),
    geometric('geometric', ({ exponents }) => exponents.carried),
    oracle(least('oracleToken')),
  ];
}

function equal(n: number): number[] {
  return Array<number>(n).fill(1 / n);
}

function constantExponents(n: number): number[] {
  return Array<number>(n).fill(Math.min(0.6, 1.5 / n));
}

function weightsFor(
  members: SeenByPolicy['members'],
  language: TunedLanguage | undefined,
  which: 'fixed' | 'fixedGeometric',
  otherwise: number,
): number[] {
  return members.map(({ id }) => language?.[which][id] ?? otherwise);
}

function constantWeights(name: string, weights: ArrayLike<number>): Policy {
  return { name, begin() {}, weights: (out) => out.set(weights) };
}

/** PackLLM (Mavromatis et al. 2024): wᵢ ∝ exp(−ln perplexityᵢ of the prompt), one setting for the whole completion. */
class PerplexityWeights implements Policy {
  readonly name = 'packllm';
  readonly #weights: Float64Array;

  constructor(nMembers: number) {
    this.#weights = new Float64Array(nMembers);
  }

  begin({ recent: { logProbabilities } }: Situation): void {
    const nScored = Math.min(...logProbabilities.map((scores) => scores.length));
    const means = logProbabilities.map((scores) =>
      nScored === 0
        ? 0
        : scores.subarray(scores.length - nScored).reduce((sum, score) => sum + score, 0) / nScored,
    );
    const sum = means.reduce((total, mean) => total + Math.exp(mean), 0);
    means.forEach((mean, i) => {
      this.#weights[i] = Math.exp(mean) / sum;
    });
  }

  weights(out: Float64Array): void {
    out.set(this.#weights);
  }
}
