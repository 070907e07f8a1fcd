import { expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import type { ColumnSpec } from '../../src/monitors/monitor.ts';
import { clipText, textWidth, wrapText } from '../../src/panels/char-width.ts';
import { fitColumns } from '../../src/panels/columns.ts';
import { Grid } from '../../src/panels/grid.ts';
import { layoutBars } from '../../src/panels/paint-bars.ts';
import { foldBuckets } from '../../src/panels/paint-histogram.ts';
import { chartLines, lineValue } from '../../src/panels/paint-line.ts';
import { type PanelDemand, stackPanels } from '../../src/panels/stack-layout.ts';
import { barText, heatGlyph, makeTheme } from '../../src/panels/theme.ts';

const UNICODE = makeTheme({ ascii: false, colours: 256 });
const ASCII = makeTheme({ ascii: true, colours: 0 });

function column(id: string, more: Partial<ColumnSpec> = {}): ColumnSpec {
  return { id, title: id.toUpperCase(), help: '', format: 'int', min: 6, ...more };
}

const COLUMNS = [
  column('pid'),
  column('uid', { priority: 3 }),
  column('rate', { priority: 1, format: 'number' }),
  column('comm', { format: 'text', min: 8, max: 20 }),
  column('stack', { format: 'text', min: 10 }),
];

test('columns: everything fits on a wide screen, the unbounded text gets what it wants and no more', () => {
  const seen = new Map([
    ['comm', 15],
    ['stack', 40],
  ]);
  const placed = fitColumns(COLUMNS, 120, seen);
  expect(placed.map(({ spec }) => spec.id)).toEqual(['pid', 'uid', 'rate', 'comm', 'stack']);
  expect(placed.map(({ width }) => width)).toEqual([6, 6, 6, 15, 40]);
});

test.each([30, 40, 50, 60, 80])('columns: %d wide, in order, apart, within the screen', (width) => {
  const placed = fitColumns(COLUMNS, width, new Map([['stack', 200]]));
  for (const [index, { x, width: size }] of placed.entries()) {
    const before = placed[index - 1];
    expect(x).toBeGreaterThanOrEqual(before === undefined ? 1 : before.x + before.width + 1);
    expect(x + size).toBeLessThanOrEqual(width);
  }
});

test('columns: the highest priority number goes first, but never the column sorted by', () => {
  const ids = (sort: string) => fitColumns(COLUMNS, 38, new Map(), sort).map(({ spec }) => spec.id);
  expect(ids('')).toEqual(['pid', 'rate', 'comm', 'stack']);
  expect(ids('uid')).toEqual(['pid', 'uid', 'comm', 'stack']);
});

test.each([
  [2, 80, 9, 'bars'],
  [4, 80, 9, 'bars'],
  [16, 80, 9, 'bars'],
  [64, 80, 9, 'bars'],
  [64, 120, 18, 'bars'],
  [256, 80, 9, 'heat'],
  [256, 120, 18, 'heat'],
  [256, 300, 48, 'bars'],
  [1024, 80, 9, 'heat'],
  [4096, 80, 5, 'heat'],
] as const)('bars: %d on %d columns, at most %d lines, are all there', (count, width, most, kind) => {
  const layout = layoutBars(count, width, most);
  expect(layout.kind).toBe(kind);
  expect(layout.lines).toBeLessThanOrEqual(most);
  const lines = layout.lines - (layout.kind === 'heat' ? 1 : 0);
  expect(layout.columns * lines * layout.group).toBeGreaterThanOrEqual(count);
});

const DEMANDS: readonly PanelDemand[] = [
  { kind: 'bars', want: 6 },
  { kind: 'line', want: 6 },
  { kind: 'table', want: 300 },
  { kind: 'table', want: 50 },
  { kind: 'log', want: 100 },
];

test.each([5, 9, 12, 18, 30, 95])('panels fill %d lines, the first table is always there', (height) => {
  const lines = stackPanels(DEMANDS, height, 2, false);
  expect(lines.reduce((sum, count) => sum + count, 0)).toBe(height);
  expect(lines[2]).toBeGreaterThanOrEqual(5);
  for (const count of lines) expect(count === 0 || count >= 2).toBe(true);
});

test('panels: the focused one is shown however little room there is, zoomed it has all', () => {
  expect(stackPanels(DEMANDS, 8, 4, false)[4]).toBeGreaterThanOrEqual(3);
  expect(stackPanels(DEMANDS, 20, 1, true)).toEqual([0, 20, 0, 0, 0]);
});

test.each([
  ['flat', [5, 5, 5]],
  ['nought', [0, 0, 0, 0]],
  ['one value', [3]],
  ['gaps', [1, Number.NaN, 3, Number.POSITIVE_INFINITY]],
  ['large', [1e15, 2e15, 0]],
  ['tiny', [1e-12, 2e-12]],
  ['negative', [-3, -1, 2]],
])('line chart of %s values keeps its height', (_name, values) => {
  for (const height of [2, 3, 5, 12]) {
    const lines = chartLines(values, height, undefined, true);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(height);
    expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
  }
});

test('line chart of nothing is nothing', () => {
  expect(chartLines([], 5, 100, false)).toEqual([]);
  expect(chartLines([Number.NaN], 5, 100, false)).toEqual([]);
});

test('line value: sum, mean, most; unknown values do not count', () => {
  const table = { length: 3, key: [], columns: { v: Float64Array.of(1, Number.NaN, 3) } };
  const panel = { kind: 'line', id: 'l', title: '', table: 't', column: 'v' } as const;
  expect(lineValue({ ...panel, how: 'sum' }, table)).toBe(4);
  expect(lineValue({ ...panel, how: 'mean' }, table)).toBe(2);
  expect(lineValue({ ...panel, how: 'max' }, table)).toBe(3);
  expect(lineValue({ ...panel, how: 'max' }, undefined)).toBeNaN();
});

test('histogram: folding keeps counts and bounds', () => {
  const histogram = {
    label: '',
    unit: 'us',
    low: Float64Array.of(1, 2, 4, 8, 16),
    high: Float64Array.of(1, 3, 7, 15, 31),
    count: Float64Array.of(1, 2, 3, 4, 5),
  };
  expect(foldBuckets(histogram, 5)).toHaveLength(5);
  expect(foldBuckets(histogram, 3)).toEqual([
    { low: 1, high: 3, count: 3 },
    { low: 4, high: 15, count: 7 },
    { low: 16, high: 31, count: 5 },
  ]);
});

test('bars and heat: something is never drawn as nothing, all is full', () => {
  for (const theme of [UNICODE, ASCII]) {
    expect(barText(0, 10, theme)).toBe('');
    expect(barText(1e-9, 10, theme)).toHaveLength(1);
    expect(barText(1, 10, theme)).toHaveLength(10);
    expect(barText(7, 10, theme)).toHaveLength(10);
    expect(heatGlyph(0, theme)).toBe(theme.glyphs.heat[0]);
    expect(heatGlyph(1e-9, theme)).toBe(theme.glyphs.heat[1]);
    expect(heatGlyph(2, theme)).toBe(theme.glyphs.heat.at(-1));
  }
});

test('text: width, cutting and wrapping count columns, not characters', () => {
  expect(textWidth('名前ab')).toBe(6);
  expect(clipText('名前ab', 6, '…')).toBe('名前ab');
  expect(clipText('名前ab', 5, '…')).toBe('名前…');
  expect(clipText('名前ab', 4, '…')).toBe('名…');
  expect(clipText('abc', 0, '…')).toBe('');
  expect(wrapText('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrapText('abcdefgh', 3)).toEqual(['abc', 'def', 'gh']);
});

test('a region never paints outside itself', () => {
  const grid = new Grid(10, 3);
  const part = grid.region().part(2, 1, 4, 1);
  part.put(0, 0, 'abcdefgh');
  part.put(3, 0, '名');
  part.put(-1, 0, 'x');
  part.put(0, 1, 'y');
  part.part(3, 0, 9, 9).put(0, 0, 'zz');
  expect(grid.lines()).toEqual(['', '  abcz', '']);
});

test('at 80 columns no number of any monitor is cut: what is always shown fits', () => {
  const cut = monitors.flatMap(({ name, panels }) =>
    panels.flatMap((panel) => {
      if (panel.kind !== 'table') return [];
      const shown = panel.columns.filter(({ hidden }) => hidden !== 'screen' && hidden !== 'both');
      const wide = new Map(shown.map((spec) => [spec.id, spec.format === 'text' ? 30 : 0]));
      const placed = fitColumns(shown, 80, wide, panel.sort.column);
      const always = shown.filter(({ priority = 0, id }) => priority === 0 || id === panel.sort.column);
      return always
        .filter((spec) => {
          const found = placed.find((column) => column.spec === spec);
          const least =
            spec.format === 'text' ? Math.min(8, spec.min ?? 8) : Math.max(spec.title.length, spec.min ?? 0);
          return (found?.width ?? 0) < least;
        })
        .map(({ id }) => `${name} ${panel.id} ${id}`);
    }),
  );
  // So many counters that no screen holds them: the title of the table says how many more there are.
  expect(cut.filter((what) => !what.startsWith('percpu-stat'))).toEqual([]);
});
