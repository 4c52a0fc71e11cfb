import type { CompletionReport } from '../protocol/completion.ts';
import type { TextAtCursor } from './textContext.ts';

/**
 * The last completion that was offered. While the person types along it, what remains of it is still the answer,
 * so that no editor has to ask the members again.
 */
export class LastCompletion {
  #last: { readonly at: TextAtCursor; readonly report: CompletionReport } | undefined;

  remember(at: TextAtCursor, report: CompletionReport): void {
    this.#last = report.text === '' ? undefined : { at, report };
  }

  forget(): void {
    this.#last = undefined;
  }

  /**
   * The completion and how many UTF-16 units of it the person has typed, where this text is the completed one
   * with a proper prefix of the completion typed at the cursor and nothing else changed.
   */
  typedAlong(now: TextAtCursor): { readonly report: CompletionReport; readonly nTyped: number } | undefined {
    if (this.#last === undefined) return undefined;
    const { at, report } = this.#last;
    const nTyped = now.offset - at.offset;
    const isSame =
      now.uri === at.uri &&
      now.languageId === at.languageId &&
      nTyped >= 0 &&
      nTyped < report.text.length &&
      now.text.length === at.text.length + nTyped &&
      now.text.startsWith(report.text.slice(0, nTyped), at.offset) &&
      now.text.slice(0, at.offset) === at.text.slice(0, at.offset) &&
      now.text.slice(now.offset) === at.text.slice(at.offset);
    return isSame ? { report, nTyped } : undefined;
  }
}
