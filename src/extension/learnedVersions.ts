import { l10n } from 'vscode';
import type { LearnedVersion } from '../protocol/messages.ts';

export function namesOfStates(): Readonly<Record<LearnedVersion['state'], string>> {
  return {
    champion: l10n.t('serves'),
    challenger: l10n.t('on trial'),
    retired: l10n.t('retired'),
    rolledBack: l10n.t('rolled back'),
  };
}

/** What changed and what speaks for it, in one line. */
export function detailsOf(
  changes: LearnedVersion['changes'],
  evaluation: LearnedVersion['evaluation'],
): string {
  const changed = numbersIn(changes);
  const evidence = numbersIn(evaluation);
  return [
    changed === '' ? '' : l10n.t('Changed: {0}', changed),
    evidence === '' ? l10n.t('Not enough evidence yet') : l10n.t('Evidence: {0}', evidence),
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

function numbersIn(numbers: Readonly<Record<string, number | null>>): string {
  return Object.entries(numbers)
    .flatMap(([name, value]) => (value === null ? [] : [`${name} ${Number(value.toPrecision(3))}`]))
    .join(', ');
}
