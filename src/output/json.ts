/** A snapshot as one JSON object on one line: the contract with scripts. */
import type { Monitor, StacksPanel, TablePanel } from '../monitors/monitor.ts';
import { cellJson, columnsFor } from '../panels/cell.ts';
import { defaultQuery, viewTable } from '../panels/table-view.ts';
import {
  type Histogram,
  isScaled,
  type LogEntry,
  numberAt,
  type Snapshot,
  type Table,
  textAt,
} from '../sources/snapshot.ts';
import { isCarried, shownPanels } from './shape.ts';
import { wallTime } from './time.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Deleting, C1 controls, marks of direction and of what is not seen: a terminal may obey them. */
const HARMFUL = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** One line, ending in a line feed. Valid whatever the names hold, and harmless where it is looked at; the value is the same. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value).replace(HARMFUL, escaped);
  return `${text}\n`;
}

const escaped = (harmful: string): string =>
  harmful
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');

export function jsonLine(monitor: Monitor, snapshot: Snapshot): string {
  return jsonText(jsonObject(monitor, snapshot));
}

/** Keys in their fixed order; rows in the order of the panel. */
export function jsonObject(monitor: Monitor, snapshot: Snapshot): { readonly [key: string]: Json } {
  const panels = shownPanels(monitor).filter(
    ({ panel }) => panel.kind !== 'stacks' || !isCarried(monitor, panel),
  );
  const parts = panels.map(({ key, panel }): [string, Json] => {
    if (panel.kind === 'table') return [key, rows(panel, snapshot.tables[panel.table], snapshot.interval_ms)];
    if (panel.kind === 'histogram') return [key, buckets(snapshot.histograms[panel.histogram] ?? [])];
    if (panel.kind === 'stacks') return [key, stacks(panel, snapshot.tables[panel.table])];
    return [key, (snapshot.logs[panel.log] ?? []).map((entry) => logEntry(entry, snapshot))];
  });
  return {
    ktop: 1,
    monitor: snapshot.monitor,
    time: new Date(snapshot.time).toISOString(),
    interval_ms: round(snapshot.interval_ms),
    backend: snapshot.backend,
    events: snapshot.events,
    lost: snapshot.lost,
    late: snapshot.late,
    unseen: snapshot.unseen,
    ...(isScaled(snapshot) ? { scaled: share(snapshot.shed?.share ?? 1) } : {}),
    ...Object.fromEntries(parts.sort(([a], [b]) => rank(a) - rank(b))),
    notes: snapshot.notes,
  };
}

/** The named panels first, the others after them in their own order. */
function rank(key: string): number {
  const at = ['rows', 'histogram', 'log', 'stacks'].indexOf(key);
  return at < 0 ? 4 : at;
}

/** One object per row, in the panel's order. */
export function rows(panel: TablePanel, table: Table | undefined, interval_ms = 1000): Json[] {
  if (table === undefined) return [];
  const columns = columnsFor(panel, table, 'json');
  const order = viewTable(table, panel, defaultQuery(panel), interval_ms).rows;
  return Array.from(order, (row) =>
    Object.fromEntries(columns.map((column) => [column.id, cellJson(table, column, row, interval_ms)])),
  );
}

/** One object per row of the table, largest value first; `stack` as everywhere in JSON innermost first. */
function stacks(panel: StacksPanel, table: Table | undefined): Json[] {
  if (table === undefined) return [];
  const values = Array.from({ length: table.length }, (_, row) => numberAt(table.columns[panel.value], row));
  const order = [...values.keys()].filter((row) => (values[row] as number) > 0);
  const total = order.reduce((sum, row) => sum + (values[row] as number), 0);
  order.sort((a, b) => (values[b] as number) - (values[a] as number));
  return order.map((row) => {
    const value = values[row] as number;
    const split = panel.by.map((name): [string, Json] => {
      const column = table.columns[name];
      return [name, column instanceof Float64Array ? bound(column[row]) : textAt(column, row)];
    });
    const pct = Math.round((10_000 * value) / total) / 100;
    return {
      stack: textAt(table.columns[panel.stack], row),
      count: bound(value),
      pct,
      ...Object.fromEntries(split),
    };
  });
}

/** Several histograms are told apart by `cpu` when they are one per CPU, by `label` otherwise. */
function buckets(histograms: readonly Histogram[]): Json[] {
  return histograms.flatMap((histogram) => {
    const cpu = /^(?:cpu *)?(\d+)$/i.exec(histogram.label)?.[1];
    const name: { [key: string]: Json } =
      cpu !== undefined ? { cpu: Number(cpu) } : histograms.length > 1 ? { label: histogram.label } : {};
    return Array.from(histogram.count, (count, index) => ({
      ...name,
      low: bound(histogram.low[index]),
      high: bound(histogram.high[index]),
      count,
    }));
  });
}

function logEntry(entry: LogEntry, snapshot: Snapshot): Json {
  const { cpu, pid, tid, comm, text, stack, between } = entry;
  const time = new Date(wallTime(snapshot, entry.at_ms)).toISOString();
  const log = { time, cpu, pid, tid, comm, text, stack: stack ?? [] };
  return between === undefined ? log : { ...log, between };
}

/** Bounds past 2^53 as strings, as every integer of the contract. */
function bound(value: number | undefined): Json {
  if (value === undefined || !Number.isFinite(value)) return null;
  return Number.isSafeInteger(value) ? value : BigInt(Math.round(value)).toString();
}

const share = (of: number): number => Math.round(of * 1e4) / 1e4;
const round = (ms: number): number => Math.round(ms * 1000) / 1000;
