import * as vscode from 'vscode';
import type { Middleware } from 'vscode-languageclient/node';
import { isLanguageEnabled, type Settings } from '../config/settings.ts';
import type { AdaptiveDebounce } from './debounce.ts';
import { extendsSelection, type Suggestion } from './liveSuggestion.ts';
import type { OutcomeTracker } from './outcomeTracker.ts';

/** Every item's command: the host learns of the acceptance even while the background process is away. */
export const acceptSuggestionCommand = 'consort.acceptSuggestion';

/**
 * What stands between VS Code's request and the background process: the toggles, a suggestion that is typed
 * along, the wait after a keystroke, and the suggest widget's selection.
 */
export function createInlineCompletionMiddleware(parts: {
  readonly settings: () => Settings;
  readonly isRunning: () => boolean;
  readonly debounce: AdaptiveDebounce;
  readonly tracker: OutcomeTracker;
}): Middleware {
  return {
    async provideInlineCompletionItems(document, position, context, token, next) {
      const settings = parts.settings();
      if (!settings.enable || !isLanguageEnabled(settings, document.languageId)) return null;
      if (!parts.isRunning()) return null;

      const automatic = context.triggerKind === vscode.InlineCompletionTriggerKind.Automatic;
      const cursor = document.offsetAt(position);
      const kept = automatic ? parts.tracker.continuing(document.uri.toString(), cursor) : null;
      if (kept !== null && fitsWidget(kept, document, context)) return [itemOf(kept, document)];

      if (automatic) await wait(parts.debounce.delay(settings.debounceMs), token);
      if (token.isCancellationRequested) return null;

      const asked = performance.now();
      const result = await next(document, position, context, token);
      if (token.isCancellationRequested) return null;
      parts.debounce.observe(performance.now() - asked);

      const [first] = (Array.isArray(result) ? result : result?.items) ?? [];
      const suggestion = first && suggestionOf(first, document, position);
      if (!suggestion || !fitsWidget(suggestion, document, context)) return null;
      parts.tracker.offered(suggestion);
      return [itemOf(suggestion, document)];
    },
  };
}

/** Null where the item could not be followed (no id, a snippet, more than a cursor's line) or would show nothing. */
function suggestionOf(
  item: vscode.InlineCompletionItem,
  document: vscode.TextDocument,
  position: vscode.Position,
): Suggestion | null {
  const id: unknown = item.command?.arguments?.[0];
  const range = item.range ?? new vscode.Range(position, position);
  if (typeof id !== 'string' || typeof item.insertText !== 'string' || !range.contains(position)) return null;
  const typed = document.getText(new vscode.Range(range.start, position));
  const replaced = document.getText(range);
  if (item.insertText === replaced) return null;
  return {
    id,
    uri: document.uri.toString(),
    offset: document.offsetAt(range.start),
    insertText: item.insertText,
    typed,
    tailLength: replaced.length - typed.length,
  };
}

function itemOf(suggestion: Suggestion, document: vscode.TextDocument): vscode.InlineCompletionItem {
  const end = suggestion.offset + suggestion.typed.length + suggestion.tailLength;
  const range = new vscode.Range(document.positionAt(suggestion.offset), document.positionAt(end));
  return new vscode.InlineCompletionItem(suggestion.insertText, range, {
    title: '',
    command: acceptSuggestionCommand,
    arguments: [suggestion.id],
  });
}

function fitsWidget(
  suggestion: Suggestion,
  document: vscode.TextDocument,
  { selectedCompletionInfo: selected }: vscode.InlineCompletionContext,
): boolean {
  if (selected === undefined) return true;
  return extendsSelection(
    suggestion,
    { offset: document.offsetAt(selected.range.start), text: selected.text },
    (from, to) => document.getText(new vscode.Range(document.positionAt(from), document.positionAt(to))),
  );
}

/** Resolves after the delay, or at once when the request is cancelled. */
function wait(milliseconds: number, token: vscode.CancellationToken): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      subscription.dispose();
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    const subscription = token.onCancellationRequested(done);
  });
}
