import { l10n } from 'vscode';
import type { PanelTexts } from '../protocol/panel.ts';

/** The page cannot reach VS Code's translations, so the host hands it every string. */
export function panelTexts(): PanelTexts {
  return {
    lastCompletion: l10n.t('Last completion'),
    tokensLabel: l10n.t('Tokens of the completion; arrow keys move between them'),
    tokenOf: l10n.t('Token {0} of {1}'),
    whiteSpace: l10n.t('white space'),
    lineBreak: l10n.t('line break'),
    members: l10n.t('Members'),
    sharesOfToken: l10n.t('Shares of this token'),
    shareOfCompletion: l10n.t('{0} of the completion'),
    notTakingPart: l10n.t('took no part'),
    latency: l10n.t('{0} ms'),
    latencyParts: l10n.t('{0} ms in all: {1} reading, {2} writing, {3} weighing'),
    nothingShown: l10n.t('Nothing just now: {0}'),
    policy: l10n.t('Weights: {0}'),
    indexed: l10n.t('Files indexed: {0}'),
    indexing: l10n.t('Indexing, files so far: {0}'),
    emptyTitle: l10n.t('No completion yet'),
    emptyText: l10n.t(
      'Type in a file. What the members write together appears here, with the share of each.',
    ),
    emptyAction: l10n.t('Complete at the Cursor'),
    offTitle: l10n.t('Completions are off'),
    offText: l10n.t('Nothing is suggested until you turn them on again.'),
    offAction: l10n.t('Turn Completions On'),
    failedTitle: l10n.t('The background process is not running'),
    failedAction: l10n.t('Restart'),
    startingTitle: l10n.t('Starting'),
    startingText: l10n.t('The members are being loaded.'),
    stopReasons: {
      endOfLine: l10n.t('Ended with the line.'),
      suffixOverlap: l10n.t('Ended where your text goes on.'),
      repetition: l10n.t('Ended because it began to repeat itself.'),
      policy: l10n.t('Ended where more was not likely to be of use.'),
      lowConfidence: l10n.t('Ended where the members were no longer sure.'),
      maximumLength: l10n.t('Ended at the longest length allowed.'),
    },
    silences: {
      disabled: l10n.t('completions are off.'),
      languageDisabled: l10n.t('completions are off for this language.'),
      noMembers: l10n.t('no member is ready.'),
      documentTooLarge: l10n.t('the file is too large.'),
      documentNotText: l10n.t('the file is not text.'),
      cursorInsideCharacter: l10n.t('the cursor stands inside a character.'),
      conflictsWithSuggestion: l10n.t('nothing goes on from the selected suggestion.'),
      empty: l10n.t('the line is complete as it is.'),
      alreadyThere: l10n.t('what the members would write already stands there.'),
      lowConfidence: l10n.t('the members were not sure enough.'),
      cancelled: l10n.t('you went on typing.'),
    },
    memberKinds: { neural: l10n.t('neural'), ngram: l10n.t('n-gram'), endpoint: l10n.t('endpoint') },
    memberStates: {
      loading: l10n.t('loading'),
      ready: l10n.t('ready'),
      failed: l10n.t('failed'),
      disabled: l10n.t('off'),
    },
  };
}
