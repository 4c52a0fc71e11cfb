/** The languages that baselines are tuned for and reports are divided by. */
export const languageGroups = ['typescript', 'javascript', 'python'] as const;
export type LanguageGroup = (typeof languageGroups)[number];

/** The group of VS Code's language identifier; `typescript` for those that have none of their own. */
export function languageGroup(languageId: string): LanguageGroup {
  if (languageId.startsWith('python')) return 'python';
  return languageId.startsWith('javascript') ? 'javascript' : 'typescript';
}

/** What the baselines that are tuned on held-out packages were tuned to. */
export interface TunedBaselines {
  /** The digest of the members that they were tuned with. */
  readonly members?: string;
  readonly languages: Readonly<Partial<Record<LanguageGroup, TunedLanguage>>>;
  /** Per contender: the probability of the whole text below which nothing more is shown, for the highest reward. */
  readonly minimumConfidence: Readonly<Record<string, number>>;
}

export interface TunedLanguage {
  /** The member that is best alone. */
  readonly bestSingle: string;
  /** Weights of the linear combiner by member, summing to 1. */
  readonly fixed: Readonly<Record<string, number>>;
  /** Exponents of the geometric combiner by member. */
  readonly fixedGeometric: Readonly<Record<string, number>>;
}
