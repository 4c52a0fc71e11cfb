import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { defaultSettings, type Settings, settingsSchema } from '../config/settings.ts';
import { actorProblem } from '../policy/actorPolicy.ts';
import type { CompletionReport } from '../protocol/completion.ts';
import type { MemberStatus } from '../protocol/messages.ts';
import { startEnsemble } from '../server/ensemble.ts';
import { createLog } from '../server/log.ts';
import { integerOption, parseOptions, resolvePath } from './arguments.ts';
import { Failure, UsageError } from './failures.ts';
import { languageOf } from './languages.ts';
import { toJson, writeResult } from './output.ts';
import { readPolicyFile } from './policyChoice.ts';
import { reportTable } from './reportTable.ts';
import type { Command, Terminal } from './run.ts';
import { offsetAt, readTextFile } from './textFile.ts';

const policyNames: readonly string[] = settingsSchema.shape.policy.unwrap().options;

const help = `Usage: consort complete FILE --line N --column N [options]

Completes the line at a position of FILE, as when it is asked for by hand in an editor: however sure the ensemble
is. Lists its tokens with the share that each member had in them. FILE is not changed.

  --line N            line of the cursor, counted from 1
  --column N          column of the cursor in UTF-16 units, counted from 1; the text before it is kept
  --workspace DIR     folder whose files the workspace member reads; by default the git repository of FILE,
                      or else its folder
  --policy NAME|FILE  what sets the weights: ${policyNames.join(', ')}, or the file
                      of a learned policy; by default ${defaultSettings.policy}
  --combiner NAME     ${defaultSettings.combiner} (default) or geometric, for policies without training; a learned one brings its own
  --without ID        leave a member out; may be given several times
  --json              print one JSON document on stdout, everything else on stderr
  --out FILE          write the result to this file as well
  --verbose           say on stderr what happens
`;

const hint = 'Usage: consort complete FILE --line N --column N. More: consort complete --help';
/** Nobody is typing: even a slow member on a busy machine is waited for. */
const memberDeadlineMs = 60_000;

export const complete: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    line: { type: 'string' },
    column: { type: 'string' },
    workspace: { type: 'string' },
    policy: { type: 'string' },
    combiner: { type: 'string' },
    without: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    out: { type: 'string' },
    verbose: { type: 'boolean' },
  });
  if (positionals.length !== 1) throw new UsageError('give exactly one FILE', hint);
  const position = {
    line: integerOption('line', values.line, hint),
    column: integerOption('column', values.column, hint),
  };
  const settings = settingsOf(values);
  const policyFile = settings.policyPath === '' ? undefined : readPolicyFile(settings.policyPath);

  const path = resolvePath(positionals[0]);
  const text = await readTextFile(path, settings.maximumFileKilobytes);
  const offset = offsetAt(text, position);
  const workspace =
    values.workspace === undefined ? workspaceOf(path) : folderAt(resolvePath(values.workspace));

  const write = (level: string, message: string) => terminal.stderr(`${level}: ${message}\n`);
  const ensemble = startEnsemble({
    settings,
    modelsPath: undefined,
    trusted: true,
    folders: [pathToFileURL(workspace).href],
    log: createLog(write, settings['log.level']),
    memberDeadlineMs,
    onChange: () => undefined,
  });
  try {
    const ids = ensemble.engine.status().members.map(({ id }) => id);
    const unknown = settings.disabledMembers.find((id) => !ids.includes(id));
    if (unknown !== undefined) {
      throw new UsageError(`there is no member "${unknown}" to leave out`, `Members: ${ids.join(', ')}`);
    }
    const taking = ids.filter((id) => !settings.disabledMembers.includes(id));
    const problem = policyFile && actorProblem(policyFile, taking);
    if (problem) throw new Failure(`--policy: ${problem.message} ${problem.hint}`);
    const document = { uri: pathToFileURL(path).href, languageId: languageOf(path), text };
    ensemble.library.setDocument(document);
    await ensemble.ready();
    const request = { ...document, offset, isExplicit: true };
    const { report } = await ensemble.engine.complete(request, new AbortController().signal);
    if (report.noCompletionReason === 'noMembers')
      throw new Failure(noMembers(ensemble.engine.status().members, document.languageId));
    const { policy } = ensemble.engine.status();
    const result = { ...fieldsOf(report), policy, file: path, ...position };
    await writeResult(terminal, values.json ? toJson(result) : reportTable(report), values.out);
  } finally {
    await ensemble.close();
  }
}

function settingsOf(values: {
  readonly policy?: string | undefined;
  readonly combiner?: string | undefined;
  readonly without?: readonly string[] | undefined;
  readonly verbose?: boolean | undefined;
}): Settings {
  const combiner = settingsSchema.shape.combiner.safeParse(values.combiner);
  if (!combiner.success) {
    throw new UsageError(`--combiner must be linear or geometric, not "${values.combiner}"`, hint);
  }
  return {
    ...defaultSettings,
    languages: { '*': true },
    ...policyOf(values.policy),
    combiner: combiner.data,
    disabledMembers: [...(values.without ?? [])],
    'log.level': values.verbose ? 'debug' : 'warn',
  };
}

/** A policy by its name, or the file of one. */
function policyOf(value: string | undefined): Pick<Settings, 'policy' | 'policyPath'> {
  const { policy, policyPath } = settingsSchema.shape;
  const named = policy.safeParse(value);
  if (named.success) return { policy: named.data, policyPath: '' };
  const path = policyPath.parse(resolvePath(value ?? ''));
  if (!existsSync(path)) {
    const names = `Policies: ${policyNames.join(', ')}; or the path of a file of a policy`;
    throw new UsageError(`there is no policy "${value}", and no such file`, `${names}\n${hint}`);
  }
  return { policy: 'hedge', policyPath: path };
}

/** The git repository that the file is in, or else its folder. */
function workspaceOf(path: string): string {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.git'))) return folder;
    if (folder === dirname(folder)) return dirname(path);
  }
}

function folderAt(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  throw new Failure(`${path} is not a folder. Give --workspace the folder of a project.`);
}

function fieldsOf({
  text,
  stopReason,
  noCompletionReason,
  tokens,
  logProbability,
  ...report
}: CompletionReport) {
  const { latencyMs, members, languageId } = report;
  return { text, stopReason, noCompletionReason, tokens, logProbability, latencyMs, members, languageId };
}

function noMembers(members: readonly MemberStatus[], languageId: string): string {
  const states = {
    ready: `not meant for ${languageId}`,
    disabled: 'left out',
    loading: 'loading',
    failed: 'failed',
  };
  const lines = members.map((member) => `  ${member.id}: ${member.message ?? states[member.state]}`);
  return `no member could answer:\n${lines.join('\n')}`;
}
