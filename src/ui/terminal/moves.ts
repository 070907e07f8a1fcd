/** The fewest bytes that move the cursor. */

/** More backspaces than this are longer than a sequence that says how many. */
const MOST_BACKSPACES = 3;

/**
 * From a cell to another; a coordinate below 0 is not known. Line feeds are used only where the cursor goes to the first
 * column, since a terminal may add a carriage return to each; nothing is used that not every terminal has.
 */
export function cheapestMove(fromX: number, fromY: number, x: number, y: number): string {
  const absolute = x === 0 ? (y === 0 ? '\x1b[H' : `\x1b[${y + 1}H`) : `\x1b[${y + 1};${x + 1}H`;
  if (fromY < 0 || fromX < 0) return absolute;
  if (x === 0 && y === fromY) return '\r';
  if (x === 0 && y === fromY + 1) return '\r\n';
  const relative = vertical(y - fromY) + horizontal(x - fromX);
  return relative.length < absolute.length ? relative : absolute;
}

function vertical(lines: number): string {
  if (lines === 0) return '';
  return lines > 0 ? sequence(lines, 'B') : sequence(-lines, 'A');
}

function horizontal(columns: number): string {
  if (columns === 0) return '';
  if (columns > 0) return sequence(columns, 'C');
  return -columns <= MOST_BACKSPACES ? '\b'.repeat(-columns) : sequence(-columns, 'D');
}

function sequence(count: number, letter: string): string {
  return count === 1 ? `\x1b[${letter}` : `\x1b[${count}${letter}`;
}
