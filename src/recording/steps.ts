/** From snapshot to snapshot of a monitor, however far. */
import type { Chunk } from './chunk.ts';
import type { Position } from './lead.ts';
import { countOf, type Timeline } from './timeline.ts';

/** Chunks read in search of a snapshot; more only if they do not hold what they should. */
const MOST_READS = 16;

/**
 * Behind the snapshot `by` after the one before `here` (negative: before it); the last or first one when there are not so
 * many, undefined when there is none. Chunks on the way are counted, not read.
 */
export function stepFrom(
  timeline: Timeline,
  here: Position,
  monitor: string,
  by: number,
): Position | undefined {
  const forward = by > 0;
  const way = forward ? 1 : -1;
  // Of those behind, the one shown last is the first.
  let left = forward ? by : 1 - by;
  let [found, reads] = [undefined as Position | undefined, 0];
  const start = Math.max(timeline.first, Math.min(here.chunk, timeline.end - 1));
  for (const number of chunksWith(timeline, monitor, start, way)) {
    const count = countOf(timeline.span(number), monitor);
    const inside = number === here.chunk;
    const isLast = chunksWith(timeline, monitor, number + way, way).next().done === true;
    if (!inside && left > count && !isLast) {
      left -= count;
      continue;
    }
    const there = snapshots(timeline.chunk(number), monitor).filter(
      (line) => !inside || line >= here.line === forward,
    );
    if (there.length > 0) {
      const nth = Math.min(left, there.length) - 1;
      const line = there.at(forward ? nth : -1 - nth) as number;
      found = { chunk: number, line: line + 1 };
      left -= there.length;
    }
    reads += 1;
    if (left <= 0 || reads > MOST_READS) break;
  }
  return found;
}

/** Numbers of the chunks that have snapshots of a monitor. */
function* chunksWith(timeline: Timeline, monitor: string, start: number, way: 1 | -1): Generator<number> {
  for (let number = start; number >= timeline.first && number < timeline.end; number += way)
    if (countOf(timeline.span(number), monitor) > 0) yield number;
}

/** Lines of a chunk that are snapshots of a monitor. */
function snapshots(chunk: Chunk | undefined, monitor: string): number[] {
  const lines = chunk?.lines ?? [];
  return [...lines.keys()].filter((at) => lines[at]?.kind === 'snap' && lines[at]?.monitor === monitor);
}
