/** A table panel on cells. Only the rows that are visible are formatted. */

import type { ColumnSpec, TablePanel } from '../monitors/monitor.ts';
import type { Table } from '../sources/snapshot.ts';
import { cellNumber, cellText, columnsFor } from './cell.ts';
import { clipText, textWidth, wrapText } from './char-width.ts';
import { fitColumns, type PlacedColumn } from './columns.ts';
import { nothingText } from './filter-of.ts';
import type { Region } from './grid.ts';
import { paintTitle, type Span } from './paint-title.ts';
import { sanitise } from './sanitise.ts';
import { BOLD, PLAIN, type Style } from './style.ts';
import { filterProblem } from './table-filter.ts';
import type { TableQuery, TableWindow } from './table-view.ts';
import { LOOK, type Theme } from './theme.ts';

/** Title and column heads. */
export const TABLE_CHROME = 2;

/** Deeper rows are drawn at this depth. */
const DEEPEST = 13;

export interface TablePicture {
  readonly panel: TablePanel;
  readonly table: Table;
  readonly interval_ms: number;
  readonly query: TableQuery;
  readonly window: TableWindow;
  /** Row number of the selected row, -1 for none. */
  readonly selected: number;
  readonly focused: boolean;
  /** Said when there are no rows at all. */
  readonly empty: string;
  /**
   * Widest cell seen so far by column id; grows as wider cells are painted, so that columns do not dance.
   * The caller keeps it between paints and forgets it on resize.
   */
  readonly seen: Map<string, number>;
}

/** Paints title, column heads and rows. Returns where the columns are. */
export function paintTable(region: Region, picture: TablePicture, theme: Theme): readonly PlacedColumn[] {
  const { panel, window, query } = picture;
  const height = Math.max(0, region.height - TABLE_CHROME);
  const shown = columnsFor(panel, picture.table, 'screen');
  const texts = formatRows(picture, shown, Math.min(height, window.rows.length), theme);
  const columns = fitColumns(shown, region.width, picture.seen, query.sort);
  // What may be left out is; of the rest one is to know.
  const missing = shown.filter(
    (spec) => (spec.priority ?? 0) === 0 && !columns.some((placed) => placed.spec === spec),
  ).length;
  paintTitle(region, panel.title, titleSpans(picture, missing, theme), picture.focused, theme);
  paintHeads(region, columns, query, picture.focused, theme);
  if (window.total === 0) {
    const reason =
      query.filter === ''
        ? picture.empty
        : nothingText('row', query.filter, filterProblem(query.filter, panel));
    const lines = emptyLines(reason, region.width, theme);
    // Where there is no line below the column heads the sentence is worth more than they are.
    const top = region.height > TABLE_CHROME ? TABLE_CHROME : 1;
    if (top === 1) region.put(0, 1, ' '.repeat(region.width));
    for (const [index, line] of lines.entries()) region.put(2, top + index, line, LOOK.dim);
    return columns;
  }
  for (const [index, cells] of texts.entries()) {
    const row = window.rows[index] as number;
    const line = region.part(0, TABLE_CHROME + index, region.width, 1);
    paintRow(line, picture, columns, row, cells, theme);
  }
  return columns;
}

/** The sentence in place of rows, wrapped. */
export function emptyLines(reason: string, width: number, theme: Theme): string[] {
  return wrapText(sanitise(reason, theme.ascii), Math.max(10, width - 4));
}

function titleSpans({ window, query, panel }: TablePicture, missing: number, theme: Theme): Span[] {
  const { total, offset, rows } = window;
  const spans: Span[] = [];
  if (query.filter !== '') spans.push({ text: `filter "${query.filter}" `, style: LOOK.warn });
  if (query.tree && panel.tree !== undefined) spans.push({ text: 'tree ', style: LOOK.label });
  if (total > 0 && missing > 0)
    spans.push({ text: `+${missing} column${missing === 1 ? '' : 's'}: Enter  `, style: LOOK.label });
  if (total > 0) {
    const range = rows.length < total ? `${offset + 1}${theme.glyphs.dash}${offset + rows.length} of ` : '';
    spans.push({ text: `${range}${total}`, style: LOOK.label });
  }
  return spans;
}

