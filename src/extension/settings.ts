import * as vscode from 'vscode';
import { isLanguageEnabled, parseSettings, type Settings } from '../config/settings.ts';

/** The `consort` section as plain JSON, unchecked: what the background process is given. */
export function settingsSection(): unknown {
  return JSON.parse(JSON.stringify(vscode.workspace.getConfiguration('consort')));
}

/** Holds the valid settings, so that a keystroke costs no parsing. */
export interface LiveSettings extends vscode.Disposable {
  readonly current: Settings;
  readonly onDidChange: vscode.Event<Settings>;
}

export function watchSettings(): LiveSettings {
  const changed = new vscode.EventEmitter<Settings>();
  let current = parseSettings(settingsSection()).settings;
  const subscription = vscode.workspace.onDidChangeConfiguration((event) => {
    if (!event.affectsConfiguration('consort')) return;
    current = parseSettings(settingsSection()).settings;
    changed.fire(current);
  });
  return {
    get current() {
      return current;
    },
    onDidChange: changed.event,
    dispose() {
      subscription.dispose();
      changed.dispose();
    },
  };
}

export async function toggleEverywhere(settings: Settings): Promise<void> {
  await update('enable', () => !settings.enable);
}

export async function toggleLanguage(settings: Settings, languageId: string): Promise<void> {
  const enabled = isLanguageEnabled(settings, languageId);
  await update('languages', (own) => ({ ...(typeof own === 'object' ? own : {}), [languageId]: !enabled }));
}

/** Writes where the value is set already: in the workspace if it overrides the person's own, else for the person. */
async function update(name: string, change: (own: unknown) => unknown): Promise<void> {
  const configuration = vscode.workspace.getConfiguration('consort');
  const known = configuration.inspect(name);
  const inWorkspace = known?.workspaceValue !== undefined;
  await configuration.update(
    name,
    change(inWorkspace ? known.workspaceValue : known?.globalValue),
    inWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global,
  );
}
