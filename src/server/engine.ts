import { isLanguageEnabled, type Settings } from '../config/settings.ts';
import type { CompletionReport, NoCompletionReason } from '../protocol/completion.ts';
import type { EnsembleStatus } from '../protocol/messages.ts';
import { completeLine, withoutText } from './completeLine.ts';
import { DeadlineError, withDeadline } from './deadline.ts';
import { LastCompletion } from './lastCompletion.ts';
import type { Library } from './library.ts';
import { MemberHost, type MemberSource } from './memberHost.ts';
import type { PolicySource, PolicyStore } from './policyStore.ts';
import { type ScoredText, scoreText } from './scoreText.ts';
import { isInsideCharacter, type TextAtCursor } from './textContext.ts';

export interface CompletionRequest extends TextAtCursor {
  /** Asked for by hand: then confidence decides nothing, and the last completion is not repeated. */
  readonly isExplicit: boolean;
  /** What the suggest widget would put in place of the text from `start` to `end`, if it is open. */
  readonly selected?: { readonly start: number; readonly end: number; readonly text: string };
}

export interface CompletionAnswer {
  readonly report: CompletionReport;
  /** What to insert in place of the text from `start` to `end` (UTF-16 units); null where nothing is shown. */
  readonly item: {
    readonly insertText: string;
    readonly start: number;
    readonly end: number;
    /** How many units of it stand before the report's text; below 0 where so many of that have been typed. */
    readonly leading: number;
  } | null;
  /** True where it is what remains of the last completion, which has been reported before. */
  readonly isRepeated: boolean;
}

export interface EngineOptions {
  readonly settings: Settings;
  /** Every member there could be; the settings say which take part. */
  readonly sources: readonly MemberSource[];
  /** What the workspace member reads beside the text at the cursor. */
  readonly library: Pick<Library, 'preview' | 'restore' | 'status'>;
  /** Where policies come from; whoever changes its settings does so before `configure`. */
  readonly policies: PolicySource & Pick<PolicyStore, 'status'>;
  /** Called whenever a member's state changes. */
  readonly onChange: () => void;
  /** Called as soon as a completion is asked for. */
  readonly onRequest?: () => void;
  /** How long a member may take over one answer before the others go on without it. */
  readonly memberDeadlineMs: number;
  /** How long a completion waits for the first member while none is loaded yet. */
  readonly loadingDeadlineMs: number;
}

