import type { CompletionReport } from '../protocol/completion.ts';

/** A completion for people: its text, then its tokens with each member's share, then how long it took. */
export function reportTable(report: CompletionReport): string {
  const { total, prefill, decode, policy } = report.latencyMs;
  const duration = `${total.toFixed(1)} ms (prefill ${prefill.toFixed(1)}, decode ${decode.toFixed(1)}, policy ${policy.toFixed(1)})`;
  if (report.text === '') return `No completion: ${report.noCompletionReason}, ${duration}\n`;
  const ids = report.members.map((member) => member.id);
  const rows = [
    ['token', ...ids],
    ...report.tokens.map(({ text, shares }) => [
      visible(text),
      ...ids.map((id) => `${(100 * (shares[id] ?? 0)).toFixed(1)} %`),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
      .join('  '),
  );
  return `${report.text}\n\n${lines.join('\n')}\n\n${report.stopReason}, ${duration}\n`;
}

/** White space would not be seen in a table. */
function visible(text: string): string {
  return text.replaceAll(' ', '·').replaceAll('\t', '→');
}
