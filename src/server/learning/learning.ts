import { existsSync } from 'node:fs';
import type { Settings } from '../../config/settings.ts';
import type { EnsembleStatus, LearningStatus } from '../../protocol/messages.ts';
import type { CompletionAnswer, CompletionRequest } from '../engine.ts';
import { withSelected } from '../engine.ts';
import { grantConsent, withdrawConsent } from '../ledger/consents.ts';
import { type Ledger, type LedgerOptions, openLedger } from '../ledger/ledger.ts';
import { ledgerIn } from '../ledger/location.ts';
import type { LedgerProblem, Result } from '../ledger/problems.ts';
import { applyRetention, retentionDefaults } from '../ledger/retention.ts';
import type { Log } from '../log.ts';
import type { PolicySource } from '../policyStore.ts';
import { createExclusion } from './exclusion.ts';
import { Recorder } from './recorder.ts';
import { TextScorer, type TextScorerOptions } from './textScorer.ts';
import { type DocumentEdit, type Told, Watch } from './watch.ts';

export interface LearningOptions extends Pick<TextScorerOptions, 'score' | 'schedule'> {
  readonly settings: Settings;
  /** Folder of what belongs to the person; nothing is learned without it. */
  readonly storagePath: string | undefined;
  /** URIs of the workspace's folders; nothing is learned without one. */
  readonly folders: readonly string[];
  /** Serves where nothing is learned. */
  readonly configured: PolicySource;
  /** The text of an open document now. */
  readonly textOf: (uri: string) => string | undefined;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Log;
  /** Something is wrong that a person should know; called once for each kind of problem. */
  readonly onProblem: (message: string) => void;
  readonly onChange: () => void;
  readonly loadSqlite?: LedgerOptions['loadSqlite'];
}

/** Longer than this no other process is waited for: completions wait meanwhile. */
const busyTimeoutMs = 500;
/** From the first use of a ledger to the first look at what need not be kept, and from look to look. */
const retentionPauseMs = { first: 60_000, next: 86_400_000 };

/**
 * From the person to the ledger: consent, what was served and what became of it. Completions never wait for it and never
 * fail because of it.
 */
export class Learning implements PolicySource {
  readonly #options: LearningOptions;
  readonly #watch: Watch;
  readonly #scorer: TextScorer;
  readonly #opened: Promise<Ledger | null>;
  readonly #told = new Set<LedgerProblem['kind']>();
  #ledger: Ledger | undefined;
  #recorder: Recorder | undefined;
  #settings: Settings;
  #workspace: string;
  #isExcluded: ReturnType<typeof createExclusion>;
  #problem: LedgerProblem | undefined;
  #cancelRetention: () => void = () => {};

