/** Lines of a time line as messages. */
import type { Snapshot } from '../sources/snapshot.ts';
import type { Mark, SourceMessage } from '../sources/source.ts';
import type { Chunk, Line } from './chunk.ts';
import { readCapabilities, readFailure, readLoad, readMark, readSnapshot } from './decode.ts';
import { type Json, text, Unfit } from './shape.ts';
import { countOf, type Timeline } from './timeline.ts';

/** What a line says to who watches; undefined when it says nothing to them. Throws `Unfit`. */
export function readMessage(kind: string, monitor: string, members: () => Json): SourceMessage | undefined {
  switch (kind) {
    case 'snap':
    case 'key':
      return { type: 'snapshot', snapshot: readSnapshot(members(), monitor) };
    case 'load':
      return { type: 'load', load: readLoad(members().load) };
    case 'fail':
      return { type: 'failed', failure: readFailure(members().failure, monitor) };
    case 'note':
      return { type: 'notice', text: text(members().text, 'text') };
    case 'caps':
      return { type: 'capabilities', capabilities: readCapabilities(members().capabilities) };
    default:
      return undefined;
  }
}

/** The same of a line of a chunk; undefined also when it is not as it must be. */
export function messageOf(chunk: Chunk, line: Line): SourceMessage | undefined {
  try {
    return readMessage(line.kind, line.monitor, () => chunk.members(line));
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}

/** The mark of a line, if it holds one. */
export function markOf(chunk: Chunk, line: Line): Mark | undefined {
  try {
    return readMark(chunk.members(line).mark, line.time, line.monitor);
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}

/** The snapshot of a line, if it holds one. */
export function snapshotOf(chunk: Chunk, line: Line): Snapshot | undefined {
  const message = messageOf(chunk, line);
  return message?.type === 'snapshot' ? message.snapshot : undefined;
}

/**
 * Every snapshot there is, of one monitor or of all, in the order they were taken. `unfit` is called for each that is not as
 * it must be, with the reason.
 */
export function* snapshotsOf(
  timeline: Timeline,
  monitor?: string,
  unfit: (monitor: string, why: string) => void = () => {},
): Generator<Snapshot> {
  for (let number = timeline.first; number < timeline.end; number += 1) {
    if (monitor !== undefined && countOf(timeline.span(number), monitor) === 0) continue;
    const chunk = timeline.chunk(number);
    for (const line of chunk?.lines ?? []) {
      if (line.kind !== 'snap' || (monitor !== undefined && line.monitor !== monitor)) continue;
      let snapshot: Snapshot;
      try {
        snapshot = readSnapshot((chunk as Chunk).members(line), line.monitor);
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        unfit(line.monitor, error.message);
        continue;
      }
      yield snapshot;
    }
  }
}
