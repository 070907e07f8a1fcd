/**
 * Which rows of a table are shown, in which order. Pure, and shared by the screen and the plain renderer.
 * Only as many rows are put in order as are asked for: ten thousand rows cost little more than a screenful.
 */
import type { ColumnSpec, TablePanel } from '../monitors/monitor.ts';
import { numberAt, type Table, textAt } from '../sources/snapshot.ts';
import { compileFilter, type RowTest } from './table-filter.ts';
import { orderTree } from './table-tree.ts';

/** How the user wants a table. */
export interface TableQuery {
  /** Id of the column to sort by. */
  readonly sort: string;
  readonly descending: boolean;
  /** See `compileFilter`. */
  readonly filter: string;
  readonly tree: boolean;
}

/** A window of ordered rows. */
export interface TableWindow {
  /** Row numbers of the table, from rank `offset` on. */
  readonly rows: Uint32Array;
  readonly offset: number;
  /** Rows that pass the filter. */
  readonly total: number;
  /** In a tree: depth of each row of the window, and whether it is its parent's last child. */
  readonly depths?: Uint16Array;
  readonly last?: Uint8Array;
  /** See `TreeOrder`. */
  readonly trunks?: Uint32Array;
}

export type Compare = (a: number, b: number) => number;

/** The query a panel starts with. */
export function defaultQuery(panel: TablePanel): TableQuery {
  return { sort: panel.sort.column, descending: panel.sort.descending, filter: '', tree: false };
}

/**
 * Rows `offset` … `offset + limit` of the table in the order asked for. Unknown numbers come last in either
 * direction; equal rows are ordered by the table's key, so that they do not dance.
 */
export function viewTable(
  table: Table,
  panel: TablePanel,
  query: TableQuery,
  interval_ms: number,
  limit = Number.POSITIVE_INFINITY,
  offset = 0,
): TableWindow {
  const test = compileFilter(query.filter, table, panel, interval_ms);
  const compare = compareRows(table, panel, query);
  if (query.tree && panel.tree !== undefined) {
    const order = orderTree(table, panel.tree, compare, test);
    const start = clampOffset(offset, order.rows.length, limit);
    const end = Math.min(order.rows.length, start + limit);
    return {
      rows: order.rows.subarray(start, end),
      offset: start,
      total: order.rows.length,
      depths: order.depths.subarray(start, end),
      last: order.last.subarray(start, end),
      trunks: order.trunks.subarray(start, end),
    };
  }
  const candidates = passing(table.length, test);
  const total = candidates.length;
  const start = clampOffset(offset, total, limit);
  const ordered = firstRows(candidates, compare, Math.min(total, start + limit));
  return { rows: ordered.subarray(start), offset: start, total };
}

/** Order of two rows under a query: the sort column, then the key columns ascending. */
export function compareRows(table: Table, panel: TablePanel, query: TableQuery): Compare {
  const column = panel.columns.find((candidate) => candidate.id === query.sort);
  const byColumn = column === undefined ? undefined : compareColumn(table, column, query.descending);
  const ties = table.key.map((name) => compareNamed(table, name, false));
  return (a, b) => {
    const first = byColumn === undefined ? 0 : byColumn(a, b);
    if (first !== 0) return first;
    for (const tie of ties) {
      const result = tie(a, b);
      if (result !== 0) return result;
    }
    return a - b;
  };
}

/** Rank of a row under a query, or -1 when the filter hides it. Linear, except in a tree. */
export function rankOf(
  table: Table,
  panel: TablePanel,
  query: TableQuery,
  interval_ms: number,
  row: number,
): number {
  if (query.tree && panel.tree !== undefined) {
    return viewTable(table, panel, query, interval_ms).rows.indexOf(row);
  }
  const test = compileFilter(query.filter, table, panel, interval_ms);
  if (test !== undefined && !test(row)) return -1;
  const compare = compareRows(table, panel, query);
  let rank = 0;
  for (let other = 0; other < table.length; other += 1) {
    if (other !== row && (test === undefined || test(other)) && compare(other, row) < 0) rank += 1;
  }
  return rank;
}

