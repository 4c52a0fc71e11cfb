import { baseExponent } from './actorPolicy.ts';
import { fixedShare, Hedge } from './hedge.ts';
import type { Policy } from './policy.ts';

/** The policies that need no training, by their names in the settings. */
export const trainingFreePolicies = {
  hedge: (nMembers) => new Hedge(nMembers),
  fixedShare: (nMembers) => new Hedge(nMembers, fixedShare),
  uniform: (nMembers, combiner) => {
    const weight = combiner === 'linear' ? 1 / nMembers : baseExponent(nMembers);
    return { name: 'uniform', begin() {}, weights: (out) => out.fill(weight) };
  },
} as const satisfies Record<string, (nMembers: number, combiner: 'linear' | 'geometric') => Policy>;
