/**
 * Measures the built extension's background process as an editor sees it, over standard streams.
 * Usage: npm run figures -- [DIR…] [--positions N] [--seed N] [--json]
 * DIR holds source that no member was trained on; by default `sample/`. The package is measured where dist/ has one.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import {
  createProtocolConnection,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { readPackage } from '../src/cli/sourcePackages.ts';
import { drawPositions } from '../src/evaluation/positions.ts';
import type { CompletionReport } from '../src/protocol/completion.ts';
import {
  didChangeEnsemble,
  didComplete,
  type EnsembleStatus,
  ensembleStatus,
} from '../src/protocol/messages.ts';

interface Figures {
  /** Milliseconds from starting the process, which is asked at once, to its first text. */
  readonly startToFirstCompletionMs: number;
  /** How many members wrote that first text. */
  readonly membersAtFirst: number;
  /** Milliseconds from starting the process until every member is loaded and the folders have been read. */
  readonly startToAllMembersMs: number;
  /** Milliseconds from the request to the whole line, the document's change included. */
  readonly requestToCompletionMs: { readonly p50: number; readonly p95: number };
  readonly positions: number;
  /** Bytes of completions per forward pass of one neural member, the reading of the context included. */
  readonly bytesPerForwardPass: number;
  /** Of each package in dist/. */
  readonly vsixMegabytes: Readonly<Record<string, number>>;
}

const root = resolve(import.meta.dirname, '..');
const serverFile = join(root, 'dist', 'server.js');

async function measure(folders: readonly string[], nPositions: number, seed: number): Promise<Figures> {
  const cursors = await drawCursors(folders, nPositions, seed);
  const started = performance.now();
  await using server = await startServer(folders);
  let version = 0;
  while (!server.reports.some(({ text }) => text !== '') && version < cursors.length) {
    await complete(server, cursors[version], version++);
  }
  const startToFirstCompletionMs = performance.now() - started;
  await server.settled();
  const startToAllMembersMs = performance.now() - started;

  const membersAtFirst = server.reports.at(-1)?.members.length ?? 0;
  server.reports.length = 0;
  const milliseconds: number[] = [];
  for (const cursor of cursors) {
    const asked = performance.now();
    await complete(server, cursor, version++);
    milliseconds.push(performance.now() - asked);
  }
  milliseconds.sort((a, b) => a - b);
  const quantile = (part: number) => milliseconds[Math.floor(part * (milliseconds.length - 1))];
  return {
    startToFirstCompletionMs,
    membersAtFirst,
    startToAllMembersMs,
    requestToCompletionMs: { p50: quantile(0.5), p95: quantile(0.95) },
    positions: milliseconds.length,
    bytesPerForwardPass: bytesPerPass(server.reports),
    vsixMegabytes: Object.fromEntries(
      globSync('dist/*.vsix', { cwd: root }).map((file) => [
        basename(file),
        statSync(join(root, file)).size / 1e6,
      ]),
    ),
  };
}

interface Cursor {
  readonly uri: string;
  readonly languageId: string;
  /** The document, without the rest of the cursor's line. */
  readonly text: string;
  readonly position: { readonly line: number; readonly character: number };
}

async function drawCursors(folders: readonly string[], nPositions: number, seed: number): Promise<Cursor[]> {
  const packages = await Promise.all(folders.map(readPackage));
  const positions = drawPositions(packages, nPositions, seed);
  if (positions.length === 0) throw new Error(`${folders.join(', ')}: no file of 200 bytes to 60 kB.`);
  return positions.map(({ packageIdx, fileIdx, before, after }) => {
    const { path, languageId } = packages[packageIdx].files[fileIdx];
    const lines = before.split('\n');
    const position = { line: lines.length - 1, character: lines[lines.length - 1].length };
    return { uri: pathToFileURL(path).href, languageId, text: before + after, position };
  });
}

interface Server extends AsyncDisposable {
  readonly connection: ProtocolConnection;
  readonly reports: CompletionReport[];
  readonly opened: Set<string>;
  /** Settles when every member is loaded and the folders have been read. */
  settled(): Promise<void>;
}

