import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ensureCodeServer } from './codeServer.ts';

export interface RunningCodeServer extends AsyncDisposable {
  /** `http://127.0.0.1:port` */
  readonly origin: string;
  /** The user data folder. */
  readonly profile: string;
  readonly extensions: string;
  /** Settles when the server has ended, whoever ended it. */
  readonly ended: Promise<unknown>;
}

/** Starts code-server on a loopback port, with its data and extensions in `folder`. Rejects where it does not answer. */
export async function runCodeServer(options: {
  readonly folder: string;
  readonly vsixPaths: readonly string[];
  /** User settings; those of an earlier start in the same folder are kept. */
  readonly settings: object;
  /** Any free one by default. */
  readonly port?: number;
  readonly env?: NodeJS.ProcessEnv;
}): Promise<RunningCodeServer> {
  const { entry, node } = await ensureCodeServer();
  const profile = join(options.folder, 'profile');
  const extensions = join(options.folder, 'extensions');
  mkdirSync(extensions, { recursive: true });
  mkdirSync(join(profile, 'User'), { recursive: true });
  const settingsPath = join(profile, 'User', 'settings.json');
  if (!existsSync(settingsPath)) writeFileSync(settingsPath, JSON.stringify(options.settings, undefined, 2));

  const folders = ['--user-data-dir', profile, '--extensions-dir', extensions];
  const env = { ...process.env, EXTENSIONS_GALLERY: '{"serviceUrl":""}', ...options.env };
  for (const vsix of options.vsixPaths) {
    const installed = [entry, ...folders, '--install-extension', vsix, '--force'];
    await promisify(execFile)(node, installed, { env });
  }
  const port = options.port ?? (await freePort());
  const address = ['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`];
  const server = spawn(node, [entry, ...folders, ...address, ...quiet], { env, stdio: 'ignore' });
  const ended = once(server, 'exit');
  const running = {
    origin: `http://127.0.0.1:${port}`,
    profile,
    extensions,
    ended,
    async [Symbol.asyncDispose]() {
      server.kill();
      const killed = delay(5000, undefined, { ref: false }).then(() => server.kill('SIGKILL'));
      await Promise.race([ended, killed]);
    },
  } satisfies RunningCodeServer;
  try {
    await answered(running);
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
  return running;
}

/** Settings under which VS Code neither greets, nor asks, nor calls anyone. */
export const quietSettings = {
  'chat.disableAIFeatures': true,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'security.workspace.trust.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
} as const;

const quiet = [
  '--disable-telemetry',
  '--disable-update-check',
  '--disable-workspace-trust',
  '--disable-getting-started-override',
];

async function answered({ origin, ended }: RunningCodeServer): Promise<void> {
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  const end = Date.now() + 60_000;
  while (!hasEnded && Date.now() < end) {
    const isHealthy = await fetch(`${origin}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isHealthy && !hasEnded) return;
    await delay(100);
  }
  throw new Error(`code-server did not start on ${origin}: is the port in use?`);
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
