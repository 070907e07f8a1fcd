/** The look of a cell in one number: 9 bits of foreground, then attributes. 0 is the terminal's default. */

/** Packed style; see `fg` and the attribute constants. Combine with `|`. */
export type Style = number;

export const PLAIN = 0;
export const BOLD = 1 << 9;
export const DIM = 1 << 10;
export const UNDERLINE = 1 << 11;
export const REVERSE = 1 << 12;

const FOREGROUND = 0x1ff;

/** Foreground by palette index: 0–15 the user's theme, 16–255 the colour cube. */
export function fg(index: number): Style {
  return index + 1;
}

/** Palette index of the foreground, -1 for the default. */
export function foregroundOf(style: Style): number {
  return (style & FOREGROUND) - 1;
}

/** The style with another foreground (-1 for the default). */
export function withForeground(style: Style, index: number): Style {
  return (style & ~FOREGROUND) | (index + 1);
}

export const RED = fg(1);
export const GREEN = fg(2);
export const YELLOW = fg(3);
export const BRIGHT_BLUE = fg(12);
export const MAGENTA = fg(5);
export const CYAN = fg(6);
export const WHITE = fg(7);
export const GRAY = fg(8);
