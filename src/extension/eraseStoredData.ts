import * as vscode from 'vscode';
import type { EraseStoredResult } from '../protocol/messages.ts';
import type { BackgroundProcess } from './client.ts';

/** Removes what is stored of this workspace on this machine, and says what that was. */
export async function eraseStoredData(background: BackgroundProcess): Promise<void> {
  if (!background.isRunning) {
    void vscode.window.showErrorMessage(
      vscode.l10n.t('Nothing was erased: the background process is not running. Restart it and try again.'),
    );
    return;
  }
  try {
    const { erased, problems } = await background.eraseStored();
    if (problems.length > 0) throw new Error(problems.join(' '));
    void vscode.window.showInformationMessage(describe(erased));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    void vscode.window.showErrorMessage(vscode.l10n.t('Not everything was erased: {0}', reason));
  }
}

function describe(erased: EraseStoredResult['erased']): string {
  if (erased.length === 0) return vscode.l10n.t('Nothing was stored for this workspace.');
  const megabytes = erased.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  return vscode.l10n.t(
    'Erased: the saved index of this workspace ({0} MB). It is saved again when Consort starts anew unless the setting consort.index.persist is off.',
    megabytes.toFixed(1),
  );
}
