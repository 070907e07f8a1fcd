/** What the user types after `/`, compiled to a test on the rows of a table. */

import type { Field, Fields, RowTest } from '../filter/row-test.ts';
import { PLAIN_UNIT, type Unit, unitOfName, withoutUnit } from '../filter/values.ts';
import type { ColumnSpec, TablePanel } from '../monitors/monitor.ts';
import { type Table, textAt } from '../sources/snapshot.ts';
import { cellNumber, cellText } from './cell.ts';
import { type Compiled, compileTyped } from './filter-of.ts';

export type { RowTest };

/**
 * Compiles a filter; docs/filters.md has the language. Without an operator it is words, parted by blanks, that must all
 * stand in some text or key cell, whatever their case. A column is named by its id or title, with or without its unit.
 * Undefined when all rows pass.
 */
export function compileFilter(
  filter: string,
  table: Table,
  panel: TablePanel,
  interval_ms: number,
): RowTest | undefined {
  return compileTyped(filter, tableFields(table, panel, interval_ms)).test;
}

/** Why a filter cannot be applied to the panel, or what is missing of it yet; '' when it is whole. */
export function filterProblem(filter: string, panel: TablePanel): string {
  return typedFor(filter, panel).problem;
}

const NO_TABLE: Table = { length: 0, key: [], columns: {} };
const typedFor = (filter: string, panel: TablePanel): Compiled =>
  compileTyped(filter, tableFields(NO_TABLE, panel, 1000));

/** The columns of a table as fields. */
export function tableFields(table: Table, panel: TablePanel, interval_ms: number): Fields {
  return {
    called: 'column',
    names: panel.columns.filter(({ hidden }) => hidden !== 'both').map(({ id }) => id),
    find: (name) => {
      const column = findColumn(panel, name);
      return column === undefined ? undefined : fieldOf(column, table, interval_ms);
    },
    word: (word) => containsWord(word, table, panel, interval_ms),
  };
}

function fieldOf(column: ColumnSpec, table: Table, interval_ms: number): Field {
  if (column.format === 'text') {
    const name = column.from ?? column.id;
    return { kind: 'text', test: (passes) => textTest(table, name, passes) };
  }
  return {
    kind: 'number',
    value: (row) => cellNumber(table, column, row, interval_ms),
    shown: (row) => cellText(table, column, row, interval_ms),
    unit: unitOf(column),
  };
}

const FORMAT_UNITS: Readonly<Partial<Record<ColumnSpec['format'], Unit>>> = {
  bytes: { dimension: 'bytes', size: 1 },
  percent: { dimension: 'percent', size: 1 },
  ms: { dimension: 'time', size: 1e6 },
  us: { dimension: 'time', size: 1e3 },
  seconds: { dimension: 'time', size: 1e9 },
};

const unitOf = ({ id, format }: ColumnSpec): Unit => FORMAT_UNITS[format] ?? unitOfName(id) ?? PLAIN_UNIT;

function findColumn(panel: TablePanel, name: string): ColumnSpec | undefined {
  const wanted = name.toLowerCase();
  const by = (of: (column: ColumnSpec) => string) =>
    panel.columns.find((column) => of(column).toLowerCase() === wanted);
  return by(({ id }) => id) ?? by(({ title }) => title) ?? by(({ id }) => withoutUnit(id));
}

function containsWord(word: string, table: Table, panel: TablePanel, interval_ms: number): RowTest {
  const wanted = word.toLowerCase();
  const digits = /^\d+$/.test(word);
  const tests: RowTest[] = [];
  for (const column of panel.columns) {
    if (column.hidden === 'screen' || column.hidden === 'both') continue;
    const name = column.from ?? column.id;
    if (column.format === 'text')
      tests.push(textTest(table, name, (text) => text.toLowerCase().includes(wanted)));
    else if (digits && table.key.includes(name)) {
      tests.push((row) => cellText(table, column, row, interval_ms).includes(word));
    }
  }
  return (row) => tests.some((test) => test(row));
}

/** Tests each distinct string once, not each row. */
function textTest(table: Table, name: string, passes: (text: string) => boolean): RowTest {
  const column = table.columns[name];
  if (column === undefined) return () => false;
  if (column instanceof Float64Array) return (row) => passes(textAt(column, row));
  const verdicts = new Int8Array(column.strings.length);
  return (row) => {
    const id = column.ids[row] ?? 0;
    if (verdicts[id] === 0) verdicts[id] = passes(column.strings[id] ?? '') ? 1 : -1;
    return verdicts[id] === 1;
  };
}
