/** A snapshot as text, for pipes and logs: no colour, no cursor, nothing that a terminal would obey. */
import type { ColumnSpec, Monitor, StacksPanel, TablePanel } from '../monitors/monitor.ts';
import { cellText, columnsFor } from '../panels/cell.ts';
import { foldedStacks } from '../panels/folded.ts';
import { sanitise } from '../panels/sanitise.ts';
import { defaultQuery, viewTable } from '../panels/table-view.ts';
import { isScaled, type LogEntry, type Snapshot, type Table } from '../sources/snapshot.ts';
import { align } from './align.ts';
import { histogramLines } from './histogram.ts';
import { type Shown, shownPanels } from './shape.ts';
import { wallTime } from './time.ts';

/** One block per interval: header, notes, panels; ends with an empty line. */
export function plainText(monitor: Monitor, snapshot: Snapshot): string {
  const quiet = monitor.quiet?.(snapshot.tables);
  const panels = shownPanels(monitor);
  const lines = [
    headerLine(snapshot),
    ...snapshot.notes.map((note) => `note: ${sanitise(note)}`),
    ...(quiet === undefined ? [] : [sanitise(quiet)]),
    ...panels.flatMap((shown) => panelLines(shown, panels.length > 1, snapshot)),
  ];
  return `${lines.join('\n')}\n\n`;
}

/** The lines of the first log alone, and what is to be noted when it is new. */
export function lineText(monitor: Monitor): (snapshot: Snapshot) => string {
  const log = monitor.panels.find((panel) => panel.kind === 'log')?.log ?? '';
  let said: readonly string[] = [];
  return (snapshot) => {
    const { notes, logs, lost } = snapshot;
    const all = lost > 0 ? [...notes, `${lost} events were lost`] : notes;
    const fresh = all.filter((note) => !said.includes(note));
    said = notes;
    const lines = [
      ...fresh.map((note) => `note: ${sanitise(note)}`),
      ...(logs[log] ?? []).map(({ text }) => sanitise(text)),
    ];
    return lines.map((line) => `${line}\n`).join('');
  };
}

function headerLine(snapshot: Snapshot): string {
  const { late, unseen, shed } = snapshot;
  const parts = [
    snapshot.monitor,
    new Date(snapshot.time).toISOString(),
    `interval ${snapshot.interval_ms.toFixed(0)} ms`,
    `events ${snapshot.events}`,
    `lost ${snapshot.lost}`,
    ...(late > 0 ? [`late ${late}`] : []),
    ...(unseen > 0 ? [`unseen ${unseen}`] : []),
    ...(shed !== undefined && shed.share < 1 ? [`watched ${percent(shed.share)}`] : []),
    `backend ${sanitise(snapshot.backend)}`,
  ];
  return parts.join('  ');
}

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function panelLines({ panel }: Shown, titled: boolean, snapshot: Snapshot): string[] {
  const title = titled ? [`${panel.title}:`] : [];
  if (panel.kind === 'table') {
    const table = snapshot.tables[panel.table];
    const lines = table === undefined ? [] : tableLines(panel, table, snapshot.interval_ms);
    return [...title, ...(lines.length === 0 ? [panel.empty] : lines)];
  }
  if (panel.kind === 'histogram') {
    const title = isScaled(snapshot) ? `~ ${panel.title}` : panel.title;
    const lines = histogramLines(title, snapshot.histograms[panel.histogram] ?? []);
    return lines;
  }
  if (panel.kind === 'stacks') {
    const table = snapshot.tables[panel.table];
    const lines = table === undefined ? [] : stackLines(panel, table);
    return lines.length === 0 ? [] : [...title, ...lines];
  }
  const entries = snapshot.logs[panel.log] ?? [];
  return entries.length === 0
    ? []
    : [
        ...title,
        ...entries.flatMap((entry) =>
          panel.stamp === 'none' ? [sanitise(entry.text)] : logLines(entry, snapshot),
        ),
      ];
}

/** Stacks printed of a panel. */
const MOST_STACKS = 20;

/** The largest stacks, folded: value, share, outermost frame first; then how many there are besides. */
function stackLines(panel: StacksPanel, table: Table): string[] {
  const all = foldedStacks(table, panel, undefined);
  const shown = all.slice(0, MOST_STACKS);
  const rows = shown.map(({ stack, value, pct }) => [String(value), `${pct.toFixed(1)}%`, stack]);
  const lines = align([[panel.value.toUpperCase(), 'PCT', 'STACK'], ...rows], [true, true, false]);
  if (shown.length === 0) return [];
  const rest = all.length - shown.length;
  return rest > 0 ? [...lines, `and ${rest} more stacks`] : lines;
}

/** Head and rows in the panel's order; nothing for an empty table. */
export function tableLines(panel: TablePanel, table: Table, interval_ms = 1000): string[] {
  if (table.length === 0) return [];
  const columns = columnsFor(panel, table, 'screen');
  const order = viewTable(table, panel, defaultQuery(panel), interval_ms).rows;
  const cells = Array.from(order, (row) =>
    columns.map((column) => sanitise(cellText(table, column, row, interval_ms))),
  );
  return align([columns.map(({ title }) => title), ...cells], columns.map(isNumber));
}

const isNumber = (column: ColumnSpec): boolean => column.format !== 'text';

function logLines(entry: LogEntry, snapshot: Snapshot): string[] {
  const time = new Date(wallTime(snapshot, entry.at_ms)).toISOString();
  const task = `${sanitise(entry.comm).padStart(16)} ${String(entry.tid).padStart(7)}`;
  const head = `${time} ${task} [${String(entry.cpu).padStart(3, '0')}] ${sanitise(entry.text)}`;
  const more = [...(entry.stack ?? []), ...(entry.between ?? [])];
  return [head, ...more.map((line) => `    ${sanitise(line)}`)];
}
