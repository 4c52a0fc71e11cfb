import type { DidChangeStatusParams, EnsembleStatus } from '../protocol/messages.ts';

/** One line for a status bar, from the state of the ensemble. */
export function summarise(
  { members, policy, index }: Omit<EnsembleStatus, 'learning'>,
  { isEnabled, isCompleting }: { readonly isEnabled: boolean; readonly isCompleting: boolean },
): DidChangeStatusParams {
  const loading = members.some((member) => member.state === 'loading');
  const busy = isCompleting || loading || index.state === 'indexing';
  if (!isEnabled) return { busy, kind: 'Inactive', message: 'Completions are switched off.' };
  const failed = members.filter((member) => member.state === 'failed');
  const reasons = failed.map((member) => `${member.name}: ${member.message ?? 'failed'}`).join(' ');
  if (loading || members.some((member) => member.state === 'ready')) {
    const message = [reasons, policy.message ?? ''].filter((part) => part !== '').join(' ');
    return { busy, kind: message === '' ? 'Normal' : 'Warning', message };
  }
  if (failed.length > 0) return { busy, kind: 'Error', message: reasons };
  return {
    busy,
    kind: 'Error',
    message: 'No member is enabled. The setting consort.disabledMembers names them all.',
  };
}
