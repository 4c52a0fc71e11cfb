/** Messages between the extension host and the panel's page, and what the page shows. */
import type { CompletionReport, NoCompletionReason, StopReason } from './completion.ts';
import type { EnsembleStatus, MemberStatus } from './messages.ts';

/** What the whole extension is doing, as the status bar and the panel tell it. */
export type HostState = 'starting' | 'ready' | 'busy' | 'off' | 'failed';

export interface PanelState {
  readonly hostState: HostState;
  /** What is wrong and how to mend it; empty unless `failed`. */
  readonly hostMessage: string;
  /** The last completion that has a text. */
  readonly completion: CompletionReport | null;
  /** Why the request after `completion` showed nothing; null where it is the latest one. */
  readonly silence: NoCompletionReason | null;
  readonly ensemble: EnsembleStatus | null;
}

/** Commands that the panel's button runs in the host. */
export type PanelCommand = 'consort.trigger' | 'consort.toggle' | 'consort.restart';

/** Host → page. The texts come first and once; a state may come at any time after them. */
export type ToPanel =
  | { readonly type: 'texts'; readonly texts: PanelTexts }
  | { readonly type: 'state'; readonly state: PanelState };

/** Page → host. */
export type FromPanel = { readonly type: 'ready' } | { readonly type: 'run'; readonly command: PanelCommand };

/** Every string that the page shows, in the person's language; `{0}`, `{1}` … stand for values. */
export interface PanelTexts {
  readonly lastCompletion: string;
  readonly tokensLabel: string;
  readonly tokenOf: string;
  readonly whiteSpace: string;
  readonly lineBreak: string;
  readonly members: string;
  readonly sharesOfToken: string;
  readonly shareOfCompletion: string;
  readonly notTakingPart: string;
  readonly latency: string;
  readonly latencyParts: string;
  readonly usualLatency: string;
  readonly nothingShown: string;
  readonly policy: string;
  readonly learningOff: string;
  readonly learningOn: string;
  readonly learnedVersion: string;
  readonly gathering: string;
  readonly gathered: string;
  readonly onTrial: string;
  readonly uncertain: string;
  readonly indexed: string;
  readonly indexing: string;
  readonly emptyTitle: string;
  readonly emptyText: string;
  readonly emptyAction: string;
  readonly offTitle: string;
  readonly offText: string;
  readonly offAction: string;
  readonly failedTitle: string;
  readonly failedAction: string;
  readonly startingTitle: string;
  readonly startingText: string;
  readonly stopReasons: Readonly<Record<StopReason, string>>;
  readonly silences: Readonly<Record<NoCompletionReason, string>>;
  readonly memberKinds: Readonly<Record<MemberStatus['kind'], string>>;
  readonly memberStates: Readonly<Record<MemberStatus['state'], string>>;
}
