import { expect, test } from 'vitest';
import type { StacksPanel } from '../../src/monitors/monitor.ts';
import { foldedText } from '../../src/panels/folded.ts';
import { Grid } from '../../src/panels/grid.ts';
import { layOut } from '../../src/panels/icicle.ts';
import { paintStacks } from '../../src/panels/paint-stacks.ts';
import { frameAt, pathOf, stackTree } from '../../src/panels/stack-tree.ts';
import { makeTheme } from '../../src/panels/theme.ts';
import type { Table } from '../../src/sources/snapshot.ts';
import { fakeStacks } from '../e2e/fake-stacks.ts';

const PANEL: StacksPanel = {
  kind: 'stacks',
  id: 'icicle',
  title: 'Stacks',
  table: 'samples',
  stack: 'stack',
  value: 'count',
  by: ['comm', 'cpu'],
};

/** Rows of stack (innermost first), count, comm, cpu. */
function tableOf(rows: readonly (readonly [string, number, string, number])[]): Table {
  const text = (index: 0 | 2) => ({
    ids: Uint32Array.from(rows, (_, row) => row),
    strings: rows.map((row) => row[index]),
  });
  return {
    length: rows.length,
    key: ['stack'],
    columns: {
      stack: text(0),
      count: Float64Array.from(rows, (row) => row[1]),
      comm: text(2),
      cpu: Float64Array.from(rows, (row) => row[3]),
    },
  };
}

const TABLE = tableOf([
  ['read;syscall', 60, 'nginx', 0],
  ['write;syscall', 30, 'nginx', 1],
  ['read;syscall', 5, 'bash', 1],
  ['syscall', 3, 'bash', 1],
  ['idle', 2, 'swapper', 1],
  ['', Number.NaN, 'x', 0],
]);

test('tree: outermost first, sums, own shares, largest first, deterministic', () => {
  const { root, depth } = stackTree(TABLE, PANEL, undefined);
  expect(root.value).toBe(100);
  expect(depth).toBe(2);
  expect(root.children.map(({ name, value, self }) => [name, value, self])).toEqual([
    ['syscall', 98, 3],
    ['idle', 2, 2],
  ]);
  expect(root.children[0]?.children.map(({ name, value }) => [name, value])).toEqual([
    ['read', 65],
    ['write', 30],
  ]);
  expect(stackTree(TABLE, PANEL, undefined).root).toBe(root);
});

test('split by comm and by cpu puts a level above the stacks', () => {
  expect(stackTree(TABLE, PANEL, 'comm').root.children.map(({ name }) => name)).toEqual([
    'nginx',
    'bash',
    'swapper',
  ]);
  expect(stackTree(TABLE, PANEL, 'cpu').root.children.map(({ name }) => name)).toEqual(['cpu 0', 'cpu 1']);
});

test('a path leads to its frame, or to what is left of it', () => {
  const tree = stackTree(TABLE, PANEL, undefined);
  expect(pathOf(frameAt(tree, ['syscall', 'read']))).toEqual(['syscall', 'read']);
  expect(pathOf(frameAt(tree, ['syscall', 'gone', 'read']))).toEqual(['syscall']);
});

test('folded text: outermost first, rows of one stack added up, nothing that a terminal obeys', () => {
  expect(foldedText(TABLE, PANEL, undefined)).toBe('syscall;read 65\nsyscall;write 30\nsyscall 3\nidle 2\n');
  expect(foldedText(TABLE, PANEL, 'comm')).toMatch(/^nginx;syscall;read 60\n/);
  const hostile = tableOf([['\x1b[2J;b', 1, 'a;b\n', 0]]);
  expect(foldedText(hostile, PANEL, 'comm')).toBe('a:b\ufffd;b;\ufffd[2J 1\n');
});

test('places within a function are one frame; its module stays', () => {
  const table = tableOf([
    ['read+0x10/0x90 [ext4];call+0x1', 2, 'a', 0],
    ['read+0x22/0x90 [ext4];call+0x2', 3, 'a', 0],
    ['read;call', 1, 'a', 0],
    ['0xffff+0x1;+0x1', 1, 'a', 0],
  ]);
  expect(foldedText(table, PANEL, undefined)).toBe('call;read [ext4] 5\n+0x1;0xffff 1\ncall;read 1\n');
});

