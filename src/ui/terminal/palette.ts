/** Themes: which palette entries stand for the colours that panels are painted with. */

export const THEMES = ['default', 'colour-blind'] as const;
export type ThemeName = (typeof THEMES)[number];

/** Palette index painted with → palette index written. */
export type Recolouring = ReadonlyMap<number, number>;

const NONE: Recolouring = new Map();

/**
 * Good, warning and alarm in blue, mauve and vermilion: apart for those who see no red, no green or no blue, and readable
 * on black and on white. Then the accents, then shares from little to much.
 */
const BLIND_256: Recolouring = new Map([
  [2, 33],
  [3, 132],
  [1, 202],
  [5, 93],
  [6, 30],
  [65, 27],
  [71, 33],
  [107, 69],
  [143, 103],
  [179, 102],
  [173, 138],
  [167, 173],
  [196, 202],
]);

/** The sixteen are the user's own; of those that terminals come with, these are the farthest apart. */
const BLIND_16: Recolouring = new Map([
  [2, 12],
  [3, 11],
  [1, 9],
]);

export function recolouring(theme: ThemeName, colours: 0 | 16 | 256): Recolouring {
  if (theme === 'default' || colours === 0) return NONE;
  return colours === 256 ? BLIND_256 : BLIND_16;
}
