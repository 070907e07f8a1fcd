/** Rows of an own command as a table, and the columns that their names and values make. */
import type { ColumnSpec, TablePanel } from '../../monitors/monitor.ts';
import { type Column, type Table, textColumn } from '../../sources/snapshot.ts';

export type Cell = string | number | bigint | boolean | null | undefined;
export type Row = Readonly<Record<string, Cell>>;

/** A column per name, in order of first appearance; numbers where all that is known are numbers, else text. */
export function tableOfRows(rows: readonly Row[], key: readonly string[] = []): Table {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = names.map((name): [string, Column] => {
    const cells = rows.map((row) => row[name] ?? undefined);
    const numeric =
      cells.some((cell) => cell !== undefined) &&
      cells.every((cell) => cell === undefined || typeof cell === 'number');
    return numeric
      ? [name, Float64Array.from(cells, (cell) => (typeof cell === 'number' ? cell : Number.NaN))]
      : [name, textColumn(cells.map(textOf))];
  });
  return { length: rows.length, key, columns: Object.fromEntries(columns) };
}

/** Addresses, which are what large integers are here, in hexadecimal. */
function textOf(cell: Cell): string {
  if (cell === undefined || cell === null) return '';
  if (typeof cell === 'bigint') return `0x${BigInt.asUintN(64, cell).toString(16)}`;
  return String(cell);
}

/** What is wrong with a value that should be a table; undefined when nothing is. */
export function faultOfTable(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'it returned no table';
  const { length, columns, key } = value as Partial<Table>;
  if (!Number.isInteger(length) || (length as number) < 0 || typeof columns !== 'object' || columns === null)
    return 'it returned no table';
  if (!Array.isArray(key)) return 'its table has no key';
  for (const [name, column] of Object.entries(columns)) {
    if (column instanceof Float64Array) {
      if (column.length !== length) return `its column ${name} has ${column.length} rows, not ${length}`;
    } else if (!(column?.ids instanceof Uint32Array) || !Array.isArray(column.strings))
      return `its column ${name} is neither numbers nor texts`;
    else if (column.ids.length !== length)
      return `its column ${name} has ${column.ids.length} rows, not ${length}`;
  }
  return undefined;
}

/** A panel for a table that declares none: titles from the names, formats from the values. */
export function panelOf(name: string, table: Table): TablePanel {
  const columns = Object.entries(table.columns).map(([id, column]): ColumnSpec => {
    const title = id.toUpperCase();
    if (!(column instanceof Float64Array)) return { id, title, help: id, format: 'text' };
    const whole = column.every((value) => !Number.isFinite(value) || Number.isInteger(value));
    return { id, title, help: id, format: whole ? 'int' : 'number', ...(whole ? {} : { decimals: 3 }) };
  });
  return {
    kind: 'table',
    id: 'rows',
    title: name,
    table: 'rows',
    columns,
    // In the order of the command.
    sort: { column: '', descending: false },
    empty: 'nothing found',
  };
}
