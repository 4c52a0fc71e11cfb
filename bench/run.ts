/** npm run bench -- [--only CASE]… [--json] [--out FILE] [--readme] [--seed N] */
import '../src/config/noTelemetry.ts';
import { readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { contextGrowth } from './cases/contextGrowth.ts';
import { drafting } from './cases/drafting.ts';
import { foreignMembers } from './cases/foreignMembers.ts';
import { memory } from './cases/memory.ts';
import { passesAhead } from './cases/passesAhead.ts';
import { perByteAgainstTransformersJs } from './cases/perByteAgainstTransformersJs.ts';
import { singleLine } from './cases/singleLine.ts';
import { stepAgainstSlowestMember } from './cases/stepAgainstSlowestMember.ts';
import { loadCorpus } from './support/corpus.ts';
import { describeMachine } from './support/machine.ts';
import { installPeers } from './support/peer.ts';
import { intoReadme, reportTable } from './support/report.ts';
import type { Case, CaseResult } from './support/result.ts';

const cases: Readonly<Record<string, Case>> = {
  singleLine,
  perByteAgainstTransformersJs,
  stepAgainstSlowestMember,
  contextGrowth,
  drafting,
  passesAhead,
  foreignMembers,
  memory,
};

const usage = `Usage: npm run bench -- [options]

Measures the figures side by side with the peers and prints them as a table.

  --only CASE   one of ${Object.keys(cases).join(', ')}; may be given several times
  --json        print one JSON document on stdout instead, everything else on stderr
  --out FILE    write the JSON document to this file as well
  --readme      put the table into README.md, between its markers
  --seed N      for the cursors; 1 by default
`;

const root = path.join(import.meta.dirname, '..');

interface Options {
  readonly only: readonly string[];
  readonly json: boolean;
  readonly out: string | undefined;
  readonly readme: boolean;
  readonly seed: number;
}

async function bench({ only, json, out, readme, seed }: Options): Promise<number> {
  const cacheFolder = path.join(root, '.cache/bench');
  askForPriority();
  const machine = await describeMachine();
  const peersProblem = await installPeers();
  if (peersProblem) say(peersProblem);
  const corpus = await loadCorpus(cacheFolder);
  for (const problem of corpus.problems) say(problem);
  if (machine.warning) say(machine.warning);

  const results: Record<string, CaseResult> = {};
  const failures: Record<string, string> = {};
  for (const name of only) {
    try {
      const saying = (progress: string) => say(`${name}: ${progress}`);
      results[name] = await cases[name]({ cacheFolder, machine, corpus, peersProblem, seed, say: saying });
    } catch (error) {
      failures[name] = error instanceof Error ? error.message : String(error);
      say(`${name} failed: ${error instanceof Error ? error.stack : error}`);
    }
  }

  const measuredAt = new Date().toISOString();
  const document = { machine, measuredAt, seed, corpus: corpus.packages, cases: results, failures };
  const text = `${JSON.stringify(document, undefined, 2)}\n`;
  const table = reportTable({ machine, results, failures, corpus, measuredAt });
  if (out !== undefined) await writeFile(path.resolve(process.env.INIT_CWD ?? '.', out), text);
  if (readme) {
    const file = path.join(root, 'README.md');
    await writeFile(file, intoReadme(await readFile(file, 'utf8'), table));
  }
  process.stdout.write(json ? text : table);
  return Object.keys(failures).length > 0 ? 1 : 0;
}

/** Where it is allowed, nothing else on the machine comes first; peers inherit it. */
function askForPriority(): void {
  try {
    os.setPriority(os.constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Then we share the machine like everyone else.
  }
}

function say(message: string): void {
  process.stderr.write(`${message}\n`);
}

/** @throws Error that says what is wrong with the command line */
function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      out: { type: 'string' },
      readme: { type: 'boolean', default: false },
      seed: { type: 'string', default: '1' },
    },
  });
  const only = values.only ?? Object.keys(cases);
  const unknown = only.find((name) => !Object.hasOwn(cases, name));
  if (unknown !== undefined) throw new Error(`There is no case "${unknown}".`);
  if (!/^\d{1,9}$/.test(values.seed)) throw new Error(`--seed must be a whole number, not "${values.seed}".`);
  return { ...values, only, out: values.out, seed: Number(values.seed) };
}

let options: Options | undefined;
try {
  options = readOptions();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
}
// Libraries of peers and members may hold the process; what is to be said has been said.
process.exit(options === undefined ? 2 : await bench(options));
