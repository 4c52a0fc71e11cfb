import * as vscode from 'vscode';
import type { HostStatus } from './hostStatus.ts';

/** The one item in the status bar; a click opens the menu. */
export function createStatusItem(
  menuCommand: string,
): vscode.Disposable & { show(status: HostStatus): void } {
  const item = vscode.window.createStatusBarItem('consort.status', vscode.StatusBarAlignment.Right, 100);
  item.name = 'Consort';
  item.command = menuCommand;
  item.show();
  return {
    show(status) {
      const text = `$(${icons[status.state]}) Consort`;
      const says = describe(status);
      if (item.text !== text) item.text = text;
      if (item.tooltip !== says) item.tooltip = says;
      item.accessibilityInformation = { label: `Consort: ${says}`, role: 'button' };
    },
    dispose: () => item.dispose(),
  };
}

/** The status in one sentence. */
export function describe(status: HostStatus): string {
  switch (status.reason) {
    case 'disabled':
      return vscode.l10n.t('Completions are off.');
    case 'languageDisabled':
      return vscode.l10n.t('Completions are off for this language.');
    case 'restarting':
      return vscode.l10n.t('The background process ended and is being started again.');
    case 'failed':
      return status.message || vscode.l10n.t('Something failed. The log says more.');
    case 'none':
      if (status.message !== '') return status.message;
      return status.state === 'starting'
        ? vscode.l10n.t('Starting …')
        : status.state === 'busy'
          ? vscode.l10n.t('Working …')
          : vscode.l10n.t('Ready.');
  }
}

const icons = {
  starting: 'loading~spin',
  ready: 'layers',
  busy: 'loading~spin',
  off: 'circle-slash',
  failed: 'warning',
} as const satisfies Record<HostStatus['state'], string>;
