import xterm from '@xterm/headless';
import { expect, test } from 'vitest';
import { Grid } from '../../src/panels/grid.ts';
import { BOLD, fg, REVERSE } from '../../src/panels/style.ts';
import { cheapestMove } from '../../src/ui/terminal/moves.ts';
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

/** Characters, colours and attributes of every cell, as the terminal sees them; a blank has no colour that shows. */
function cells(terminal: xterm.Terminal): string[] {
  return Array.from({ length: HEIGHT }, (_, y) => {
    const line = terminal.buffer.active.getLine(y);
    return Array.from({ length: WIDTH }, (_, x) => {
      const cell = line?.getCell(x);
      if (cell === undefined) return '?';
      const chars = cell.getChars() === '' && cell.getWidth() === 1 ? ' ' : cell.getChars();
      if (chars === ' ' && !cell.isInverse() && !cell.isUnderline()) return ' ';
      return `${chars}/${cell.getFgColorMode() > 0 ? cell.getFgColor() : -1}/${cell.isBold()}/${cell.isInverse()}`;
    }).join('|');
  });
}

const PIECES = ['word', '12345', 'ü', '│──', '名前', '😀', '▁▂▃', ' ', '      ', '�'];
const STYLES = [0, 0, 0, fg(1), fg(9), fg(200), BOLD, REVERSE, BOLD | REVERSE | fg(3)];

/** Some lines go up or down, as in a list that scrolls or where panels change their height. */
function moveLines(grid: Grid, pick: (below: number) => number): void {
  const [top, count] = [pick(HEIGHT - 2), 1 + pick(3)];
  const bottom = Math.min(HEIGHT, top + count + 2 + pick(HEIGHT));
  const lines = Math.min(count, bottom - top - 1);
  const [from, to, room] = pick(2) === 0 ? [top + lines, top, bottom - lines] : [top, top + lines, top];
  for (const cells of [grid.chars, grid.styles]) {
    cells.copyWithin(to * WIDTH, from * WIDTH, (from + bottom - top - lines) * WIDTH);
    cells.fill(cells === grid.chars ? 0x20 : 0, room * WIDTH, (room + lines) * WIDTH);
  }
}

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
    if (kind > 14) moveLines(grid, pick);
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

test('lines that have moved are moved by the terminal', async () => {
  const text = (y: number) => `line ${y} ${'abcdefghij'.repeat(3)}`.slice(0, WIDTH);
  const paint = (first: number) => {
    const grid = new Grid(WIDTH, HEIGHT);
    const region = grid.region();
    region.put(0, 0, 'a title that stays');
    for (let y = 1; y < HEIGHT - 1; y += 1) region.put(0, y, text(first + y));
    region.put(0, HEIGHT - 1, 'a footer that stays');
    return grid;
  };
  const terminal = new xterm.Terminal({ cols: WIDTH, rows: HEIGHT, allowProposedApi: true });
  const screen = new Screen();
  for (const first of [100, 103, 104, 101]) {
    const grid = paint(first);
    const bytes = screen.diff(grid);
    // Never more than the new lines and the moving.
    if (first !== 100) expect(bytes.length).toBeLessThan(3 * WIDTH + 40);
    await write(terminal, bytes);
    const shown = Array.from({ length: HEIGHT }, (_, y) =>
      (terminal.buffer.active.getLine(y)?.translateToString(true) ?? '').trimEnd(),
    );
    expect(shown).toEqual(grid.lines());
  }
});

test('the cursor moves by the fewest bytes', () => {
  expect(cheapestMove(-1, -1, 0, 0)).toBe('\x1b[H');
  expect(cheapestMove(-1, 4, 7, 4)).toBe('\x1b[5;8H');
  expect(cheapestMove(9, 4, 0, 4)).toBe('\r');
  expect(cheapestMove(9, 4, 0, 5)).toBe('\r\n');
  expect(cheapestMove(9, 4, 0, 7)).toBe('\x1b[8H');
  expect(cheapestMove(9, 4, 12, 4)).toBe('\x1b[3C');
  expect(cheapestMove(9, 4, 8, 5)).toBe('\x1b[B\b');
  expect(cheapestMove(90, 14, 70, 14)).toBe('\x1b[20D');
  expect(cheapestMove(90, 14, 9, 30)).toBe('\x1b[31;10H');
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
  expect(new Screen(0x1e00).diff(grid)).toBe('\x1b[m\x1b[r\x1b[H\x1b[2J\x1b[1mhot\x1b[m');
  expect(new Screen(0).diff(grid)).not.toContain('\x1b[1m');
});
