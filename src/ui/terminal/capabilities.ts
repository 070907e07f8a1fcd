/** What the terminal can show, decided once from the environment and the user's wishes. */
import { BOLD, DIM, REVERSE, UNDERLINE } from '../../panels/style.ts';
import { type Recolouring, recolouring, type ThemeName } from './palette.ts';

export type ColourWish = 'auto' | 'never' | '16' | '256' | 'true';

/** How the user wants things drawn. */
export interface Look {
  readonly colour: ColourWish;
  readonly ascii: boolean;
  readonly theme: ThemeName;
  /** The mouse is ktop's from the start. */
  readonly mouse: boolean;
}

export interface Capabilities {
  /** Number of palette entries that may be used: 0, 16 or 256. */
  readonly colours: 0 | 16 | 256;
  /** Printable ASCII only. */
  readonly ascii: boolean;
  /** Bits of a style that may be written. */
  readonly styleMask: number;
  readonly recolour: Recolouring;
}

type Environment = Readonly<Record<string, string | undefined>>;

const ATTRIBUTES = BOLD | DIM | UNDERLINE | REVERSE;

/** Reads NO_COLOR, TERM, COLORTERM and the locale; explicit wishes win over them. */
export function detectCapabilities(
  env: Environment,
  { colour, ascii, theme }: Omit<Look, 'mouse'>,
): Capabilities {
  const term = env.TERM ?? '';
  const colours = countColours(env, term, colour);
  return {
    colours,
    // The Linux console's font lacks most of what is drawn with.
    ascii: ascii || term === 'linux' || !isUtf8(env),
    styleMask: colours === 0 ? ATTRIBUTES : 0x1fff,
    recolour: recolouring(theme, colours),
  };
}

/** It can move the cursor: without that there is no screen, only lines. */
export function hasScreen(env: Environment): boolean {
  return (env.TERM ?? '') !== '' && env.TERM !== 'dumb';
}

function countColours(env: Environment, term: string, wish: ColourWish): 0 | 16 | 256 {
  if (wish === 'never') return 0;
  if (wish === '16') return 16;
  if (wish === '256' || wish === 'true') return 256;
  if ((env.NO_COLOR ?? '') !== '') return 0;
  if (/^vt(?:100|102|220)$/.test(term)) return 0;
  return /256|direct|kitty|alacritty/.test(term) || /truecolor|24bit/.test(env.COLORTERM ?? '') ? 256 : 16;
}

/** The first of LC_ALL, LC_CTYPE and LANG that is set decides, as in the C library. */
function isUtf8(env: Environment): boolean {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '');
  return /utf-?8/i.test(locale ?? '');
}
