/** The vocabulary of looks: glyphs and styles by meaning. Meaning is always carried by a glyph or attribute too. */
import { BOLD, CYAN, DIM, fg, GREEN, MAGENTA, RED, REVERSE, type Style, UNDERLINE, YELLOW } from './style.ts';

export interface Glyphs {
  readonly ellipsis: string;
  readonly rule: string;
  readonly descending: string;
  readonly ascending: string;
  readonly focus: string;
  readonly cursor: string;
  readonly warn: string;
  readonly alarm: string;
  readonly branch: string;
  readonly lastBranch: string;
  readonly dash: string;
  readonly minus: string;
  readonly times: string;
  /** Something is being recorded. */
  readonly record: string;
  /** Where one stands on a line of time. */
  readonly position: string;
  /** On a line of time: something is damaged or missing there. */
  readonly damage: string;
  /** Left edge of a frame, and what fills it up where there is no colour. */
  readonly separator: string;
  readonly fill: string;
  /** An ancestor that has further children, in a tree. */
  readonly trunk: string;
  /** Levels of a share, from nothing to all. */
  readonly heat: readonly string[];
  /** Full and partial (eighths) block of a bar; one glyph = no partials. */
  readonly bar: readonly string[];
}

export interface Theme {
  readonly ascii: boolean;
  readonly colours: 0 | 16 | 256;
  readonly glyphs: Glyphs;
}

const UNICODE: Glyphs = {
  ellipsis: '…',
  rule: '─',
  descending: '▼',
  ascending: '▲',
  focus: '▸',
  cursor: '▸',
  warn: '!',
  alarm: '▲',
  branch: '├─ ',
  lastBranch: '└─ ',
  dash: '–',
  minus: '−',
  times: '×',
  record: '●',
  position: '┃',
  damage: 'x',
  separator: '▏',
  fill: '·',
  trunk: '│ ',
  heat: ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
  bar: ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
};

const ASCII: Glyphs = {
  ellipsis: '+',
  rule: '-',
  descending: 'v',
  ascending: '^',
  focus: '>',
  cursor: '>',
  warn: '!',
  alarm: '#',
  branch: '|- ',
  lastBranch: '`- ',
  dash: '-',
  minus: '-',
  times: 'x',
  record: '*',
  position: '|',
  damage: 'x',
  separator: '|',
  fill: '.',
  trunk: '| ',
  heat: ['.', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  bar: ['#'],
};

/** Styles by meaning. Only the user's own 16 colours, never a background but by reverse. */
export const LOOK = {
  dim: DIM,
  title: BOLD,
  focusedTitle: BOLD | CYAN,
  columns: UNDERLINE | DIM,
  focusedColumns: UNDERLINE | BOLD,
  sorted: UNDERLINE | BOLD | CYAN,
  selected: REVERSE,
  warn: YELLOW,
  alarm: BOLD | RED,
  note: YELLOW,
  good: GREEN,
  value: BOLD,
  label: DIM,
  key: BOLD | CYAN,
  paused: BOLD | REVERSE | YELLOW,
  replay: BOLD | REVERSE | CYAN,
  recording: BOLD | RED,
  bar: CYAN,
  stack: MAGENTA,
} as const satisfies Record<string, Style>;

/** Theme for what the terminal can show. */
export function makeTheme(capabilities: { readonly ascii: boolean; readonly colours: 0 | 16 | 256 }): Theme {
  return { ...capabilities, glyphs: capabilities.ascii ? ASCII : UNICODE };
}

const HEAT_256 = [65, 71, 107, 143, 179, 173, 167, 196];

/** Colour of a share 0…1: green, yellow, red; finer steps where 256 colours are there. */
export function heatStyle(share: number, theme: Theme): Style {
  if (theme.colours === 256) {
    return fg(HEAT_256[Math.min(HEAT_256.length - 1, Math.floor(share * HEAT_256.length))] ?? 196);
  }
  return share >= 0.9 ? RED | BOLD : share >= 0.6 ? YELLOW : GREEN;
}

/** Glyph of a share 0…1. Anything above nothing is at least the first step. */
export function heatGlyph(share: number, theme: Theme): string {
  const { heat } = theme.glyphs;
  if (!(share > 0)) return heat[0] as string;
  return heat[Math.min(heat.length - 1, Math.max(1, Math.ceil(share * (heat.length - 1))))] as string;
}

/** A bar of `share` (0…1) of `width` columns. */
export function barText(share: number, width: number, theme: Theme): string {
  const { bar } = theme.glyphs;
  const eighths = Math.round(Math.max(0, Math.min(1, share)) * width * bar.length);
  const full = Math.floor(eighths / bar.length);
  const rest = eighths % bar.length;
  const tail = rest > 0 ? (bar[rest - 1] as string) : '';
  const text = (bar.at(-1) as string).repeat(full) + tail;
  // Something is never drawn as nothing.
  return text === '' && share > 0 ? (bar[0] as string) : text;
}