/** What tells a row from all others of its table, across snapshots: its key columns. */
export type RowKey = readonly (number | string)[];

/** The key of a row. */
export function keyOf(table: Table, row: number): RowKey {
  return table.key.map((name) => {
    const column = table.columns[name];
    return column instanceof Float64Array ? numberAt(column, row) : textAt(column, row);
  });
}

/** Row that has the key, or -1. */
export function findRow(table: Table, key: RowKey): number {
  const tests = table.key.map((name, index) => sameValue(table, name, key[index]));
  if (tests.length === 0) return -1;
  for (let row = 0; row < table.length; row += 1) {
    if (tests.every((test) => test(row))) return row;
  }
  return -1;
}

function sameValue(table: Table, name: string, wanted: number | string | undefined): RowTest {
  const column = table.columns[name];
  if (column === undefined) return () => false;
  if (column instanceof Float64Array) return (row) => Object.is(column[row], wanted);
  const id = column.strings.indexOf(String(wanted));
  // A dictionary may hold a string twice; compare text when the first id does not decide it.
  return (row) => column.ids[row] === id || textAt(column, row) === wanted;
}

function compareColumn(table: Table, column: ColumnSpec, descending: boolean): Compare {
  return compareNamed(table, column.from ?? column.id, descending);
}

function compareNamed(table: Table, name: string, descending: boolean): Compare {
  const column = table.columns[name];
  const sign = descending ? -1 : 1;
  if (column === undefined) return () => 0;
  if (column instanceof Float64Array) {
    return (a, b) => {
      const left = column[a] as number;
      const right = column[b] as number;
      if (left < right) return -sign;
      if (left > right) return sign;
      if (left === right) return 0;
      // At least one is NaN: last, whatever the direction.
      return (Number.isNaN(left) ? 1 : 0) - (Number.isNaN(right) ? 1 : 0);
    };
  }
  return (a, b) => {
    if (column.ids[a] === column.ids[b]) return 0;
    const left = textAt(column, a);
    const right = textAt(column, b);
    return left < right ? -sign : left > right ? sign : 0;
  };
}

function passing(length: number, test: RowTest | undefined): Uint32Array {
  const rows = new Uint32Array(length);
  let count = 0;
  for (let row = 0; row < length; row += 1) {
    if (test !== undefined && !test(row)) continue;
    rows[count] = row;
    count += 1;
  }
  return rows.subarray(0, count);
}

/** The first `count` of `rows` in order. Past a small share of the rows a heap of the best beats a full sort. */
function firstRows(rows: Uint32Array, compare: Compare, count: number): Uint32Array {
  if (count * 4 >= rows.length) return rows.sort(compare).subarray(0, count);
  const heap = rows.slice(0, count);
  for (let index = (count >> 1) - 1; index >= 0; index -= 1) siftDown(heap, index, compare);
  for (let index = count; index < rows.length; index += 1) {
    const row = rows[index] as number;
    if (count === 0 || compare(row, heap[0] as number) >= 0) continue;
    heap[0] = row;
    siftDown(heap, 0, compare);
  }
  return heap.sort(compare);
}

/** Restores the heap below `index`; its root is the last in order. */
function siftDown(heap: Uint32Array, index: number, compare: Compare): void {
  let parent = index;
  for (;;) {
    let worst = parent;
    for (let child = 2 * parent + 1; child <= 2 * parent + 2 && child < heap.length; child += 1) {
      if (compare(heap[child] as number, heap[worst] as number) > 0) worst = child;
    }
    if (worst === parent) return;
    const row = heap[parent] as number;
    heap[parent] = heap[worst] as number;
    heap[worst] = row;
    parent = worst;
  }
}

function clampOffset(offset: number, total: number, limit: number): number {
  const most = Number.isFinite(limit) ? Math.max(0, total - limit) : 0;
  return Math.max(0, Math.min(offset, most));
}
