import { editDistance, judge } from '../../evaluation/typist.ts';
import type { Outcome, OutcomeKind, SurvivalSeconds } from '../ledger/outcomes.ts';
import { survivalSeconds } from '../ledger/outcomes.ts';
import type { TextAtCursor } from '../textContext.ts';
import { moveOffset, moveRegion, type Region, type TextEdit, within } from './region.ts';

/** A completion as it was handed to the editor. */
export interface Offer {
  readonly id: string;
  /** What was completed; the text begins at the cursor. */
  readonly at: TextAtCursor;
  readonly text: string;
  /** Where the item begins, as an offset in the document. */
  readonly start: number;
  /** How many units of the item stand before the text; below 0 where so many of the text had been typed already. */
  readonly leading: number;
}

/** What editors tell of a completion. `acceptedLength` counts from the start of the item, and is cumulative. */
export type Told =
  | { readonly kind: 'shown' | 'accepted' | 'rejected' | 'ignored' | 'censored' }
  | { readonly kind: 'partlyAccepted'; readonly acceptedLength: number };

export interface WatchOptions {
  /** Runs once after so many milliseconds; the returned function cancels it. */
  readonly schedule: (milliseconds: number, run: () => void) => () => void;
  /** The text of an open document now. */
  readonly textOf: (uri: string) => string | undefined;
  readonly listener: WatchListener;
}

interface WatchListener {
  /** A later word on the same completion replaces the earlier one. */
  outcome(outcome: Pick<Outcome, 'kind' | 'acceptedLength'> & { readonly id: string }): void;
  /** How many units of what was accepted are still there; 0 where more than half of it has changed. */
  survival(survival: {
    readonly id: string;
    readonly after: SurvivalSeconds;
    readonly retained: number;
  }): void;
  /** How many units of what was shown, lexeme by lexeme from its start, stand in what the person left there. */
  agreement(agreement: { readonly id: string; readonly agreedLength: number }): void;
  /** What stands there now that the person has left the line: kept, or written instead. */
  text(at: TextAtCursor, text: string): void;
}

/** An edit with the document's text before and after it. */
export interface DocumentEdit extends TextEdit {
  readonly before: string;
  readonly after: string;
}

/** More are not followed at a time; the oldest go. */
const maximumWatched = 200;

/**
 * What becomes of completions: each that was shown ends in one outcome, and what was accepted is looked at again after
 * 30, 120 and 300 seconds, wherever it stands then. Where an editor tells no end, the last look decides.
 */
export class Watch {
  readonly #options: WatchOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Handed to the editor, or (the same id) what remains of it once more. */
  offered({ id, at, text, start, leading }: Offer): void {
    const known = this.#watched.get(id);
    if (known) {
      known.leading = leading;
      return;
    }
    const watched: Watched = {
      id,
      at,
      text,
      itemStart: start,
      ahead: leading,
      leading,
      isShown: false,
      end: null,
      place: { kind: 'notYet' },
      hasLeftLine: false,
      isTextTold: false,
      agreedLength: null,
      cancel: () => {},
    };
    this.#watched.set(id, watched);
    this.#lookAfter(watched, 0);
    for (const [oldest, { cancel }] of this.#watched) {
      if (this.#watched.size <= maximumWatched) break;
      cancel();
      this.#watched.delete(oldest);
    }
  }

  /** The editor says so. */
  told(id: string, told: Told): void {
    const watched = this.#watched.get(id);
    if (watched === undefined) return;
    watched.isShown ||= told.kind !== 'censored';
    if (told.kind === 'shown' || watched.end?.kind === 'accepted') return;
    if (told.kind === 'accepted') this.#accept(watched, 'accepted', watched.text.length);
    else if (told.kind === 'partlyAccepted') {
      const own = Math.min(watched.text.length, told.acceptedLength - watched.leading);
      if (own > (watched.end?.acceptedLength ?? 0)) this.#accept(watched, 'partlyAccepted', own);
    } else if (watched.end === null) this.#end(watched, told.kind, 0);
  }

  /** Whether edits of this document matter. */
  isWatching(uri: string): boolean {
    for (const { at } of this.#watched.values()) if (at.uri === uri) return true;
    return false;
  }

  edited(uri: string, edit: DocumentEdit): void {
    for (const watched of this.#watched.values()) if (watched.at.uri === uri) follow(watched, edit);
  }

  /** The document is not there to be looked at any more. */
  closed(uri: string): void {
    for (const watched of [...this.#watched.values()]) {
      if (watched.at.uri !== uri) continue;
      if (watched.isShown && watched.end === null) this.#end(watched, 'ignored', 0);
      this.#forget(watched);
    }
  }

  /** Consent has ended, or the process ends. */
  clear(): void {
    for (const watched of [...this.#watched.values()]) this.#forget(watched);
  }

  #accept(watched: Watched, kind: OutcomeKind, length: number): void {
    const isFirst = watched.place.kind === 'notYet';
    watched.place = { kind: 'expected', text: watched.text.slice(0, length) };
    settle(watched, this.#options.textOf(watched.at.uri) ?? '');
    this.#end(watched, kind, length);
    // The looks count from the moment of the first acceptance.
    if (isFirst) this.#lookAfter(watched, 0);
  }

  #end(watched: Watched, kind: OutcomeKind, acceptedLength: number): void {
    watched.end = { kind, acceptedLength };
    this.#options.listener.outcome({ id: watched.id, kind, acceptedLength });
  }

  #lookAfter(watched: Watched, lookIdx: number): void {
    watched.cancel();
    const seconds = survivalSeconds[lookIdx] - (survivalSeconds[lookIdx - 1] ?? 0);
    watched.cancel = this.#options.schedule(1000 * seconds, () => this.#look(watched, lookIdx));
  }

  #look(watched: Watched, lookIdx: number): void {
    const document = this.#options.textOf(watched.at.uri);
    const isLast = lookIdx + 1 === survivalSeconds.length;
    if (document !== undefined && watched.isShown) {
      if (watched.end !== null) this.#tellSurvival(watched, document, survivalSeconds[lookIdx]);
      else if (isLast) this.#conclude(watched, document);
      this.#tellText(watched, document);
      this.#tellAgreement(watched);
    }
    if (isLast || document === undefined || !watched.isShown) this.#forget(watched);
    else this.#lookAfter(watched, lookIdx + 1);
  }

  #tellSurvival({ id, place }: Watched, document: string, after: SurvivalSeconds): void {
    if (place.kind === 'notYet') return;
    const retained = place.kind === 'there' ? retainedLength(place.text, document, place.region) : 0;
    this.#options.listener.survival({ id, after, retained });
  }

  /** Nobody has told an end: it was typed out, or let be. */
  #conclude(watched: Watched, document: string): void {
    const isThere = document.startsWith(watched.text, Math.max(0, startOf(watched)));
    this.#end(watched, isThere ? 'accepted' : 'ignored', isThere ? watched.text.length : 0);
  }

  #tellText(watched: Watched, document: string): void {
    if (watched.isTextTold || !watched.hasLeftLine) return;
    watched.isTextTold = true;
    const written = writtenText(watched, document);
    if (written === null) return;
    watched.agreedLength = judge(watched.text, written).acceptedCharacters;
    this.#options.listener.text(watched.at, written);
  }

