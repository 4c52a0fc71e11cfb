/** A row of a plot: one contender. Numbers are in the unit of the axis. */
export interface PlotRow {
  readonly name: string;
  readonly kind: 'baseline' | 'learned' | 'oracle';
  readonly marks: readonly { readonly value: number; readonly low?: number; readonly high?: number }[];
}

export interface Plot {
  readonly title: string;
  /** What the axis counts, and which direction is better. */
  readonly axis: string;
  readonly digits: number;
  /** What each of a row's marks stands for, where there are several. */
  readonly markNames?: readonly string[];
  readonly rows: readonly PlotRow[];
}

const layout = { width: 640, left: 206, right: 92, top: 34, rowHeight: 25, bottom: 46 } as const;

/**
 * A dot plot as an SVG element, a row for each contender. Kinds differ by shape and fill as well as by colour, and every
 * first mark has its number beside it.
 */
export function plotSvg(plot: Plot): string {
  const { width, left, right, top, rowHeight, bottom } = layout;
  const rows = plot.rows.filter(({ marks }) => marks.some(({ value }) => Number.isFinite(value)));
  const several = (plot.markNames?.length ?? 1) > 1;
  const from = top + (several ? 22 : 0);
  const height = from + rows.length * rowHeight + bottom;
  const { ticks, low, high } = scaleOf(rows);
  const x = (value: number) => left + ((value - low) / (high - low)) * (width - left - right);
  const end = from + rows.length * rowHeight;
  const grid = ticks.map(
    (tick) =>
      `<line class="grid" x1="${at(x(tick))}" x2="${at(x(tick))}" y1="${from}" y2="${end}"/>` +
      `<text class="tick" x="${at(x(tick))}" y="${end + 17}" text-anchor="middle">${tickLabel(tick, ticks)}</text>`,
  );
  const lines = rows.map((row, i) => rowSvg(row, from + (i + 0.5) * rowHeight, x, plot, several));
  const key = several
    ? (plot.markNames ?? []).map(
        (name, i) =>
          `${markSvg(markShapes[i % markShapes.length], left + 8 + i * 130, from - 14, 'baseline')}` +
          `<text class="tick" x="${left + 18 + i * 130}" y="${from - 10}">${escapeText(name)}</text>`,
      )
    : [];
  return [
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(plot.title)}">`,
    `<text class="title" x="0" y="16">${escapeText(plot.title)}</text>`,
    ...key,
    ...grid,
    ...lines,
    `<text class="tick" x="${(left + width - right) / 2}" y="${end + 38}" text-anchor="middle">${escapeText(plot.axis)}</text>`,
    '</svg>',
  ].join('\n');
}

type Shape = 'circle' | 'square' | 'triangle' | 'diamond';
const markShapes: readonly Shape[] = ['circle', 'square', 'triangle'];
const shapeOf = { baseline: 'circle', learned: 'square', oracle: 'diamond' } as const;

function rowSvg(
  { name, kind, marks }: PlotRow,
  y: number,
  x: (value: number) => number,
  { digits }: Plot,
  several: boolean,
): string {
  const { left, width, right } = layout;
  const present = marks.filter(({ value }) => Number.isFinite(value));
  const intervals = present.flatMap(({ low, high }) =>
    low === undefined || high === undefined
      ? []
      : [
          `<line class="interval ${kind}" x1="${at(x(low))}" x2="${at(x(high))}" y1="${at(y)}" y2="${at(y)}"/>`,
          ...[low, high].map(
            (edge) =>
              `<line class="interval ${kind}" x1="${at(x(edge))}" x2="${at(x(edge))}" y1="${at(y - 4)}" y2="${at(y + 4)}"/>`,
          ),
        ],
  );
  const points = marks.flatMap(({ value }, i) =>
    Number.isFinite(value)
      ? [markSvg(several ? markShapes[i % markShapes.length] : shapeOf[kind], x(value), y, kind)]
      : [],
  );
  const label = present.map(({ value }) => value.toFixed(digits)).join(' · ');
  return [
    `<line class="row" x1="${left}" x2="${width - right}" y1="${at(y)}" y2="${at(y)}"/>`,
    `<text class="name ${kind}" x="${left - 12}" y="${at(y + 4)}" text-anchor="end">${escapeText(name)}</text>`,
    ...intervals,
    ...points,
    `<text class="value" x="${width - right + 10}" y="${at(y + 4)}">${label}</text>`,
  ].join('');
}

function markSvg(shape: Shape, x: number, y: number, kind: PlotRow['kind']): string {
  const size = 5;
  const common = `class="mark ${kind}"`;
  if (shape === 'circle') return `<circle ${common} cx="${at(x)}" cy="${at(y)}" r="${size}"/>`;
  if (shape === 'square')
    return `<rect ${common} x="${at(x - size)}" y="${at(y - size)}" width="${2 * size}" height="${2 * size}"/>`;
  const points =
    shape === 'triangle'
      ? [
          [0, -1.2],
          [1.15, 0.9],
          [-1.15, 0.9],
        ]
      : [
          [0, -1.4],
          [1.4, 0],
          [0, 1.4],
          [-1.4, 0],
        ];
  const corners = points.map(([dx, dy]) => `${at(x + dx * size)},${at(y + dy * size)}`).join(' ');
  return `<polygon ${common} points="${corners}"/>`;
}

/** A round scale around all marks and intervals. */
function scaleOf(rows: readonly PlotRow[]): { ticks: number[]; low: number; high: number } {
  const values = rows
    .flatMap(({ marks }) => marks.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]))
    .filter(Number.isFinite);
  const smallest = Math.min(...values);
  const largest = Math.max(...values);
  const span = largest - smallest || Math.abs(largest) || 1;
  const rough = span / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.floor((smallest - 0.02 * span) / step);
  const last = Math.ceil((largest + 0.02 * span) / step);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { ticks, low: ticks[0], high: ticks[ticks.length - 1] };
}

function tickLabel(tick: number, ticks: readonly number[]): string {
  const step = ticks[1] - ticks[0];
  return tick.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

function at(coordinate: number): string {
  return coordinate.toFixed(1);
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
