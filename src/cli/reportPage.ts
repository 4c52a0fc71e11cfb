import type { Report, Table } from './reportContent.ts';
import { escapeText, plotSvg } from './reportPlots.ts';

/** The report as one HTML page that needs nothing else. */
export function reportPage({ title, sections }: Report): string {
  const body = sections.map(
    ({ heading, text, plots, tables }) => `<section>
<h2>${escapeText(heading)}</h2>
${text.map((paragraph) => `<p>${escapeText(paragraph)}</p>`).join('\n')}
${plots.length > 0 ? `<div class="plots">\n${plots.map((plot) => `<figure>${plotSvg(plot)}</figure>`).join('\n')}\n</div>` : ''}
${tables.map(tableHtml).join('\n')}
</section>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeText(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeText(title)}</h1>
${body.join('\n')}
</main>
</body>
</html>
`;
}

/** The same as Markdown; what the plots show stands in the tables. */
export function reportMarkdown({ title, sections }: Report): string {
  const parts = sections.map(({ heading, text, tables }) =>
    [
      `## ${heading}`,
      ...text,
      ...tables.flatMap((table) => [`**${table.caption}**`, tableMarkdown(table)]),
    ].join('\n\n'),
  );
  return `${[`# ${title}`, ...parts].join('\n\n')}\n`;
}

function tableHtml({ caption, rows: [head, ...rows] }: Table): string {
  const cells = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? `<th scope="row">${escapeText(cell)}</th>` : `<td>${cellHtml(cell)}</td>`,
      )
      .join('');
  const isInWords = rows.some((row) => row[1]?.startsWith('≥'));
  return `<div class="scroll"><table${isInWords ? ' class="words"' : ''}>
<caption>${escapeText(caption)}</caption>
<thead><tr>${head.map((cell) => `<th scope="col">${escapeText(cell)}</th>`).join('')}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${cells(row)}</tr>`).join('\n')}
</tbody>
</table></div>`;
}

function cellHtml(cell: string): string {
  const text = escapeText(cell);
  return text.replace(/(^| )(better|worse|yes|no)$/, '$1<span class="$2">$2</span>');
}

function tableMarkdown({ rows: [head, ...rows] }: Table): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`;
  return [
    line(head),
    `|---|${head
      .slice(1)
      .map(() => '--:|')
      .join('')}`,
    ...rows.map(line),
  ].join('\n');
}

const style = `
:root { --text: #1c2430; --dim: #586273; --line: #dfe3ea; --back: #ffffff; --band: #f5f7fa; --learned: #b3400e; --baseline: #2b5fa8; --good: #1c6b36; --bad: #a3202b; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e7ee; --dim: #9aa5b5; --line: #343c49; --back: #14181f; --band: #1c222b; --learned: #ff9a62; --baseline: #8ab4f0; --good: #7fd09a; --bad: #ff9aa0; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 8px; }
h2 { font-size: 19px; margin: 40px 0 8px; padding-top: 16px; border-top: 1px solid var(--line); }
p { max-width: 110ch; margin: 8px 0; color: var(--dim); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 16px; margin: 20px 0; }
figure { margin: 0; padding: 14px; background: var(--band); border-radius: 8px; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--text); font: 13px system-ui, sans-serif; }
svg .title { font-size: 16px; font-weight: 600; }
svg .tick { fill: var(--dim); font-size: 12px; }
svg .value { font-variant-numeric: tabular-nums; }
svg .name.learned { font-weight: 600; }
svg .grid { stroke: var(--line); }
svg .row { stroke: var(--line); stroke-dasharray: 1 4; }
svg .interval { stroke-width: 1.5; stroke: var(--baseline); }
svg .interval.learned { stroke: var(--learned); }
svg .interval.oracle { stroke: var(--dim); }
svg .mark { stroke-width: 1.5; stroke: var(--baseline); fill: var(--band); }
svg .mark.learned { stroke: var(--learned); fill: var(--learned); }
svg .mark.oracle { stroke: var(--dim); }
.scroll { overflow-x: auto; margin: 20px 0; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; white-space: nowrap; }
caption { text-align: left; font-weight: 600; padding: 4px 0 8px; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, .words td:nth-child(2), .words th:nth-child(2) { text-align: left; }
th:first-child { text-align: left; padding-left: 0; }
thead th { white-space: normal; max-width: 12ch; color: var(--dim); font-weight: 500; vertical-align: bottom; }
tbody th { font-weight: 400; }
.better, .yes { color: var(--good); font-weight: 600; }
.worse, .no { color: var(--bad); font-weight: 600; }
`;
