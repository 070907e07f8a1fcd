import { beforeAll, expect, test } from 'vitest';
import { textWidth } from '../../src/panels/char-width.ts';
import { Grid } from '../../src/panels/grid.ts';
import { makeTheme } from '../../src/panels/theme.ts';
import { listLines, paintShelf, type ShelfItem } from '../../src/ui/shelf/paint-shelf.ts';

beforeAll(() => {
  process.env.TZ = 'UTC';
});

const item = (name: string, more: Partial<ShelfItem> = {}): ShelfItem => ({
  path: `/x/${name}.ktop`,
  name,
  bytes: 312_400,
  problem: '',
  about: `how ${name} was made, in a guest\n\nNotice: the \x1b[31mwriters hang`,
  facts: {
    start: Date.UTC(2026, 10, 20, 12, 3),
    end: Date.UTC(2026, 10, 20, 12, 3, 24),
    host: 'db-1\x1b]0;x\x07',
    kernel: '6.12.1',
    cpus: 2,
    monitors: ['task-state', 'disktop'],
    incidents: 14,
    damage: ['2 s are missing'],
  },
  ...more,
});

function paint(
  columns: number,
  rows: number,
  items: readonly ShelfItem[],
  index = 0,
  ascii = false,
): string[] {
  const grid = new Grid(columns, rows, ascii);
  const top = Math.max(0, index - listLines(rows, items.length) + 1);
  paintShelf(grid.region(), { title: 'Recordings', items, index, top }, makeTheme({ ascii, colours: 16 }));
  return grid.lines();
}

test.each([
  [60, 15],
  [80, 24],
  [120, 40],
  [300, 100],
])('on %dx%d', (columns, rows) => {
  const items = [
    ...Array.from({ length: 40 }, (_, index) => item(`case-${index}`)),
    item('x'.repeat(200), { about: '' }),
    item('名前', { facts: undefined, problem: 'it is damaged; make it anew' }),
  ];
  for (const ascii of [false, true]) {
    for (const index of [0, 20, items.length - 1]) {
      const lines = paint(columns, rows, items, index, ascii);
      expect(lines.length).toBe(rows);
      for (const line of lines) expect(textWidth(line)).toBeLessThan(columns + 1);
      expect(lines.join('')).not.toMatch(/\p{Cc}/u);
      if (ascii) expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
      expect(lines.filter((line) => /^[▸>](?:case|x|名|\?\?)/.test(line)).length).toBe(1);
      expect(lines.at(-1)).toMatch(/^ Enter replay/);
    }
  }
});

test('what is known of the one that is pointed at', () => {
  const page = paint(80, 24, [item('disk-stall'), item('other')]).join('\n');
  expect(page).toMatch(/▸disk-stall +0:24 +how disk-stall was made, in a guest/);
  expect(page).toContain('Notice: the �[31mwriters hang');
  expect(page).toMatch(/host +db-1�\]0;x�, Linux 6\.12\.1, 2 CPUs/);
  expect(page).toMatch(/recorded +2026-11-20 12:03:00 UTC, 0:24/);
  expect(page).toMatch(/tabs +task-state, disktop\n +incidents +14\n +size +312 kB\n 2 s are missing/);
});

test('what cannot be played says why', () => {
  const bad = item('bad', {
    facts: undefined,
    problem: 'bad.ktop is no recording of ktop; give one',
    about: '',
  });
  const page = paint(100, 24, [item('good'), bad], 1).join('\n');
  expect(page).toMatch(/▸bad +! bad\.ktop is no recording of ktop; give one/);
  expect(page.split('bad.ktop is no recording').length).toBe(3);
});
