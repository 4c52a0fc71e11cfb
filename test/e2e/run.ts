/**
 * The extension as it is published, in a real VS Code that enforces the stock check of proposed API.
 * Usage: node test/e2e/run.ts [file.vsix], by default the one in dist/. Prints a line per check; exit code 1
 * where one fails. Screenshots go to artefacts/; CONSORT_SCALE=2 makes them finer and the test slower.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { checks } from './checks.ts';
import { openWorkbench } from './workbench.ts';

const root = resolve(import.meta.dirname, '..', '..');
const artefacts = join(root, 'artefacts');
const started = Date.now();

mkdirSync(artefacts, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), 'consort-probe-'));
try {
  const probe = packageProbe(scratch);
  await using workbench = await openWorkbench({
    vsixPaths: [findVsix(), probe],
    sample: join(root, 'sample'),
    scale: Number(process.env.CONSORT_SCALE ?? 1),
  });
  try {
    for (const [name, run] of Object.entries(checks)) await step(name, () => run(workbench));
  } catch (error) {
    await workbench.page.screenshot({ path: join(artefacts, 'failure.png') });
    console.error(error);
    console.error('Messages on screen:', await workbench.messages());
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(process.exitCode ? 'FAILED' : 'passed', `after ${seconds(started)} s`);

async function step(name: string, run: () => Promise<void>): Promise<void> {
  const start = Date.now();
  try {
    await run();
    console.log(`  ok    ${name} (${seconds(start)} s)`);
  } catch (error) {
    console.log(`  FAIL  ${name} (${seconds(start)} s)`);
    throw error;
  }
}

/** A VSIX of the extension in proposedApi/, made in `folder`. */
function packageProbe(folder: string): string {
  const vsce = join(dirname(createRequire(import.meta.url).resolve('@vscode/vsce/package.json')), 'vsce');
  const path = join(folder, 'probe.vsix');
  const rest = [
    'package',
    '--no-dependencies',
    '--skip-license',
    '--allow-missing-repository',
    '--out',
    path,
  ];
  execFileSync(process.execPath, [vsce, ...rest], {
    cwd: join(import.meta.dirname, 'proposedApi'),
    stdio: 'pipe',
  });
  return path;
}

function findVsix(): string {
  const [, , given] = process.argv;
  if (given !== undefined) return resolve(given);
  const dist = join(root, 'dist');
  const found = readdirSync(dist).filter((name) => name.endsWith('.vsix'));
  if (found.length !== 1)
    throw new Error(`Expected one .vsix in ${dist}, found ${found.length}: build it first.`);
  return join(dist, found[0]);
}

function seconds(since: number): string {
  return ((Date.now() - since) / 1000).toFixed(1);
}
