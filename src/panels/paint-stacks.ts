/** Stacks as an icicle: a cell is as wide as its share, callees hang below their caller. */
import type { StacksPanel } from '../monitors/monitor.ts';
import { clipText, textWidth } from './char-width.ts';
import type { Region } from './grid.ts';
import { type IcicleCell, layOut } from './icicle.ts';
import { paintTitle, type Span } from './paint-title.ts';
import { sanitise } from './sanitise.ts';
import { type Frame, isWithin, type StackTree } from './stack-tree.ts';
import { BOLD, CYAN, DIM, fg, GREEN, MAGENTA, PLAIN, RED, REVERSE, type Style, YELLOW } from './style.ts';
import { LOOK, type Theme } from './theme.ts';

/** Title and status line. */
export const STACKS_CHROME = 2;

export interface StacksPicture {
  readonly panel: StacksPanel;
  readonly tree: StackTree;
  /** What the tree is split by; undefined = total. */
  readonly by: string | undefined;
  /** The frame that has the whole width. */
  readonly top: Frame;
  readonly selected: Frame;
  /** First level shown, counted from `top`. */
  readonly scroll: number;
  readonly focused: boolean;
  /** Said when there are no stacks. */
  readonly empty: string;
}

/** Paints title, cells and what is to be said about the selected frame. */
export function paintStacks(region: Region, picture: StacksPicture, theme: Theme): void {
  const { panel, tree, top, selected } = picture;
  paintTitle(region, panel.title, titleSpans(picture, theme), picture.focused, theme);
  if (!(tree.root.value > 0)) {
    region.put(2, 1, picture.empty, LOOK.dim);
    return;
  }
  const height = Math.max(0, region.height - STACKS_CHROME);
  const body = region.part(0, 1, region.width, height);
  for (const cell of layOut(top, region.width, picture.scroll, height)) {
    paintCell(body, cell, cell.level - picture.scroll, isChosen(cell, selected), theme);
  }
  paintStatus(region.part(0, region.height - 1, region.width, 1), picture, theme);
}

/** The cell shows the frame, or is the merged one that hides it. */
function isChosen({ frame, merged }: IcicleCell, selected: Frame): boolean {
  if (merged === 1) return frame === selected;
  let up = selected;
  while (up.depth > frame.depth && up.parent !== undefined) up = up.parent;
  const brothers = frame.parent?.children ?? [];
  return up.parent === frame.parent && brothers.indexOf(up) >= brothers.indexOf(frame);
}

function paintCell(region: Region, cell: IcicleCell, y: number, chosen: boolean, theme: Theme): void {
  const { frame, x, width, merged } = cell;
  const { separator, ellipsis, cursor } = theme.glyphs;
  const look = merged > 1 ? mergedLook(chosen, theme) : frameLook(frame.name, chosen, theme);
  const text = merged > 1 ? `${ellipsis}${merged}` : sanitise(frame.name, theme.ascii);
  const mark = chosen && width > 2 ? cursor : '';
  const room = width - 1 - mark.length;
  // Of a few letters the beginning says more than a mark that something is missing.
  const fits = merged > 1 && text.length > room ? ellipsis.slice(0, Math.max(0, room)) : text;
  const label = room < 4 ? fits.slice(0, Math.max(0, room)) : clipText(fits, room, ellipsis);
  region.put(x, y, separator, x === 0 ? look : DIM);
  const after = region.put(x + 1, y, mark + label, look);
  const fill = theme.colours === 0 && !chosen ? theme.glyphs.fill : ' ';
  region.put(
    after,
    y,
    fill.repeat(Math.max(0, x + width - after)),
    theme.colours === 0 && !chosen ? DIM : look,
  );
  if (width === 1) region.put(x, y, merged > 1 ? ellipsis : separator, look);
}

const COLOURS_16: readonly Style[] = [
  RED,
  GREEN,
  YELLOW,
  MAGENTA,
  CYAN,
  fg(9),
  fg(10),
  fg(11),
  fg(13),
  fg(14),
];
const COLOURS_256 = [
  173, 179, 180, 186, 143, 150, 114, 115, 109, 110, 146, 139, 175, 174, 216, 222, 187, 151, 152, 183,
].map(fg);

function frameLook(name: string, chosen: boolean, theme: Theme): Style {
  if (chosen) return REVERSE | BOLD;
  if (theme.colours === 0) return PLAIN;
  const colours = theme.colours === 256 ? COLOURS_256 : COLOURS_16;
  return REVERSE | (colours[hash(name) % colours.length] as Style);
}

function mergedLook(chosen: boolean, theme: Theme): Style {
  if (chosen) return REVERSE | BOLD;
  return theme.colours === 0 ? DIM : DIM | REVERSE;
}

/** The same for a name wherever it stands and whatever else there is (FNV-1a). */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1) {
    value = Math.imul(value ^ name.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

function titleSpans({ by, tree, top, panel }: StacksPicture, theme: Theme): Span[] {
  const spans: Span[] = [];
  if (top !== tree.root) spans.push({ text: `in ${sanitise(top.name, theme.ascii)}  `, style: LOOK.warn });
  if (panel.by.length > 0)
    spans.push({ text: by === undefined ? 'total  ' : `by ${by}  `, style: LOOK.value });
  if (tree.root.value > 0)
    spans.push({ text: `${count(tree.root.value)} ${panel.value}`, style: LOOK.label });
  return spans;
}

function paintStatus(region: Region, { tree, top, selected, panel }: StacksPicture, theme: Theme): void {
  const shown = isWithin(selected, top) ? selected : top;
  const facts = [
    `${count(shown.value)} ${panel.value}`,
    ...(shown.self > 0 && shown.self < shown.value ? [`${count(shown.self)} its own`] : []),
    `${percent(shown.value, tree.root.value)} of total`,
    ...(shown.parent === undefined ? [] : [`${percent(shown.value, shown.parent.value)} of parent`]),
  ].join('  ');
  const name = sanitise(shown.name, theme.ascii);
  const room = region.width - textWidth(facts) - 5;
  const x = region.put(1, 0, clipText(name, Math.max(8, room), theme.glyphs.ellipsis), LOOK.value);
  region.put(x + 2, 0, facts, LOOK.label);
}

/** Whole where it is; else no more decimals than can be read. */
function count(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 100 ? 2 : 0);
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / Math.max(whole, Number.MIN_VALUE)).toFixed(1)}%`;
}
