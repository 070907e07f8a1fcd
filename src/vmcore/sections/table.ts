/** Rows of a section to columns, as layout.ts declares them. */
import { type Column, type Table, textColumn } from '../../sources/snapshot.ts';
import { columnsOf } from '../layout.ts';
import type { Backtrace, DmesgEntry, SectionName } from '../report.ts';

export type Cell = string | number | undefined;
export type Row = Readonly<Record<string, Cell>>;

/** What a section's maker returns; time and backend are added outside. */
export interface Made {
  readonly tables?: Readonly<Record<string, readonly Row[]>>;
  readonly logs?: Readonly<Record<string, readonly DmesgEntry[]>>;
  readonly stacks?: readonly Backtrace[];
  readonly warnings?: readonly string[];
}

export function toTable(
  section: SectionName,
  name: string,
  rows: readonly Row[],
  key: readonly string[],
): Table {
  const columns: Record<string, Column> = {};
  for (const { id, from = id, format } of columnsOf(section, name)) {
    columns[from] =
      format === 'text'
        ? textColumn(rows.map((row) => String(row[from] ?? '')))
        : Float64Array.from(rows, (row) => {
            const value = row[from];
            return typeof value === 'number' ? value : Number.NaN;
          });
  }
  return { length: rows.length, key, columns };
}
