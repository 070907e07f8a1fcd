/** A rectangle of cells: what panels paint on and the screen compares. */
import { charWidth } from './char-width.ts';
import { sanitise } from './sanitise.ts';
import { PLAIN, type Style } from './style.ts';

const BLANK = 0x20;
/** Right half of a wide character. */
export const CONTINUATION = 0;

const ASCII_ONLY = /^[\x20-\x7e]*$/;

/** Cells in row order. `chars` are code points, `styles` see style.ts. */
export class Grid {
  readonly width: number;
  readonly height: number;
  readonly chars: Uint32Array;
  readonly styles: Uint16Array;
  /** Nothing but printable ASCII may be painted. */
  readonly ascii: boolean;

  constructor(width: number, height: number, ascii = false) {
    this.width = width;
    this.height = height;
    this.ascii = ascii;
    this.chars = new Uint32Array(width * height).fill(BLANK);
    this.styles = new Uint16Array(width * height);
  }

  /** The whole grid as a region. */
  region(): Region {
    return new Region(this, 0, 0, this.width, this.height);
  }

  /** Text of each line, trailing blanks dropped: for tests and the log. */
  lines(): string[] {
    return Array.from({ length: this.height }, (_, y) => {
      let line = '';
      for (let x = 0; x < this.width; x += 1) {
        const code = this.chars[y * this.width + x] as number;
        if (code !== CONTINUATION) line += String.fromCodePoint(code);
      }
      return line.trimEnd();
    });
  }
}

/** A clipped window on a grid with its own origin. Every text painted is sanitised here. */
export class Region {
  readonly width: number;
  readonly height: number;
  readonly #grid: Grid;
  readonly #left: number;
  readonly #top: number;

  constructor(grid: Grid, left: number, top: number, width: number, height: number) {
    this.#grid = grid;
    this.#left = Math.max(0, left);
    this.#top = Math.max(0, top);
    this.width = Math.max(0, Math.min(width, grid.width - this.#left));
    this.height = Math.max(0, Math.min(height, grid.height - this.#top));
  }

  /** A part of this region, clipped to it. */
  part(x: number, y: number, width: number, height: number): Region {
    const clippedWidth = Math.min(width, this.width - x);
    const clippedHeight = Math.min(height, this.height - y);
    return new Region(this.#grid, this.#left + x, this.#top + y, clippedWidth, clippedHeight);
  }

  /** Everything blank. */
  clear(): void {
    for (let y = 0; y < this.height; y += 1) {
      const start = (this.#top + y) * this.#grid.width + this.#left;
      this.#grid.chars.fill(BLANK, start, start + this.width);
      this.#grid.styles.fill(PLAIN, start, start + this.width);
    }
  }

  /** Paints text from column `x`, cut at the edge. Returns the column after it. */
  put(x: number, y: number, text: string, style: Style = PLAIN): number {
    if (y < 0 || y >= this.height || x < 0) return x;
    const { chars, styles } = this.#grid;
    const start = (this.#top + y) * this.#grid.width + this.#left;
    if (ASCII_ONLY.test(text)) {
      const end = Math.min(text.length, this.width - x);
      for (let index = 0; index < end; index += 1) {
        chars[start + x + index] = text.charCodeAt(index);
        styles[start + x + index] = style;
      }
      return x + Math.max(0, end);
    }
    let column = x;
    for (const char of sanitise(text, this.#grid.ascii)) {
      const code = char.codePointAt(0) as number;
      const width = charWidth(code);
      if (column + width > this.width) break;
      chars[start + column] = code;
      styles[start + column] = style;
      if (width === 2) {
        chars[start + column + 1] = CONTINUATION;
        styles[start + column + 1] = style;
      }
      column += width;
    }
    return column;
  }

  /** Adds a style to the cells of a line from `x` on, `width` of them. */
  restyle(x: number, y: number, width: number, change: (style: Style) => Style): void {
    if (y < 0 || y >= this.height) return;
    const start = (this.#top + y) * this.#grid.width + this.#left;
    const end = Math.min(x + width, this.width);
    for (let column = Math.max(0, x); column < end; column += 1) {
      this.#grid.styles[start + column] = change(this.#grid.styles[start + column] as number);
    }
  }

  /** Copies a grid of the same size as this region's grid, cell by cell. */
  copyFrom(source: Grid): void {
    for (let y = 0; y < Math.min(this.height, source.height); y += 1) {
      const width = Math.min(this.width, source.width);
      const to = (this.#top + y) * this.#grid.width + this.#left;
      const from = y * source.width;
      this.#grid.chars.set(source.chars.subarray(from, from + width), to);
      this.#grid.styles.set(source.styles.subarray(from, from + width), to);
    }
  }
}
