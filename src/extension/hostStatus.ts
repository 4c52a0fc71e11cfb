import type { DidChangeStatusParams } from '../protocol/messages.ts';
import type { HostState } from '../protocol/panel.ts';

/** The background process as its parent sees it. */
export type ProcessState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running' }
  | { readonly kind: 'restarting'; readonly delayMs: number }
  /** It does not run and will not be started again unasked. */
  | { readonly kind: 'stopped'; readonly message: string };

export interface HostStatus {
  readonly state: HostState;
  /** Why it is off, starting again or failed; empty where there is nothing to say. */
  readonly reason: 'disabled' | 'languageDisabled' | 'restarting' | 'failed' | 'none';
  /** From the background process, or what ended it. */
  readonly message: string;
}

/** The one state that is shown, from all that is known. What the person switched off is off, whatever else. */
export function hostStatus(known: {
  readonly process: ProcessState;
  readonly enabled: boolean;
  readonly languageEnabled: boolean;
  readonly server: DidChangeStatusParams | null;
}): HostStatus {
  const { process, server } = known;
  if (!known.enabled) return { state: 'off', reason: 'disabled', message: '' };
  if (process.kind === 'stopped') return { state: 'failed', reason: 'failed', message: process.message };
  if (process.kind === 'restarting') return { state: 'starting', reason: 'restarting', message: '' };
  if (process.kind === 'starting') return { state: 'starting', reason: 'none', message: '' };
  if (server?.kind === 'Error') return { state: 'failed', reason: 'failed', message: server.message };
  if (!known.languageEnabled) return { state: 'off', reason: 'languageDisabled', message: '' };
  return { state: server?.busy ? 'busy' : 'ready', reason: 'none', message: server?.message ?? '' };
}
