/** A list of events, one line each. */

import type { LogPanel } from '../monitors/monitor.ts';
import type { LogEntry } from '../sources/snapshot.ts';
import { clipText } from './char-width.ts';
import { nothingText } from './filter-of.ts';
import type { Region } from './grid.ts';
import { paintTitle, type Span } from './paint-title.ts';
import { sanitise } from './sanitise.ts';
import { PLAIN } from './style.ts';
import { LOOK, type Theme } from './theme.ts';

/** An entry that the store keeps; `id` grows. */
export interface KeptEntry {
  readonly id: number;
  readonly entry: LogEntry;
  /** Wall clock, milliseconds since the epoch. */
  readonly time: number;
}

export interface LogPicture {
  readonly title: string;
  /** What passes the filter, in the order of the lines. */
  readonly entries: readonly (KeptEntry & { readonly monitor?: string })[];
  readonly filter: string;
  /** Why the filter cannot be applied, or ''. */
  readonly problem: string;
  /** Index of the first entry shown. */
  readonly offset: number;
  /** Id of the selected entry, -1 for none. */
  readonly selected: number;
  readonly focused: boolean;
  /** The newest are at the bottom, and those below the last line are said to be newer. */
  readonly newestLast: boolean;
  /** Said when there is nothing. */
  readonly empty: string;
  /** Before each line, see `LogPanel`; default `clock`. */
  readonly stamp?: LogPanel['stamp'];
}

/** Paints title and entries. */
export function paintLog(region: Region, picture: LogPicture, theme: Theme): void {
  const { title, entries, offset, filter } = picture;
  const height = region.height - 1;
  const last = Math.min(entries.length, offset + height);
  paintTitle(region, title, titleSpans(picture, last, theme), picture.focused, theme);
  if (entries.length === 0) {
    const text = filter === '' ? picture.empty : nothingText('entry', filter, picture.problem);
    region.put(
      2,
      1,
      clipText(sanitise(text, theme.ascii), region.width - 3, theme.glyphs.ellipsis),
      LOOK.dim,
    );
  }
  for (let index = offset; index < last; index += 1) {
    const kept = entries[index] as LogPicture['entries'][number];
    const line = region.part(0, 1 + index - offset, region.width, 1);
    paintEntry(line, kept, picture.stamp ?? 'clock', theme);
    if (kept.id !== picture.selected) continue;
    line.restyle(0, 0, region.width, () => LOOK.selected);
    line.put(0, 0, theme.glyphs.cursor, LOOK.selected);
  }
}

function paintEntry(
  line: Region,
  kept: LogPicture['entries'][number],
  stamp: NonNullable<LogPicture['stamp']>,
  theme: Theme,
): void {
  const { entry, monitor } = kept;
  let x = 1;
  if (entry.mark === true) line.put(0, 0, theme.glyphs.alarm, LOOK.alarm);
  if (stamp === 'clock') x = line.put(x, 0, clockTime(kept.time), LOOK.label) + 1;
  if (stamp === 'boot') x = line.put(x, 0, bootTime(entry.at_ms), LOOK.label) + 1;
  if (monitor !== undefined) x = line.put(x, 0, monitor.padEnd(11), LOOK.key) + 1;
  if (entry.cpu >= 0 && stamp !== 'none') x = paintTask(line, x, entry, theme);
  const frames = entry.stack?.length ?? 0;
  const stack = frames === 0 ? '' : ` [${frames} frames]`;
  const room = line.width - x - stack.length;
  x = line.put(
    x,
    0,
    clipText(sanitise(entry.text, theme.ascii), room, theme.glyphs.ellipsis),
    entry.mark === true ? LOOK.alarm : PLAIN,
  );
  line.put(x, 0, stack, LOOK.dim);
}

/** CPU and task; returns the column after them. */
function paintTask(line: Region, from: number, entry: LogEntry, theme: Theme): number {
  let x = line.put(from, 0, `cpu${entry.cpu}`.padEnd(6), LOOK.label) + 1;
  x = line.put(x, 0, String(entry.tid).padStart(7), LOOK.label) + 1;
  line.put(x, 0, clipText(sanitise(entry.comm, theme.ascii), 15, theme.glyphs.ellipsis), LOOK.value);
  return x + 16;
}

function titleSpans({ entries, filter, offset, newestLast }: LogPicture, last: number, theme: Theme): Span[] {
  const spans: Span[] = [];
  const below = entries.length - last;
  if (newestLast && below > 0) spans.push({ text: `${below} newer, J follows  `, style: LOOK.warn });
  if (filter !== '') spans.push({ text: `filter "${filter}" `, style: LOOK.warn });
  const range = last - offset < entries.length ? `${offset + 1}${theme.glyphs.dash}${last} of ` : '';
  if (entries.length > 0) spans.push({ text: `${range}${entries.length}`, style: LOOK.label });
  return spans;
}

const texts = new WeakMap<LogEntry, string>();

/** The line of an entry as text, to be searched. */
export function entryText(kept: KeptEntry & { readonly monitor?: string }): string {
  const { entry, time, monitor } = kept;
  let text = texts.get(entry);
  if (text === undefined) {
    text = `${clockTime(time)} cpu${entry.cpu} ${entry.tid} ${entry.comm} ${entry.text}`;
    texts.set(entry, text);
  }
  return monitor === undefined ? text : `${monitor} ${text}`;
}

/** `[   12.345678]`, as the kernel prints it. */
function bootTime(at_ms: number): string {
  return `[${(at_ms / 1000).toFixed(6).padStart(12)}]`;
}

/** Local time of day with milliseconds. */
export function clockTime(time: number): string {
  const date = new Date(time);
  const two = (value: number) => String(value).padStart(2, '0');
  const millis = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}
