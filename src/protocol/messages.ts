/**
 * Names and payloads of the messages between an editor and the background process, beside standard LSP 3.18
 * (`textDocument/inlineCompletion`). The names without a prefix follow the Copilot language server, which
 * other editors' clients already know.
 */
import type { CompletionReport } from './completion.ts';

/** workspace/executeCommand, run by the editor after the whole item was accepted; argument: the completion's id. */
export const acceptCommand = 'consort.didAcceptCompletion';

/** Client → server notification: the item is visible. */
export const didShowCompletion = 'textDocument/didShowCompletion';
export interface DidShowCompletionParams {
  readonly item: ReportedItem;
}

/** Client → server notification: part of the item was accepted. */
export const didPartiallyAcceptCompletion = 'textDocument/didPartiallyAcceptCompletion';
export interface DidPartiallyAcceptCompletionParams {
  readonly item: ReportedItem;
  /** UTF-16 units from the start of the item's insertText, cumulative. */
  readonly acceptedLength: number;
}

/** Client → server notification, ours: an item went away without being accepted; `censored`: before it could be seen. */
export const didDiscardCompletion = 'consort/didDiscardCompletion';
export interface DidDiscardCompletionParams {
  readonly item: ReportedItem;
  readonly how: 'rejected' | 'ignored' | 'censored';
}

/** The part of an inline completion item that identifies it: its accept command carries the completion's id. */
export interface ReportedItem {
  readonly command?: { readonly command: string; readonly arguments?: readonly unknown[] };
}

/** Server → client notification: what to show in a status bar. */
export const didChangeStatus = 'didChangeStatus';
export interface DidChangeStatusParams {
  readonly busy: boolean;
  readonly kind: 'Normal' | 'Error' | 'Warning' | 'Inactive';
  readonly message: string;
}

/** Server → client notification: a completion was made (or not, with its reason). */
export const didComplete = 'consort/didComplete';
export type DidCompleteParams = CompletionReport;

/** Client → server request without parameters: the members, policy and index as they are now. */
export const ensembleStatus = 'consort/status';
/** Server → client notification with the same payload, whenever it changes. */
export const didChangeEnsemble = 'consort/didChangeEnsemble';
export interface EnsembleStatus {
  readonly members: readonly MemberStatus[];
  readonly policy: {
    /** What sets the weights now. */
    readonly name: string;
    readonly version: string;
    /** Why it is not the policy that the settings ask for, and how to mend that. */
    readonly message?: string;
  };
  readonly index: { readonly state: 'idle' | 'indexing'; readonly files: number; readonly bytes: number };
  readonly learning: LearningStatus;
}
export interface LearningStatus {
  /** Unavailable: Restricted Mode, no folder, switched off by the settings, or the message says why. */
  readonly state: 'unavailable' | 'off' | 'on';
  /** The learned version that serves; null while none does. */
  readonly version: number | null;
  /** What is missing for the next change of the policy; only while `on`. */
  readonly progress?: LearningProgress;
  /** What is wrong and how to mend it. */
  readonly message?: string;
}
/** What is still missing for the next change of the policy. Where no count is short: rest to train, or certainty on trial. */
export type LearningProgress =
  /** Texts, until a version is trained. */
  | { readonly kind: 'gathering'; readonly texts: Count }
  /** Since a version is on trial, as of the latest look at it: completions that it served, and texts. */
  | {
      readonly kind: 'onTrial';
      readonly version: number;
      readonly completions: Count;
      readonly texts: Count;
    };
export interface Count {
  /** At most as many as are needed. */
  readonly have: number;
  readonly need: number;
}
export interface MemberStatus {
  readonly id: string;
  readonly kind: 'neural' | 'ngram' | 'endpoint';
  readonly name: string;
  readonly state: 'loading' | 'ready' | 'failed' | 'disabled';
  /** What went wrong and how to mend it, when `failed`. */
  readonly message?: string;
  /** Bytes of the weights on disk; for the n-gram, of its index in memory. */
  readonly sizeBytes: number;
  /** Of the last completions: milliseconds this member took per request; null before the first. */
  readonly latencyMs: { readonly p50: number; readonly p95: number } | null;
}

/** Client → server request without parameters: removes what the server has stored of this workspace. */
export const eraseStored = 'consort/erase';
export interface EraseStoredResult {
  /** What there was, with its bytes on disk. */
  readonly erased: readonly { readonly kind: 'index'; readonly bytes: number }[];
  /** What is still there, and why. */
  readonly problems: readonly string[];
}

/** Client → server request: from now on the workspace agrees that it is learned from, or no longer does. */
export const setConsent = 'consort/setConsent';
export interface SetConsentParams {
  readonly granted: boolean;
}

/** Client → server request without parameters: what was recorded and learned, in all workspaces that agreed. */
export const learningReport = 'consort/learningReport';
export interface LearningReport {
  readonly completions: number;
  readonly shown: number;
  readonly outcomes: Readonly<
    Record<'accepted' | 'partlyAccepted' | 'rejected' | 'ignored' | 'censored', number>
  >;
  readonly texts: number;
  readonly bytes: number;
  readonly progress: LearningProgress;
  /** The newest first. */
  readonly versions: readonly LearnedVersion[];
}
export interface LearnedVersion {
  readonly version: number;
  readonly origin: 'shipped' | 'trained' | 'imported';
  readonly state: 'challenger' | 'champion' | 'retired' | 'rolledBack';
  /** Milliseconds since 1970. */
  readonly created: number;
  /** What changed against the version before it, and the figures of the latest look at it. */
  readonly changes: Readonly<Record<string, number | null>>;
  readonly evaluation: Readonly<Record<string, number | null>>;
}

/** Client → server request: writes all that was recorded to a file, as JSON lines. */
export const exportLearned = 'consort/exportLearned';
export interface ExportLearnedParams {
  readonly path: string;
}

/** Client → server request without parameters: removes the ledger with all that was learned, for all workspaces. */
export const eraseLearned = 'consort/eraseLearned';
export interface EraseLearnedResult {
  readonly bytes: number;
}

/** Client → server request: this version serves from now on; null: what the settings name, as it was shipped. */
export const choosePolicy = 'consort/choosePolicy';
export interface ChoosePolicyParams {
  readonly version: number | null;
}

/** What the requests about learning answer. */
export type LearningAnswer<Value> =
  | { readonly value: Value; readonly problem?: never }
  /** Why it was not done, and how to mend it; whole sentences. */
  | { readonly problem: string; readonly value?: never };

/** initializationOptions of LSP `initialize`; every field may be missing. */
export interface InitializationOptions {
  /** The `consort` section of the settings (validated by the server). */
  readonly settings?: unknown;
  /** Folder of the bundled members; the one beside the server by default. */
  readonly modelsPath?: string;
  /** Where the server may keep what belongs to the workspace (its index); not kept without it. */
  readonly storagePath?: string;
  /** Where it may keep what belongs to the person (the ledger); nothing is learned without it. */
  readonly globalStoragePath?: string;
  /** False in Restricted Mode: no member outside the bundled ones, nothing recorded. */
  readonly trusted?: boolean;
}
