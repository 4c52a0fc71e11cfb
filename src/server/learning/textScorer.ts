import type { ScoredText } from '../scoreText.ts';
import type { TextAtCursor } from '../textContext.ts';

export interface TextScorerOptions {
  readonly schedule: (milliseconds: number, run: () => void) => () => void;
  /** Rejects where something more urgent comes between. */
  readonly score: (at: TextAtCursor, text: string) => Promise<ScoredText | null>;
  /** Whether the document may still be read. */
  readonly isOpen: (uri: string) => boolean;
  readonly onScored: (at: TextAtCursor, scored: ScoredText) => void;
}

/** Nothing has happened for so long: the members are at leisure. In milliseconds. */
const idleMs = 5000;
/** Longer texts tell little about completions, and cost much. */
const maximumUnits = 400;
/** Of these, the oldest go. */
const maximumWaiting = 100;
const maximumAttempts = 3;

/** Texts that wait until the members have nothing else to do. */
export class TextScorer {
  readonly #options: TextScorerOptions;
  #waiting: { readonly at: TextAtCursor; readonly text: string; attempts: number }[] = [];
  #cancel: (() => void) | undefined;

  constructor(options: TextScorerOptions) {
    this.#options = options;
  }

  add(at: TextAtCursor, text: string): void {
    if (text.length > maximumUnits) return;
    this.#waiting.push({ at, text, attempts: 0 });
    if (this.#waiting.length > maximumWaiting) this.#waiting.shift();
    this.busy();
  }

  /** The person is at work: the leisure begins anew. */
  busy(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#waiting.length > 0) this.#cancel = this.#options.schedule(idleMs, () => void this.#next());
  }

  clear(): void {
    this.#waiting = [];
    this.busy();
  }

  async #next(): Promise<void> {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    const { at, text } = next;
    if (this.#options.isOpen(at.uri)) {
      try {
        const scored = await this.#options.score(at, text);
        if (scored !== null) this.#options.onScored(at, scored);
      } catch {
        if (++next.attempts < maximumAttempts) this.#waiting.push(next);
        this.busy();
        return;
      }
    }
    await this.#next();
  }
}
