import xterm from '@xterm/headless';
import { expect, test } from 'vitest';
import { Grid } from '../../src/panels/grid.ts';
import { BOLD, fg, REVERSE } from '../../src/panels/style.ts';
import { Screen } from '../../src/ui/terminal/screen.ts';

const WIDTH = 40;
const HEIGHT = 12;

/** Small deterministic generator: a failing frame can be found again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function write(terminal: xterm.Terminal, data: string): Promise<void> {
  return new Promise((resolve) => terminal.write(data, resolve));
}

/** Characters, colours and attributes of every cell, as the terminal sees them. */
function cells(terminal: xterm.Terminal): string[] {
  return Array.from({ length: HEIGHT }, (_, y) => {
    const line = terminal.buffer.active.getLine(y);
    return Array.from({ length: WIDTH }, (_, x) => {
      const cell = line?.getCell(x);
      if (cell === undefined) return '?';
      const chars = cell.getChars() === '' && cell.getWidth() === 1 ? ' ' : cell.getChars();
      return `${chars}/${cell.getFgColorMode() > 0 ? cell.getFgColor() : -1}/${cell.isBold()}/${cell.isInverse()}`;
    }).join('|');
  });
}

const PIECES = ['word', '12345', 'ü', '│──', '名前', '😀', '▁▂▃', ' ', '      ', '�'];
const STYLES = [0, 0, 0, fg(1), fg(9), fg(200), BOLD, REVERSE, BOLD | REVERSE | fg(3)];

test('what is written by difference equals what is painted whole', async () => {
  const options = { cols: WIDTH, rows: HEIGHT, allowProposedApi: true };
  const shown = new xterm.Terminal(options);
  await write(shown, '\x1b[?7l');
  const screen = new Screen();
  const pick = random(42);
  const grid = new Grid(WIDTH, HEIGHT);
  const region = grid.region();
  for (let frame = 0; frame < 300; frame += 1) {
    const kind = pick(20);
    if (kind === 0) region.clear();
    for (let change = pick(kind === 1 ? 60 : 8); change > 0; change -= 1) {
      const y = pick(HEIGHT);
      const piece = PIECES[pick(PIECES.length)] as string;
      // A line at a time: painting over half a wide character is the painters' business, they repaint lines.
      if (pick(3) === 0) region.part(0, y, WIDTH, 1).clear();
      const line = grid.lines()[y] ?? '';
      if (!/[名前😀]/u.test(line) || piece === 'word') {
        if (/[名前😀]/u.test(line)) region.part(0, y, WIDTH, 1).clear();
        region.put(pick(WIDTH), y, piece, STYLES[pick(STYLES.length)]);
      }
    }
    await write(shown, screen.diff(grid));
    const oracle = new xterm.Terminal(options);
    await write(oracle, `\x1b[?7l${new Screen().diff(grid)}`);
    expect(cells(shown), `frame ${frame}`).toEqual(cells(oracle));
    const text = Array.from({ length: HEIGHT }, (_, y) =>
      (shown.buffer.active.getLine(y)?.translateToString(true) ?? '').replace(/\s+$/, ''),
    );
    if (!grid.lines().some((line) => /😀/u.test(line))) expect(text, `text ${frame}`).toEqual(grid.lines());
    oracle.dispose();
  }
});

test('an unchanged screen costs nothing', () => {
  const screen = new Screen();
  const grid = new Grid(WIDTH, HEIGHT);
  grid.region().put(3, 3, 'hello 名前', BOLD);
  expect(screen.diff(grid)).not.toBe('');
  expect(screen.diff(grid)).toBe('');
});

test('one changed digit costs a move and the digit', () => {
  const screen = new Screen();
  const grid = new Grid(WIDTH, HEIGHT);
  grid.region().put(0, 5, 'events 1234');
  screen.diff(grid);
  grid.region().put(10, 5, '5');
  expect(screen.diff(grid)).toBe('\x1b[6;11H5');
});

test('without colour and on a dumb terminal', () => {
  const grid = new Grid(WIDTH, HEIGHT);
  grid.region().put(0, 0, 'hot', fg(1) | BOLD);
  expect(new Screen(0x1e00).diff(grid)).toBe('\x1b[m\x1b[H\x1b[2J\x1b[1mhot\x1b[m');
  expect(new Screen(0).diff(grid)).not.toContain('\x1b[1m');
});