test('cells: shares of the width, callees within their caller, the narrow ones as one', () => {
  const { root } = stackTree(TABLE, PANEL, undefined);
  const cells = layOut(root, 100, 0, 10).map(({ level, x, width, frame, merged }) => [
    level,
    x,
    width,
    frame.name,
    merged,
  ]);
  expect(cells).toEqual(
    [
      [0, 0, 100, 'all', 1],
      [1, 0, 98, 'syscall', 1],
      [2, 0, 65, 'read', 1],
      [2, 65, 30, 'write', 1],
      [1, 98, 2, 'idle', 1],
    ].sort((a, b) => (a[3] === 'idle' ? 1 : b[3] === 'idle' ? -1 : 0)),
  );
});

test.each([1, 2, 3, 7, 80, 300])('cells never overlap and never leave their caller, width %d', (width) => {
  let seed = 3;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const { root } = stackTree(fakeStacks(PANEL, { stacks: 500, cpus: 4 }, random), PANEL, 'comm');
  const rows = new Map<number, boolean[]>();
  const extents = new Map<unknown, [number, number]>();
  for (const { level, x, width: size, frame, merged } of layOut(root, width, 0, 40)) {
    expect(size).toBeGreaterThan(0);
    const row = rows.get(level) ?? new Array<boolean>(width).fill(false);
    rows.set(level, row);
    for (let column = x; column < x + size; column += 1) {
      expect(row[column]).toBe(false);
      row[column] = true;
    }
    if (merged === 1) extents.set(frame, [x, x + size]);
    const caller = frame.parent === undefined ? [0, width] : extents.get(frame.parent);
    expect(x).toBeGreaterThanOrEqual(caller?.[0] ?? Number.NaN);
    expect(x + size).toBeLessThanOrEqual(caller?.[1] ?? Number.NaN);
  }
});

function painted(ascii: boolean, colours: 0 | 16 | 256, width = 60): { lines: string[]; grid: Grid } {
  const grid = new Grid(width, 8, ascii);
  const tree = stackTree(TABLE, PANEL, undefined);
  const selected = frameAt(tree, ['syscall', 'write']);
  const picture = {
    panel: PANEL,
    tree,
    by: undefined,
    top: tree.root,
    selected,
    scroll: 0,
    focused: true,
    empty: '',
  };
  paintStacks(grid.region(), picture, makeTheme({ ascii, colours }));
  return { lines: grid.lines(), grid };
}

test('without colour frames are told apart by separators, the selected one by a mark', () => {
  const { lines } = painted(true, 0);
  expect(lines[1]).toMatch(/^\|all\.+$/);
  expect(lines[3]).toMatch(/^\|read\.+\|>write +$|^\|read\.+\|>write/);
  expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
  expect(lines.at(-1)).toBe(' write  30 count  30.0% of total  30.6% of parent');
});

test('a colour belongs to a name', () => {
  const { grid } = painted(false, 256);
  const wide = painted(false, 256, 120).grid;
  const styleOf = (from: Grid, x: number, y: number) => from.styles[y * from.width + x];
  expect(styleOf(grid, 5, 3)).toBe(styleOf(wide, 5, 3));
  expect(styleOf(grid, 5, 3)).not.toBe(styleOf(grid, 5, 2));
});

test('painting 2,000 stacks takes no longer than a millisecond', () => {
  let seed = 7;
  const random = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
  const tree = stackTree(fakeStacks(PANEL, { stacks: 2000, cpus: 4 }, random), PANEL, undefined);
  const grid = new Grid(200, 60);
  const theme = makeTheme({ ascii: false, colours: 256 });
  const picture = {
    panel: PANEL,
    tree,
    by: undefined,
    top: tree.root,
    selected: tree.root,
    scroll: 0,
    focused: true,
    empty: '',
  };
  const times = Array.from({ length: 200 }, () => {
    const from = performance.now();
    paintStacks(grid.region(), picture, theme);
    return performance.now() - from;
  }).sort((a, b) => a - b);
  expect(times[100]).toBeLessThan(1);
});