  constructor(options: LearningOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#workspace = nameOf(options.folders);
    this.#isExcluded = createExclusion(options.settings);
    const { schedule, textOf, score } = options;
    this.#scorer = new TextScorer({
      schedule,
      score,
      isOpen: (uri) => textOf(uri) !== undefined,
      onScored: ({ languageId }, scored) =>
        this.#record((recorder) => recorder.recordText(languageId, scored)),
    });
    this.#watch = new Watch({
      schedule,
      textOf,
      listener: {
        outcome: ({ id, ...outcome }) => this.#record((recorder) => recorder.recordOutcome(id, outcome)),
        survival: ({ id, ...survival }) => this.#record((recorder) => recorder.recordSurvival(id, survival)),
        agreement: ({ id, agreedLength }) =>
          this.#record((recorder) => recorder.recordAgreement(id, agreedLength)),
        text: (at, text) => this.#scorer.add(at, text),
      },
    });
    this.#opened = this.#open();
  }

  /** Where the ledger is, or would be. */
  get ledgerPath(): string | undefined {
    const { storagePath } = this.#options;
    return storagePath === undefined ? undefined : ledgerIn(storagePath);
  }

  /** The ledger, once it is known whether there can be one. */
  opened(): Promise<Ledger | null> {
    return this.#opened;
  }

  choose(...[members, place]: Parameters<PolicySource['choose']>): ReturnType<PolicySource['choose']> {
    this.#scorer.busy();
    const recorder = this.#isOn ? this.#recorder : undefined;
    return (recorder ?? this.#options.configured).choose(members, place);
  }

  status(): LearningStatus {
    const isPossible = this.#settings['learning.enable'] && this.#recorder !== undefined;
    const state = !isPossible ? 'unavailable' : this.#recorder?.hasConsent ? 'on' : 'off';
    const message = this.#settings['learning.enable'] ? this.#problem?.message : undefined;
    const progress = state === 'on' ? this.#recorder?.progress : undefined;
    return {
      state,
      version: state === 'on' ? (this.#recorder?.champion ?? null) : null,
      ...(progress && { progress }),
      ...(message !== undefined && { message }),
    };
  }

  /** The learned policy that sets the weights, told from the shipped one of that name; undefined while none does. */
  learnedPolicy(): EnsembleStatus['policy'] | undefined {
    const { version } = this.status();
    const name = this.#recorder?.championName;
    return version === null || name === undefined ? undefined : { name, version: `learned-${version}` };
  }

  configure(settings: Settings): void {
    this.#settings = settings;
    this.#isExcluded = createExclusion(settings);
    if (!this.#isOn) this.#forgetPending();
    this.#keepRetention();
  }

  changeFolders(folders: readonly string[]): void {
    this.#recorder?.flush();
    this.#forgetPending();
    this.#workspace = nameOf(folders);
    this.#startRecorder();
    this.#options.onChange();
  }

  /** An item was handed to the editor. */
  offered(request: CompletionRequest, { report, item }: CompletionAnswer): void {
    if (item === null || !this.#isOn || this.#isExcluded(request)) return;
    const { start, leading } = item;
    this.#watch.offered({ id: report.id, at: withSelected(request), text: report.text, start, leading });
  }

  /** What an editor tells of a completion is recorded when this returns. */
  told(id: string, told: Told): void {
    this.#watch.told(id, told);
  }

  isWatching(uri: string): boolean {
    return this.#watch.isWatching(uri);
  }

  edited(uri: string, edit: DocumentEdit): void {
    this.#scorer.busy();
    this.#watch.edited(uri, edit);
  }

  closed(uri: string): void {
    this.#watch.closed(uri);
  }

  /** The workspace agrees, or takes that back: then what was recorded of it goes. */
  setConsent(granted: boolean): Result<void> | null {
    if (this.#ledger === undefined || this.#workspace === '') return null;
    const change = granted ? grantConsent : withdrawConsent;
    if (!granted) this.#forgetPending();
    const result = change(this.#ledger, this.#workspace, this.#options.now());
    this.refresh();
    this.#keepRetention();
    return result.problem?.kind === 'absent' ? { value: undefined } : result;
  }

  /** The ledger was changed by something else than recording. */
  refresh(): void {
    this.#recorder?.refresh();
    this.#options.onChange();
  }

  /** Nothing that is still waiting is recorded after this. */
  async close(): Promise<void> {
    this.#recorder?.flush();
    this.#forgetPending();
    this.#cancelRetention();
    await this.#opened;
    this.#ledger?.close();
    this.#ledger = undefined;
    this.#recorder = undefined;
  }

  get #isOn(): boolean {
    return this.#settings['learning.enable'] && this.#recorder?.hasConsent === true;
  }

  async #open(): Promise<Ledger | null> {
    const { loadSqlite, log } = this.#options;
    if (this.ledgerPath === undefined) return null;
    const onNotice = (notice: string) => log.warn(notice);
    const options = { onNotice, busyTimeoutMs, ...(loadSqlite && { loadSqlite }) };
    const opened = await openLedger(this.ledgerPath, options);
    if (opened.problem) {
      // Who has never agreed to learning misses nothing: then it is only told where that is looked at.
      if (existsSync(this.ledgerPath)) this.#failed(opened.problem);
      else this.#problem = opened.problem;
      return null;
    }
    this.#ledger = opened.value;
    this.#startRecorder();
    this.#keepRetention();
    this.#options.onChange();
    return opened.value;
  }

  #startRecorder(): void {
    this.#recorder = undefined;
    if (this.#ledger === undefined || this.#workspace === '') return;
    const { configured, random, now } = this.#options;
    this.#recorder = new Recorder({
      ledger: this.#ledger,
      workspace: this.#workspace,
      configured,
      isExcluded: (place) => this.#isExcluded(place),
      random,
      now,
      defer: (work) => setImmediate(work),
      onProblem: (problem) => this.#failed(problem),
      onRecorded: () => this.#worked(),
      onChange: this.#options.onChange,
    });
  }

  #record(write: (recorder: Recorder) => void): void {
    if (this.#isOn && this.#recorder !== undefined) write(this.#recorder);
  }

  #worked(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#options.onChange();
  }

  #failed(problem: LedgerProblem): void {
    this.#problem = problem;
    this.#options.onChange();
    if (this.#told.has(problem.kind)) return;
    this.#told.add(problem.kind);
    this.#options.log.warn(problem.message);
    if (problem.kind !== 'busy') this.#options.onProblem(problem.message);
  }

  #forgetPending(): void {
    this.#watch.clear();
    this.#scorer.clear();
  }

  #keepRetention(): void {
    this.#cancelRetention();
    if (this.#ledger === undefined) return;
    const { schedule, now } = this.#options;
    const run = () => {
      if (this.#ledger === undefined) return;
      const maximumDays = this.#settings['learning.retentionDays'];
      const { problem } = applyRetention(this.#ledger, now(), { ...retentionDefaults, maximumDays });
      if (problem && problem.kind !== 'absent') this.#options.log.warn(problem.message);
      this.#cancelRetention = schedule(retentionPauseMs.next, run);
    };
    this.#cancelRetention = schedule(retentionPauseMs.first, run);
  }
}

/** What names a workspace: its folders, in whichever order. */
function nameOf(folders: readonly string[]): string {
  return [...folders].sort().join('\n');
}
