/** Names in scripts of all kinds: in a real terminal every column stays where it is. */
import xterm from '@xterm/headless';
import { expect, test } from 'vitest';
import type { TablePanel } from '../../src/monitors/monitor.ts';
import { Grid } from '../../src/panels/grid.ts';
import { paintTable } from '../../src/panels/paint-table.ts';
import { defaultQuery, viewTable } from '../../src/panels/table-view.ts';
import { makeTheme } from '../../src/panels/theme.ts';
import type { Table } from '../../src/sources/snapshot.ts';
import { Screen } from '../../src/ui/terminal/screen.ts';

const NAMES = [
  'plain',
  '名前の長いプロセス名前の長いプロセス',
  '한국어프로세스',
  'ｆｕｌｌｗｉｄｔｈ',
  // Accents that can be composed, and those that cannot.
  'e\u0301le\u0300ve',
  'Zal\u0300\u0301\u0302go',
  // Marks and overrides of direction, letters that run from right to left.
  '\u202egnp.exe\u202c',
  '\u200f\u05e9\u05dc\u05d5\u05dd',
  'abc\u061cdef',
  // Joined emoji, a flag, a variation selector, zero width.
  '\u{1f469}\u200d\u{1f4bb}',
  '\u{1f1e9}\u{1f1ea}',
  '\u2764\ufe0f',
  'a\u200bb\u00adc',
  'tab\there',
];

const panel: TablePanel = {
  kind: 'table',
  id: 'rows',
  title: 'Rows',
  table: 'rows',
  sort: { column: 'n', descending: false },
  empty: '',
  columns: [
    { id: 'a', title: 'A', help: '', format: 'int', min: 3 },
    { id: 'name', title: 'NAME', help: '', format: 'text', min: 12, max: 12 },
    { id: 'n', title: 'N', help: '', format: 'int', min: 6 },
  ],
};

const table: Table = {
  length: NAMES.length,
  key: ['n'],
  columns: {
    a: Float64Array.from(NAMES, () => 7),
    name: { ids: Uint32Array.from(NAMES.keys()), strings: NAMES },
    n: Float64Array.from(NAMES, (_, index) => 100_000 + index),
  },
};

function paint(ascii: boolean): Grid {
  const grid = new Grid(40, NAMES.length + 2, ascii);
  const query = defaultQuery(panel);
  const window = viewTable(table, panel, query, 1000, NAMES.length, 0);
  const picture = {
    panel,
    table,
    interval_ms: 1000,
    query,
    window,
    selected: -1,
    focused: true,
    empty: '',
    seen: new Map(),
  };
  paintTable(grid.region(), picture, makeTheme({ ascii, colours: 256 }));
  return grid;
}

test.each([false, true])('ascii %s', async (ascii) => {
  const grid = paint(ascii);
  const terminal = new xterm.Terminal({ cols: 40, rows: grid.height, allowProposedApi: true });
  await new Promise<void>((done) => terminal.write(`\x1b[?7l${new Screen().diff(grid)}`, done));
  const textAt = (y: number, from: number, to: number) =>
    terminal.buffer.active.getLine(y)?.translateToString(false, from, to);
  const end =
    (textAt(1, 0, 40) as string).indexOf('N▲') + 1 || (textAt(1, 0, 40) as string).indexOf('N^') + 1;
  for (const row of NAMES.keys()) {
    expect(textAt(row + 2, end - 6, end), NAMES[row]).toBe(String(100_000 + row));
    expect(textAt(row + 2, 1, 4), NAMES[row]).toBe('  7');
  }
});
