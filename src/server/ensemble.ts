import type { Settings } from '../config/settings.ts';
import type { EraseStoredResult, MemberStatus } from '../protocol/messages.ts';
import { Engine, isLarger } from './engine.ts';
import { filesOf, lookAt, nameOnDisk } from './filesOnDisk.ts';
import { IndexStore, type Keeping } from './indexStore.ts';
import { Learning, type LearningOptions } from './learning/learning.ts';
import { isOnBattery } from './learning/power.ts';
import { type RestingTimes, Trainer } from './learning/trainer.ts';
import { Library } from './library.ts';
import type { Log } from './log.ts';
import { PolicyStore } from './policyStore.ts';
import { savedIndexPath } from './savedIndex.ts';
import { neuralSources, ngramSource } from './sources.ts';
import { isSecretLike, type WorkspaceFilesOptions } from './workspaceFiles.ts';

export interface EnsembleOptions {
  readonly settings: Settings;
  /** Folder of the bundled members; the one shipped with this program by default. */
  readonly modelsPath: string | undefined;
  /** Folder for what is kept from one session to the next; nothing is kept without it. */
  readonly storagePath?: string | undefined;
  /** What learning needs of the editor; nothing is learned without it. */
  readonly learning?: Pick<LearningOptions, 'storagePath' | 'textOf' | 'onProblem'>;
  /** How long the person must have rested before there is training. */
  readonly rest?: RestingTimes | undefined;
  /** False where no member outside the bundled ones may be loaded, and nothing may be kept. */
  readonly trusted: boolean;
  /** URIs of the workspace's folders. */
  readonly folders: readonly string[];
  readonly log: Log;
  /** How long a member may take over one answer before the others go on without it. */
  readonly memberDeadlineMs: number;
  /** Called whenever the status changes. */
  readonly onChange: () => void;
}

/** Everything that completes: the members, what the workspace member reads, and the engine over them. */
export interface Ensemble {
  readonly engine: Engine;
  readonly library: Pick<Library, 'setDocument' | 'closeDocument'>;
  readonly learning: Learning;
  configure(settings: Settings): void;
  changeFolders(added: readonly string[], removed: readonly string[]): void;
  /** Something happened to these files on disk. */
  filesChanged(uris: readonly string[]): void;
  /** Removes what is kept on disk. */
  erase(): Promise<EraseStoredResult>;
  /** Settles when every member has loaded or failed and the workspace has been read. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** How long the first completion waits for the first member. */
const loadingDeadlineMs = 20_000;

export function startEnsemble(options: EnsembleOptions): Ensemble {
  const logStates = createStateLog(options.log);
  const onChange = () => {
    logStates(engine.status().members);
    options.onChange();
  };
  let { settings, folders } = options;
  const { storagePath, trusted, log } = options;
  const store =
    storagePath === undefined ? undefined : new IndexStore({ path: savedIndexPath(storagePath), log });
  void store?.configure(keeping(settings, trusted));
  const library = new Library({
    isReadable: ({ uri, text }) =>
      !isLarger(text, settings.maximumFileKilobytes * 1000) && !text.includes('\0') && !isSecretLike(uri),
    files: (signal, isWanted) => filesOf(folders, readingOptions(settings, log, signal), isWanted),
    look: (uri) => lookAt(uri, folders, readingOptions(settings, log, closing.signal)),
    whenIdle: () => engine.idle(),
    onChange,
    ...(store && { store }),
  });
  const closing = new AbortController();
  const sources = () => [...neuralSources(settings, options), ngramSource(settings, library)];
  const policies = new PolicyStore(settings, { trusted, log });
  const learning: Learning = new Learning({
    settings,
    // In Restricted Mode nothing is recorded.
    storagePath: trusted ? options.learning?.storagePath : undefined,
    folders,
    configured: policies,
    score: (at, text) => engine.score(at, text),
    textOf: (uri) => options.learning?.textOf(uri),
    schedule,
    random: Math.random,
    now: Date.now,
    log,
    onProblem: (message) => options.learning?.onProblem(message),
    onChange: options.onChange,
  });
  const trainer =
    learning.ledgerPath === undefined
      ? undefined
      : new Trainer({
          ledgerPath: learning.ledgerPath,
          isOn: () => learning.status().state === 'on',
          shipped: () => policies.learnable(),
          isOnBattery,
          schedule,
          log,
          onLearned: () => learning.refresh(),
          ...(options.rest && { rest: options.rest }),
        });
  const engine: Engine = new Engine({
    settings,
    policies: {
      choose: (...asked) => learning.choose(...asked),
      status: () => learning.learnedPolicy() ?? policies.status(),
    },
    sources: sources(),
    library,
    onChange,
    onRequest: () => trainer?.busy(),
    memberDeadlineMs: options.memberDeadlineMs,
    loadingDeadlineMs,
  });
  return {
    engine,
    library: {
      setDocument(document) {
        // Whoever types will soon ask for a completion.
        trainer?.busy();
        library.setDocument(document);
      },
      closeDocument: (uri) => library.closeDocument(uri),
    },
    learning,
    configure(newSettings) {
      const old = settings;
      settings = newSettings;
      void store?.configure(keeping(settings, trusted));
      policies.configure(settings);
      learning.configure(settings);
      engine.configure(settings, sources());
      const isSame = (name: keyof Settings) => old[name] === settings[name];
      if (!isSame('index.enable') || !isSame('maximumFileKilobytes')) library.reindex();
    },
    changeFolders(added, removed) {
      folders = [...folders.filter((folder) => !removed.includes(folder)), ...added];
      library.reindex();
      learning.changeFolders(folders);
    },
    filesChanged: (uris) => library.filesChanged(uris.map(nameOnDisk)),
    async erase() {
      const { bytes, problem } = (await store?.erase()) ?? { bytes: 0 };
      return {
        erased: bytes > 0 ? [{ kind: 'index', bytes }] : [],
        problems: problem === undefined ? [] : [problem],
      };
    },
    async ready() {
      await engine.ready();
      await library.indexed();
    },
    async close() {
      closing.abort();
      await trainer?.close();
      await learning.close();
      await library.close();
      await engine.close();
    },
  };
}

/** Nothing that waits keeps the process alive. */
function schedule(milliseconds: number, run: () => void): () => void {
  const timer = setTimeout(run, milliseconds).unref();
  return () => clearTimeout(timer);
}

/** Writes what becomes of each member. */
function createStateLog(log: Log): (members: readonly MemberStatus[]) => void {
  const states = new Map<string, string>();
  return (members) => {
    for (const { id, state, message } of members) {
      if (states.get(id) === state) continue;
      states.set(id, state);
      if (state === 'failed') log.error(`${id}: ${message}`);
      else log.info(`${id}: ${state}`);
    }
  };
}

/** What becomes of the saved index under these settings. */
function keeping(settings: Settings, trusted: boolean): Keeping {
  if (!settings['index.enable'] || !settings['index.persist']) return 'off';
  return trusted ? 'on' : 'untouched';
}

/** Undefined where the workspace may not be read. */
function readingOptions(
  settings: Settings,
  log: Log,
  signal: AbortSignal,
): WorkspaceFilesOptions | undefined {
  if (!settings['index.enable']) return undefined;
  return {
    maximumFileBytes: settings.maximumFileKilobytes * 1000,
    signal,
    onUnreadable: (path: string, error: Error) =>
      log.warn(`${path} cannot be read and is left out: ${error.message}`),
  };
}
