/** Turns the difference between what the terminal shows and what it should show into the fewest bytes. */
import { isSureWidth } from '../../panels/char-width.ts';
import { CONTINUATION, type Grid } from '../../panels/grid.ts';
import { foregroundOf, PLAIN, REVERSE, type Style, UNDERLINE, withForeground } from '../../panels/style.ts';
import { cheapestMove } from './moves.ts';
import type { Recolouring } from './palette.ts';
import { findScroll, type Scroll } from './scroll.ts';
import { sgrBetween } from './sgr.ts';

const BLANK = 0x20;
/** Every style there is. */
const STYLES = 0x2000;
/** Unchanged cells that are cheaper to write again than to jump over. */
const BRIDGE = 4;
/** All of a style that shows on a blank. */
const ON_BLANK = REVERSE | UNDERLINE;
/** Parts of the picture that may have moved by different distances. */
const SCROLLS = 3;

/**
 * Knows what was last written. `styleMask` is and-ed to every style: 0x1fff all, ~0x1ff no colour, 0 none; `recolour`
 * puts other foregrounds in place of some.
 * Characters of doubtful width repaint their line whole, each followed by an absolute move, so that a
 * terminal that thinks otherwise of them cannot shift the rest.
 */
export class Screen {
  #width = 0;
  #height = 0;
  #chars = new Uint32Array(0);
  #styles = new Uint16Array(0);
  /** Styles of the next picture as they will show: masked, and none on blanks. */
  #wanted = new Uint16Array(0);
  #out: string[] = [];
  #x = -1;
  #y = -1;
  #style: Style = PLAIN;
  /** By the style painted: the style written. */
  readonly #written: Uint16Array;

  constructor(styleMask = 0x1fff, recolour: Recolouring = new Map()) {
    this.#written = Uint16Array.from({ length: STYLES }, (_, painted) => {
      const style = painted & styleMask;
      const index = foregroundOf(style);
      return withForeground(style, recolour.get(index) ?? index);
    });
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
    const fresh = next.width !== this.#width || next.height !== this.#height;
    if (fresh) this.#reset(next);
    this.#want(next);
    for (let left = fresh ? 0 : SCROLLS; left > 0; left -= 1) {
      const found = findScroll(
        this.#shown,
        { chars: next.chars, styles: this.#wanted },
        this.#width,
        this.#height,
      );
      if (found === undefined) break;
      this.#scroll(found);
    }
    for (let y = 0; y < next.height; y += 1) this.#line(next, y);
    if (this.#style !== PLAIN) this.#out.push(sgrBetween(this.#style, PLAIN));
    return this.#out.join('');
  }

  get #shown() {
    return { chars: this.#chars, styles: this.#styles };
  }

  #reset(next: Grid): void {
    this.#width = next.width;
    this.#height = next.height;
    this.#chars = new Uint32Array(next.width * next.height).fill(BLANK);
    this.#styles = new Uint16Array(next.width * next.height);
    this.#wanted = new Uint16Array(next.width * next.height);
    this.#out.push('\x1b[m\x1b[r\x1b[H\x1b[2J');
    this.#x = 0;
    this.#y = 0;
  }

  #want({ chars, styles }: Grid): void {
    const wanted = this.#wanted;
    for (let index = 0; index < wanted.length; index += 1) {
      const style = this.#written[styles[index] as number] as Style;
      wanted[index] = chars[index] === BLANK && (style & ON_BLANK) === 0 ? PLAIN : style;
    }
  }

  /** Lines deleted or inserted move all below them, down to the end of the region; setting one moves the cursor home. */
  #scroll({ top, bottom, up }: Scroll): void {
    const width = this.#width;
    const lines = Math.abs(up);
    const count = lines === 1 ? '' : lines;
    this.#out.push(`\x1b[${top + 1};${bottom}r\x1b[${top + 1}H\x1b[${count}${up > 0 ? 'M' : 'L'}\x1b[r`);
    this.#x = 0;
    this.#y = 0;
    const move = (cells: Uint32Array | Uint16Array, blank: number) => {
      if (up > 0) {
        cells.copyWithin(top * width, (top + lines) * width, bottom * width);
        cells.fill(blank, (bottom - lines) * width, bottom * width);
      } else {
        cells.copyWithin((top + lines) * width, top * width, (bottom - lines) * width);
        cells.fill(blank, top * width, (top + lines) * width);
      }
    };
    move(this.#chars, BLANK);
    move(this.#styles, PLAIN);
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
      if (char !== before || this.#wanted[index] !== this.#styles[index]) {
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
    this.#chars.set(next.chars.subarray(start, start + width), start);
    this.#styles.set(this.#wanted.subarray(start, start + width), start);
  }

  /** Writes the changed cells of a line, jumping over what stays. */
  #runs(next: Grid, y: number, first: number, last: number): void {
    const start = y * this.#width;
    const end = this.#endOfInk(next, y);
    let x = first;
    while (x <= last) {
      if (x >= end) {
        this.#move(x, y);
        this.#erase();
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
      bridge = (next.chars[start + column] as number) < 0x80 && this.#isSet(next, start + column);
    }
    if (bridge) {
      for (let column = this.#x; column < x; column += 1) this.#cell(next, start + column, column);
      return;
    }
    this.#move(x, y);
  }

  #whole(next: Grid, y: number): void {
    const start = y * this.#width;
    const end = this.#endOfInk(next, y);
    this.#move(0, y);
    this.#erase();
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
    return next.chars[index] === this.#chars[index] && this.#wanted[index] === this.#styles[index];
  }

  /** Whether the cell looks right when it is written now: a blank does in any colour. */
  #isSet(next: Grid, index: number): boolean {
    const style = this.#wanted[index];
    if (style === this.#style) return true;
    return style === PLAIN && next.chars[index] === BLANK && (this.#style & ON_BLANK) === 0;
  }

  #cell(next: Grid, index: number, x: number): void {
    if (!this.#isSet(next, index)) this.#setStyle(this.#wanted[index] as number);
    this.#out.push(String.fromCodePoint(next.chars[index] as number));
    // In the last column terminals differ on where the cursor is.
    this.#x = x + 1 < this.#width ? x + 1 : -1;
  }

  /** The rest of the line. */
  #erase(): void {
    if ((this.#style & ON_BLANK) !== 0) this.#setStyle(PLAIN);
    this.#out.push('\x1b[K');
  }

  #setStyle(style: Style): void {
    if (style === this.#style) return;
    this.#out.push(sgrBetween(this.#style, style));
    this.#style = style;
  }

  #move(x: number, y: number): void {
    if (this.#x === x && this.#y === y) return;
    this.#out.push(cheapestMove(this.#x, this.#y, x, y));
    this.#x = x;
    this.#y = y;
  }

  /** Column after the last cell of a line that shows. */
  #endOfInk({ chars, width }: Grid, y: number): number {
    let end = width;
    while (end > 0) {
      const index = y * width + end - 1;
      if (chars[index] !== BLANK || this.#wanted[index] !== PLAIN) break;
      end -= 1;
    }
    return end;
  }
}

function isSureChar(char: number): boolean {
  return char !== CONTINUATION && isSureWidth(char);
}
