import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Settings } from '../config/settings.ts';
import type { MemberStatus } from '../protocol/messages.ts';
import { Engine, isLarger } from './engine.ts';
import { Library, type LibraryFile } from './library.ts';
import type { Log } from './log.ts';
import { neuralSources, ngramSource } from './sources.ts';
import { isSecretLike, workspaceFiles } from './workspaceFiles.ts';

export interface EnsembleOptions {
  readonly settings: Settings;
  /** Folder of the bundled members; the one shipped with this program by default. */
  readonly modelsPath: string | undefined;
  /** False where no member outside the bundled ones may be loaded. */
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
  configure(settings: Settings): void;
  changeFolders(added: readonly string[], removed: readonly string[]): void;
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
  const library = new Library({
    isReadable: ({ uri, text }) =>
      !isLarger(text, settings.maximumFileKilobytes * 1000) && !text.includes('\0') && !isSecretLike(uri),
    files: (signal) => filesOf(folders, settings, options.log, signal),
    whenIdle: () => engine.idle(),
    onChange,
  });
  const sources = () => [...neuralSources(settings, options), ngramSource(settings, library)];
  const engine: Engine = new Engine({
    settings,
    sources: sources(),
    library,
    onChange,
    memberDeadlineMs: options.memberDeadlineMs,
    loadingDeadlineMs,
  });
  return {
    engine,
    library,
    configure(newSettings) {
      const old = settings;
      settings = newSettings;
      engine.configure(settings, sources());
      const isSame = (name: keyof Settings) => old[name] === settings[name];
      if (!isSame('index.enable') || !isSame('maximumFileKilobytes')) library.reindex();
    },
    changeFolders(added, removed) {
      folders = [...folders.filter((folder) => !removed.includes(folder)), ...added];
      library.reindex();
    },
    async ready() {
      await engine.ready();
      await library.indexed();
    },
    async close() {
      library.close();
      await engine.close();
    },
  };
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

/** The workspace's files for the n-gram; folders that are not on this machine's disk are left out. */
async function* filesOf(
  folders: readonly string[],
  settings: Settings,
  log: Log,
  signal: AbortSignal,
): AsyncGenerator<LibraryFile> {
  if (!settings['index.enable']) return;
  const options = {
    maximumFileBytes: settings.maximumFileKilobytes * 1000,
    signal,
    onUnreadable: (path: string, error: Error) =>
      log.warn(`${path} cannot be read and is left out: ${error.message}`),
  };
  for (const folder of folders) {
    if (!folder.startsWith('file:')) continue;
    for await (const { path, bytes } of workspaceFiles(fileURLToPath(folder), options)) {
      yield { uri: pathToFileURL(path).href, text: bytes };
    }
  }
}
