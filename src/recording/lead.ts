/** What leads up to a position of a time line, so that a screen looks as it did then. */
import type { Failure, SourceMessage, Totals } from '../sources/source.ts';
import type { Chunk, Line } from './chunk.ts';
import { readFailure, readTotals } from './decode.ts';
import { messageOf } from './reading.ts';
import { Unfit } from './shape.ts';
import { countOf, type Timeline } from './timeline.ts';

/** At most so many snapshots of a monitor, of so much text … */
const MOST_SNAPSHOTS = 600;
const MOST_BYTES = 3 << 20;
/** … out of so many chunks, of so much text. */
const MOST_CHUNKS = 40;
const MOST_TEXT = 16 << 20;

/** Between two lines: `line` of `chunk` is the next one. */
export interface Position {
  readonly chunk: number;
  readonly line: number;
}

export function isBefore(a: Position, b: Position): boolean {
  return a.chunk < b.chunk || (a.chunk === b.chunk && a.line < b.line);
}

/** A line with where it is. */
export interface Place extends Position {
  readonly in: Chunk;
  readonly what: Line;
}

/** Lines before a position, the last one first; damaged chunks are passed over. `wanted`: chunks worth reading. */
export function* backwards(
  timeline: Timeline,
  from: Position,
  wanted: (chunk: number) => boolean = () => true,
): Generator<Place> {
  for (let number = Math.min(from.chunk, timeline.end - 1); number >= timeline.first; number -= 1) {
    const chunk = wanted(number) ? timeline.chunk(number) : undefined;
    if (chunk === undefined) continue;
    const end = number === from.chunk ? Math.min(from.line, chunk.lines.length) : chunk.lines.length;
    for (let line = end - 1; line >= 0; line -= 1)
      yield { chunk: number, line, in: chunk, what: chunk.lines[line] as Line };
  }
}

/**
 * Messages that bring a monitor from `shown` (undefined: from nothing) to `to`: what it lacked before, its snapshots, its
 * failure.
 */
export function leadUp(
  timeline: Timeline,
  monitor: string,
  to: Position,
  shown: Position | undefined,
): SourceMessage[] {
  const snapshots: Place[] = [];
  let [bytes, text, chunks] = [0, 0, 0];
  let oldest: Place | undefined;
  // Whole chunks: what was lacking before is known at their beginning.
  for (const place of backwards(timeline, to, (number) => countOf(timeline.span(number), monitor) > 0)) {
    if (shown !== undefined && isBefore(place, shown)) break;
    if (place.chunk !== oldest?.chunk) {
      text += place.in.bytes;
      chunks += 1;
      const enough = snapshots.length >= MOST_SNAPSHOTS || bytes >= MOST_BYTES;
      if (chunks > 1 && (enough || text > MOST_TEXT || chunks > MOST_CHUNKS)) break;
    }
    oldest = place;
    const { what } = place;
    if (what.monitor !== monitor || what.kind !== 'snap') continue;
    snapshots.push(place);
    bytes += what.end - what.start;
  }
  const current = timeline.chunk(to.chunk);
  const key = current?.lines.findIndex(({ kind, monitor: of }) => kind === 'key' && of === monitor) ?? -1;
  if (snapshots.length === 0 && shown === undefined && current !== undefined && key >= 0 && key < to.line)
    snapshots.push({ chunk: to.chunk, line: key, in: current, what: current.lines[key] as Line });
  const first = snapshots.at(-1);
  const reached = shown !== undefined && oldest?.chunk === shown.chunk;
  const totals = first === undefined || reached ? undefined : totalsBefore(first.in, monitor);
  const failure = failureAt(timeline, monitor, to);
  return [
    ...(totals === undefined ? [] : [{ type: 'totals', monitor, totals } as const]),
    ...snapshots.reverse().flatMap((place) => messageOf(place.in, place.what) ?? []),
    ...(failure === undefined ? [] : [{ type: 'failed', failure } as const]),
  ];
}

/** What a monitor had lacked when a chunk began. */
function totalsBefore(chunk: Chunk, monitor: string): Totals {
  const nothing = { lost: 0, late: 0, unseen: 0 };
  const tab = chunk.lines.find(({ kind, monitor: of }) => kind === 'tab' && of === monitor);
  if (tab === undefined) return nothing;
  return attempt(() => readTotals(chunk.members(tab).totals)) ?? nothing;
}

/** Why a monitor was not running at a position, if it had failed. */
function failureAt(timeline: Timeline, monitor: string, to: Position): Failure | undefined {
  for (const { what, in: chunk, chunk: number } of backwards(timeline, to)) {
    if (number !== to.chunk) return undefined;
    if (what.monitor !== monitor) continue;
    if (what.kind === 'snap' || what.kind === 'open') return undefined;
    if (what.kind !== 'fail' && what.kind !== 'tab') continue;
    return attempt(() => {
      const { failure } = chunk.members(what);
      return failure === undefined ? undefined : readFailure(failure, monitor);
    });
  }
  return undefined;
}

/** The last load of the host, or the capabilities, that were known at a position. Every chunk begins with them. */
export function lastKnown(
  timeline: Timeline,
  kind: 'load' | 'caps',
  to: Position,
): SourceMessage | undefined {
  let read: number | undefined;
  for (const { what, in: chunk, chunk: number } of backwards(timeline, to)) {
    read ??= number;
    if (number !== read) return undefined;
    const message = what.kind === kind ? messageOf(chunk, what) : undefined;
    if (message !== undefined) return message;
  }
  return undefined;
}

function attempt<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}
