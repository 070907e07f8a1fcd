/**
 * Messages as lines of JSON. Every line begins `{"k":KIND,"t":TIME` and, where it is of one monitor, `,"m":MONITOR`, so
 * that a reader finds its way without parsing more. Times are milliseconds since the epoch, never decreasing.
 */
import type { Options } from '../monitors/monitor.ts';
import type { Column, Histogram, LogEntry, Snapshot, Table } from '../sources/snapshot.ts';
import type { Totals } from '../sources/source.ts';
import { MOST_BUCKETS, MOST_COLUMNS, MOST_NAMES, MOST_ROWS } from './limits.ts';
import { numbersText, numberText } from './numbers.ts';

/** Kinds of lines. `head` to `key` open a chunk and say how things stand; the others tell what happened. */
export type Kind =
  | 'head'
  | 'tab'
  | 'key'
  | 'snap'
  | 'open'
  | 'close'
  | 'load'
  | 'fail'
  | 'note'
  | 'caps'
  | 'mark'
  | 'sum';

/** What a monitor is called in a line. */
export const NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** How a monitor stands at the beginning of a chunk. */
export interface Standing {
  readonly open: boolean;
  readonly options: Options;
  readonly totals: Totals;
  readonly failure: string;
  readonly failureKind: string;
}

/** A line whose members are plain JSON; ends in a line feed. */
export function plainLine(
  kind: Kind,
  time: number,
  monitor: string,
  members: Readonly<Record<string, unknown>>,
): string {
  const rest = JSON.stringify(members).slice(1);
  return `${prefix(kind, time, monitor)}${rest === '}' ? '' : ','}${rest}\n`;
}

/** A snapshot's line from its body. */
export function snapLine(time: number, monitor: string, body: string): string {
  return `${prefix('snap', time, monitor)},${body}\n`;
}

/** The line that repeats, at the beginning of a chunk, what was seen last, at `at`. */
export function keyLine(time: number, monitor: string, at: number, body: string): string {
  return `${prefix('key', time, monitor)},"at":${at},${body}\n`;
}

function prefix(kind: Kind, time: number, monitor: string): string {
  return `{"k":"${kind}","t":${time}${monitor === '' ? '' : `,"m":"${monitor}"`}`;
}

/** Whether a reader will take it: the same bounds are checked there. */
export function isWithinBounds({ tables, histograms, logs }: Snapshot): boolean {
  const names = [tables, histograms, logs].every((part) => Object.keys(part).length <= MOST_NAMES);
  const rows = Object.values(tables).every(
    ({ length, columns }) => length <= MOST_ROWS && Object.keys(columns).length <= MOST_COLUMNS,
  );
  const buckets = Object.values(histograms).every((all) =>
    all.every(({ count }) => count.length <= MOST_BUCKETS),
  );
  return names && rows && buckets && Object.values(logs).every(({ length }) => length <= MOST_ROWS);
}

/** Everything of a snapshot but its monitor, exact; ends with the closing brace of the line. */
export function snapshotBody(snapshot: Snapshot): string {
  const { seq, time, mono_ms, interval_ms, backend, events, lost, late, unseen } = snapshot;
  const numbers = { seq, time, mono_ms, interval_ms, events, lost, late, unseen };
  const parts = Object.entries(numbers).map(([name, value]) => `"${name}":${numberText(value)}`);
  const { shed } = snapshot;
  return [
    ...parts,
    ...(shed === undefined ? [] : [`"shed":${JSON.stringify(shed)}`]),
    `"backend":${JSON.stringify(backend)}`,
    `"notes":${JSON.stringify(snapshot.notes)}`,
    `"tables":${members(snapshot.tables, tableText)}`,
    `"histograms":${members(snapshot.histograms, (all) => `[${all.map(histogramText).join(',')}]`)}`,
    `"logs":${members(snapshot.logs, (all) => `[${all.map(entryText).join(',')}]`)}}`,
  ].join(',');
}

function members<Value>(values: Readonly<Record<string, Value>>, text: (value: Value) => string): string {
  const all = Object.entries(values).map(([name, value]) => `${JSON.stringify(name)}:${text(value)}`);
  return `{${all.join(',')}}`;
}

function tableText({ length, key, columns }: Table): string {
  return `{"length":${length},"key":${JSON.stringify(key)},"columns":${members(columns, columnText)}}`;
}

function columnText(column: Column): string {
  if (column instanceof Float64Array) return numbersText(column);
  return `{"ids":[${column.ids.join(',')}],"strings":${JSON.stringify(column.strings)}}`;
}

function histogramText({ label, unit, low, high, count }: Histogram): string {
  const columns = `"low":${numbersText(low)},"high":${numbersText(high)},"count":${numbersText(count)}`;
  return `{"label":${JSON.stringify(label)},"unit":${JSON.stringify(unit)},${columns}}`;
}

function entryText({ at_ms, cpu, pid, tid, comm, text, stack, between }: LogEntry): string {
  const numbers = `"at_ms":${numberText(at_ms)},"cpu":${numberText(cpu)},"pid":${numberText(pid)},"tid":${numberText(tid)}`;
  const rest = JSON.stringify({ comm, text, stack, between }).slice(1);
  return `{${numbers},${rest}`;
}
