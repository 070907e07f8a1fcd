/** One cell of a table panel: as a JSON value, and as text for people. */
import type { ColumnSpec, TablePanel } from '../monitors/monitor.ts';
import { numberAt, type Table, textAt } from '../sources/snapshot.ts';

const DEFAULT_DECIMALS: Record<ColumnSpec['format'], number> = {
  text: 0,
  int: 0,
  number: 1,
  bytes: 0,
  percent: 1,
  ms: 1,
  us: 1,
  seconds: 1,
};

/** The scaled number of a cell in the unit of the column; NaN where nothing is known. */
export function cellNumber(table: Table, spec: ColumnSpec, row: number, interval_ms: number): number {
  const raw = numberAt(table.columns[spec.from ?? spec.id], row) * (spec.scale ?? 1);
  return spec.rate === true ? (raw * 1000) / interval_ms : raw;
}

/** The JSON value: text, a rounded number, a string past 2^53, or null where nothing is known. */
export function cellJson(
  table: Table,
  spec: ColumnSpec,
  row: number,
  interval_ms: number,
): string | number | null {
  if (spec.format === 'text') return textAt(table.columns[spec.from ?? spec.id], row);
  const value = cellNumber(table, spec, row, interval_ms);
  if (!Number.isFinite(value)) return null;
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return BigInt(value).toString();
  const power = 10 ** (spec.decimals ?? DEFAULT_DECIMALS[spec.format]);
  return Math.round(value * power) / power;
}

/**
 * For people: `-` for unknown, bytes with a binary suffix, the rest with the column's decimals, `~` before what is scaled.
 * Not sanitised.
 */
export function cellText(table: Table, spec: ColumnSpec, row: number, interval_ms: number): string {
  if (spec.format === 'text') return textAt(table.columns[spec.from ?? spec.id], row);
  const value = cellNumber(table, spec, row, interval_ms);
  if (!Number.isFinite(value)) return '-';
  const mark = table.scaled === true && spec.sum === true ? '~' : '';
  if (spec.format === 'bytes') return mark + humanBytes(value);
  return mark + value.toFixed(spec.decimals ?? DEFAULT_DECIMALS[spec.format]);
}

/** 0, 999, 1.5K, 23.0M: at most five characters up to 9999T. */
export function humanBytes(value: number): string {
  const units = ['', 'K', 'M', 'G', 'T'];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1000 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return unit === 0 ? scaled.toFixed(0) : `${scaled.toFixed(1)}${units[unit]}`;
}

/** The panel's columns as they stand in JSON or on the screen: hidden ones and absent optional ones left out. */
export function columnsFor(
  panel: TablePanel,
  table: Table | undefined,
  place: 'json' | 'screen',
): ColumnSpec[] {
  return panel.columns.filter(
    (spec) =>
      spec.hidden !== place &&
      spec.hidden !== 'both' &&
      !(spec.optional === true && table !== undefined && !((spec.from ?? spec.id) in table.columns)),
  );
}
