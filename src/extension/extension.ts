import * as vscode from 'vscode';
import { isLanguageEnabled } from '../config/settings.ts';
import type { DidChangeStatusParams, LearningStatus } from '../protocol/messages.ts';
import { createBackgroundProcess } from './client.ts';
import { createConsentPrompt } from './consentPrompt.ts';
import { createAdaptiveDebounce } from './debounce.ts';
import { eraseStoredData } from './eraseStoredData.ts';
import { hostStatus, type ProcessState } from './hostStatus.ts';
import { acceptSuggestionCommand, createInlineCompletionMiddleware } from './inlineCompletion.ts';
import { askForConsent, consentMemory, createLearningCommands } from './learning.ts';
import { showMenu } from './menu.ts';
import { createOutcomeTracker } from './outcomeTracker.ts';
import { createPanel, panelViewId } from './panel.ts';
import { toggleEverywhere, toggleLanguage, watchSettings } from './settings.ts';
import { createStatusItem, describe } from './statusItem.ts';

let stop: (() => Promise<void>) | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel('Consort', { log: true });
  const settings = watchSettings();
  const panel = createPanel(context.extensionUri);
  const statusItem = createStatusItem(menuCommand);
  let processState: ProcessState = { kind: 'starting' };
  let serverStatus: DidChangeStatusParams | null = null;
  let learningStatus: LearningStatus | null = null;

  const tracker = createOutcomeTracker({
    clock: { schedule },
    shownAfterMs,
    report(outcome) {
      background.report(outcome);
      if (outcome.kind === 'accepted') consentPrompt.accepted();
    },
    onLive: (live) => void vscode.commands.executeCommand('setContext', 'consort.hasSuggestion', live),
  });
  const background = createBackgroundProcess(
    context,
    log,
    createInlineCompletionMiddleware({
      settings: () => settings.current,
      isRunning: () => background.isRunning,
      debounce: createAdaptiveDebounce(),
      tracker,
    }),
    {
      process(state) {
        processState = state;
        if (state.kind !== 'running') serverStatus = learningStatus = null;
        if (state.kind === 'stopped') panel.update({ ensemble: null });
        refreshStatus();
      },
      status(status) {
        serverStatus = status;
        refreshStatus();
      },
      completed(report) {
        if (report.text !== '') panel.update({ completion: report, silence: null });
        else if (report.noCompletionReason !== 'cancelled')
          panel.update({ silence: report.noCompletionReason });
      },
      ensemble(ensemble) {
        learningStatus = ensemble.learning;
        panel.update({ ensemble });
      },
    },
  );
  const learning = createLearningCommands(background, () => learningStatus);
  const consentPrompt = createConsentPrompt({
    ...consentMemory(context),
    isOff: () => learningStatus?.state === 'off',
    ask: askForConsent,
    agree: learning.agree,
  });
  stop = () => background.stop();

  const currentStatus = () => {
    const languageId = vscode.window.activeTextEditor?.document.languageId;
    return hostStatus({
      process: processState,
      enabled: settings.current.enable,
      languageEnabled: languageId === undefined || isLanguageEnabled(settings.current, languageId),
      server: serverStatus,
    });
  };
  const refreshStatus = () => {
    const status = currentStatus();
    statusItem.show(status);
    // Off for one language is no state of the panel: it shows the last completion of any.
    const hostState = status.reason === 'languageDisabled' ? 'ready' : status.state;
    panel.update({ hostState, hostMessage: status.state === 'failed' ? describe(status) : '' });
  };
  const command = (id: string, run: (...given: readonly unknown[]) => unknown) =>
    vscode.commands.registerCommand(id, run);

  context.subscriptions.push(
    log,
    settings,
    statusItem,
    vscode.window.registerWebviewViewProvider(panelViewId, panel),
    command('consort.toggle', () => toggleEverywhere(settings.current)),
    command('consort.toggleLanguage', async () => {
      const languageId = vscode.window.activeTextEditor?.document.languageId;
      if (languageId !== undefined) await toggleLanguage(settings.current, languageId);
    }),
    command('consort.trigger', trigger),
    command('consort.openPanel', () => vscode.commands.executeCommand(`${panelViewId}.focus`)),
    command('consort.showLog', () => log.show()),
    command('consort.restart', () => background.restart()),
    command('consort.eraseStoredData', () => eraseStoredData(background)),
    command('consort.toggleLearning', learning.toggle),
    command('consort.showLearned', learning.show),
    command('consort.exportLearned', learning.exportAll),
    command('consort.eraseLearned', learning.eraseAll),
    command('consort.resetPolicy', learning.reset),
    command('consort.rollBackPolicy', learning.rollBack),
    command(menuCommand, () => showMenu(currentStatus(), settings.current)),
    command(acceptSuggestionCommand, (id) => typeof id === 'string' && tracker.accepted(id)),
    command('consort.dismiss', () => {
      tracker.rejected();
      return vscode.commands.executeCommand('editor.action.inlineSuggest.hide');
    }),
    settings.onDidChange(() => {
      background.settingsChanged();
      refreshStatus();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => background.restart()),
    vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) =>
      tracker.changed(
        document.uri.toString(),
        contentChanges.map((change) => ({
          offset: change.rangeOffset,
          length: change.rangeLength,
          text: change.text,
        })),
      ),
    ),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor: { document }, selections: [selection] }) =>
      tracker.cursorMoved(
        document.uri.toString(),
        selection.isEmpty ? document.offsetAt(selection.active) : Number.NaN,
      ),
    ),
    vscode.window.onDidChangeActiveTextEditor(() => {
      tracker.hidden();
      refreshStatus();
    }),
  );
  refreshStatus();
  await background.start();
}

export async function deactivate(): Promise<void> {
  await stop?.();
}

const menuCommand = 'consort.showMenu';

/** Focus may be in the panel, whose button asked: the editor takes it back first. */
async function trigger(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
  await vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
}

/** Shorter displays tell nothing about what the person wanted; the editor's own delay before showing comes on top. */
const seenAfterMs = 750;

function shownAfterMs(): number {
  const editorDelayMs: unknown = vscode.workspace
    .getConfiguration('editor.inlineSuggest')
    .get('minShowDelay');
  return seenAfterMs + (typeof editorDelayMs === 'number' ? editorDelayMs : 0);
}

function schedule(milliseconds: number, run: () => void): () => void {
  const timer = setTimeout(run, milliseconds);
  return () => clearTimeout(timer);
}
