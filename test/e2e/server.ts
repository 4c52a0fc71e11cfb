import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { quietSettings, runCodeServer } from '../../scripts/runningCodeServer.ts';

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
  const folder = mkdtempSync(join(tmpdir(), 'consort-e2e-'));
  const workspace = join(folder, 'tea-shop');
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  cpSync(sample, workspace, { recursive: true });
  // A rest of five seconds: nobody waits a minute for a turn of learning.
  const env = { HOME: folder, CONSORT_REST_SECONDS: '5' };
  const { origin, profile, extensions } = resources.use(
    await runCodeServer({ folder, vsixPaths, settings: userSettings, env }),
  );
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

const userSettings = {
  ...quietSettings,
  'window.autoDetectColorScheme': true,
  'git.enabled': false,
  'editor.autoClosingBrackets': 'never',
  'editor.autoIndent': 'none',
  'editor.quickSuggestions': { other: false, comments: false, strings: false },
  'editor.suggestOnTriggerCharacters': false,
  'editor.parameterHints.enabled': false,
  'editor.minimap.enabled': false,
  'files.autoSave': 'off',
  'window.commandCenter': false,
  'typescript.validate.enable': false,
  'javascript.validate.enable': false,
};