  /** Once it has an outcome that this can be compared with. */
  #tellAgreement(watched: Watched): void {
    const { id, agreedLength, end } = watched;
    if (end === null || agreedLength === null) return;
    watched.agreedLength = null;
    this.#options.listener.agreement({ id, agreedLength });
  }

  #forget(watched: Watched): void {
    watched.cancel();
    this.#watched.delete(watched.id);
  }
}

interface Watched extends Pick<Offer, 'id' | 'at' | 'text'> {
  itemStart: number;
  /** The text begins so far after the start of the item, as it was offered first. */
  readonly ahead: number;
  /** The same of the item that was offered last. */
  leading: number;
  isShown: boolean;
  end: Pick<Outcome, 'kind' | 'acceptedLength'> | null;
  place: Place;
  hasLeftLine: boolean;
  isTextTold: boolean;
  /** Known and not told yet. */
  agreedLength: number | null;
  cancel: () => void;
}

/** Where the accepted text stands. */
type Place =
  /** Nothing has been accepted. */
  | { readonly kind: 'notYet' }
  /** It was accepted, but the editor's edit has not come yet. */
  | { readonly kind: 'expected'; readonly text: string }
  | { readonly kind: 'there'; readonly text: string; readonly region: Region }
  /** Taken away; it may be put in elsewhere. `last` is how it stood then. */
  | { readonly kind: 'gone'; readonly text: string; readonly last: string };

function startOf({ itemStart, ahead }: Watched): number {
  return itemStart + ahead;
}

function settle(watched: Watched, document: string): void {
  const { place } = watched;
  const start = startOf(watched);
  if (place.kind !== 'expected' || start < 0 || !document.startsWith(place.text, start)) return;
  const region = { start, end: start + place.text.length };
  watched.place = { kind: 'there', text: place.text, region };
}

function follow(watched: Watched, edit: DocumentEdit): void {
  const { place } = watched;
  watched.itemStart = moveOffset(watched.itemStart, edit);
  if (place.kind === 'there') {
    const last = edit.before.slice(place.region.start, place.region.end);
    const region = moveRegion(place.region, edit, last);
    const { text } = place;
    watched.place = region ? { kind: 'there', text, region } : { kind: 'gone', text, last };
  } else if (place.kind === 'gone') {
    const region = within(edit, place.last);
    if (region) watched.place = { kind: 'there', text: place.text, region };
  }
  settle(watched, edit.after);
  const end = edit.offset + edit.text.length;
  const line = lineAround(edit.after, startOf(watched));
  const isAbove = end < line.start || (end === line.start && edit.text.endsWith('\n'));
  watched.hasLeftLine = isAbove || end > line.end;
}

/** What stands between the place of the completion and what followed it on the line; null where that cannot be told. */
function writtenText(watched: Watched, document: string): string | null {
  const start = startOf(watched);
  const { text, offset } = watched.at;
  const then = lineAround(text, offset);
  const now = lineAround(document, start);
  if (document.slice(now.start, start) !== text.slice(then.start, offset)) return null;
  const rest = text.slice(offset, then.end).trimEnd();
  const line = document.slice(start, now.end).trimEnd();
  return line.endsWith(rest) ? line.slice(0, line.length - rest.length) : null;
}

function lineAround(document: string, at: number): Region {
  const start = at <= 0 ? 0 : document.lastIndexOf('\n', at - 1) + 1;
  const end = document.indexOf('\n', at);
  return { start, end: end < 0 ? document.length : end };
}

function retainedLength(accepted: string, document: string, { start, end }: Region): number {
  // What has grown beyond that has changed by more than half: no need to look closely.
  if (end - start > 2 * accepted.length) return 0;
  const distance = editDistance(accepted, document.slice(start, end));
  return distance > accepted.length / 2 ? 0 : accepted.length - distance;
}
