/** Turns the difference between what the terminal shows and what it should show into the fewest bytes. */
import { isSureWidth } from '../../panels/char-width.ts';
import { CONTINUATION, type Grid } from '../../panels/grid.ts';
import { PLAIN, type Style } from '../../panels/style.ts';
import { sgrBetween } from './sgr.ts';

const BLANK = 0x20;
/** Unchanged cells that are cheaper to write again than to jump over. */
const BRIDGE = 4;

/**
 * Knows what was last written. `styleMask` is and-ed to every style: 0x1fff all, ~0x1ff no colour, 0 none.
 * Characters of doubtful width repaint their line whole, each followed by an absolute move, so that a
 * terminal that thinks otherwise of them cannot shift the rest.
 */
export class Screen {
  #width = 0;
  #height = 0;
  #chars = new Uint32Array(0);
  #styles = new Uint16Array(0);
  #out: string[] = [];
  #x = -1;
  #y = -1;
  #style: Style = PLAIN;
  readonly #mask: number;

  constructor(styleMask = 0x1fff) {
    this.#mask = styleMask;
  }

  /** Forgets what the terminal shows: the next frame is painted whole. */
  invalidate(): void {
    this.#width = 0;
    this.#height = 0;
  }

  /** The bytes that make the terminal show `next`; '' when it does already. They must be written, in order. */
  diff(next: Grid): string {
    this.#out = [];
    this.#x = -1;
    this.#y = -1;
    this.#style = PLAIN;
    if (next.width !== this.#width || next.height !== this.#height) this.#reset(next);
    for (let y = 0; y < next.height; y += 1) this.#line(next, y);
    if (this.#style !== PLAIN) this.#out.push(sgrBetween(this.#style, PLAIN));
    return this.#out.join('');
  }

  #reset(next: Grid): void {
    this.#width = next.width;
    this.#height = next.height;
    this.#chars = new Uint32Array(next.width * next.height).fill(BLANK);
    this.#styles = new Uint16Array(next.width * next.height);
    this.#out.push('\x1b[m\x1b[H\x1b[2J');
    this.#x = 0;
    this.#y = 0;
  }

  #line(next: Grid, y: number): void {
    const width = this.#width;
    const start = y * width;
    let first = -1;
    let last = -1;
    let sure = true;
    for (let x = 0; x < width; x += 1) {
      const index = start + x;
      const char = next.chars[index] as number;
      const before = this.#chars[index] as number;
      if (char !== before || ((next.styles[index] as number) & this.#mask) !== this.#styles[index]) {
        if (first < 0) first = x;
        last = x;
      }
      if (char > 0x24f || before > 0x24f || char === CONTINUATION || before === CONTINUATION) {
        sure &&= isSureChar(char) && isSureChar(before);
      }
    }
    if (first < 0) return;
    if (sure) this.#runs(next, y, first, last);
    else this.#whole(next, y);
    for (let index = start; index < start + width; index += 1) {
      this.#chars[index] = next.chars[index] as number;
      this.#styles[index] = (next.styles[index] as number) & this.#mask;
    }
  }

  /** Writes the changed cells of a line, jumping over what stays. */
  #runs(next: Grid, y: number, first: number, last: number): void {
    const start = y * this.#width;
    const end = endOfInk(next, y, this.#mask);
    let x = first;
    while (x <= last) {
      if (x >= end) {
        this.#move(x, y);
        this.#setStyle(PLAIN);
        this.#out.push('\x1b[K');
        return;
      }
      if (this.#same(next, start + x)) {
        x += 1;
        continue;
      }
      this.#approach(next, x, y);
      this.#cell(next, start + x, x);
      x += 1;
    }
  }

  /** Goes to a cell: by writing the few unchanged cells before it again when they look the same, else by a move. */
  #approach(next: Grid, x: number, y: number): void {
    const gap = x - this.#x;
    const start = y * this.#width;
    let bridge = this.#y === y && this.#x >= 0 && gap > 0 && gap <= BRIDGE;
    for (let column = this.#x; bridge && column < x; column += 1) {
      const index = start + column;
      bridge =
        ((next.styles[index] as number) & this.#mask) === this.#style && (next.chars[index] as number) < 0x80;
    }
    if (bridge) {
      for (let column = this.#x; column < x; column += 1) this.#cell(next, start + column, column);
      return;
    }
    this.#move(x, y);
  }

  #whole(next: Grid, y: number): void {
    const start = y * this.#width;
    const end = endOfInk(next, y, this.#mask);
    this.#move(0, y);
    this.#setStyle(PLAIN);
    this.#out.push('\x1b[K');
    for (let x = 0; x < end; x += 1) {
      const index = start + x;
      const char = next.chars[index] as number;
      if (char === CONTINUATION) continue;
      this.#move(x, y);
      this.#cell(next, index, x);
      if (!isSureWidth(char)) this.#x = -1;
    }
  }

  #same(next: Grid, index: number): boolean {
    return (
      next.chars[index] === this.#chars[index] &&
      ((next.styles[index] as number) & this.#mask) === this.#styles[index]
    );
  }

  #cell(next: Grid, index: number, x: number): void {
    this.#setStyle((next.styles[index] as number) & this.#mask);
    this.#out.push(String.fromCodePoint(next.chars[index] as number));
    // In the last column terminals differ on where the cursor is.
    this.#x = x + 1 < this.#width ? x + 1 : -1;
  }

  #setStyle(style: Style): void {
    if (style === this.#style) return;
    this.#out.push(sgrBetween(this.#style, style));
    this.#style = style;
  }

  #move(x: number, y: number): void {
    if (this.#x === x && this.#y === y) return;
    const absolute = x === 0 ? `\x1b[${y + 1}H` : `\x1b[${y + 1};${x + 1}H`;
    if (this.#y === y && this.#x >= 0 && x > this.#x) {
      const forward = x - this.#x === 1 ? '\x1b[C' : `\x1b[${x - this.#x}C`;
      this.#out.push(forward);
    } else if (this.#y >= 0 && this.#y + 1 === y && x === 0) this.#out.push('\r\n');
    else this.#out.push(absolute);
    this.#x = x;
    this.#y = y;
  }
}

function isSureChar(char: number): boolean {
  return char !== CONTINUATION && isSureWidth(char);
}

/** Column after the last cell of a line that is not a plain blank. */
function endOfInk(next: Grid, y: number, mask: number): number {
  const start = y * next.width;
  let end = next.width;
  while (end > 0) {
    const index = start + end - 1;
    if (next.chars[index] !== BLANK || ((next.styles[index] as number) & mask) !== PLAIN) break;
    end -= 1;
  }
  return end;
}
