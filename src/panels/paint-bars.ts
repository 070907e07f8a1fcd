/** One stacked bar per row. As rows grow many, bars shrink: wide, then mini, then one cell each. */
import type { BarsPanel } from '../monitors/monitor.ts';
import { numberAt, type Table, textAt } from '../sources/snapshot.ts';
import { textWidth } from './char-width.ts';
import type { Region } from './grid.ts';
import { paintTitle, type Span } from './paint-title.ts';
import { BOLD, BRIGHT_BLUE, CYAN, GRAY, GREEN, MAGENTA, RED, type Style, WHITE, YELLOW } from './style.ts';
import { heatGlyph, heatStyle, LOOK, type Theme } from './theme.ts';

const COLOURS: Readonly<Record<BarsPanel['segments'][number]['colour'], Style>> = {
  red: RED,
  green: GREEN,
  yellow: YELLOW,
  // The dark one cannot be read on black.
  blue: BRIGHT_BLUE,
  magenta: MAGENTA,
  cyan: CYAN,
  white: WHITE,
  gray: GRAY,
};

/** Width at which another bar is put beside the first. */
const WIDE = 38;
/** Narrowest bar with its figure, and without. */
const FIGURE_FROM = 20;
const MINI_FROM = 10;
const PERCENT_WIDTH = 7;

export interface BarsLayout {
  readonly kind: 'bars' | 'heat';
  readonly columns: number;
  /** Lines below the title. */
  readonly lines: number;
  /** Rows that one cell stands for; 1 but on the largest machines. */
  readonly group: number;
}

/** How `count` bars are laid out on `width` × at most `most` lines (title not counted). */
export function layoutBars(count: number, width: number, most: number): BarsLayout {
  const room = Math.max(1, most);
  const comfortable = Math.max(1, Math.floor(width / WIDE));
  const needed = Math.ceil(count / room);
  const columns = Math.max(1, Math.min(count, Math.max(Math.min(comfortable, count), needed)));
  if (Math.floor(width / columns) >= MINI_FROM || columns === 1) {
    return { kind: 'bars', columns, lines: Math.min(room, Math.ceil(count / columns)), group: 1 };
  }
  const cells = heatColumns(count, width, Math.max(1, room - 1));
  const group = Math.ceil(count / (cells * Math.max(1, room - 1)));
  const lines = Math.ceil(count / (cells * group)) + 1;
  return { kind: 'heat', columns: cells, lines: Math.min(room, lines), group };
}

/** Paints title with legend, and the bars. */
export function paintBars(
  region: Region,
  panel: BarsPanel,
  table: Table,
  focused: boolean,
  theme: Theme,
): void {
  const legend: Span[] = panel.segments.flatMap((segment) => [
    { text: `${segment.mark} `, style: COLOURS[segment.colour] | BOLD },
    { text: `${segment.title}  `, style: LOOK.label },
  ]);
  paintTitle(region, panel.title, legend, focused, theme);
  const body = region.part(0, 1, region.width, region.height - 1);
  const layout = layoutBars(table.length, region.width, body.height);
  if (layout.kind === 'heat') paintHeat(body, panel, table, layout, theme);
  else paintColumns(body, panel, table, layout, theme);
}

function paintColumns(
  region: Region,
  panel: BarsPanel,
  table: Table,
  layout: BarsLayout,
  theme: Theme,
): void {
  const width = Math.floor((region.width + 1) / layout.columns) - 1;
  const labels = Array.from({ length: table.length }, (_, row) => labelOf(panel, table, row));
  const labelWidth = Math.max(0, ...labels.map(textWidth));
  for (let row = 0; row < table.length; row += 1) {
    const column = Math.floor(row / layout.lines);
    const cell = region.part(column * (width + 1), row % layout.lines, width, 1);
    const label = labels[row] as string;
    cell.put(labelWidth - textWidth(label), 0, label, LOOK.label);
    paintBar(cell.part(labelWidth, 0, width - labelWidth, 1), panel, table, row, theme);
  }
}

