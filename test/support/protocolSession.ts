import { PassThrough } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import {
  createConnection,
  createProtocolConnection,
  type InlineCompletionItem,
  ProposedFeatures,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { didChangeEnsemble, didChangeStatus, didComplete } from '../../src/protocol/messages.ts';
import { Engine } from '../../src/server/engine.ts';
import type { EnsembleOptions } from '../../src/server/ensemble.ts';
import { serve } from '../../src/server/languageServer.ts';
import { Learning, type LearningOptions } from '../../src/server/learning/learning.ts';
import { createLog } from '../../src/server/log.ts';
import { PolicyStore } from '../../src/server/policyStore.ts';
import { fakeClock } from './fakeClock.ts';
import { type ToyMember, toyLibrary } from './toyMember.ts';

export interface Session {
  readonly client: ProtocolConnection;
  readonly received: { readonly method: string; readonly params: unknown }[];
  readonly log: string[];
  readonly library: string[];
  /** The learning's clock. */
  readonly clock: ReturnType<typeof fakeClock>;
  readonly close: () => Promise<void>;
}

const endings: (() => Promise<void> | void)[] = [];

/** Ends all sessions. */
export async function endSessions(): Promise<void> {
  for (const end of endings.splice(0)) await end();
}

const notifications = [
  didComplete,
  didChangeStatus,
  didChangeEnsemble,
  'window/showMessage',
  'window/logMessage',
];
export const uri = 'file:///folder/a.ts';

/** An editor and a server in one process, after `initialize` and with one document open. */
export async function startSession(
  members: readonly ToyMember[],
  text: string,
  settings: unknown = { policy: 'hedge' },
  capabilities: object = {},
  initializationOptions: object = {},
  learning: Partial<LearningOptions> = {},
): Promise<Session> {
  const [toServer, toClient] = [new PassThrough(), new PassThrough()];
  const connection = createConnection(
    ProposedFeatures.all,
    new StreamMessageReader(toServer),
    new StreamMessageWriter(toClient),
  );
  const session: Session = {
    client: createProtocolConnection(new StreamMessageReader(toClient), new StreamMessageWriter(toServer)),
    received: [],
    log: [],
    library: [],
    clock: fakeClock(),
    close: () => server.close(),
  };
  const { client, received, log, library, clock } = session;
  const server = serve({
    connection,
    log: createLog((level, message) => log.push(`${level}: ${message}`), 'debug'),
    version: '1.2.3',
    startEnsemble: (options) =>
      toyEnsemble(members, options, library, { schedule: clock.schedule, ...learning }),
  });
  client.onRequest('client/registerCapability', (params) => {
    received.push({ method: 'client/registerCapability', params });
  });
  for (const method of notifications) {
    client.onNotification(method, (params) => void received.push({ method, params }));
  }
  client.listen();
  endings.push(
    server.close,
    () => client.dispose(),
    () => connection.dispose(),
  );
  await client.sendRequest('initialize', {
    processId: null,
    rootUri: null,
    capabilities,
    workspaceFolders: [{ uri: 'file:///folder', name: 'folder' }],
    initializationOptions: { settings, ...initializationOptions },
  });
  await client.sendNotification('initialized', {});
  const textDocument = { uri, languageId: 'typescript', version: 1, text };
  await client.sendNotification('textDocument/didOpen', { textDocument });
  return session;
}

function toyEnsemble(
  members: readonly ToyMember[],
  options: EnsembleOptions,
  calls: string[],
  changes: Pick<LearningOptions, 'schedule'> & Partial<LearningOptions>,
) {
  const library = toyLibrary(calls);
  const store = new PolicyStore(options.settings, options);
  const learning: Learning = new Learning({
    ...options,
    storagePath: options.trusted ? options.learning?.storagePath : undefined,
    configured: store,
    score: (at, text) => engine.score(at, text),
    textOf: (uri) => options.learning?.textOf(uri),
    random: () => 0.5,
    now: () => 1_700_000_000_000,
    onProblem: (message) => options.learning?.onProblem(message),
    ...changes,
  });
  const engine = new Engine({
    settings: options.settings,
    sources: members,
    policies: { choose: (...asked) => learning.choose(...asked), status: () => store.status() },
    library,
    onChange: options.onChange,
    memberDeadlineMs: 10_000,
    loadingDeadlineMs: 1000,
  });
  calls.push(`folders ${options.folders}`);
  return {
    engine,
    library,
    learning,
    changeFolders: (added: readonly string[], removed: readonly string[]) =>
      void calls.push(`folders +${added} -${removed}`),
    filesChanged: (uris: readonly string[]) => void calls.push(`changed ${uris}`),
    erase: async () => ({ erased: [{ kind: 'index', bytes: 7 } as const], problems: [] }),
    configure(settings: EnsembleOptions['settings']) {
      learning.configure(settings);
      engine.configure(settings, members);
    },
    ready: () => engine.ready(),
    async close() {
      await learning.close();
      await engine.close();
      await setImmediate();
      calls.push('closed');
    },
  };
}

export function complete(
  { client }: Session,
  character: number,
  context: object = { triggerKind: 2 },
): Promise<InlineCompletionItem[] | null> {
  const position = { line: 0, character };
  return client.sendRequest('textDocument/inlineCompletion', { textDocument: { uri }, position, context });
}
