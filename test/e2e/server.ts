import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ensureCodeServer } from '../../scripts/codeServer.ts';

/** A code-server of our own: a fresh profile and extensions folder, on a copy of the sample. */
export interface Server extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly workspace: string;
  readonly extensions: string;
  /** The user data folder. */
  readonly profile: string;
}

export async function startServer(vsixPaths: readonly string[], sample: string): Promise<Server> {
  const { node, entry } = await ensureCodeServer();
  const folder = mkdtempSync(join(tmpdir(), 'consort-e2e-'));
  const workspace = join(folder, 'tea-shop');
  const profile = join(folder, 'profile');
  const extensions = join(folder, 'extensions');
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  cpSync(sample, workspace, { recursive: true });
  mkdirSync(join(profile, 'User'), { recursive: true });
  mkdirSync(extensions);
  writeFileSync(join(profile, 'User', 'settings.json'), JSON.stringify(userSettings));

  const folders = ['--user-data-dir', profile, '--extensions-dir', extensions];
  const env = { ...process.env, EXTENSIONS_GALLERY: '{"serviceUrl":""}', HOME: folder };
  for (const vsix of vsixPaths) {
    execFileSync(node, [entry, ...folders, '--install-extension', vsix, '--force'], { env, stdio: 'pipe' });
  }
  const port = await freePort();
  const address = ['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`];
  const server = spawn(node, [entry, ...folders, ...address, ...quiet], { env, stdio: 'ignore' });
  resources.defer(async () => {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill();
    await Promise.race([ended, delay(5000, undefined, { ref: false })]);
  });
  const origin = `http://127.0.0.1:${port}`;
  const isUp = () =>
    fetch(`${origin}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await waitUntil(isUp, 30_000, 'code-server to answer');
  const owned = resources.move();
  return { origin, workspace, extensions, profile, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

export async function waitUntil(
  holds: () => boolean | Promise<boolean>,
  timeoutMs: number,
  what: string,
): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`Waited ${timeoutMs} ms for ${what}.`);
    await delay(50);
  }
}

/** Ids of the processes whose command line holds all of these. */
export function processesRunning(...parts: readonly string[]): readonly number[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return rows
    .filter((row) => parts.every((part) => row.includes(part)))
    .map((row) => Number.parseInt(row.trim(), 10));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

const quiet = [
  '--disable-telemetry',
  '--disable-update-check',
  '--disable-workspace-trust',
  '--disable-getting-started-override',
];

const userSettings = {
  'window.autoDetectColorScheme': true,
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'security.workspace.trust.enabled': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'chat.disableAIFeatures': true,
  'git.enabled': false,
  'editor.autoClosingBrackets': 'never',
  'editor.quickSuggestions': { other: false, comments: false, strings: false },
  'editor.suggestOnTriggerCharacters': false,
  'editor.parameterHints.enabled': false,
  'editor.minimap.enabled': false,
  'files.autoSave': 'off',
  'window.commandCenter': false,
  'typescript.validate.enable': false,
  'javascript.validate.enable': false,
};
