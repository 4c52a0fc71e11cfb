import * as vscode from 'vscode';
import { isLanguageEnabled, type Settings } from '../config/settings.ts';
import type { HostStatus } from './hostStatus.ts';
import { describe } from './statusItem.ts';

interface Entry extends vscode.QuickPickItem {
  readonly run?: () => Thenable<unknown>;
}

/** What a click on the status item offers. */
export async function showMenu(status: HostStatus, settings: Settings): Promise<void> {
  const chosen = await vscode.window.showQuickPick<Entry>(entries(settings), {
    title: 'Consort',
    placeHolder: describe(status),
  });
  await chosen?.run?.();
}

function entries(settings: Settings): Entry[] {
  const languageId = vscode.window.activeTextEditor?.document.languageId;
  const toggles: Entry[] = [
    settings.enable
      ? entry('circle-slash', vscode.l10n.t('Turn completions off'), 'consort.toggle')
      : entry('check', vscode.l10n.t('Turn completions on'), 'consort.toggle'),
  ];
  if (languageId !== undefined && settings.enable) {
    toggles.push(
      isLanguageEnabled(settings, languageId)
        ? entry(
            'circle-slash',
            vscode.l10n.t('Turn completions off for {0}', languageId),
            'consort.toggleLanguage',
          )
        : entry('check', vscode.l10n.t('Turn completions on for {0}', languageId), 'consort.toggleLanguage'),
    );
  }
  return [
    ...toggles,
    separator,
    entry('sparkle', vscode.l10n.t('Complete at the cursor now'), 'consort.trigger'),
    entry('layers', vscode.l10n.t('Show who contributed'), 'consort.openPanel'),
    entry('mortar-board', vscode.l10n.t('Show what was learned'), 'consort.showLearned'),
    separator,
    entry('output', vscode.l10n.t('Show the log'), 'consort.showLog'),
    entry('refresh', vscode.l10n.t('Restart the background process'), 'consort.restart'),
    entry(
      'settings-gear',
      vscode.l10n.t('Settings'),
      'workbench.action.openSettings',
      '@ext:consort.consort',
    ),
  ];
}

const separator: Entry = { label: '', kind: vscode.QuickPickItemKind.Separator };

function entry(icon: string, label: string, command: string, ...rest: readonly string[]): Entry {
  return { label: `$(${icon}) ${label}`, run: () => vscode.commands.executeCommand(command, ...rest) };
}
