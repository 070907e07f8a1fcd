import { expect, test } from 'vitest';
import type { TablePanel } from '../../src/monitors/monitor.ts';
import { findRow, keyOf, rankOf, type TableQuery, viewTable } from '../../src/panels/table-view.ts';
import type { Table, TextColumn } from '../../src/sources/snapshot.ts';

function text(values: readonly string[]): TextColumn {
  const strings = [...new Set(values)];
  return { ids: Uint32Array.from(values, (value) => strings.indexOf(value)), strings };
}

const PANEL: TablePanel = {
  kind: 'table',
  id: 'tasks',
  title: 'Tasks',
  table: 'tasks',
  sort: { column: 'cpu', descending: true },
  tree: { id: 'pid', parent: 'ppid' },
  empty: 'none',
  columns: [
    { id: 'pid', title: 'PID', help: '', format: 'int' },
    { id: 'cpu', title: 'CPU%', help: '', format: 'percent', scale: 0.1 },
    { id: 'comm', title: 'COMMAND', help: '', format: 'text' },
  ],
};

const TABLE: Table = {
  length: 6,
  key: ['pid'],
  columns: {
    pid: Float64Array.of(1, 20, 30, 31, 40, 50),
    ppid: Float64Array.of(0, 1, 1, 30, 999, 50),
    cpu: Float64Array.of(10, 500, Number.NaN, 500, 0, 20),
    comm: text(['init', 'sshd', 'nginx', 'nginx', 'Bash', 'loop']),
  },
};

function pids(query: Partial<TableQuery>, limit?: number, offset?: number): number[] {
  const full = { sort: 'cpu', descending: true, filter: '', tree: false, ...query };
  const view = viewTable(TABLE, PANEL, full, 1000, limit, offset);
  return Array.from(view.rows, (row) => keyOf(TABLE, row)[0] as number);
}

test('sorts by number, ties by key, unknown last in both directions', () => {
  expect(pids({})).toEqual([20, 31, 50, 1, 40, 30]);
  expect(pids({ descending: false })).toEqual([40, 1, 50, 20, 31, 30]);
});

test('sorts by text', () => {
  expect(pids({ sort: 'comm', descending: false })).toEqual([40, 1, 50, 30, 31, 20]);
});

test('windows never run past the end', () => {
  expect(pids({}, 2, 1)).toEqual([31, 50]);
  expect(pids({}, 2, 99)).toEqual([40, 30]);
});

test.each([
  ['NGIN', [31, 30]],
  ['3', [31, 30]],
  ['comm=nginx', [31, 30]],
  ['comm=ngi', []],
  ['comm!=nginx', [20, 50, 1, 40]],
  ['comm~ngi*', [31, 30]],
  ['comm contains NGI', [31, 30]],
  ['comm=~^(s|B)', [20, 40]],
  ['comm in (sshd, Bash)', [20, 40]],
  ['pid in (1,20) and not comm=init', [20]],
  ['(comm=sshd or comm=loop) and cpu>=2%', [20, 50]],
  ['cpu exists', [20, 31, 50, 1, 40]],
  ['not cpu exists', [30]],
  ['comm=nginx and', [31, 30]],
  ['(comm=nginx or comm="ss', [31, 30]],
  ['cpu>1.5', [20, 31, 50]],
  ['CPU%>=50 ssh', [20]],
  ['pid=1', [1]],
  ['cpu>', [20, 31, 50, 1, 40, 30]],
  ['nothing=here', []],
])('filters by %s', (filter, expected) => {
  expect(pids({ filter })).toEqual(expected);
});

test('tree: depth first, brothers sorted, orphans and circles are roots, nobody is lost', () => {
  const query = { sort: 'cpu', descending: true, filter: '', tree: true };
  const view = viewTable(TABLE, PANEL, query, 1000);
  expect(pids({ tree: true })).toEqual([50, 1, 20, 30, 31, 40]);
  expect([...(view.depths ?? [])]).toEqual([0, 0, 1, 1, 2, 0]);
  expect([...(view.last ?? [])]).toEqual([0, 0, 0, 1, 1, 1]);
  expect(pids({ tree: true, filter: 'pid=31' })).toEqual([1, 30, 31]);
});

test('tree: a circle of two hangs below one of them', () => {
  const table: Table = {
    length: 3,
    key: ['pid'],
    columns: { ...TABLE.columns, pid: Float64Array.of(1, 2, 3), ppid: Float64Array.of(2, 1, 2) },
  };
  const view = viewTable(table, PANEL, { sort: 'pid', descending: false, filter: '', tree: true }, 1000);
  expect([...view.rows].sort()).toEqual([0, 1, 2]);
});

test('finds rows by key and ranks them', () => {
  expect(findRow(TABLE, keyOf(TABLE, 3))).toBe(3);
  expect(findRow(TABLE, [7])).toBe(-1);
  const query = { sort: 'cpu', descending: true, filter: '', tree: false };
  expect(rankOf(TABLE, PANEL, query, 1000, 5)).toBe(2);
  expect(rankOf(TABLE, PANEL, { ...query, filter: 'ssh' }, 1000, 5)).toBe(-1);
});

test('the best few of many are those of a full sort', () => {
  const length = 2000;
  const table: Table = {
    length,
    key: ['pid'],
    columns: {
      pid: Float64Array.from({ length }, (_, index) => index),
      cpu: Float64Array.from({ length }, (_, index) => (index * 7919) % 97),
      comm: text(Array.from({ length }, () => 'x')),
    },
  };
  const query = { sort: 'cpu', descending: true, filter: '', tree: false };
  const all = viewTable(table, PANEL, query, 1000).rows;
  expect(viewTable(table, PANEL, query, 1000, 25, 60).rows).toEqual(all.subarray(60, 85));
});
