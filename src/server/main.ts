/** The background process: a language server over Node's IPC (`--node-ipc`) or standard streams (`--stdio`). */

import { relative } from 'node:path';
import {
  createConnection,
  type Logger,
  MessageType,
  ProposedFeatures,
  type WatchDog,
} from 'vscode-languageserver';
import {
  createProtocolConnection,
  IPCMessageReader,
  IPCMessageWriter,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import manifest from '../../package.json' with { type: 'json' };
import { startEnsemble } from './ensemble.ts';
import { serve } from './languageServer.ts';
import type { RestingTimes } from './learning/trainer.ts';
import { createLog, type LogLevel } from './log.ts';
import { send } from './notifier.ts';

/** How long the members may take to come to rest when the process ends. */
const closingMs = 20_000;
/** How often to look whether the editor is still there. */
const parentCheckMs = 3000;

const usage = `Usage: node ${startedAs(process.argv[1])} --stdio | --node-ipc
A language server (LSP 3.18) that answers textDocument/inlineCompletion.`;

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(usage);
  process.exit(0);
}
const usesIpc = process.argv.includes('--node-ipc') && process.send !== undefined;
if (!usesIpc && !process.argv.includes('--stdio')) {
  console.error(usage);
  process.exit(2);
}
if (!usesIpc) console.log = console.info = console.error; // stdout carries the protocol

let isEnding = false;
let isInitialized = false;
let hasComplained = false;
const watchDog: WatchDog = {
  shutdownReceived: false,
  initialize({ processId }) {
    isInitialized = true;
    if (processId === null) return;
    setInterval(() => {
      if (!isAlive(processId)) void end(1);
    }, parentCheckMs).unref();
  },
  exit: (code) => void end(code),
};

const connection = createConnection(
  (logger: Logger) =>
    usesIpc
      ? createProtocolConnection(new IPCMessageReader(process), new IPCMessageWriter(process), logger)
      : createProtocolConnection(readStdin(), new StreamMessageWriter(process.stdout), logger),
  watchDog,
  ProposedFeatures.all,
);

const messageTypes = {
  error: MessageType.Error,
  warn: MessageType.Warning,
  info: MessageType.Info,
  debug: MessageType.Debug,
} satisfies Record<LogLevel, MessageType>;

const log = createLog((level, message) => {
  void send(connection, 'window/logMessage', { type: messageTypes[level], message });
}, 'info');

const server = serve({
  connection,
  log,
  version: manifest.version,
  startEnsemble: (options) => startEnsemble({ ...options, rest: restFor(process.env.CONSORT_REST_SECONDS) }),
});

if (usesIpc) process.on('disconnect', () => void end(watchDog.shutdownReceived ? 0 : 1));
else {
  process.stdin.on('close', () => {
    if (!isInitialized) complain('Standard input ended before an editor had sent initialize.');
    void end(watchDog.shutdownReceived ? 0 : 1);
  });
}

function readStdin(): StreamMessageReader {
  const reader = new StreamMessageReader(process.stdin);
  reader.onError(() =>
    complain('What came on standard input is no message of the Language Server Protocol.'),
  );
  return reader;
}

/** One line for whoever started this by hand. It quotes nothing: that could be source text. */
function complain(problem: string): void {
  if (hasComplained) return;
  hasComplained = true;
  console.error(`${problem} An editor starts this program; --help says how.`);
}

/** Leaves as soon as no member computes: ending a thread inside a forward pass would abort the process. */
async function end(code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  const timer = setTimeout(() => process.exit(code), closingMs);
  await server.close();
  clearTimeout(timer);
  process.exit(code);
}

/** The program's path as a person would type it here. */
function startedAs(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith('..') ? path : fromHere;
}

/** For tests, which cannot wait for minutes. */
function restFor(seconds: string | undefined): RestingTimes | undefined {
  const milliseconds = 1000 * Number(seconds);
  return milliseconds > 0 ? { idleMs: milliseconds, betweenTurnsMs: milliseconds } : undefined;
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}
