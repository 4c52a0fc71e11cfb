import type { CompletionReport } from '../protocol/completion.ts';

/** A completion for people: its text, then its tokens with each member's share, then how long it took. */
export function reportTable(report: CompletionReport): string {
  const { total, prefill, decode, policy } = report.latencyMs;
  const duration = `${total.toFixed(1)} ms (prefill ${prefill.toFixed(1)}, decode ${decode.toFixed(1)}, policy ${policy.toFixed(1)})`;
  if (report.text === '') return `No completion: ${inWords(report.noCompletionReason)}, ${duration}\n`;
  const ids = report.members.map((member) => member.id);
  const rows = [
    ['token', ...ids],
    ...report.tokens.map(({ text, shares }) => [
      visible(text),
      ...ids.map((id) => `${(100 * (shares[id] ?? 0)).toFixed(1)} %`),
    ]),
  ];
  return `${report.text}\n\n${alignColumns(rows)}\n\n${report.stopReason}, ${duration}\n`;
}

/** Lines with the first column to the left and the others to the right; each row has a cell for every column. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const align = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]);
  return rows.map((row) => row.map(align).join('  ')).join('\n');
}

function inWords(reason: CompletionReport['noCompletionReason']): string {
  if (reason === 'empty') return 'the line is complete as it is (empty)';
  if (reason === 'alreadyThere') return 'what the members would write stands there already (alreadyThere)';
  return String(reason);
}

/** White space would not be seen in a table. */
function visible(text: string): string {
  return text.replaceAll(' ', '·').replaceAll('\t', '→');
}
