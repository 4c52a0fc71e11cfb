import { effectOf, type Suggestion, type TextChange } from './liveSuggestion.ts';

/** What became of a suggestion, in the order in which it is told: shown first, unless censored, then one end. */
export type Outcome =
  | { readonly kind: 'shown'; readonly id: string }
  /** `acceptedLength` is in UTF-16 units from the start of the inserted text, cumulative. */
  | { readonly kind: 'partlyAccepted'; readonly id: string; readonly acceptedLength: number }
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'discarded'; readonly id: string; readonly how: 'rejected' | 'ignored' | 'censored' };

export interface Clock {
  /** Runs once after so many milliseconds; the returned function cancels it. */
  schedule(milliseconds: number, run: () => void): () => void;
}

export interface OutcomeTracker {
  /** The suggestion is handed to the editor, anew or (same id) again after typing along it. */
  offered(suggestion: Suggestion): void;
  /** The suggestion that still fits a cursor at this offset with text left to show, else null. */
  continuing(uri: string, cursorOffset: number): Suggestion | null;
  changed(uri: string, changes: readonly TextChange[]): void;
  cursorMoved(uri: string, cursorOffset: number): void;
  /** The editor ran the item's accept command. */
  accepted(id: string): void;
  /** Escape. */
  rejected(): void;
  /** The editor it stood in is gone or no longer active. */
  hidden(): void;
}

/**
 * Tells outcomes from what stable VS Code lets an extension see. A suggestion counts as shown once it has
 * fitted document and cursor for `shownAfterMs`, or was accepted; one that goes earlier is censored.
 */
export function createOutcomeTracker(options: {
  readonly clock: Clock;
  readonly shownAfterMs: () => number;
  readonly report: (outcome: Outcome) => void;
  /** Called with whether a suggestion may be on display, whenever that changes. */
  readonly onLive?: (live: boolean) => void;
}): OutcomeTracker {
  let live: Live | null = null;
  let lastAccepted: string | null = null;

  return {
    offered(suggestion) {
      if (live?.suggestion.id === suggestion.id) {
        live.suggestion = suggestion;
        return;
      }
      discard('ignored');
      const next: Live = { suggestion, shown: false, partly: false, cancelTimer: () => {} };
      next.cancelTimer = options.clock.schedule(options.shownAfterMs(), () => show(next));
      live = next;
      options.onLive?.(true);
    },
    continuing(uri, cursorOffset) {
      return live !== null && fits(live.suggestion, uri, cursorOffset) ? live.suggestion : null;
    },
    changed(uri, changes) {
      if (live === null || live.suggestion.uri !== uri || changes.length === 0) return;
      const effect = effectOf(live.suggestion, changes);
      switch (effect.kind) {
        case 'along':
          live.suggestion = effect.suggestion;
          // One character is typing; more in one change is the editor accepting a word or a line of it.
          if (effect.nAdded > 1) acceptPart(live);
          return;
        case 'completed':
          return accept(live);
        case 'diverged':
          return discard('rejected');
        case 'paired':
        case 'elsewhere':
          return discard('ignored');
      }
    },
    cursorMoved(uri, cursorOffset) {
      if (live !== null && !fits(live.suggestion, uri, cursorOffset)) discard('ignored');
    },
    accepted(id) {
      if (live?.suggestion.id === id) return accept(live);
      if (lastAccepted === id) return;
      lastAccepted = id;
      options.report({ kind: 'shown', id });
      options.report({ kind: 'accepted', id });
    },
    rejected: () => discard('rejected'),
    hidden: () => discard('ignored'),
  };

  function show(shown: Live): void {
    shown.cancelTimer();
    if (shown.shown) return;
    shown.shown = true;
    options.report({ kind: 'shown', id: shown.suggestion.id });
  }

  function acceptPart(part: Live): void {
    show(part);
    part.partly = true;
    const { id, typed } = part.suggestion;
    options.report({ kind: 'partlyAccepted', id, acceptedLength: typed.length });
  }

  function accept(whole: Live): void {
    show(whole);
    drop();
    lastAccepted = whole.suggestion.id;
    options.report({ kind: 'accepted', id: whole.suggestion.id });
  }

  function discard(how: 'rejected' | 'ignored'): void {
    const gone = live;
    drop();
    if (gone === null) return;
    const told = !gone.shown ? 'censored' : gone.partly ? 'ignored' : how;
    options.report({ kind: 'discarded', id: gone.suggestion.id, how: told });
  }

  function drop(): void {
    if (live === null) return;
    live.cancelTimer();
    live = null;
    options.onLive?.(false);
  }
}

interface Live {
  suggestion: Suggestion;
  shown: boolean;
  partly: boolean;
  cancelTimer: () => void;
}

function fits(suggestion: Suggestion, uri: string, cursorOffset: number): boolean {
  return suggestion.uri === uri && suggestion.offset + suggestion.typed.length === cursorOffset;
}
