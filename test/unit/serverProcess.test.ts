import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import {
  createProtocolConnection,
  ErrorCodes,
  type InitializeResult,
  IPCMessageReader,
  IPCMessageWriter,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import type { CompletionReport } from '../../src/protocol/completion.ts';
import {
  didChangeEnsemble,
  didChangeStatus,
  didComplete,
  type EnsembleStatus,
} from '../../src/protocol/messages.ts';

const main = fileURLToPath(new URL('../../src/server/main.ts', import.meta.url));
const timeoutMs = 60_000;

const endings: (() => void)[] = [];
afterEach(() => {
  for (const end of endings.splice(0)) end();
});

function start(transport: 'stdio' | 'ipc') {
  const options = { stdio: ['pipe', 'pipe', 'pipe'] as ('pipe' | 'ipc')[] };
  if (transport === 'ipc') options.stdio.push('ipc');
  const child =
    transport === 'ipc'
      ? fork(main, ['--node-ipc'], { ...options, execArgv: [] })
      : spawn(process.execPath, [main, '--stdio'], options);
  if (!child.stdout || !child.stdin || !child.stderr) throw new Error('no pipes');
  const errors: string[] = [];
  child.stderr.on('data', (data: Buffer) => errors.push(data.toString()));
  const connection =
    transport === 'ipc'
      ? createProtocolConnection(new IPCMessageReader(child), new IPCMessageWriter(child))
      : createProtocolConnection(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin));
  connection.listen();
  endings.push(() => {
    connection.dispose();
    child.kill('SIGKILL');
  });
  return { child, connection, errors, exited: once(child, 'exit') };
}

function initialize(connection: ProtocolConnection): Promise<InitializeResult> {
  return connection.sendRequest('initialize', { processId: process.pid, rootUri: null, capabilities: {} });
}

test(
  'over standard streams: initialize, complete, cancel, shut down and exit',
  async () => {
    const { connection, errors, exited } = start('stdio');
    const reports: CompletionReport[] = [];
    connection.onNotification(didComplete, (report: CompletionReport) => void reports.push(report));

    const loaded = new Promise<EnsembleStatus>((resolve) => {
      connection.onNotification(didChangeEnsemble, (status: EnsembleStatus) => {
        if (status.members.every(({ state }) => state !== 'loading')) resolve(status);
      });
    });
    const { capabilities, serverInfo } = await initialize(connection);
    expect(capabilities.inlineCompletionProvider).toBe(true);
    expect(serverInfo?.name).toBe('Consort');
    await connection.sendNotification('initialized', {});

    const { members } = await loaded;
    expect(members.map(({ state }) => state)).toEqual(members.map(() => 'ready'));
    expect(members.length).toBeGreaterThanOrEqual(2);

    const line = 'export function firstElement(values) { return values[0]; }\n';
    const text = `${line.repeat(4)}export function firstEl`;
    const open = async (uri: string, text: string) => {
      const textDocument = { uri, languageId: 'javascript', version: 1, text };
      await connection.sendNotification('textDocument/didOpen', { textDocument });
    };
    const ask = (uri: string, position: { readonly line: number; readonly character: number }) => {
      const context = { triggerKind: 1 };
      return connection.sendRequest('textDocument/inlineCompletion', {
        textDocument: { uri },
        position,
        context,
      });
    };
    await open('file:///sample.js', text);
    expect(await ask('file:///sample.js', { line: 4, character: 23 })).toMatchObject([
      { insertText: expect.stringMatching(/^ement\(values\)/) },
    ]);
    // Of a text that has yet to be read, so that the second request is heard before the first is answered.
    const unread = Array.from({ length: 60 }, (_, i) => `const value${i} = compute(${i * i}, "${i}");\n`);
    await open('file:///unread.js', unread.join(''));
    const between = { line: 50, character: 14 };
    const [first, second] = await Promise.all([
      ask('file:///unread.js', between),
      ask('file:///unread.js', between),
    ]);
    expect(first).toBeNull();
    expect(second).toHaveLength(1);

    for (const { tokens, members: participants } of reports) {
      expect(participants.length).toBeGreaterThanOrEqual(2);
      for (const { shares } of tokens) {
        expect(Object.keys(shares)).toEqual(participants.map(({ id }) => id));
        expect(Math.abs(Object.values(shares).reduce((sum, share) => sum + share, 0) - 1)).toBeLessThan(1e-6);
      }
    }

    await connection.sendRequest('shutdown');
    await connection.sendNotification('exit');
    expect(await exited).toEqual([0, null]);
    expect(errors.join('')).toBe('');
  },
  timeoutMs,
);