async function startServer(folders: readonly string[]): Promise<Server> {
  const child = spawn(process.execPath, [serverFile, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const connection = createProtocolConnection(
    new StreamMessageReader(child.stdout),
    new StreamMessageWriter(child.stdin),
  );
  const reports: CompletionReport[] = [];
  let onStatus = (_: EnsembleStatus) => {};
  connection.onNotification(didComplete, (report: CompletionReport) => void reports.push(report));
  connection.onNotification(didChangeEnsemble, (status: EnsembleStatus) => onStatus(status));
  connection.onRequest('client/registerCapability', () => null);
  connection.listen();
  await connection.sendRequest('initialize', {
    processId: process.pid,
    rootUri: null,
    workspaceFolders: folders.map((folder) => ({ uri: pathToFileURL(folder).href, name: basename(folder) })),
    capabilities: { textDocument: { inlineCompletion: {} }, workspace: { workspaceFolders: true } },
  });
  await connection.sendNotification('initialized', {});
  return {
    connection,
    reports,
    opened: new Set(),
    async settled() {
      const settled = new Promise<void>((done, fail) => {
        onStatus = ({ members, index }) => {
          const failed = members.find(({ state }) => state === 'failed');
          if (failed) fail(new Error(failed.message));
          if (index.state === 'idle' && members.every(({ state }) => state === 'ready')) done();
        };
      });
      onStatus(await connection.sendRequest<EnsembleStatus>(ensembleStatus));
      await settled;
    },
    async [Symbol.asyncDispose]() {
      await connection.sendRequest('shutdown');
      await connection.sendNotification('exit');
      await exited;
      connection.dispose();
    },
  };
}

/** Asks for the whole line, as a person does who asks by hand. */
async function complete({ connection, opened }: Server, cursor: Cursor, version: number): Promise<void> {
  const { uri, languageId, text, position } = cursor;
  if (opened.has(uri)) {
    const contentChanges = [{ text }];
    await connection.sendNotification('textDocument/didChange', {
      textDocument: { uri, version },
      contentChanges,
    });
  } else {
    opened.add(uri);
    await connection.sendNotification('textDocument/didOpen', {
      textDocument: { uri, languageId, version, text },
    });
  }
  const context = { triggerKind: 1 };
  await connection.sendRequest('textDocument/inlineCompletion', { textDocument: { uri }, position, context });
}

function bytesPerPass(reports: readonly CompletionReport[]): number {
  let nBytes = 0;
  let nPasses = 0;
  for (const { text, members } of reports) {
    const neural = members.filter(({ kind }) => kind === 'neural');
    nBytes += neural.length * Buffer.byteLength(text);
    nPasses += neural.reduce((sum, { forwardPasses }) => sum + forwardPasses, 0);
  }
  return nBytes / nPasses;
}

function table(figures: Figures): string {
  const { positions, bytesPerForwardPass, vsixMegabytes } = figures;
  const { p50, p95 } = figures.requestToCompletionMs;
  const milliseconds = (duration: number) => `${duration.toFixed(duration < 100 ? 1 : 0)} ms`;
  const rows = [
    [
      `start of the background process → first completion (members: ${figures.membersAtFirst})`,
      milliseconds(figures.startToFirstCompletionMs),
    ],
    ['start of the background process → every member ready', milliseconds(figures.startToAllMembersMs)],
    [`request → completed line, p50 of ${positions}`, milliseconds(p50)],
    [`request → completed line, p95 of ${positions}`, milliseconds(p95)],
    ['bytes per forward pass of a neural member', bytesPerForwardPass.toFixed(2)],
    ...Object.entries(vsixMegabytes).map(([file, megabytes]) => [file, `${megabytes.toFixed(1)} MB`]),
  ];
  if (Object.keys(vsixMegabytes).length === 0) rows.push(['VSIX', 'none in dist/: npm run package']);
  const width = Math.max(...rows.map(([what]) => what.length));
  return rows.map(([what, value]) => `${what.padEnd(width)}  ${value}\n`).join('');
}

function wholeNumber(name: string, value: string): number {
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value);
  throw new Error(`--${name} must be a whole number from 1, not "${value}".`);
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      positions: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean' },
    },
  });
  if (!existsSync(serverFile)) throw new Error(`${serverFile} is missing: run "npm run build" first.`);
  const startedIn = process.env.INIT_CWD ?? process.cwd();
  const folders = positionals.map((folder) => resolve(startedIn, folder));
  const figures = await measure(
    folders.length > 0 ? folders : [join(root, 'sample')],
    wholeNumber('positions', values.positions),
    wholeNumber('seed', values.seed),
  );
  process.stdout.write(values.json ? `${JSON.stringify(figures, undefined, 2)}\n` : table(figures));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