/** The ensemble: its members, and one completion at a time. */
export class Engine {
  readonly #options: EngineOptions;
  #hosts: readonly MemberHost[] = [];
  readonly #last = new LastCompletion();
  #settings: Settings;
  #running = new AbortController();
  #scoring = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.configure(options.settings, options.sources);
  }

  /** Takes new settings and sources; members are started and stopped accordingly. */
  configure(settings: Settings, sources: readonly MemberSource[]): void {
    this.#settings = settings;
    this.#last.forget();
    const known = new Map(this.#hosts.map((host) => [host.source.key, host]));
    this.#hosts = sources.map((source) => known.get(source.key) ?? this.#newHost(source));
    const gone = [...known.values()].filter((host) => !this.#hosts.includes(host));
    for (const host of gone) host.disable();
    for (const host of this.#hosts) {
      if (settings.disabledMembers.includes(host.source.id)) host.disable();
      else host.enable();
    }
  }

  /** Settles when no member is loading any more. */
  async ready(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.settled()));
  }

  /** Settles when no completion is under way. */
  async idle(): Promise<void> {
    for (let turn: unknown; turn !== this.#turn; ) {
      turn = this.#turn;
      await turn;
    }
  }

  status(): Omit<EnsembleStatus, 'learning'> {
    return {
      members: this.#hosts.map((host) => host.status()),
      policy: this.#options.policies.status(),
      index: this.#options.library.status(),
    };
  }

  /**
   * Completes the line at the cursor. The newest request counts: one that is under way ends as `cancelled`, and
   * so does one whose signal aborts.
   */
  async complete(request: CompletionRequest, signal: AbortSignal): Promise<CompletionAnswer> {
    this.#options.onRequest?.();
    this.#running.abort();
    this.#scoring.abort();
    this.#running = new AbortController();
    const eitherSignal = AbortSignal.any([signal, this.#running.signal]);
    const reason = this.#whyNot(request);
    if (reason !== undefined) return nothing(request, reason);

    const at = withSelected(request);
    const repeated = request.isExplicit ? undefined : this.#last.typedAlong(at);
    if (repeated) return { ...answer(request, repeated.report, repeated.nTyped), isRepeated: true };

    const work = this.#turn.then(() => this.#completeLine(request, at, eitherSignal));
    this.#turn = work.catch(() => undefined);
    try {
      const report = await work;
      this.#last.remember(at, report);
      return answer(request, report, 0);
    } catch (error) {
      if (eitherSignal.aborted) return nothing(request, 'cancelled');
      if (error instanceof DeadlineError) return nothing(request, 'noMembers');
      throw error;
    }
  }

  /**
   * What the members give a text at a cursor. It waits for the completion under way, and rejects when another is asked
   * for: completions go first.
   */
  score(at: TextAtCursor, text: string): Promise<ScoredText | null> {
    this.#scoring.abort();
    this.#scoring = new AbortController();
    const { signal } = this.#scoring;
    const { library } = this.#options;
    const work = this.#turn.then(async () => {
      signal.throwIfAborted();
      // The workspace member must not know what it is asked for.
      library.preview(at);
      try {
        return await scoreText(this.#hosts, at, text, signal);
      } finally {
        library.restore(at.uri);
      }
    });
    this.#turn = work.catch(() => undefined);
    return work;
  }

  /** Ends the request under way and frees the members. */
  async close(): Promise<void> {
    this.#running.abort();
    this.#scoring.abort();
    await this.#turn;
    await Promise.all(this.#hosts.map((host) => host.disable()));
  }

  async #completeLine(
    request: CompletionRequest,
    at: TextAtCursor,
    signal: AbortSignal,
  ): Promise<CompletionReport> {
    signal.throwIfAborted();
    await this.#someMember(signal);
    const { isExplicit } = request;
    const minimumProbability = isExplicit ? 0 : this.#settings.minimumConfidence;
    const { library, policies } = this.#options;
    if (request.selected) library.preview(at);
    try {
      return await completeLine(this.#hosts, at, {
        policies,
        minimumProbability,
        ignoresStops: isExplicit,
        signal,
      });
    } finally {
      library.restore(at.uri);
    }
  }

  #newHost(source: MemberSource): MemberHost {
    const { memberDeadlineMs, onChange } = this.#options;
    return new MemberHost(source, { deadlineMs: memberDeadlineMs, onChange });
  }

  /** Waits, where members are loading and none is ready yet, for the first one. */
  async #someMember(signal: AbortSignal): Promise<void> {
    while (!this.#hosts.some((host) => host.isUsable)) {
      const loading = this.#hosts.filter((host) => host.state === 'loading');
      if (loading.length === 0) return;
      const firstSettled = Promise.race(loading.map((host) => host.settled()));
      await withDeadline(firstSettled, this.#options.loadingDeadlineMs, signal);
    }
  }

  #whyNot(request: CompletionRequest): NoCompletionReason | undefined {
    const settings = this.#settings;
    const { text, offset, languageId, selected } = request;
    if (!settings.enable) return 'disabled';
    if (!isLanguageEnabled(settings, languageId)) return 'languageDisabled';
    if (isLarger(text, settings.maximumFileKilobytes * 1000)) return 'documentTooLarge';
    if (text.includes('\0')) return 'documentNotText';
    if (isInsideCharacter(text, offset)) return 'cursorInsideCharacter';
    if (selected && !fits(request, selected)) return 'conflictsWithSuggestion';
    return undefined;
  }
}

/** Whether the text takes more bytes than this as UTF-8; looks at its length alone where that suffices. */
export function isLarger(text: string, nBytes: number): boolean {
  if (text.length > nBytes) return true;
  return text.length * 3 > nBytes && Buffer.byteLength(text) > nBytes;
}

/** Ghost text can only add to what stands before the cursor, so the selected item must do no more than that. */
function fits({ text, offset }: TextAtCursor, selected: NonNullable<CompletionRequest['selected']>): boolean {
  const { start, end, text: item } = selected;
  const typed = text.slice(start, offset);
  return (
    start <= offset &&
    offset <= end &&
    item.startsWith(typed) &&
    !/[\r\n]/.test(item + text.slice(start, end))
  );
}

/** The text as it would be with the selected suggestion inserted and the cursor after it. */
export function withSelected(request: CompletionRequest): TextAtCursor {
  const { selected, text } = request;
  if (selected === undefined) return request;
  const { uri, languageId } = request;
  const { start, end, text: item } = selected;
  return {
    uri,
    languageId,
    text: text.slice(0, start) + item + text.slice(end),
    offset: start + item.length,
  };
}

function answer(request: CompletionRequest, report: CompletionReport, nTyped: number): CompletionAnswer {
  const { start, end, text } = request.selected ?? { start: request.offset, end: request.offset, text: '' };
  const item = { insertText: text + report.text.slice(nTyped), start, end, leading: text.length - nTyped };
  return { report, item: report.text === '' ? null : item, isRepeated: false };
}

function nothing(request: CompletionRequest, reason: NoCompletionReason): CompletionAnswer {
  return { report: withoutText(request, reason), item: null, isRepeated: false };
}
