/** A monitor's main table as comma-separated values (RFC 4180). */
import type { Monitor, TablePanel } from '../monitors/monitor.ts';
import { sanitise } from '../panels/sanitise.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import { jsonObject } from './json.ts';
import { shownPanels } from './shape.ts';

const FIRST = ['time', 'interval_ms'];

/** The columns of a row, as in JSON. Those that a host may not have are there all the same. */
function columnsOf(monitor: Monitor): readonly string[] {
  const table = shownPanels(monitor).find(({ key }) => key === 'rows')?.panel as TablePanel | undefined;
  return (table?.columns ?? [])
    .filter(({ hidden }) => hidden !== 'json' && hidden !== 'both')
    .map(({ id }) => id);
}

export function csvHead(monitor: Monitor): string {
  return line([...FIRST, ...columnsOf(monitor)]);
}

/** A line per row, as in JSON and in its order; lines end as the standard has it. */
export function csvLines(monitor: Monitor, snapshot: Snapshot): string {
  const object = jsonObject(monitor, snapshot);
  const rows = (object.rows ?? []) as readonly Readonly<Record<string, unknown>>[];
  const columns = columnsOf(monitor);
  return rows
    .map((row) => line([...FIRST.map((name) => object[name]), ...columns.map((name) => row[name])]))
    .join('');
}

function line(cells: readonly unknown[]): string {
  return `${cells.map(cell).join(',')}\r\n`;
}

/** What is not known is empty. Text is harmless on a terminal. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? sanitise(value) : String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