function paintBar(region: Region, panel: BarsPanel, table: Table, row: number, theme: Theme): void {
  const showFigure = region.width >= FIGURE_FROM - 4;
  region.put(0, 0, '[', LOOK.dim);
  region.put(region.width - 1, 0, ']', LOOK.dim);
  const inner = region.width - 2;
  // The figure has its own place: drawn over the bar it would hide the last segment.
  const length = showFigure ? inner - PERCENT_WIDTH : inner;
  const of = panel.of ?? 100;
  let sum = 0;
  let x = 0;
  for (const segment of panel.segments) {
    sum += Math.max(0, numberAt(table.columns[segment.column], row) || 0);
    const end = Math.round(Math.min(1, sum / of) * length);
    region.put(1 + x, 0, segment.mark.repeat(Math.max(0, end - x)), COLOURS[segment.colour]);
    x = Math.max(x, end);
  }
  if (!showFigure) return;
  const share = sum / of;
  const figure = `${(share * 100).toFixed(1)}%`;
  const mark = share >= 0.9 ? theme.glyphs.warn : '';
  const style = share >= 0.9 ? LOOK.warn | BOLD : sum === 0 ? LOOK.dim : LOOK.value;
  region.put(region.width - 1 - figure.length - mark.length, 0, mark + figure, style);
}

/** Cells per line: a power of two where that shows every row, else as many as fit. */
function heatColumns(count: number, width: number, lines: number): number {
  const room = Math.max(8, width - rangeWidth(count) - 1);
  let columns = 8;
  while (columns * 2 <= room && columns < count) columns *= 2;
  return columns * lines >= count ? columns : room - (room % 8);
}

function rangeWidth(count: number): number {
  return String(Math.max(0, count - 1)).length * 2 + 1;
}

/** One cell per row or group of rows, and the names of the fullest. */
function paintHeat(region: Region, panel: BarsPanel, table: Table, layout: BarsLayout, theme: Theme): void {
  const of = panel.of ?? 100;
  const shares = Array.from({ length: table.length }, (_, row) => totalOf(panel, table, row) / of);
  const labelWidth = rangeWidth(table.length);
  const perLine = layout.columns * layout.group;
  const lines = Math.min(region.height - 1, Math.ceil(table.length / perLine));
  for (let line = 0; line < lines; line += 1) {
    const first = line * perLine;
    const last = Math.min(table.length, first + perLine) - 1;
    const range = `${labelOf(panel, table, first)}${theme.glyphs.dash}${labelOf(panel, table, last)}`;
    region.put(labelWidth - textWidth(range), line, range, LOOK.label);
    for (let cell = 0; first + cell * layout.group <= last; cell += 1) {
      const from = first + cell * layout.group;
      const share = Math.max(...shares.slice(from, from + layout.group));
      const style = share > 0 ? heatStyle(share, theme) : LOOK.dim;
      region.put(labelWidth + 1 + cell, line, heatGlyph(share, theme), style);
    }
  }
  const worst = region.part(0, lines, region.width, 1);
  const group = layout.group > 1 ? `a cell is the fullest of ${layout.group}  ` : '';
  paintFullest(worst, panel, table, shares, group);
}

/** The mean, the fullest with its parts, then as many of the next as fit. */
function paintFullest(
  region: Region,
  panel: BarsPanel,
  table: Table,
  shares: readonly number[],
  about: string,
): void {
  const of = panel.of ?? 100;
  const order = shares.map((_, row) => row).sort((a, b) => (shares[b] as number) - (shares[a] as number));
  const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
  let x = region.put(1, 0, `${about}mean ${(mean * 100).toFixed(1)}%  fullest`, LOOK.label);
  for (const [rank, row] of order.entries()) {
    const share = shares[row] as number;
    const name = `  ${labelOf(panel, table, row)} `;
    const figure = `${(share * 100).toFixed(0)}%`;
    const room = region.width - x - textWidth(name + figure);
    if (share <= 0 || room < 0) break;
    const known = rank > 0 ? '' : ` (${partsOf(panel, table, row, of)})`;
    const parts = textWidth(known) <= room ? known : '';
    x = region.put(x, 0, name, LOOK.label);
    x = region.put(x, 0, figure, LOOK.value);
    x = region.put(x, 0, parts, LOOK.dim);
  }
}

/** `S25 u40`: marks with their shares in percent, what is nought left out. */
function partsOf(panel: BarsPanel, table: Table, row: number, of: number): string {
  return panel.segments
    .map(({ mark, column }) => ({ mark, share: (numberAt(table.columns[column], row) || 0) / of }))
    .filter(({ share }) => share >= 0.005)
    .map(({ mark, share }) => `${mark}${(share * 100).toFixed(0)}`)
    .join(' ');
}

function totalOf(panel: BarsPanel, table: Table, row: number): number {
  return panel.segments.reduce((sum, { column }) => sum + (numberAt(table.columns[column], row) || 0), 0);
}

function labelOf(panel: BarsPanel, table: Table, row: number): string {
  const column = table.columns[panel.label];
  return column instanceof Float64Array ? String(numberAt(column, row)) : textAt(column, row);
}
