import * as vscode from 'vscode';
import {
  CloseAction,
  ErrorAction,
  ExecuteCommandRequest,
  LanguageClient,
  type Middleware,
  State,
  TransportKind,
} from 'vscode-languageclient/node';
import type { CompletionReport } from '../protocol/completion.ts';
import {
  acceptCommand,
  type DidChangeStatusParams,
  didChangeEnsemble,
  didChangeStatus,
  didComplete,
  didDiscardCompletion,
  didPartiallyAcceptCompletion,
  didShowCompletion,
  type EnsembleStatus,
  type EraseStoredResult,
  ensembleStatus,
  eraseStored,
  type InitializationOptions,
  type LearningAnswer,
  type ReportedItem,
} from '../protocol/messages.ts';
import { createBackOff } from './backOff.ts';
import type { ProcessState } from './hostStatus.ts';
import type { Outcome } from './outcomeTracker.ts';
import { settingsSection } from './settings.ts';

export interface Listeners {
  process(state: ProcessState): void;
  status(status: DidChangeStatusParams): void;
  completed(report: CompletionReport): void;
  ensemble(status: EnsembleStatus): void;
}

export interface BackgroundProcess {
  readonly isRunning: boolean;
  start(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
  report(outcome: Outcome): void;
  settingsChanged(): void;
  /** Rejects where the process does not answer. */
  eraseStored(): Promise<EraseStoredResult>;
  /** A request about learning. Rejects where the process does not answer. */
  ask<Value>(method: string, params?: object): Promise<LearningAnswer<Value>>;
}

/** The language server over IPC, started again with growing pauses when it ends unasked. */
export function createBackgroundProcess(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  middleware: Middleware,
  listeners: Listeners,
): BackgroundProcess {
  const backOff = createBackOff(Date.now);
  let isUp = false;
  let isStopping = false;
  /** Ends the pause before the next start; undefined while there is none. */
  let skipPause: (() => void) | undefined;

  const module = vscode.Uri.joinPath(context.extensionUri, 'dist', 'server.js').fsPath;
  // Flags that the editor's own process was started with would break the fork.
  const fork = { module, transport: TransportKind.ipc, options: { execArgv: [] } };
  const client = new QuietClient(
    'consort',
    'Consort',
    { run: fork, debug: fork },
    {
      documentSelector: ['file', 'untitled', 'vscode-notebook-cell', 'vscode-vfs'].map((scheme) => ({
        scheme,
      })),
      outputChannel: log,
      traceOutputChannel: neverTracing(log),
      middleware,
      initializationOptions: () => initializationOptions(context),
      initializationFailedHandler: (error) => {
        log.error(
          `The background process refused to start: ${error instanceof Error ? error.message : error}`,
        );
        return false;
      },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: async () => {
          isUp = false;
          if (isStopping) return { action: CloseAction.DoNotRestart, handled: true };
          const delayMs = backOff.next();
          if (delayMs === null) {
            const message = vscode.l10n.t('The background process ended too often. The log says why.');
            listeners.process({ kind: 'stopped', message });
            return { action: CloseAction.DoNotRestart, handled: true, message };
          }
          listeners.process({ kind: 'restarting', delayMs });
          await pause(delayMs);
          const message = `The background process ended; started again after ${delayMs} ms.`;
          return { action: CloseAction.Restart, handled: true, message };
        },
      },
    },
  );

  client.onNotification(didChangeStatus, (status: DidChangeStatusParams) => listeners.status(status));
  client.onNotification(didComplete, (report: CompletionReport) => listeners.completed(report));
  client.onNotification(didChangeEnsemble, (status: EnsembleStatus) => listeners.ensemble(status));
  client.onDidChangeState(({ newState }) => {
    isUp = newState === State.Running;
    if (newState === State.Starting) listeners.process({ kind: 'starting' });
    if (isUp) {
      listeners.process({ kind: 'running' });
      client
        .sendRequest<EnsembleStatus>(ensembleStatus)
        .then(listeners.ensemble, (error) => log.warn(String(error)));
    }
  });

  return {
    get isRunning() {
      return isUp;
    },
    start,
    async restart() {
      backOff.reset();
      if (skipPause !== undefined) return skipPause();
      if (isUp) {
        listeners.process({ kind: 'starting' });
        isUp = false;
        await stop(() => client.stop());
      }
      if (client.needsStart()) await start();
    },
    async stop() {
      isStopping = true;
      skipPause?.();
      await stop(() => client.dispose());
    },
    report(outcome) {
      if (!isUp) return;
      send(outcome).catch((error) => log.warn(`An outcome was not delivered: ${error}`));
    },
    settingsChanged() {
      if (!isUp) return;
      const settings = { consort: settingsSection() };
      client
        .sendNotification('workspace/didChangeConfiguration', { settings })
        .catch((error) => log.warn(String(error)));
    },
    eraseStored: () => client.sendRequest<EraseStoredResult>(eraseStored),
    ask: <Value>(method: string, params?: object) =>
      client.sendRequest<LearningAnswer<Value>>(method, params),
  };

  async function start(): Promise<void> {
    try {
      await client.start();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log.error(`The background process did not start: ${message}`);
      listeners.process({ kind: 'stopped', message });
    }
  }

  /** A process that is dead already, or does not end in time, is no reason not to go on. */
  async function stop(end: () => Promise<void>): Promise<void> {
    try {
      await end();
    } catch (error) {
      log.warn(`The background process did not end by itself: ${error}`);
    }
  }

  async function send(outcome: Outcome): Promise<unknown> {
    const command = { command: acceptCommand, arguments: [outcome.id] };
    const item: ReportedItem = { command };
    switch (outcome.kind) {
      case 'shown':
        return client.sendNotification(didShowCompletion, { item });
      case 'partlyAccepted':
        return client.sendNotification(didPartiallyAcceptCompletion, {
          item,
          acceptedLength: outcome.acceptedLength,
        });
      case 'accepted':
        return client.sendRequest(ExecuteCommandRequest.type, command);
      case 'discarded':
        return client.sendNotification(didDiscardCompletion, { item, how: outcome.how });
    }
  }

  function pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => skipPause?.(), milliseconds);
      skipPause = () => {
        skipPause = undefined;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The status item tells what is wrong; the library's own pop-ups would tell it once per attempt. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** The library's trace of messages, on at the level "trace" of its channel, would write source text to the log. */
function neverTracing(log: vscode.LogOutputChannel): vscode.LogOutputChannel {
  const never: vscode.Event<vscode.LogLevel> = () => new vscode.Disposable(() => {});
  return Object.create(log, {
    logLevel: { value: vscode.LogLevel.Off },
    onDidChangeLogLevel: { value: never },
  });
}

function initializationOptions(context: vscode.ExtensionContext): InitializationOptions {
  // Without a workspace there is no storage of its own, and nothing is kept.
  const { storageUri, globalStorageUri } = context;
  return {
    settings: settingsSection(),
    ...(storageUri?.scheme === 'file' && { storagePath: storageUri.fsPath }),
    ...(globalStorageUri.scheme === 'file' && { globalStoragePath: globalStorageUri.fsPath }),
    trusted: vscode.workspace.isTrusted,
  };
}
