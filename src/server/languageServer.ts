import {
  type CancellationToken,
  type Connection,
  DidChangeWatchedFilesNotification,
  type InitializeParams,
  type InitializeResult,
  MessageType,
  TextDocumentSyncKind,
  TextDocuments,
} from 'vscode-languageserver';
import * as z from 'zod';
import { parseSettings, type Settings } from '../config/settings.ts';
import {
  acceptCommand,
  type DidCompleteParams,
  didChangeEnsemble,
  didChangeStatus,
  didComplete,
  type EnsembleStatus,
  ensembleStatus,
  eraseStored,
} from '../protocol/messages.ts';
import type { CompletionAnswer } from './engine.ts';
import type { Ensemble, EnsembleOptions } from './ensemble.ts';
import { followedDocuments } from './followedDocuments.ts';
import { inlineCompletionParams, itemOf, requestOf, snapshot } from './inlineCompletion.ts';
import { answerLearningRequests } from './learningRequests.ts';
import type { Log } from './log.ts';
import { createNotifier, send } from './notifier.ts';
import { listenToOutcomes } from './outcomes.ts';
import { initializedBefore, invalidParams, type Phase, whileServing } from './requestChecks.ts';
import { summarise } from './status.ts';

export interface LanguageServerOptions {
  readonly connection: Connection;
  readonly log: Log;
  readonly version: string;
  readonly startEnsemble: (options: EnsembleOptions) => Ensemble;
}

/** Someone is typing: a member that takes longer is of no use to them. */
const memberDeadlineMs = 2000;

/** Serves one editor over a connection. The returned `close` ends all work; it is also what `shutdown` does. */
export function serve(options: LanguageServerOptions): { readonly close: () => Promise<void> } {
  const { connection, log, startEnsemble } = options;
  const documents = new TextDocuments(followedDocuments(() => ensemble?.learning));
  const repeatedly = createNotifier(connection);
  let ensemble: Ensemble | undefined;
  let settings = parseSettings(undefined).settings;
  let nCompleting = 0;
  /** What the editor can tell of, by its own account. */
  let watchesFiles = false;
  let changesFolders = false;
  let isInitialized = false;
  let closed: Promise<void> | undefined;

  const serving = whileServing(phase);

  connection.onInitialize((params) => {
    if (phase() !== 'uninitialized') return initializedBefore();
    const parsed = initializationOptions.safeParse(params.initializationOptions ?? {});
    if (!parsed.success) log.warn(`initializationOptions are ignored: ${z.prettifyError(parsed.error)}`);
    const initial = parsed.data ?? {};
    settings = read(initial.settings);
    ensemble = startEnsemble({
      settings,
      modelsPath: initial.modelsPath,
      storagePath: initial.storagePath,
      learning: {
        storagePath: initial.globalStoragePath,
        textOf: (uri) => documents.get(uri)?.getText(),
        onProblem: (message) => {
          void send(connection, 'window/showMessage', { type: MessageType.Warning, message });
        },
      },
      trusted: initial.trusted ?? true,
      folders: foldersOf(params),
      log,
      memberDeadlineMs,
      onChange: () => tellStatus(),
    });
    checkSettings(ensemble);
    const { workspace } = params.capabilities;
    watchesFiles = workspace?.didChangeWatchedFiles?.dynamicRegistration === true;
    changesFolders = workspace?.workspaceFolders === true;
    return capabilities(options.version);
  });
  connection.onInitialized(() => {
    isInitialized = true;
    tellStatus();
    if (watchesFiles) watchFiles(connection, log);
    if (!changesFolders) return;
    connection.workspace.onDidChangeWorkspaceFolders(({ added, removed }) => {
      ensemble?.changeFolders(
        added.map(({ uri }) => uri),
        removed.map(({ uri }) => uri),
      );
    });
  });
  connection.onDidChangeConfiguration((params) => {
    const pushed = z.object({ consort: z.unknown() }).safeParse(params.settings);
    if (!pushed.success) return;
    settings = read(pushed.data.consort);
    if (ensemble === undefined) return;
    ensemble.configure(settings);
    checkSettings(ensemble);
    tellStatus();
  });

  documents.onDidChangeContent(({ document }) => ensemble?.library.setDocument(snapshot(document)));
  documents.onDidClose(({ document }) => {
    ensemble?.library.closeDocument(document.uri);
    ensemble?.learning.closed(document.uri);
  });

  const complete = async (given: unknown, token: CancellationToken) => {
    const { data: params, error: misfit } = inlineCompletionParams.safeParse(given);
    if (misfit) return invalidParams(misfit);
    const document = documents.get(params.textDocument.uri);
    if (document === undefined || ensemble === undefined || token.isCancellationRequested) return null;
    const controller = new AbortController();
    const subscription = token.onCancellationRequested(() => controller.abort());
    nCompleting++;
    tellStatus();
    try {
      const request = requestOf(document, params);
      const answer = await ensemble.engine.complete(request, controller.signal);
      if (answer.report.noCompletionReason === 'cancelled') return null;
      if (!answer.isRepeated) void send(connection, didComplete, answer.report satisfies DidCompleteParams);
      log.debug(describe(answer));
      ensemble?.learning.offered(request, answer);
      return answer.item && [itemOf(document, answer.report.id, answer.item)];
    } catch (error) {
      log.error(`A completion failed: ${error instanceof Error ? error.stack : error}`);
      return null;
    } finally {
      subscription.dispose();
      nCompleting--;
      tellStatus();
    }
  };

  connection.languages.inlineCompletion.on(serving(complete));
  connection.onDidChangeWatchedFiles(({ changes }) => ensemble?.filesChanged(changes.map(({ uri }) => uri)));
  connection.onRequest(
    eraseStored,
    serving(() => ensemble?.erase() ?? null),
  );
  connection.onRequest(
    ensembleStatus,
    serving(() => (ensemble ? statusOf(ensemble) : null)),
  );
  answerLearningRequests(connection, serving, () => ensemble?.learning);
  const countsInWords = listenToOutcomes(connection, {
    log,
    serving,
    onTold: (id, told) => ensemble?.learning.told(id, told),
  });
  connection.onShutdown(serving(close));
  documents.listen(connection);
  connection.listen();
  return { close };

  function phase(): Phase {
    if (closed !== undefined) return 'shutDown';
    return ensemble === undefined ? 'uninitialized' : 'serving';
  }

  /** Whoever asks again waits for the same end. */
  function close(): Promise<void> {
    closed ??= closeEnsemble();
    return closed;
  }

  async function closeEnsemble(): Promise<void> {
    const closing = ensemble;
    ensemble = undefined;
    if (closing) log.info(`Completions: ${countsInWords()}.`);
    await closing?.close();
  }

  function read(section: unknown): Settings {
    const parsed = parseSettings(section);
    log.setLevel(parsed.settings['log.level']);
    for (const problem of parsed.problems) log.warn(problem);
    if (parsed.problems.length > 0) {
      repeatedly.send('window/showMessage', {
        type: MessageType.Warning,
        message: parsed.problems.join('\n'),
      });
    }
    return parsed.settings;
  }

  /** Says what no schema can see: a policy that cannot be used, members that are not there. */
  function checkSettings({ engine }: Ensemble): void {
    const { members, policy } = engine.status();
    if (policy.message !== undefined) {
      const message = { type: MessageType.Warning, message: policy.message };
      repeatedly.send('window/showMessage', message, 'policy');
    }
    const unknown = settings.disabledMembers.filter((id) => members.every((member) => member.id !== id));
    if (!repeatedly.isNews('disabledMembers', unknown) || unknown.length === 0) return;
    const ids = members.map(({ id }) => id).join(', ');
    log.warn(`consort.disabledMembers names what is no member: ${unknown.join(', ')}. Members: ${ids}.`);
  }

  /** Before `initialized` an editor need not understand it. */
  function tellStatus(): void {
    if (ensemble === undefined || !isInitialized) return;
    const status = statusOf(ensemble);
    repeatedly.send(didChangeEnsemble, status);
    repeatedly.send(
      didChangeStatus,
      summarise(status, { isEnabled: settings.enable, isCompleting: nCompleting > 0 }),
    );
  }
}

