/** What can be played: the chunks of a file, or those of the history and the one being written. */
import type { Mark } from '../sources/source.ts';
import type { Chunk } from './chunk.ts';

/** What is known of a chunk without reading it. Times: milliseconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
  /** Snapshots by monitor. */
  readonly counts: Readonly<Record<string, number>>;
  readonly marks: readonly Mark[];
}

/** Chunks in order of time. Numbers stay with their chunk: of a history the first ones go. */
export interface Timeline {
  /** Number of the first chunk there is. */
  readonly first: number;
  /** Number past the last. */
  readonly end: number;
  span(number: number): Span;
  /** Undefined for one that is damaged. The last of a history grows from call to call. */
  chunk(number: number): Chunk | undefined;
  /** Damage met so far, a sentence each, and where on the time line. */
  readonly damage: readonly { readonly time: number; readonly text: string }[];
}

/** Number of the last chunk that began at or before `time`; the first when there is none. */
export function chunkAt(timeline: Timeline, time: number): number {
  let [low, high] = [timeline.first, timeline.end - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (timeline.span(middle).from <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Snapshots of a monitor in a chunk. */
export function countOf({ counts }: Span, monitor: string): number {
  return Object.hasOwn(counts, monitor) ? (counts[monitor] as number) : 0;
}
