/** A shelf of recordings: the list, and what is known of the one that is pointed at. */
import { clipText, textWidth } from '../../panels/char-width.ts';
import type { Region } from '../../panels/grid.ts';
import { entry, type PageLine, paragraph } from '../../panels/paint-page.ts';
import { paintTitle } from '../../panels/paint-title.ts';
import { sanitise } from '../../panels/sanitise.ts';
import { LOOK, type Theme } from '../../panels/theme.ts';
import { dayOf, lengthText, timeOfDay, zoneOf } from '../../panels/wall-time.ts';

/** A recording on the shelf. All texts are untrusted. */
export interface ShelfItem {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  /** Why it cannot be played; '' when it can. */
  readonly problem: string;
  /** What stands in the file beside it: how it was made, what to notice. */
  readonly about: string;
  readonly facts: ShelfFacts | undefined;
}

export interface ShelfFacts {
  /** Wall clock, milliseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly host: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly monitors: readonly string[];
  readonly incidents: number;
  readonly damage: readonly string[];
}

export interface ShelfView {
  readonly title: string;
  readonly items: readonly ShelfItem[];
  readonly index: number;
  /** First item shown. */
  readonly top: number;
}

/** Lines of the list on a screen of so many rows. */
export function listLines(rows: number, count: number): number {
  return Math.max(1, Math.min(count, Math.floor((rows - 4) / 2)));
}

/** Paints the whole screen. */
export function paintShelf(region: Region, { title, items, index, top }: ShelfView, theme: Theme): void {
  const lines = listLines(region.height, items.length);
  const position = { text: `${index + 1} of ${items.length}`, style: LOOK.label };
  paintTitle(region, title, items.length === 0 ? [] : [position], true, theme);
  const nameWidth = Math.max(10, ...items.map(({ name }) => textWidth(sanitise(name, theme.ascii))));
  for (const [offset, item] of items.slice(top, top + lines).entries()) {
    const row = region.part(0, 1 + offset, region.width, 1);
    paintItem(row, item, Math.min(nameWidth, region.width >> 1), theme);
    if (top + offset !== index) continue;
    row.restyle(0, 0, row.width, () => LOOK.selected);
    row.put(0, 0, theme.glyphs.cursor, LOOK.selected);
  }
  const selected = items[index];
  const below = region.part(0, 1 + lines, region.width, region.height - 2 - lines);
  if (selected !== undefined) paintAbout(below, selected, theme);
  paintKeys(region.part(0, region.height - 1, region.width, 1), theme);
}

function paintItem(
  row: Region,
  { name, facts, problem, about }: ShelfItem,
  width: number,
  theme: Theme,
): void {
  const { ellipsis, warn } = theme.glyphs;
  row.put(1, 0, clipText(sanitise(name, theme.ascii), width, ellipsis), LOOK.value);
  let x = 1 + width + 2;
  if (facts === undefined) {
    row.put(
      x,
      0,
      clipText(`${warn} ${sanitise(problem, theme.ascii)}`, row.width - x - 1, ellipsis),
      LOOK.warn,
    );
    return;
  }
  row.put(x, 0, lengthText(facts.end - facts.start).padStart(8), LOOK.label);
  x += 10;
  const what = about === '' ? facts.monitors.join(', ') : firstLine(about);
  row.put(x, 0, clipText(sanitise(what, theme.ascii), row.width - x - 1, ellipsis), 0);
}

function paintAbout(region: Region, item: ShelfItem, theme: Theme): void {
  paintTitle(region, item.name, [], false, theme);
  const lines = aboutLines(item, region.width, theme);
  const room = region.height - 1;
  for (const [y, line] of lines.slice(0, room).entries()) {
    let x = 1;
    for (const { text, style } of line) x = region.put(x, 1 + y, text, style);
  }
}

function aboutLines({ about, facts, problem, bytes }: ShelfItem, width: number, theme: Theme): PageLine[] {
  const paragraphs = about.split(/\n\s*\n/).filter((part) => part.trim() !== '');
  const lines: PageLine[] = [];
  if (problem !== '') lines.push(...paragraph(problem, width, theme, LOOK.warn), []);
  for (const part of paragraphs) lines.push(...paragraph(part.replace(/\s+/g, ' ').trim(), width, theme), []);
  if (facts === undefined) return lines;
  const { start, end, host, kernel, cpus, monitors, incidents, damage } = facts;
  const field = (name: string, text: string) =>
    lines.push(...entry(name, text, 9, width, theme, { name: LOOK.label, text: 0 }));
  field('host', `${host}, Linux ${kernel}, ${cpus} CPU${cpus === 1 ? '' : 's'}`);
  field('recorded', `${dayOf(start)} ${timeOfDay(start)} ${zoneOf(start)}, ${lengthText(end - start)}`);
  field('tabs', monitors.join(', '));
  field('incidents', String(incidents));
  field('size', `${(bytes / 1000).toFixed(0)} kB`);
  for (const text of damage) lines.push(...paragraph(text, width, theme, LOOK.warn));
  return lines;
}

function paintKeys(row: Region, theme: Theme): void {
  const keys = [
    ['Enter', 'replay'],
    [theme.ascii ? 'Up/Down' : '↑↓', 'choose'],
    ['q', 'quit'],
  ] as const;
  let x = 1;
  for (const [key, text] of keys) {
    x = row.put(x, 0, key, LOOK.key);
    x = row.put(x, 0, ` ${text}  `, LOOK.dim);
  }
}

function firstLine(text: string): string {
  return (text.split('\n').find((line) => line.trim() !== '') ?? '').trim();
}
