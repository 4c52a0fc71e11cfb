import type { CombinerName } from '../decoding/combiner.ts';
import { Hedge } from '../policy/hedge.ts';
import type { Policy, RecentText } from '../policy/policy.ts';

/** One way to set the weights, as the evaluation runs it. */
export interface Contender {
  readonly name: string;
  /** Which of the members take part. */
  readonly memberIdxs: readonly number[];
  readonly combiner: CombinerName;
  readonly createPolicy: (nMembers: number) => Policy;
}

/**
 * The contenders by their names in the reports: `single:<member>`, `uniform`, `bayes` (no forgetting), `packllm`
 * (weights from the perplexity of the text before the cursor), `hedge` (fixed share) and `geometric` (a
 * product of experts under constant exponents).
 */
export function contenders(memberIds: readonly string[]): Contender[] {
  const all = memberIds.map((_, memberIdx) => memberIdx);
  const linear = (name: string, createPolicy: Contender['createPolicy']): Contender => ({
    name,
    memberIdxs: all,
    combiner: 'linear',
    createPolicy,
  });
  return [
    ...memberIds.map(
      (id, memberIdx): Contender => ({
        name: `single:${id}`,
        memberIdxs: [memberIdx],
        combiner: 'linear',
        createPolicy: () => constantWeights('single', [1]),
      }),
    ),
    linear('uniform', (n) => constantWeights('uniform', Array(n).fill(1 / n))),
    linear('bayes', (n) => new Hedge(n, { learningRate: 1, share: 0.001 })),
    linear('packllm', (n) => new PerplexityWeights(n)),
    linear('hedge', (n) => new Hedge(n)),
    {
      name: 'geometric',
      memberIdxs: all,
      combiner: 'geometric',
      createPolicy: (n) => constantWeights('geometric', Array(n).fill(Math.min(0.6, 1.5 / n))),
    },
  ];
}

function constantWeights(name: string, weights: readonly number[]): Policy {
  return { name, begin() {}, weights: (out) => out.set(weights) };
}

/** PackLLM (Mavromatis et al. 2024): wᵢ ∝ exp(−ln perplexityᵢ of the prompt), one setting for the whole completion. */
class PerplexityWeights implements Policy {
  readonly name = 'packllm';
  readonly #weights: Float64Array;

  constructor(nMembers: number) {
    this.#weights = new Float64Array(nMembers);
  }

  begin({ logProbabilities }: RecentText): void {
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
