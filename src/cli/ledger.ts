import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { type Erasure, eraseLedger } from '../server/ledger/erase.ts';
import { exportLines } from '../server/ledger/exportLedger.ts';
import { type Ledger, ledgerDefaults, openLedger } from '../server/ledger/ledger.ts';
import { defaultLedgerPath } from '../server/ledger/location.ts';
import { identify } from '../server/ledger/openFile.ts';
import type { Result } from '../server/ledger/problems.ts';
import { type Group, type LedgerStats, ledgerStats } from '../server/ledger/stats.ts';
import { parseOptions, resolvePath } from './arguments.ts';
import { Failure, reasonOf, UsageError } from './failures.ts';
import { toJson, writeResult } from './output.ts';
import type { Command, Terminal } from './run.ts';

const help = `Usage: consort ledger stats [options]
       consort ledger export [options]
       consort ledger erase [--yes] [options]

The ledger is where Consort keeps what it learns from: numbers about completions and what became of them, never
source text. It exists only if learning was switched on.

stats   what is in it; only reads
export  everything in it as JSON lines: policy versions, completions with their steps and outcomes, and the scores
        of surviving text; only reads
erase   removes all of it for good, the learned policies included; editors that use it go on. A file that is no ledger
        is left as it is

  --ledger FILE  the ledger; by default ledger.sqlite in the folder $CONSORT_STORAGE or, without that, in the
                 platform's folder for data. VS Code keeps its own, User/globalStorage/consort.consort/ledger.sqlite
                 in ~/.config/Code (Linux), ~/Library/Application Support/Code (macOS) or %APPDATA%\\Code (Windows)
  --yes          erase without asking
  --json         print one JSON document on stdout, everything else on stderr
  --out FILE     write the result to this file as well
`;

const hint = 'Usage: consort ledger stats | export | erase. More: consort ledger --help';

export const ledger: Command = { help, run };

interface Options {
  readonly path: string;
  /** Where the result is written, besides stdout. */
  readonly out: string | undefined;
  readonly format: 'json' | 'text';
}

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    ledger: { type: 'string' },
    yes: { type: 'boolean' },
    json: { type: 'boolean' },
    out: { type: 'string' },
  });
  const options = {
    path: values.ledger ? resolvePath(values.ledger) : defaultLedgerPath(process.env, process.platform),
    out: values.out,
    format: values.json ? 'json' : 'text',
  } satisfies Options;
  if (options.out !== undefined && isSameFile(resolvePath(options.out), options.path))
    throw new UsageError('--out would overwrite the ledger', hint);
  const [action, ...rest] = positionals;
  if (action === undefined) throw new UsageError('say what to do', hint);
  if (rest.length > 0 || !Object.hasOwn(actions, action))
    throw new UsageError(`cannot do "${positionals.join(' ')}"`, hint);
  if (action === 'erase' && !values.yes) await confirmErasure(options.path);
  await actions[action](options, terminal);
}

const actions: Readonly<Record<string, (options: Options, terminal: Terminal) => Promise<void>>> = {
  stats: async ({ path, out, format }, terminal) => {
    const stats = valueOrFailure(withLedger(await openToRead(path), ledgerStats), path);
    await writeResult(terminal, format === 'json' ? toJson({ path, ...stats }) : statsText(path, stats), out);
  },
  export: exportTo,
  erase: async ({ path, out, format }, terminal) => {
    const { bytes, left, refused } = await eraseFor(path);
    const text = bytes === 0 ? `There was no ledger at ${path}.\n` : `Erased ${path}, ${kilobytes(bytes)}.\n`;
    await writeResult(terminal, format === 'json' ? toJson({ path, bytes, left }) : text, out);
    if (refused.length > 0)
      terminal.stderr(`Left as they are, not recognisable as ledgers: ${refused.join(', ')}.\n`);
    const failed = left.filter((file) => !refused.includes(file));
    if (failed.length > 0)
      throw new Failure(
        `cannot remove ${failed.join(', ')}: close the editors that have it open, and erase again.`,
      );
  },
};

