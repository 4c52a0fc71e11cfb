import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseOptions, resolvePath } from './arguments.ts';
import { Failure, reasonOf, UsageError } from './failures.ts';
import { toJson } from './output.ts';
import { reportOf } from './reportContent.ts';
import { reportMarkdown, reportPage } from './reportPage.ts';
import { readResult } from './resultFile.ts';
import type { Command, Terminal } from './run.ts';

const help = `Usage: consort report RESULT... --out FOLDER [options]

Makes a page (index.html, with plots) and the same as Markdown (README.md) of what "consort evaluate --json --out
RESULT" has found. The first RESULT is the main one; others, such as a run that was timed or one without the workspace
member, follow with their tables under the names of their files.

  --out FOLDER        where the two files go
  --json              print the paths of the files as a JSON document on stdout
`;

const hint = 'Usage: consort report RESULT... --out FOLDER. More: consort report --help';

export const report: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    out: { type: 'string' },
    json: { type: 'boolean' },
  });
  if (positionals.length === 0) throw new UsageError('give at least one RESULT', hint);
  if (values.out === undefined) throw new UsageError('--out is missing', hint);
  const results = [];
  for (const path of positionals) results.push(await readResult(resolvePath(path)));
  const content = reportOf(results);
  const folder = resolvePath(values.out);
  const page = join(folder, 'index.html');
  const markdown = join(folder, 'README.md');
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(page, reportPage(content));
    await writeFile(markdown, reportMarkdown(content));
  } catch (error) {
    throw new Failure(`cannot write to ${folder}: ${reasonOf(error)}.`);
  }
  await terminal.stdout(values.json ? toJson({ page, markdown }) : `${page}\n${markdown}\n`);
}
