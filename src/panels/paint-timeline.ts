/** One line of time: where one stands in it, what happened when, and how much. */
import type { Mark } from '../sources/source.ts';
import type { Region } from './grid.ts';
import { BOLD } from './style.ts';
import { heatGlyph, heatStyle, LOOK, type Theme } from './theme.ts';
import { dayOf, lengthText, timeOfDay } from './wall-time.ts';

export interface TimelinePicture {
  /** Wall clock, milliseconds since the epoch. */
  readonly start: number;
  readonly end: number;
  readonly at: number;
  readonly marks: readonly Mark[];
  /** How much there was in each of so many equal parts of the span, 0 to 1; NaN where it is not known. */
  readonly levels: (parts: number) => readonly number[];
}

/** Least room for the line itself; the words at its ends give way. */
const LEAST_BAR = 20;

/** Which of several marks in one cell is shown: the graver. */
const GRAVITY: Readonly<Record<Mark['kind'], number>> = { incident: 1, loss: 2, damage: 3 };

/** Paints line 0 of the region. */
export function paintTimeline(region: Region, picture: TimelinePicture, theme: Theme): void {
  const { start, end, at } = picture;
  const [from, to] = endLabels(start, end);
  const position = `${lengthText(at - start)}/${lengthText(end - start)}`;
  const room = (left: string, right: string) => region.width - left.length - right.length - 4;
  let [left, right] = [from, `${to}  ${position}`];
  if (room(left, right) < LEAST_BAR) [left, right] = ['', position];
  const width = room(left, right) + (left === '' ? 1 : 0);
  const x = left === '' ? 1 : region.put(1, 0, left, LOOK.label) + 1;
  paintBar(region.part(x, 0, width, 1), picture, theme);
  region.put(x + width + 1, 0, right, LOOK.label);
}

/** Times of day; with days where they differ. */
function endLabels(start: number, end: number): readonly [string, string] {
  if (dayOf(start) === dayOf(end)) return [timeOfDay(start), timeOfDay(end)];
  const short = (time: number) => `${dayOf(time).slice(5)} ${timeOfDay(time).slice(0, 5)}`;
  return [short(start), short(end)];
}

function paintBar(region: Region, { start, end, at, marks, levels }: TimelinePicture, theme: Theme): void {
  const parts = region.width;
  if (parts <= 0) return;
  const cellOf = (time: number) =>
    Math.max(0, Math.min(parts - 1, Math.floor(((time - start) / Math.max(1, end - start)) * parts)));
  const shares = levels(parts);
  for (let cell = 0; cell < parts; cell += 1) {
    const share = shares[cell] ?? Number.NaN;
    if (Number.isNaN(share)) region.put(cell, 0, theme.glyphs.rule, LOOK.dim);
    else region.put(cell, 0, heatGlyph(share, theme), heatStyle(0, theme));
  }
  const graver = new Map<number, Mark['kind']>();
  for (const { time, kind } of marks) {
    const before = graver.get(cellOf(time));
    if (before === undefined || GRAVITY[kind] > GRAVITY[before]) graver.set(cellOf(time), kind);
  }
  for (const [cell, kind] of graver) region.put(cell, 0, markGlyph(kind, theme), MARK_LOOK[kind]);
  region.put(cellOf(at), 0, theme.glyphs.position, BOLD);
}

/** The glyph of a mark: ▲ incident, ! loss, x damage. */
export function markGlyph(kind: Mark['kind'], { glyphs }: Theme): string {
  return kind === 'incident' ? glyphs.alarm : kind === 'loss' ? glyphs.warn : glyphs.damage;
}

const MARK_LOOK = { incident: LOOK.alarm, loss: LOOK.warn, damage: LOOK.alarm } as const;
