import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Absolute path of a Chromium: CONSORT_CHROMIUM, else one on the PATH, else installed by apt where that is possible. */
export function ensureChromium(): string {
  const chosen = process.env.CONSORT_CHROMIUM;
  if (chosen) {
    if (!isExecutable(chosen))
      throw new Error(`CONSORT_CHROMIUM is ${chosen}, which is not an executable file.`);
    return chosen;
  }
  return ensureOneOf(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'], 'chromium');
}

/** What compiling code-server's native modules takes. */
export function ensureBuildTools(): void {
  ensureOneOf(['make'], 'make');
  ensureOneOf(['g++', 'c++', 'clang++'], 'g++');
  ensureOneOf(['python3'], 'python3');
}

/** Absolute path of a command on the PATH, or undefined. */
export function findCommand(name: string): string | undefined {
  const extensions = process.platform === 'win32' ? ['.exe', '.cmd', ''] : [''];
  return (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => extensions.map((extension) => join(folder, name + extension)))
    .find(isExecutable);
}

function ensureOneOf(names: readonly string[], aptPackage: string): string {
  const find = () => names.map(findCommand).find((path) => path !== undefined);
  const present = find();
  if (present !== undefined) return present;
  const canInstall = process.getuid?.() === 0 && findCommand('apt-get') !== undefined;
  if (canInstall) {
    console.log(`Installing ${aptPackage} with apt-get …`);
    const apt = (...rest: string[]) =>
      spawnSync('apt-get', rest, {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
    apt('update', '-qq');
    apt('install', '-y', '-qq', '--no-install-recommends', aptPackage);
    const installed = find();
    if (installed !== undefined) return installed;
  }
  throw new Error(`${names[0]} is missing: install the package "${aptPackage}" and run this again.`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
