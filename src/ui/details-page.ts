/** Everything about one row, or one log entry. */
import type { ColumnSpec, TablePanel } from '../monitors/monitor.ts';
import { cellText, columnsFor } from '../panels/cell.ts';
import { textWidth, wrapText } from '../panels/char-width.ts';
import { clockTime, type KeptEntry } from '../panels/paint-log.ts';
import { entry, heading, line, type PageLine } from '../panels/paint-page.ts';
import { sanitise } from '../panels/sanitise.ts';
import { findRow, type RowKey } from '../panels/table-view.ts';
import { LOOK, type Theme } from '../panels/theme.ts';
import { dayOf } from '../panels/wall-time.ts';
import { type LogEntry, type Table, textAt } from '../sources/snapshot.ts';
import type { Picture } from './store.ts';

const RELATED_ENTRIES = 50;
const WIDEST_VALUE = 26;

/** The page of a table row; undefined when the row is not in the picture. */
export function rowPage(
  panel: TablePanel,
  picture: Picture,
  key: RowKey,
  width: number,
  theme: Theme,
): PageLine[] | undefined {
  const { snapshot } = picture;
  const table = snapshot.tables[panel.table];
  const row = table === undefined ? -1 : findRow(table, key);
  if (table === undefined || row < 0) return undefined;
  const lines: PageLine[] = [];
  const shown = columnsFor(panel, table, 'screen').filter(({ id, from }) => (from ?? id) !== 'stack');
  const texts = shown.map((column) => cellText(table, column, row, snapshot.interval_ms));
  const nameWidth = Math.max(...shown.map((column) => column.title.length));
  const valueWidth = Math.min(WIDEST_VALUE, Math.max(...texts.map((text) => text.length + 2)));
  for (const [index, column] of shown.entries()) {
    const widths = { name: nameWidth, value: valueWidth, line: width };
    lines.push(...columnLines(column, texts[index] as string, widths, theme));
  }
  const stack = stackOf(table, row);
  if (stack.length > 0) lines.push(...heading('Stack, innermost first'), ...stackLines(stack, width, theme));
  lines.push(...relatedLines(table, row, picture, width, theme));
  return lines;
}

/** Title, value, and what it means; a long value takes the line and its meaning the next. */
function columnLines(
  column: ColumnSpec,
  text: string,
  widths: { readonly name: number; readonly value: number; readonly line: number },
  theme: Theme,
): PageLine[] {
  const mark = severityMark(column, text, theme);
  const value = `${mark}${sanitise(text, theme.ascii)}`;
  const look = mark === '' ? LOOK.value : LOOK.alarm;
  const name = { text: column.title.padEnd(widths.name + 2), style: LOOK.label };
  const indent = widths.name + 2 + widths.value + 1;
  const help = wrapText(column.help, Math.max(20, widths.line - indent - 3));
  const long = textWidth(value) > widths.value;
  const rest = help.slice(long ? 0 : 1).map((part) => line(' '.repeat(indent) + part, LOOK.dim));
  if (long) {
    const parts = wrapText(value, Math.max(10, widths.line - widths.name - 5));
    const pad = { text: ' '.repeat(widths.name + 2), style: LOOK.label };
    return [...parts.map((part, index) => [index === 0 ? name : pad, { text: part, style: look }]), ...rest];
  }
  const blank = ' '.repeat(widths.value + 1 - textWidth(value));
  return [[name, { text: value, style: look }, { text: blank + (help[0] ?? ''), style: LOOK.dim }], ...rest];
}

function severityMark(column: TablePanel['columns'][number], text: string, theme: Theme): string {
  const value = Number.parseFloat(text);
  if (column.alarm !== undefined && value >= column.alarm) return `${theme.glyphs.alarm} `;
  return column.warn !== undefined && value >= column.warn ? `${theme.glyphs.warn} ` : '';
}

/** The page of a log entry. */
export function entryPage(
  kept: KeptEntry & { readonly monitor?: string },
  width: number,
  theme: Theme,
): PageLine[] {
  const { entry: event, time, monitor } = kept;
  const field = (name: string, text: string) =>
    entry(name, text, 8, width, theme, { name: LOOK.label, text: 0 });
  const lines = [
    ...(monitor === undefined ? [] : field('monitor', monitor)),
    ...field('time', `${dayOf(time)} ${clockTime(time)}`),
    ...(event.cpu >= 0 ? taskFields(event, field) : []),
    ...field('event', event.text),
  ];
  const { between = [], stack = [] } = event;
  if (between.length > 0)
    lines.push(...heading('Events, from the first on'), ...eventLines(between, width, theme));
  if (stack.length > 0) lines.push(...heading('Stack, innermost first'), ...stackLines(stack, width, theme));
  return lines;
}

/** What happened from the beginning of the entry to its end: the time since then stands out. */
function eventLines(events: readonly string[], width: number, theme: Theme): PageLine[] {
  const parts = events.map((text) => /^(\+\d+\.\d+ us) (.*)$/s.exec(text)?.slice(1) ?? ['', text]);
  const widest = Math.max(...parts.map(([time = '']) => time.length));
  return parts.flatMap(([time = '', text = '']) =>
    entry(time.padStart(widest), text, widest, width, theme, NUMBERED),
  );
}

function taskFields(event: LogEntry, field: (name: string, text: string) => PageLine[]): PageLine[] {
  return [
    ...field('boot', `${(event.at_ms / 1000).toFixed(6)} s, monotonic clock`),
    ...field('cpu', String(event.cpu)),
    ...field('pid', String(event.pid)),
    ...field('tid', String(event.tid)),
    ...field('comm', event.comm),
  ];
}

/** Frames of a `stack` column: one per line or parted by `;`. */
function stackOf(table: Table, row: number): string[] {
  return textAt(table.columns.stack, row)
    .split(/[\n;]/)
    .map((frame) => frame.trim())
    .filter((frame) => frame !== '');
}

function stackLines(frames: readonly string[], width: number, theme: Theme): PageLine[] {
  return frames.flatMap((frame, index) => entry(String(index).padStart(2), frame, 2, width, theme, NUMBERED));
}

const NUMBERED = { name: LOOK.dim, text: 0 };

/** The newest log entries of the same task. */
function relatedLines(table: Table, row: number, picture: Picture, width: number, theme: Theme): PageLine[] {
  const idOf = (name: string) => {
    const column = table.columns[name];
    return column instanceof Float64Array ? column[row] : undefined;
  };
  const tid = idOf('tid');
  const pid = idOf('pid');
  if (tid === undefined && pid === undefined) return [];
  const related = [...picture.logs.values()]
    .flat()
    .filter(({ entry: event }) => (tid === undefined ? event.pid === pid : event.tid === tid))
    .slice(-RELATED_ENTRIES)
    .reverse();
  if (related.length === 0) return [];
  const lines: PageLine[] = [...heading('Log, newest first')];
  for (const { entry: event, time } of related) {
    lines.push(...entry(clockTime(time), `cpu${event.cpu}  ${event.text}`, 12, width, theme));
    for (const frame of event.stack ?? []) lines.push(line(`                ${frame}`, LOOK.dim));
  }
  return lines;
}
