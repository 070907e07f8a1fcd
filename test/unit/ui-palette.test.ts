/** The colour-blind-safe theme, judged by a simulation of what colour-blind eyes see (Machado et al. 2009, severity 1). */
import { describe, expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import { Grid } from '../../src/panels/grid.ts';
import { foregroundOf } from '../../src/panels/style.ts';
import { heatGlyph, heatStyle, LOOK, makeTheme } from '../../src/panels/theme.ts';
import { recolouring } from '../../src/ui/terminal/palette.ts';
import { Screen } from '../../src/ui/terminal/screen.ts';

type Triple = readonly [number, number, number];

const EYES: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  all: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  'no red': [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  'no green': [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  'no blue': [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** The sixteen as xterm, the Linux console and GNOME's terminal come with. */
const SIXTEEN = {
  xterm:
    '000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff',
  linux:
    '000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff',
  gnome:
    '2e3436 cc0000 4e9a06 c4a000 3465a4 75507b 06989a d3d7cf 555753 ef2929 8ae234 fce94f 729fcf ad7fa8 34e2e2 eeeeec',
};

/** The cube behind the sixteen. */
function cube(index: number): Triple {
  const levels = [0, 95, 135, 175, 215, 255];
  const at = (power: number) => levels[Math.floor((index - 16) / power) % 6] as number;
  return [at(36), at(6), at(1)];
}

function sixteen(hex: string, index: number): Triple {
  const value = Number.parseInt(hex.split(' ')[index] as string, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function linear(value: number): number {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

function luminance(colour: Triple): number {
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}

/** WCAG 2. */
function contrast(one: Triple, other: Triple): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** CIE L*a*b* of what an eye sees. */
function seen(colour: Triple, eye: (typeof EYES)[string]): Triple {
  const light = colour.map(linear);
  const [red, green, blue] = eye.map((row) =>
    Math.min(
      1,
      Math.max(
        0,
        row.reduce((sum, part, index) => sum + part * (light[index] as number), 0),
      ),
    ),
  ) as [number, number, number];
  const root = (t: number) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const x = root((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
  const y = root(0.2126 * red + 0.7152 * green + 0.0722 * blue);
  const z = root((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** The least distance between any two, for any eye. */
function apart(colours: readonly Triple[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (const eye of Object.values(EYES))
    for (const [index, one] of colours.entries())
      for (const other of colours.slice(index + 1)) {
        const [a, b] = [seen(one, eye), seen(other, eye)];
        least = Math.min(least, Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]));
      }
  return least;
}

const BLACK: Triple = [0, 0, 0];
const WHITE: Triple = [255, 255, 255];
const SEVERITIES = [LOOK.good, LOOK.warn, LOOK.alarm].map(foregroundOf);
const of = (colours: 16 | 256, theme: 'default' | 'colour-blind') =>
  SEVERITIES.map((index) => recolouring(theme, colours).get(index) ?? index);

describe('good, warning and alarm', () => {
  test('256 colours: far apart for every eye, readable on black and on white', () => {
    const colours = of(256, 'colour-blind').map(cube);
    expect(apart(colours)).toBeGreaterThan(40);
    for (const colour of colours) {
      expect(contrast(colour, BLACK)).toBeGreaterThanOrEqual(3);
      expect(contrast(colour, WHITE)).toBeGreaterThanOrEqual(3);
    }
  });

  test.each(Object.entries(SIXTEEN))(
    '16 colours of %s: far apart, which the usual ones are not',
    (_, hex) => {
      const colours = of(16, 'colour-blind').map((index) => sixteen(hex, index));
      expect(apart(colours)).toBeGreaterThan(35);
      expect(apart(colours)).toBeGreaterThan(
        2 * apart(of(16, 'default').map((index) => sixteen(hex, index))),
      );
      for (const colour of colours) expect(contrast(colour, sixteen(hex, 0))).toBeGreaterThanOrEqual(3);
    },
  );

  test('accents too are readable on both', () => {
    for (const colour of [...recolouring('colour-blind', 256).values()].map(cube)) {
      expect(contrast(colour, BLACK)).toBeGreaterThan(2.7);
      expect(contrast(colour, WHITE)).toBeGreaterThan(2.7);
    }
  });
});

test('colour is never the only carrier: marks of bars, glyphs of shares and severities differ', () => {
  for (const { panels } of monitors)
    for (const panel of panels)
      if (panel.kind === 'bars')
        expect(new Set(panel.segments.map(({ mark }) => mark)).size).toBe(panel.segments.length);
  for (const ascii of [false, true]) {
    const theme = makeTheme({ ascii, colours: 256 });
    expect(theme.glyphs.warn).not.toBe(theme.glyphs.alarm);
    const shares = [0, 0.1, 0.35, 0.6, 0.85, 1];
    expect(new Set(shares.map((share) => heatGlyph(share, theme))).size).toBe(shares.length);
  }
});

test('the screen writes what the theme says, whatever was painted', () => {
  const grid = new Grid(8, 1);
  const region = grid.region();
  region.put(0, 0, 'g', LOOK.good);
  region.put(1, 0, 'w', LOOK.warn);
  region.put(2, 0, 'a', LOOK.alarm);
  region.put(3, 0, 'h', heatStyle(1, makeTheme({ ascii: false, colours: 256 })));
  const bytes = new Screen(0x1fff, recolouring('colour-blind', 256)).diff(grid);
  expect(bytes).toMatch(/38;5;33mg.*38;5;132mw.*38;5;202ma/);
  expect(bytes).not.toMatch(/\[3[1-7]m/);
  expect(new Screen(0x1fff, recolouring('default', 256)).diff(grid)).toMatch(/32mg.*33mw.*31ma/);
});
