import '../config/noTelemetry.ts';
import { once } from 'node:events';
import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CollectOptions, collect as collectCursors, countCursors } from '../evaluation/collect.ts';
import type { Contender } from '../evaluation/contender.ts';
import { encodeCursor, encodeHeader, type PathHeader } from '../evaluation/pathStore.ts';
import { bundledMembersPath } from '../server/memberFolders.ts';
import { integerOption, listOption, parseOptions, resolvePath } from './arguments.ts';
import { UsageError } from './failures.ts';
import { membersDigest, type OpenMembers, openMembers } from './openMembers.ts';
import { toJson } from './output.ts';
import { pathFileEnding, pathFileOf, readPathHeader } from './pathFiles.ts';
import { bundledPoliciesPath, knownContenders, selectContenders } from './policyChoice.ts';
import type { Command, Terminal } from './run.ts';
import { readPackage } from './sourcePackages.ts';

const help = `Usage: consort collect DIR... --out FOLDER [options]

Reads the members at seeded random cursors in the files of each DIR (one package or repository), along the text
that stands there and along what many policies write, and keeps what they say: then policies are trained and
compared without the members. Each DIR becomes FOLDER/<its parent's name>/<its name>${pathFileEnding}, which holds pieces of
the source: keep it where the source is kept. Packages that are done are passed over, so the command goes on where
it was stopped, and several at once share the work.

  --out FOLDER        where the files go
  --policies a,b      keep what these write too, by name or as files of policies, so that they are compared exactly
                      (all: all baselines and bundled policies)
  --exploration HOW   wide: also what wanderers around them write, for training (default); none: for comparisons only
  --limit N           cursors in each package (default 200)
  --seed N            (default 1)
  --members a,b       only these neural members
  --models DIR        take the neural members from this folder of members
  --without-ngram     leave the workspace member out
  --json              print one JSON document on stdout, everything else on stderr
`;

const hint = 'Usage: consort collect DIR... --out FOLDER. More: consort collect --help';

export const collect: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    out: { type: 'string' },
    policies: { type: 'string' },
    exploration: { type: 'string', default: 'wide' },
    limit: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    members: { type: 'string' },
    models: { type: 'string' },
    'without-ngram': { type: 'boolean' },
    json: { type: 'boolean' },
  });
  if (positionals.length === 0) throw new UsageError('give at least one DIR', hint);
  if (values.out === undefined) throw new UsageError('--out is missing', hint);
  const out = resolvePath(values.out);
  const membersOptions = {
    modelsPath: values.models === undefined ? bundledMembersPath() : resolvePath(values.models),
    ids: listOption(values.members),
    withoutNgram: values['without-ngram'],
  };
  const { exploration } = values;
  if (exploration !== 'wide' && exploration !== 'none') {
    throw new UsageError(`--exploration must be wide or none, not "${exploration}"`, hint);
  }
  const open = await openMembers(membersOptions);
  const memberIds = open.members.map(({ id }) => id);
  const known = await knownContenders(memberIds, {
    folder: bundledPoliciesPath(),
    tokenMembers: open.tokenMembers,
  });
  const contenders = selectContenders(
    known,
    values.policies === 'all' ? undefined : (listOption(values.policies) ?? []),
  );
  const wanted: Wanted = {
    exploration,
    contenders: contenders.map(({ name }) => name),
    digest: await membersDigest(membersOptions),
    seed: integerOption('seed', values.seed, hint),
    limit: integerOption('limit', values.limit, hint),
  };
  const started = performance.now();
  let nCursors = 0;
  const files: string[] = [];
  try {
    for (const folder of positionals.map(resolvePath)) {
      const file = pathFileOf(folder, out);
      const n = await collectPackage(folder, file, wanted, { ...open, contenders }, terminal);
      nCursors += n;
      if (n > 0) files.push(file);
    }
  } finally {
    await open.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const summary = { files, cursors: nCursors, seconds, cursorsPerSecond: nCursors / seconds };
  const text = `${nCursors} cursors of ${files.length} packages in ${seconds.toFixed(0)} s, ${summary.cursorsPerSecond.toFixed(1)} a second\n`;
  await terminal.stdout(values.json ? toJson(summary) : text);
}

type Wanted = Required<Pick<PathHeader, 'digest' | 'seed' | 'limit' | 'contenders' | 'exploration'>>;

interface Ensemble extends OpenMembers {
  readonly contenders: readonly Contender[];
}

/** Gives the number of cursors collected; 0 where the file is there or another process is at it. */
async function collectPackage(
  folder: string,
  file: string,
  wanted: Wanted,
  { members, index, takesPart, contenders }: Ensemble,
  terminal: Terminal,
): Promise<number> {
  await mkdir(dirname(file), { recursive: true });
  if (isDone(file, wanted) || !(await claim(file))) return 0;
  try {
    const started = performance.now();
    const sourcePackage = await readPackage(folder);
    const options: CollectOptions = {
      sourcePackage,
      members,
      takesPart,
      index,
      contenders,
      exploration: wanted.exploration,
      nPositions: wanted.limit,
      seed: wanted.seed,
      signal: new AbortController().signal,
    };
    const nCursors = countCursors(options);
    const partial = `${file}.partial`;
    const stream = createWriteStream(partial);
    stream.write(
      encodeHeader({
        ...wanted,
        packageName: sourcePackage.name,
        members: members.map(({ id, kind }) => ({ id, kind })),
        nCursors,
      }),
    );
    for await (const cursor of collectCursors(options)) {
      if (!stream.write(encodeCursor(cursor))) await once(stream, 'drain');
    }
    stream.end();
    await once(stream, 'finish');
    await rename(partial, file);
    const seconds = (performance.now() - started) / 1000;
    terminal.stderr(
      `${file}: ${nCursors} cursors in ${seconds.toFixed(0)} s, ${(nCursors / seconds).toFixed(1)} a second\n`,
    );
    return nCursors;
  } finally {
    await rm(claimOf(file), { force: true });
  }
}

function isDone(file: string, wanted: Wanted): boolean {
  if (!existsSync(file)) return false;
  const { digest, seed, limit, contenders, exploration } = readPathHeader(file);
  const hasAll = wanted.contenders.every((name) => contenders.includes(name));
  const isWide = exploration === 'wide' || wanted.exploration === 'none';
  return digest === wanted.digest && seed === wanted.seed && limit === wanted.limit && hasAll && isWide;
}

function claimOf(file: string): string {
  return `${file}.claim`;
}

/** Whether this process may make the file; the claim of a process that has ended is taken over. */
async function claim(file: string): Promise<boolean> {
  const path = claimOf(file);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return true;
    } catch {
      if (isAlive(Number(readFileSync(path, 'utf8')))) return false;
      await rm(path, { force: true });
    }
  }
  return false;
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}
