/** What was handed to the editor: `insertText` replaces the document's text from `offset` on. Offsets are in UTF-16 units. */
export interface Suggestion {
  readonly id: string;
  readonly uri: string;
  readonly offset: number;
  readonly insertText: string;
  /** The replaced text before the cursor: what of the suggestion stands in the document already. */
  readonly typed: string;
  /** How many units after the cursor it replaces. */
  readonly tailLength: number;
}

/** One replacement in a document. */
export interface TextChange {
  readonly offset: number;
  readonly length: number;
  readonly text: string;
}

/** What a change of the document means for a suggestion on display. */
export type Effect =
  | { readonly kind: 'along'; readonly suggestion: Suggestion; readonly nAdded: number }
  /** All of it stands in the document. */
  | { readonly kind: 'completed' }
  /** The editor closed a bracket or quote that was typed along: it fits, but no longer the text after the cursor. */
  | { readonly kind: 'paired' }
  /** Something else was typed at the cursor. */
  | { readonly kind: 'diverged' }
  /** The document changed in another place, or typed text was taken back. */
  | { readonly kind: 'elsewhere' };

export function effectOf(suggestion: Suggestion, changes: readonly TextChange[]): Effect {
  const [change] = changes;
  if (changes.length !== 1) return { kind: 'elsewhere' };
  const { typed, insertText, tailLength } = suggestion;
  const from = change.offset - suggestion.offset;
  const to = from + change.length;
  if (from < 0 || from > typed.length || to > typed.length + tailLength) return { kind: 'elsewhere' };
  const text = change.text.replaceAll('\r\n', '\n');
  const now = typed.slice(0, from) + text + typed.slice(to);
  const expected = insertText.replaceAll('\r\n', '\n');
  if (now === expected) return { kind: 'completed' };
  const tailKept = to <= typed.length;
  if (tailKept && expected.startsWith(now)) {
    return {
      kind: 'along',
      suggestion: { ...suggestion, typed: now },
      nAdded: Math.max(0, now.length - typed.length),
    };
  }
  if (text === '') return { kind: 'elsewhere' };
  const atCursor = from === typed.length && change.length === 0;
  if (atCursor && pairs.has(text) && expected.startsWith(typed + text[0])) return { kind: 'paired' };
  return { kind: 'diverged' };
}

/**
 * Whether the suggestion begins with the entry that is selected in the suggest widget: the editor hides any
 * other. `between` is the document's text between the two starts, in whichever order they come.
 */
export function extendsSelection(
  item: { readonly offset: number; readonly insertText: string },
  selection: { readonly offset: number; readonly text: string },
  textBetween: (from: number, to: number) => string,
): boolean {
  if (item.offset <= selection.offset) {
    return item.insertText.startsWith(textBetween(item.offset, selection.offset) + selection.text);
  }
  return (textBetween(selection.offset, item.offset) + item.insertText).startsWith(selection.text);
}

const pairs = new Set(['()', '[]', '{}', '<>', '""', "''", '``']);
