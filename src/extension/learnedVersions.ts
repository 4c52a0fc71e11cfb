import { l10n } from 'vscode';
import type { LearnedVersion, LearningProgress } from '../protocol/messages.ts';

export function namesOfStates(): Readonly<Record<LearnedVersion['state'], string>> {
  return {
    champion: l10n.t('serves'),
    challenger: l10n.t('on trial'),
    retired: l10n.t('retired'),
    rolledBack: l10n.t('rolled back'),
  };
}

/** What speaks for it, or what is missing, and what changed, in one line of which the end may not be seen. */
export function detailsOf(
  { state, changes, evaluation }: Pick<LearnedVersion, 'state' | 'changes' | 'evaluation'>,
  progress: LearningProgress,
): string {
  const changed = numbersIn(changes);
  const evidence = numbersIn(evaluation);
  return [
    state === 'challenger'
      ? missingText(progress)
      : evidence === ''
        ? l10n.t('Not enough evidence yet')
        : l10n.t('Evidence: {0}', evidence),
    ...(changed === '' ? [] : [l10n.t('Changed: {0}', changed)]),
  ].join(' · ');
}

/** What the next change of the policy waits for. */
export function missingText(progress: LearningProgress): string {
  const { have, need } = progress.texts;
  if (progress.kind === 'gathering') {
    return have < need
      ? l10n.t('Too little to learn from yet: {0} of {1} texts', have, need)
      : l10n.t('A version is trained when you rest');
  }
  const { completions } = progress;
  return have < need || completions.have < completions.need
    ? l10n.t(
        'Not enough evidence yet: {0} of {1} completions, {2} of {3} texts',
        completions.have,
        completions.need,
        have,
        need,
      )
    : l10n.t('Not enough evidence yet: no certain difference');
}

function numbersIn(numbers: Readonly<Record<string, number | null>>): string {
  return Object.entries(numbers)
    .flatMap(([name, value]) => (value === null ? [] : [`${name} ${Number(value.toPrecision(3))}`]))
    .join(', ');
}
