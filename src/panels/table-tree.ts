/** A table whose rows name their parent, put in tree order. */
import type { TablePanel } from '../monitors/monitor.ts';
import { type Column, numberAt, type Table, textAt } from '../sources/snapshot.ts';
import type { RowTest } from './table-filter.ts';

/** Depth-first order: rows, their depth, and what the drawn lead-in of each (`│ ├─ `) needs. */
export interface TreeOrder {
  readonly rows: Uint32Array;
  readonly depths: Uint16Array;
  /** 1 where the row is the last child of its parent. */
  readonly last: Uint8Array;
  /** Bit n set: the ancestor (or the row itself) at depth n has further brothers below. Depths past 31 have none. */
  readonly trunks: Uint32Array;
}

/**
 * Orders rows depth first; brothers in the order of `compare`. A row whose parent is not in the table, or
 * that would close a circle, is a root. With `test`, rows that pass and their ancestors remain.
 */
export function orderTree(
  table: Table,
  tree: NonNullable<TablePanel['tree']>,
  compare: (a: number, b: number) => number,
  test: RowTest | undefined,
): TreeOrder {
  const parents = findParents(table, tree);
  const keep = test === undefined ? undefined : keepAncestors(parents, test);
  const children = new Map<number, number[]>();
  for (let row = 0; row < table.length; row += 1) {
    if (keep !== undefined && keep[row] !== 1) continue;
    const parent = parents[row] ?? -1;
    const brothers = children.get(parent);
    if (brothers === undefined) children.set(parent, [row]);
    else brothers.push(row);
  }
  for (const brothers of children.values()) brothers.sort(compare);

  const rows: number[] = [];
  const depths: number[] = [];
  const last: number[] = [];
  const trunks: number[] = [];
  const stack: { row: number; depth: number; last: boolean; trunk: number }[] = [];
  const push = (parent: number, depth: number, above: number) => {
    const brothers = children.get(parent) ?? [];
    for (let index = brothers.length - 1; index >= 0; index -= 1) {
      const isLast = index === brothers.length - 1;
      const trunk = isLast || depth > 31 ? above : above | (1 << depth);
      stack.push({ row: brothers[index] as number, depth, last: isLast, trunk });
    }
  };
  push(-1, 0, 0);
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    rows.push(next.row);
    depths.push(next.depth);
    last.push(next.last ? 1 : 0);
    trunks.push(next.trunk);
    push(next.row, next.depth + 1, next.trunk);
  }
  return {
    rows: Uint32Array.from(rows),
    depths: Uint16Array.from(depths),
    last: Uint8Array.from(last),
    trunks: Uint32Array.from(trunks),
  };
}

/** Row of each row's parent, -1 for roots. */
function findParents(table: Table, tree: NonNullable<TablePanel['tree']>): Int32Array {
  const ids = table.columns[tree.id];
  const links = table.columns[tree.parent];
  const rowOf = new Map<number | string, number>();
  // A process with several rows has its children below the first.
  for (let row = table.length - 1; row >= 0; row -= 1) rowOf.set(valueAt(ids, row), row);
  const parents = new Int32Array(table.length).fill(-1);
  for (let row = 0; row < table.length; row += 1) {
    const parent = rowOf.get(valueAt(links, row));
    if (parent !== undefined && parent !== row) parents[row] = parent;
  }
  cutCircles(parents);
  return parents;
}

/** Makes a root of one row of each circle, so that every row hangs below a root. */
function cutCircles(parents: Int32Array): void {
  const seen = new Uint32Array(parents.length);
  for (let start = 0; start < parents.length; start += 1) {
    let row = start;
    while (row >= 0 && seen[row] === 0) {
      seen[row] = start + 1;
      const parent = parents[row] ?? -1;
      if (parent >= 0 && seen[parent] === start + 1) parents[row] = -1;
      row = parents[row] ?? -1;
    }
  }
}

function keepAncestors(parents: Int32Array, test: RowTest): Uint8Array {
  const keep = new Uint8Array(parents.length);
  for (let row = 0; row < parents.length; row += 1) {
    if (!test(row)) continue;
    for (let up = row; up >= 0 && keep[up] === 0; up = parents[up] ?? -1) keep[up] = 1;
  }
  return keep;
}

function valueAt(column: Column | undefined, row: number): number | string {
  return column instanceof Float64Array ? numberAt(column, row) : textAt(column, row);
}
