import type { Corpus } from './corpus.ts';
import type { Machine } from './machine.ts';
import type { CaseResult, Figure } from './result.ts';

export interface Report {
  readonly machine: Machine;
  readonly results: Readonly<Record<string, CaseResult>>;
  readonly failures: Readonly<Record<string, string>>;
  readonly corpus: Corpus;
  /** ISO 8601. */
  readonly measuredAt: string;
}

/** The figures as Markdown: a table, what limits each case, and the machine. */
export function reportTable({ machine, results, failures, corpus, measuredAt }: Report): string {
  const rows = Object.values(results).flatMap(({ figures }) => figures.map(row));
  const limits = Object.entries(results).map(([name, { limit }]) => `- **${name}**: ${limit}`);
  const notes = Object.values(results).flatMap((result) => (result.notes ?? []).map((note) => `- ${note}`));
  const failed = Object.entries(failures).map(
    ([name, message]) => `- **${name}** could not be measured: ${message}`,
  );
  return `${[
    '| figure | measured | spread | goal | |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    'What limits each, and its floor:',
    '',
    ...limits,
    ...notes,
    ...failed,
    '',
    `Measured ${measuredAt.slice(0, 10)} on ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGigabytes} GB, ${machine.platform}, Node.js ${machine.node}, ONNX Runtime ${machine.onnxRuntime}${machine.warning ? `; ${machine.warning}` : ''}. Cursors in source that no member has seen: ${corpus.packages.join(', ')}.`,
  ].join('\n')}\n`;
}

function row({ what, value, spread, goal, isMet }: Figure): string {
  const verdict = isMet === undefined ? '' : isMet ? 'met' : 'missed';
  return `| ${what} | ${value} | ${spread} | ${goal} | ${verdict} |`;
}

const begin = '<!-- bench: begin (npm run bench -- --readme) -->';
const end = '<!-- bench: end -->';

/** Puts the table between the markers. @throws Error where the text has none */
export function intoReadme(readme: string, table: string): string {
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`README.md has no place for the table: add the lines\n${begin}\n${end}`);
  return `${readme.slice(0, from + begin.length)}\n${table}${readme.slice(to)}`;
}