async function eraseFor(path: string): Promise<Erasure> {
  const isOwn = path === defaultLedgerPath(process.env, process.platform);
  const erasure = await eraseLedger(path, { ...ledgerDefaults, place: isOwn ? 'own' : 'elsewhere' });
  if (erasure.refused.includes(path)) throw notLedger(path);
  return erasure;
}

function notLedger(path: string): Failure {
  return new Failure(
    `${path} is not a ledger of Consort; nothing was changed. Name the ledger with --ledger FILE; consort ledger --help says where ledgers lie.`,
  );
}

async function confirmErasure(path: string): Promise<void> {
  if (!process.stdin.isTTY) throw new UsageError('erase needs --yes where nobody can be asked', hint);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`Erase ${path} with all that was learned? [y/N] `);
  terminal.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('nothing was erased.');
}

/** A line at a time: a ledger may be larger than a string can be. */
async function exportTo({ path, out, format }: Options, terminal: Terminal): Promise<void> {
  const opened = valueOrFailure(await openToRead(path), path);
  // Before the file it is written to loses what is in it.
  valueOrFailure(
    opened.read(() => null),
    path,
  );
  const outPath = out === undefined ? undefined : resolvePath(out);
  const file =
    outPath === undefined
      ? undefined
      : await open(outPath, 'w', 0o600).catch((error: unknown) => {
          throw new Failure(`cannot write ${outPath}: ${reasonOf(error)}.`);
        });
  const write = async (text: string) => {
    await file?.writeFile(text);
    await terminal.stdout(text);
  };
  const separate =
    format === 'json' ? { first: '[\n', next: ',\n', last: '\n]\n' } : { first: '', next: '\n', last: '\n' };
  try {
    const lines = exportLines(opened);
    let separator = separate.first;
    for (let line = lines.next(); ; line = lines.next()) {
      if (line.done) {
        if (line.value !== null) valueOrFailure({ problem: line.value }, path);
        break;
      }
      await write(separator + JSON.stringify(line.value));
      separator = separate.next;
    }
    await write(separate.last);
  } finally {
    opened.close();
    await file?.close();
  }
}

/** The path may name anything, by mistake. */
function openToRead(path: string): Promise<Result<Ledger>> {
  return openLedger(path, { access: 'readOnly' });
}

function withLedger<Value>(opened: Result<Ledger>, work: (ledger: Ledger) => Result<Value>): Result<Value> {
  if (opened.problem) return opened;
  try {
    return work(opened.value);
  } finally {
    opened.value.close();
  }
}

function valueOrFailure<Value>(result: Result<Value>, path: string): Value {
  if (result.problem?.kind === 'notLedger') throw notLedger(path);
  if (result.problem) throw new Failure(result.problem.message);
  return result.value;
}

function statsText(path: string, stats: LedgerStats): string {
  const date = (time: number | null) => (time === null ? 'never' : new Date(time).toISOString());
  const { champion, challenger } = stats.serving;
  const rows: readonly (readonly [string, string])[] = [
    ['ledger', `${path}, ${kilobytes(stats.bytes)}`],
    ['workspaces that agreed', String(stats.workspaces)],
    [
      'completions',
      `${stats.completions}, ${stats.shown} shown; first ${date(stats.first)}, last ${date(stats.last)}`,
    ],
    [
      'outcomes',
      Object.entries(stats.outcomes)
        .map(([kind, n]) => `${n} ${kind}`)
        .join(', '),
    ],
    ['surviving texts', String(stats.texts)],
    ['steps', String(stats.steps)],
    ['arms', groups(stats.arms)],
    ['languages', groups(stats.languages)],
    ['policy versions', String(stats.policyVersions)],
    ['serving', `${champion ?? 'Hedge'}${challenger === null ? '' : `, challenged by ${challenger}`}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

function groups(all: readonly Group[]): string {
  const each = all.map(({ name, completions, accepted }) => `${name} ${accepted} of ${completions} accepted`);
  return each.join(', ') || 'none';
}

function isSameFile(one: string, other: string): boolean {
  return one === other || (identify(one) !== null && identify(one) === identify(other));
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}