/** Cell texts of the visible rows by column; notes the widest of each. */
function formatRows(
  { table, interval_ms, window, seen }: TablePicture,
  shown: readonly ColumnSpec[],
  count: number,
  theme: Theme,
): ReadonlyMap<ColumnSpec, string>[] {
  const lead = shown.find((column) => column.format === 'text');
  return Array.from({ length: count }, (_, index) => {
    const cells = new Map<ColumnSpec, string>();
    for (const spec of shown) {
      const text = sanitise(cellText(table, spec, window.rows[index] as number, interval_ms), theme.ascii);
      const cell = spec === lead ? treeLead(window, index, theme) + text : text;
      cells.set(spec, cell);
      seen.set(spec.id, Math.max(seen.get(spec.id) ?? 0, textWidth(cell)));
    }
    return cells;
  });
}

function treeLead(window: TableWindow, index: number, theme: Theme): string {
  const depth = window.depths?.[index] ?? 0;
  if (depth === 0) return '';
  const trunks = window.trunks?.[index] ?? 0;
  let lead = '';
  for (let above = 1; above < Math.min(depth, DEEPEST); above += 1) {
    lead += (trunks & (1 << above)) !== 0 ? theme.glyphs.trunk : '  ';
  }
  return lead + (window.last?.[index] === 1 ? theme.glyphs.lastBranch : theme.glyphs.branch);
}

function paintHeads(
  region: Region,
  columns: readonly PlacedColumn[],
  query: TableQuery,
  focused: boolean,
  theme: Theme,
): void {
  const plain = focused ? LOOK.focusedColumns : LOOK.columns;
  region.put(0, 1, ' '.repeat(region.width), plain);
  for (const { spec, x, width } of columns) {
    const sorted = spec.id === query.sort;
    const title = clipText(spec.title, width, theme.glyphs.ellipsis);
    const start = spec.format === 'text' ? x : x + width - textWidth(title);
    const after = region.put(start, 1, title, sorted ? LOOK.sorted : plain);
    // The mark sits in the gap behind the head: no column is wider for being sorted by.
    const mark = query.descending ? theme.glyphs.descending : theme.glyphs.ascending;
    if (sorted) region.put(Math.min(after, region.width - 1), 1, mark, LOOK.sorted);
  }
}

function paintRow(
  line: Region,
  picture: TablePicture,
  columns: readonly PlacedColumn[],
  row: number,
  cells: ReadonlyMap<ColumnSpec, string>,
  theme: Theme,
): void {
  const selected = row === picture.selected;
  if (selected) line.put(0, 0, theme.glyphs.cursor, BOLD);
  for (const { spec, x, width } of columns) {
    const text = cells.get(spec) ?? '';
    const severity = severityOf(spec, picture, row);
    const clipped = clipCell(spec, text, width, theme);
    const start = spec.format === 'text' ? x : x + width - textWidth(clipped);
    const style = severity === undefined ? restStyle(spec, text) : LOOK[severity];
    line.put(start, 0, clipped, style);
    if (severity !== undefined) line.put(start - 1, 0, theme.glyphs[severity], style | BOLD);
  }
  if (selected) line.restyle(0, 0, line.width, () => LOOK.selected);
}

/** A number is never cut, which would make it another number: it is shown in powers of ten. */
function clipCell(spec: ColumnSpec, text: string, width: number, theme: Theme): string {
  if (spec.format === 'text' || text.length <= width) return clipText(text, width, theme.glyphs.ellipsis);
  const mark = text.startsWith('~') ? '~' : '';
  const value = Number.parseFloat(text.slice(mark.length));
  for (let digits = Math.min(6, width - 4); digits >= 0; digits -= 1) {
    const short = mark + value.toExponential(digits).replace('e+', 'e');
    if (short.length <= width) return short;
  }
  return theme.glyphs.ellipsis.repeat(width);
}

/** Nothing and unknown recede. */
function restStyle(spec: ColumnSpec, text: string): Style {
  if (text === '-') return LOOK.dim;
  return spec.format !== 'text' && /^~?-?[0.]+$/.test(text) ? LOOK.dim : PLAIN;
}

function severityOf(spec: ColumnSpec, picture: TablePicture, row: number): 'warn' | 'alarm' | undefined {
  if (spec.warn === undefined && spec.alarm === undefined) return undefined;
  const value = cellNumber(picture.table, spec, row, picture.interval_ms);
  if (spec.alarm !== undefined && value >= spec.alarm) return 'alarm';
  return spec.warn !== undefined && value >= spec.warn ? 'warn' : undefined;
}
