/** Builds and packages the extension and opens VS Code with it on the sample workspace: `npm start -- --help`. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { currentTarget, packageExtension } from './package.ts';
import { quietSettings, runCodeServer } from './runningCodeServer.ts';
import { findCommand } from './systemTools.ts';

const root = resolve(import.meta.dirname, '..');
const sample = join(root, 'sample');

const usage = `Usage: npm start -- [--port N] [--no-open]

Builds the extension and opens VS Code with it on the sample project: a desktop VS Code, or one in the browser.

  --port N    the port of the one in the browser
  --no-open   only see that the one in the browser answers, and end it
`;

const values = readOptions();
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

function readOptions(): { readonly port?: number; readonly 'no-open'?: boolean } {
  try {
    const { values: given } = parseArgs({
      options: { port: { type: 'string' }, 'no-open': { type: 'boolean' }, help: { type: 'boolean' } },
    });
    const { port, help, ...rest } = given;
    if (help) {
      console.log(usage);
      process.exit(0);
    }
    if (port === undefined) return rest;
    if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
      throw new Error(`--port must be a number up to 65535, not "${port}".`);
    return { ...rest, port: Number(port) };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}

async function serve(vsix: string): Promise<void> {
  const stopped = new Promise((stop) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  });
  await using server = await runCodeServer({
    folder: join(root, '.cache', 'start'),
    vsixPaths: [vsix],
    settings: quietSettings,
    ...(values.port === undefined ? {} : { port: values.port }),
  });
  const address = `${server.origin}/?folder=${encodeURIComponent(sample)}`;
  if (values['no-open']) {
    console.log(`\nVS Code answered at ${address}.`);
    return;
  }
  console.log(`\nVS Code is at ${address} — open it in a browser; Ctrl+C here stops it.`);
  await Promise.race([stopped, server.ended]);
}

/** The command of a desktop VS Code that has a screen to open on. */
function desktopCode(): string | undefined {
  const hasScreen =
    process.platform !== 'linux' || Boolean(process.env.DISPLAY ?? process.env.WAYLAND_DISPLAY);
  // As root it refuses to start.
  return hasScreen && process.getuid?.() !== 0 ? findCommand('code') : undefined;
}
