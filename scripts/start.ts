/**
 * Builds and packages the extension and opens VS Code with it on the sample workspace.
 * Usage: npm start -- [--port N] [--no-open]
 * --no-open: code-server instead of a desktop VS Code, ended as soon as it answers.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { currentTarget, packageExtension } from './package.ts';
import { quietSettings, runCodeServer } from './runningCodeServer.ts';
import { findCommand } from './systemTools.ts';

const root = resolve(import.meta.dirname, '..');
const sample = join(root, 'sample');

const { values } = parseArgs({ options: { port: { type: 'string' }, 'no-open': { type: 'boolean' } } });
try {
  execFileSync(process.execPath, ['esbuild.mjs'], { cwd: root, stdio: 'inherit' });
  const vsix = await packageExtension(currentTarget());
  mkdirSync(sample, { recursive: true });
  const desktop = values['no-open'] ? undefined : desktopCode();
  if (desktop === undefined) await serve(vsix);
  else {
    execFileSync(desktop, ['--install-extension', vsix, '--force'], { stdio: 'inherit' });
    execFileSync(desktop, [sample], { stdio: 'inherit' });
    console.log(`VS Code is open on ${sample}, with Consort installed.`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function serve(vsix: string): Promise<void> {
  const stopped = new Promise((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  });
  await using server = await runCodeServer({
    folder: join(root, '.cache', 'start'),
    vsixPaths: [vsix],
    settings: quietSettings,
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
  });
  const address = `${server.origin}/?folder=${encodeURIComponent(sample)}`;
  console.log(`\nVS Code is at ${address} — open it in a browser; Ctrl+C here stops it.`);
  if (!values['no-open']) await Promise.race([stopped, server.ended]);
}

/** The command of a desktop VS Code that has a screen to open on. */
function desktopCode(): string | undefined {
  const hasScreen =
    process.platform !== 'linux' || Boolean(process.env.DISPLAY ?? process.env.WAYLAND_DISPLAY);
  // As root it refuses to start.
  return hasScreen && process.getuid?.() !== 0 ? findCommand('code') : undefined;
}
