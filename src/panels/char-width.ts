/** Columns a character takes. Terminals disagree on the rest of Unicode, so the screen never trusts this alone. */

/** First and last code point of the ranges drawn two columns wide (East Asian wide, emoji). */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f680, 0x1f6ff],
  [0x1f900, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
];

/** 1 or 2 for a code point that `sanitise` lets through. */
export function charWidth(code: number): 1 | 2 {
  if (code < 0x1100) return 1;
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}

/**
 * Whether every terminal draws the code point one column wide: ASCII, Latin, Greek, Cyrillic, arrows, boxes,
 * blocks, shapes, braille. Lines with anything else are repainted whole.
 */
export function isSureWidth(code: number): boolean {
  if (code < 0x250) return true;
  return (
    (code >= 0x370 && code < 0x500) ||
    (code >= 0x2010 && code < 0x2060) ||
    (code >= 0x2190 && code < 0x2200) ||
    (code >= 0x2500 && code < 0x25fd) ||
    (code >= 0x2800 && code < 0x2900) ||
    code === 0xfffd
  );
}

/** Columns of a text that has been sanitised. */
export function textWidth(text: string): number {
  let width = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.codePointAt(index) as number;
    if (code > 0xffff) index += 1;
    width += charWidth(code);
  }
  return width;
}

/** The text cut to `width` columns; `mark` (one column) ends it when something was cut. */
export function clipText(text: string, width: number, mark: string): string {
  if (width <= 0) return '';
  if (text.length <= width && textWidth(text) <= width) return text;
  let used = 0;
  let result = '';
  for (const char of text) {
    const next = charWidth(char.codePointAt(0) as number);
    if (used + next > width - 1) return result + mark;
    result += char;
    used += next;
  }
  return used <= width ? result : result.slice(0, -1) + mark;
}

/** Words laid into lines of at most `width` columns; longer words are cut across lines. */
export function wrapText(text: string, width: number): string[] {
  if (width <= 0) return [];
  const lines: string[] = [];
  let line = '';
  let used = 0;
  for (const word of text.split(' ')) {
    const size = textWidth(word);
    if (used > 0 && used + 1 + size <= width) {
      line += ` ${word}`;
      used += 1 + size;
      continue;
    }
    if (used > 0) lines.push(line);
    line = '';
    used = 0;
    for (const char of word) {
      const next = charWidth(char.codePointAt(0) as number);
      if (used + next > width) {
        lines.push(line);
        line = '';
        used = 0;
      }
      line += char;
      used += next;
    }
  }
  if (used > 0 || lines.length === 0) lines.push(line);
  return lines;
}
