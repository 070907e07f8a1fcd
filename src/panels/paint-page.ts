/** Pages of text that scroll: help and details. */
import { clipText, textWidth, wrapText } from './char-width.ts';
import type { Region } from './grid.ts';
import { paintTitle, type Span } from './paint-title.ts';
import { sanitise } from './sanitise.ts';
import { PLAIN, type Style } from './style.ts';
import { LOOK, type Theme } from './theme.ts';

/** A line made of pieces; the first column of the page is free for margins. */
export type PageLine = readonly Span[];

/** Paints a page from line `offset` on. Returns the offset used, which is never past the end. */
export function paintPage(
  region: Region,
  title: string,
  lines: readonly PageLine[],
  offset: number,
  theme: Theme,
): number {
  const height = Math.max(0, region.height - 1);
  const start = Math.max(0, Math.min(offset, lines.length - height));
  const end = Math.min(lines.length, start + height);
  const position =
    end - start < lines.length ? `${start + 1}${theme.glyphs.dash}${end} of ${lines.length}  ` : '';
  paintTitle(region, title, [{ text: `${position}Esc closes`, style: LOOK.label }], true, theme);
  for (let index = start; index < end; index += 1) {
    let x = 2;
    for (const { text, style } of lines[index] as PageLine) x = region.put(x, 1 + index - start, text, style);
  }
  return start;
}

/** One line of plain text. */
export function line(text: string, style: Style = PLAIN): PageLine {
  return [{ text, style }];
}

/** A heading with an empty line before it. */
export function heading(text: string): PageLine[] {
  return [[], line(text, LOOK.focusedTitle)];
}

/** `name   text`, the text wrapped into its own column. */
export function entry(
  name: string,
  text: string,
  nameWidth: number,
  width: number,
  theme: Theme,
  styles: { readonly name: Style; readonly text: Style } = { name: LOOK.value, text: PLAIN },
): PageLine[] {
  const cut = clipText(sanitise(name, theme.ascii), nameWidth, theme.glyphs.ellipsis);
  const head = cut + ' '.repeat(Math.max(0, nameWidth - textWidth(cut)));
  const wrapped = wrapText(sanitise(text, theme.ascii), Math.max(10, width - nameWidth - 4));
  return wrapped.map((part, index) => [
    { text: `${index === 0 ? head : ' '.repeat(nameWidth)}  `, style: styles.name },
    { text: part, style: styles.text },
  ]);
}

/** A paragraph, wrapped. */
export function paragraph(text: string, width: number, theme: Theme, style: Style = PLAIN): PageLine[] {
  return wrapText(sanitise(text, theme.ascii), Math.max(10, width - 4)).map((part) => line(part, style));
}
