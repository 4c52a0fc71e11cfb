/** Everything that must hold, in order of cost. Usage: npm test. The last line counts unit and end-to-end tests. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import * as z from 'zod';

interface Counts {
  readonly passed: number;
  /** Names of the tests. */
  readonly failed: readonly string[];
}

interface Stage {
  readonly title: string;
  /** A script of package.json, with arguments. */
  readonly script: readonly string[];
  /** Titles of the stages without which this one makes no sense. */
  readonly needs?: readonly string[];
  /** How many tests ran, from what the script printed. */
  readonly count?: (output: string) => Counts;
}

const root = resolve(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'consort-test-'));
const unitReport = join(scratch, 'unit.json');

const stages: readonly Stage[] = [
  { title: 'Format and lint', script: ['check:lint'] },
  { title: 'Types', script: ['check:types'] },
  { title: 'Import rules', script: ['check:imports'] },
  { title: 'Generated files', script: ['check:generated'] },
  { title: 'Dead code', script: ['check:unused'] },
  {
    title: 'Unit tests',
    script: ['test:unit', '--reporter=default', '--reporter=json', `--outputFile.json=${unitReport}`],
    count: countUnitTests,
  },
  { title: 'Build', script: ['build'] },
  { title: 'VSIX', script: ['package'], needs: ['Build'] },
  { title: 'End to end, in VS Code', script: ['test:e2e'], needs: ['VSIX'], count: countEndToEndTests },
];

const results: { title: string; result: 'passed' | 'FAILED' | 'skipped'; seconds: number }[] = [];
let total: Counts = { passed: 0, failed: [] };
try {
  for (const stage of stages) await run(stage);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
summarize();

async function run({ title, script, needs = [], count }: Stage): Promise<void> {
  if (results.some((earlier) => needs.includes(earlier.title) && earlier.result !== 'passed')) {
    results.push({ title, result: 'skipped', seconds: 0 });
    return;
  }
  console.log(`\n=== ${title} ===`);
  const start = performance.now();
  const { exitCode, output } = await runScript(script);
  results.push({
    title,
    result: exitCode === 0 ? 'passed' : 'FAILED',
    seconds: (performance.now() - start) / 1000,
  });
  if (!count) return;
  const { passed, failed } = count(output);
  // A run that broke off failed, whether a test did or not.
  const brokeOff = exitCode !== 0 && failed.length === 0 ? [`${title}: broke off`] : [];
  total = { passed: total.passed + passed, failed: [...total.failed, ...failed, ...brokeOff] };
}

function summarize(): void {
  console.log('\n=== Summary ===');
  for (const { title, result, seconds } of results) {
    console.log(`${result.padEnd(8)} ${seconds.toFixed(1).padStart(6)} s  ${title}`);
  }
  for (const name of total.failed) console.log(`FAILED   ${name}`);
  console.log(`\n${total.passed} passed, ${total.failed.length} failed`);
  process.exitCode = results.every(({ result }) => result === 'passed') && total.failed.length === 0 ? 0 : 1;
}

/** Its output goes to the terminal as well. */
function runScript([name, ...rest]: readonly string[]): Promise<{ exitCode: number; output: string }> {
  return new Promise((done, reject) => {
    const options = { cwd: root, shell: process.platform === 'win32' };
    const child = spawn('npm', ['run', '--silent', name, '--', ...rest], {
      ...options,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      process.stdout.write(chunk);
    });
    child.once('error', reject);
    child.once('close', (code) => done({ exitCode: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

function countUnitTests(): Counts {
  const assertion = z.object({ status: z.string(), fullName: z.string() });
  const file = z.object({ name: z.string(), status: z.string(), assertionResults: z.array(assertion) });
  const report = z.object({ numPassedTests: z.number(), testResults: z.array(file) });
  try {
    const { numPassedTests, testResults } = report.parse(JSON.parse(readFileSync(unitReport, 'utf8')));
    const failed = testResults.flatMap(({ name, status, assertionResults }) => {
      const tests = assertionResults
        .filter((each) => each.status === 'failed')
        .map(({ fullName }) => fullName);
      const names = tests.length === 0 && status === 'failed' ? ['could not be run'] : tests;
      return names.map((test) => `${relative(root, name)}: ${test}`);
    });
    return { passed: numPassedTests, failed };
  } catch {
    return { passed: 0, failed: ['Unit tests: no report was written'] };
  }
}

/** One line per test: `ok` or `FAIL`, its name and its time. */
function countEndToEndTests(output: string): Counts {
  return {
    passed: output.match(/^ *ok /gm)?.length ?? 0,
    failed: [...output.matchAll(/^ *FAIL (.*)/gm)].map(([, name]) => `test/e2e: ${name.trim()}`),
  };
}
