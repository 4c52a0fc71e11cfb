import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ensureBuildTools } from './systemTools.ts';

export interface CodeServer {
  /** Run as `node entry …`. */
  readonly entry: string;
  readonly node: string;
}

const version = '4.139.1';

/**
 * A VS Code from the npm registry: installed once into `.cache/` (or the folder CONSORT_CACHE),
 * with the stock check of proposed API that code-server takes out put back.
 */
export async function ensureCodeServer(): Promise<CodeServer> {
  const cache = resolve(process.env.CONSORT_CACHE ?? join(import.meta.dirname, '..', '.cache'));
  const folder = join(cache, `code-server-${version}`);
  const codeServer = {
    entry: join(folder, 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
    node: findNode(),
  };
  const ready = join(folder, 'ready');
  if (existsSync(ready)) return codeServer;
  await mkdir(cache, { recursive: true });
  await withLock(`${folder}.lock`, async () => {
    if (existsSync(ready)) return;
    console.log(`Installing code-server ${version} into ${folder} (once, about a minute) …`);
    await install(folder, codeServer.node);
    await writeFile(ready, `${version}\n`);
  });
  return codeServer;
}

/** Every step may be repeated, so an interrupted installation goes on where npm's cache left it. */
async function install(folder: string, node: string): Promise<void> {
  ensureBuildTools();
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const codeServer = join(folder, 'node_modules', 'code-server');
  const vscode = join(codeServer, 'lib', 'vscode');
  await npm(node, folder, 'install', '--ignore-scripts', `code-server@${version}`);
  await npm(node, vscode, 'install', '--ignore-scripts', '--omit=dev');
  await npm(node, vscode, 'rebuild', '@vscode/spdlog', '@vscode/native-watchdog');
  await npm(node, join(vscode, 'extensions'), 'install', '--ignore-scripts', '--omit=dev');
  await link('code-linux.sh', join(vscode, 'bin', 'remote-cli', 'code-server'));
  await link('browser-linux.sh', join(vscode, 'bin', 'helpers', 'browser.sh'));
  await restoreProposedApiCheck(join(vscode, 'out', 'vs'));
}

/** code-server makes `isProposedApiEnabled` return true; extensions must run against what stable VS Code does. */
async function restoreProposedApiCheck(folder: string): Promise<void> {
  const scripts = [
    'workbench/api/node/extensionHostProcess.js',
    'code/browser/workbench/workbench.js',
    'workbench/api/worker/extensionHostWorkerMain.js',
  ];
  const always =
    /(function ([\w$]+)\(([\w$]+),([\w$]+)\)\{)return!0(\}function [\w$]+\(\3,\4\)\{if\(!\2\(\3,\4\)\)throw)/g;
  const stock = /\{return!!([\w$]+)\.enabledApiProposals&&\1\.enabledApiProposals\.includes\([\w$]+\)\}/g;
  for (const script of scripts) {
    const path = join(folder, script);
    const source = await readFile(path, 'utf8');
    const restored = source.replace(
      always,
      '$1return!!$3.enabledApiProposals&&$3.enabledApiProposals.includes($4)$5',
    );
    const nChecks = restored.match(stock)?.length ?? 0;
    if (nChecks !== 1) {
      throw new Error(
        `code-server ${version}: expected one proposed-API check in ${script}, found ${nChecks}.`,
      );
    }
    await writeFile(path, restored);
  }
}

async function npm(node: string, cwd: string, ...rest: string[]): Promise<void> {
  const home = dirname(dirname(node));
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
  // Headers beside the binary spare node-gyp a download.
  if (existsSync(join(home, 'include', 'node', 'node.h'))) env.npm_config_nodedir = home;
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  try {
    await promisify(execFile)('npm', [...rest, ...quiet], { cwd, env, maxBuffer: 64 << 20 });
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw new Error(`npm ${rest.join(' ')} failed in ${cwd}:\n${output}`);
  }
}

function findNode(): string {
  const require = createRequire(import.meta.url);
  try {
    const packageFile = require.resolve(`node-${process.platform}-${process.arch}/package.json`);
    return join(dirname(packageFile), 'bin', 'node');
  } catch {
    return process.execPath;
  }
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await symlink(target, path);
}

/** A file with the owner's process id is the lock: making a new one is atomic. One whose owner is gone is taken over. */
async function withLock(path: string, work: () => Promise<void>): Promise<void> {
  const take = () => writeFile(path, String(process.pid), { flag: 'wx' });
  while (
    !(await take().then(
      () => true,
      () => false,
    ))
  ) {
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    if (owner > 0 && !isAlive(owner)) await rm(path, { force: true });
    else await delay(500);
  }
  try {
    await work();
  } finally {
    await rm(path, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
