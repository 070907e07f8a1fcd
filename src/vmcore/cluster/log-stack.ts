/** The stack that the kernel printed itself: all there is where its memory cannot be read. */
import { isTelling, normaliseFrame } from './frames.ts';

/** Lines after the first one of an oops or stall that may belong to it. */
const MOST_LINES = 250;
const FRAME = /^\s*(\?\s+)?([^\s+]+\+0x[\da-f]+\/0x[\da-f]+(?:\s+\[[^\]]+\])?)\s*$/i;
/** Where the kernel was; 0033 is a program's. */
const INSTRUCTION =
  /\bRIP: (?:[\da-f]{4}:)?(?:\[<[\da-f]+>\] )?([^\s+]+\+0x[\da-f]+\/0x[\da-f]+(?:\s+\[[^\]]+\])?)/i;
const TRACE = /\bCall Trace:/;
const END = /RIP: (?:0033|0023):|---\[ end |^\s*Modules linked in:|^\s*Kernel panic - |^\s*INFO: task /;

/**
 * Innermost first: the instruction that failed, then the first call trace, without what the kernel itself doubts (`?`).
 * Empty when nothing of it says anything.
 */
export function stackFromLog(lines: readonly string[], from: number): readonly string[] {
  const frames: string[] = [];
  let inside = false;
  for (const line of lines.slice(from, from + MOST_LINES)) {
    const instruction = INSTRUCTION.exec(line)?.[1];
    if (instruction !== undefined) {
      // A second one without a trace between them is of another report.
      if (frames.length > 0 && !inside) break;
      frames.push(instruction);
    } else if (TRACE.test(line)) {
      if (inside) break;
      inside = true;
    } else if (inside || frames.length > 0) {
      if (END.test(line) && (inside || !/Modules linked in/.test(line))) break;
      const [, doubtful, frame] = FRAME.exec(line) ?? [];
      if (inside && frame !== undefined && doubtful === undefined) frames.push(frame);
    }
  }
  return frames.some((frame) => isTelling(normaliseFrame(frame))) ? frames : [];
}
