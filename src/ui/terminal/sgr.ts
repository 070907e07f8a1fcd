/** Styles as SGR sequences, and back. */
import {
  BOLD,
  DIM,
  foregroundOf,
  PLAIN,
  REVERSE,
  type Style,
  UNDERLINE,
  withForeground,
} from '../../panels/style.ts';

const ATTRIBUTES: readonly (readonly [Style, string])[] = [
  [BOLD, '1'],
  [DIM, '2'],
  [UNDERLINE, '4'],
  [REVERSE, '7'],
];

const cache = new Map<number, string>();

/** The shortest sequence that leads from one style to another; '' when they are the same. */
export function sgrBetween(from: Style, to: Style): string {
  if (from === to) return '';
  const id = from * 0x10000 + to;
  const known = cache.get(id);
  if (known !== undefined) return known;
  const fromScratch = ['0', ...codesOf(to)].join(';');
  const change = changes(from, to).join(';');
  const shortest = to === PLAIN ? '' : change.length <= fromScratch.length ? change : fromScratch;
  const sequence = `\x1b[${shortest}m`;
  cache.set(id, sequence);
  return sequence;
}

function codesOf(style: Style): string[] {
  const codes = ATTRIBUTES.filter(([bit]) => style & bit).map(([, code]) => code);
  const colour = foregroundOf(style);
  return colour < 0 ? codes : [...codes, colourCode(colour)];
}

function changes(from: Style, to: Style): string[] {
  const codes: string[] = [];
  let kept = from;
  const weight = BOLD | DIM;
  if ((from & ~to & weight) !== 0) {
    codes.push('22');
    kept &= ~weight;
  }
  if ((from & ~to & UNDERLINE) !== 0) codes.push('24');
  if ((from & ~to & REVERSE) !== 0) codes.push('27');
  for (const [bit, code] of ATTRIBUTES) if (to & ~kept & bit) codes.push(code);
  const colour = foregroundOf(to);
  if (colour !== foregroundOf(from)) codes.push(colour < 0 ? '39' : colourCode(colour));
  return codes;
}

function colourCode(index: number): string {
  if (index < 8) return String(30 + index);
  return index < 16 ? String(82 + index) : `38;5;${index}`;
}

/** The style after the parameters of an SGR sequence. Backgrounds and unknown codes are ignored. */
export function applySgr(style: Style, parameters: readonly number[]): Style {
  let result = style;
  for (let index = 0; index < parameters.length; index += 1) {
    const code = parameters[index] as number;
    if (code === 0) result = PLAIN;
    else if (code === 1) result |= BOLD;
    else if (code === 2) result |= DIM;
    else if (code === 4) result |= UNDERLINE;
    else if (code === 7) result |= REVERSE;
    else if (code === 22) result &= ~(BOLD | DIM);
    else if (code === 24) result &= ~UNDERLINE;
    else if (code === 27) result &= ~REVERSE;
    else if (code === 39) result = withForeground(result, -1);
    else if (code >= 30 && code <= 37) result = withForeground(result, code - 30);
    else if (code >= 90 && code <= 97) result = withForeground(result, code - 82);
    else if (code === 38 || code === 48) {
      const skip = parameters[index + 1] === 5 ? 2 : 4;
      if (code === 38 && skip === 2) result = withForeground(result, parameters[index + 2] ?? -1);
      index += skip;
    }
  }
  return result;
}