function statusOf(ensemble: Pick<Ensemble, 'engine' | 'learning'>): EnsembleStatus {
  return { ...ensemble.engine.status(), learning: ensemble.learning.status() };
}

const initializationOptions = z.object({
  settings: z.unknown().optional(),
  modelsPath: z.string().optional(),
  storagePath: z.string().optional(),
  globalStoragePath: z.string().optional(),
  trusted: z.boolean().optional(),
});

function capabilities(version: string): InitializeResult {
  return {
    serverInfo: { name: 'Consort', version },
    capabilities: {
      textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental },
      inlineCompletionProvider: true,
      executeCommandProvider: { commands: [acceptCommand] },
      workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
    },
  };
}

/** Asks the editor to tell what changes on disk; which of it counts is decided here. */
function watchFiles(connection: Connection, log: Log): void {
  const watchers = [{ globPattern: '**/*' }];
  connection.client.register(DidChangeWatchedFilesNotification.type, { watchers }).catch((error: unknown) => {
    log.warn(`Changes on disk are not followed: ${error instanceof Error ? error.message : error}`);
  });
}

function foldersOf({ workspaceFolders, rootUri }: InitializeParams): readonly string[] {
  if (workspaceFolders) return workspaceFolders.map(({ uri }) => uri);
  return rootUri ? [rootUri] : [];
}

function describe({ report }: CompletionAnswer): string {
  const outcome = report.noCompletionReason ?? `${report.text.length} characters, ${report.stopReason}`;
  return `${report.languageId}: ${outcome}, ${report.latencyMs.total.toFixed(0)} ms`;
}
