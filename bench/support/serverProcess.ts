import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  createProtocolConnection,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import type { Corpus, Cursor } from './corpus.ts';

/** The background process as an editor runs it, from the built package, over standard streams. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #connection: ProtocolConnection;
  readonly #versions = new Map<string, number>();

  constructor(child: ChildProcess, connection: ProtocolConnection) {
    this.#child = child;
    this.#connection = connection;
  }

  /** @param serverFile the built language server */
  static async start(serverFile: string, corpus: Corpus): Promise<ServerProcess> {
    const child = spawn(process.execPath, [serverFile, '--stdio'], { stdio: ['pipe', 'pipe', 'ignore'] });
    if (!child.stdout || !child.stdin) throw new Error('the server has no streams');
    const connection = createProtocolConnection(
      new StreamMessageReader(child.stdout),
      new StreamMessageWriter(child.stdin),
    );
    connection.onRequest('workspace/configuration', (params: { readonly items: readonly unknown[] }) =>
      params.items.map(() => ({})),
    );
    connection.onRequest('client/registerCapability', () => null);
    connection.onRequest('window/workDoneProgress/create', () => null);
    connection.listen();
    const uri = pathToFileURL(corpus.folder).href;
    await connection.sendRequest('initialize', {
      processId: process.pid,
      rootUri: uri,
      workspaceFolders: [{ uri, name: path.basename(corpus.folder) }],
      capabilities: {
        textDocument: { inlineCompletion: {} },
        workspace: { configuration: true, workspaceFolders: true },
      },
    });
    await connection.sendNotification('initialized', {});
    return new ServerProcess(child, connection);
  }

  /** The items of an explicit completion at the cursor. */
  async complete({ uri, languageId, text, offset }: Cursor): Promise<unknown> {
    const version = (this.#versions.get(uri) ?? 0) + 1;
    this.#versions.set(uri, version);
    if (version === 1) {
      await this.#connection.sendNotification('textDocument/didOpen', {
        textDocument: { uri, languageId, version, text },
      });
    } else {
      await this.#connection.sendNotification('textDocument/didChange', {
        textDocument: { uri, version },
        contentChanges: [{ text }],
      });
    }
    const before = text.slice(0, offset);
    const position = {
      line: before.split('\n').length - 1,
      character: offset - (before.lastIndexOf('\n') + 1),
    };
    const context = { triggerKind: 1 };
    return this.#connection.sendRequest('textDocument/inlineCompletion', {
      textDocument: { uri },
      position,
      context,
    });
  }

  /** What the process takes and has taken; Linux only. */
  async usage(): Promise<
    { readonly peakBytes: number; readonly bytes: number; readonly cpuMs: number } | undefined
  > {
    const folder = `/proc/${this.#child.pid}`;
    const status = await readFile(`${folder}/status`, 'utf8').catch(() => undefined);
    if (status === undefined) return undefined;
    const kilobytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
    // Fields 14 and 15 of stat, in hundredths of a second; the name before them may hold spaces.
    const [user, system] = (await readFile(`${folder}/stat`, 'utf8'))
      .replace(/^.*\) /, '')
      .split(' ')
      .slice(11, 13);
    return {
      peakBytes: kilobytes('VmHWM') * 1024,
      bytes: kilobytes('VmRSS') * 1024,
      cpuMs: (Number(user) + Number(system)) * 10,
    };
  }

  async stop(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    await this.#connection.sendRequest('shutdown').catch(() => undefined);
    await this.#connection.sendNotification('exit').catch(() => undefined);
    await exited;
    this.#connection.dispose();
  }
}
