/** The line on top of a panel: its name, a rule, and what is to be said about it at the right. */
import { clipText, textWidth } from './char-width.ts';
import type { Region } from './grid.ts';
import { sanitise } from './sanitise.ts';
import type { Style } from './style.ts';
import { LOOK, type Theme } from './theme.ts';

/** A piece of text with its look. */
export interface Span {
  readonly text: string;
  readonly style: Style;
}

/** Paints the title on line 0 of the region. */
export function paintTitle(
  region: Region,
  title: string,
  right: readonly Span[],
  focused: boolean,
  theme: Theme,
): void {
  const { focus, rule, ellipsis } = theme.glyphs;
  const width = region.width;
  region.put(0, 0, rule.repeat(width), LOOK.dim);
  const name = ` ${clipText(sanitise(title, theme.ascii), width - 4, ellipsis)} `;
  const after = region.put(1, 0, name, focused ? LOOK.focusedTitle : LOOK.title);
  if (focused) region.put(0, 0, focus, LOOK.focusedTitle);
  let room = width - after - 3;
  const spans: Span[] = [];
  for (const span of right) {
    const text = sanitise(span.text, theme.ascii);
    const size = textWidth(text);
    if (size > room) break;
    spans.push({ text, style: span.style });
    room -= size;
  }
  const used = spans.reduce((sum, span) => sum + textWidth(span.text), 0);
  if (used === 0) return;
  let x = region.put(width - used - 3, 0, ' ');
  for (const span of spans) x = region.put(x, 0, span.text, span.style);
  region.put(x, 0, ' ');
}