test(
  'what comes too early or too late is refused, and nothing of ours is sent before initialized',
  async () => {
    const { connection, exited } = start('stdio');
    const told: string[] = [];
    connection.onUnhandledNotification(({ method }) => void told.push(method));
    const code = (method: string, params?: object): Promise<number | undefined> =>
      connection.sendRequest(method, params).then(
        () => undefined,
        (error) => error.code,
      );
    expect(await code('consort/status')).toBe(ErrorCodes.ServerNotInitialized);
    expect(await code('consort/setConsent', { granted: true })).toBe(ErrorCodes.ServerNotInitialized);
    await initialize(connection);
    expect(await code('consort/status')).toBeUndefined();
    expect(told.filter((method) => !method.startsWith('window/'))).toEqual([]);
    expect(await code('initialize', { processId: null, rootUri: null, capabilities: {} })).toBe(
      ErrorCodes.InvalidRequest,
    );
    await connection.sendNotification('initialized', {});
    expect(await code('consort/status')).toBeUndefined();
    expect(told).toEqual(expect.arrayContaining([didChangeEnsemble, didChangeStatus]));

    await connection.sendRequest('shutdown');
    expect(await code('consort/status')).toBe(ErrorCodes.InvalidRequest);
    expect(await code('workspace/executeCommand', { command: 'x' })).toBe(ErrorCodes.InvalidRequest);
    await connection.sendNotification('exit');
    expect(await exited).toEqual([0, null]);
  },
  timeoutMs,
);

test(
  'what it has indexed outlives it, in the folder that the editor gave',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'consort-process-'));
    endings.push(() => rmSync(folder, { recursive: true }));
    mkdirSync(join(folder, 'workspace'));
    writeFileSync(join(folder, 'workspace', 'a.ts'), 'export const a = 1;\n');
    const run = async () => {
      const { connection, exited } = start('stdio');
      const log: string[] = [];
      connection.onNotification('window/logMessage', ({ message }) => void log.push(message));
      const indexed = new Promise<void>((resolve) => {
        connection.onNotification(didChangeEnsemble, ({ index }: EnsembleStatus) => {
          if (index.state === 'idle' && index.files > 0) resolve();
        });
      });
      await connection.sendRequest('initialize', {
        processId: process.pid,
        rootUri: pathToFileURL(join(folder, 'workspace')).href,
        capabilities: {},
        initializationOptions: { storagePath: join(folder, 'storage') },
      });
      await connection.sendNotification('initialized', {});
      await indexed;
      await connection.sendRequest('shutdown');
      await connection.sendNotification('exit');
      expect(await exited).toEqual([0, null]);
      return log.join('\n');
    };
    expect(await run()).not.toContain('saved index');
    expect(readdirSync(join(folder, 'storage'))).toEqual(['index-v1.bin']);
    expect(await run()).toMatch(/The saved index was read .*files: 1\./);
  },
  timeoutMs,
);

test(
  'over IPC: ends by itself when its parent lets go',
  async () => {
    const { child, connection, errors, exited } = start('ipc');
    await initialize(connection);
    child.disconnect();
    expect(await exited).toEqual([1, null]);
    expect(errors).toEqual([]);
  },
  timeoutMs,
);

test(
  'over standard streams: ends by itself when its input ends',
  async () => {
    const { child, connection, errors, exited } = start('stdio');
    await initialize(connection);
    child.stdin?.end();
    expect(await exited).toEqual([1, null]);
    expect(errors).toEqual([]);
  },
  timeoutMs,
);

/** What a program says that is started by hand and given this as its input. */
async function byHand(args: readonly string[], input = '') {
  const child = spawn(process.execPath, [main, ...args]);
  let [output, errors] = ['', ''];
  child.stdout.on('data', (data: Buffer) => {
    output += data;
  });
  child.stderr.on('data', (data: Buffer) => {
    errors += data;
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code, output, errors };
}

test('without a transport it says how to start it', async () => {
  const { code, errors } = await byHand([]);
  expect(code).toBe(2);
  expect(errors).toMatch(/--stdio/);
}, 20_000);

test('help names the file as it was started', async () => {
  const help = expect.stringMatching(/^Usage: node src[\\/]server[\\/]main\.ts --stdio/);
  expect(await byHand(['--help'])).toEqual({ code: 0, output: help, errors: '' });
}, 20_000);

test.each([
  ['no header', 'secret\n', /^Standard input ended before .*\n$/],
  ['a header without a length', 'secret: 1\r\n\r\n', /^What came .* is no message .*\n$/],
  ['no JSON', 'Content-Length: 6\r\n\r\nsecret', /^What came .* is no message .*\n$/],
])(
  'input that is no protocol ends it with one line: %s',
  async (_, input, line) => {
    const said = await byHand(['--stdio'], input);
    expect(said).toEqual({ code: 1, output: '', errors: expect.stringMatching(line) });
    expect(said.errors).not.toMatch(/secret/);
  },
  20_000,
);
