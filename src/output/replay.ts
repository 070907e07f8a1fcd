/** A recording as text or JSON: what `--plain` and `--json` wrote when it was made, or would have written. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Monitor } from '../monitors/monitor.ts';
import { sanitise } from '../panels/sanitise.ts';
import type { RecordingFile } from '../recording/file.ts';
import { snapshotsOf } from '../recording/reading.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import { jsonLine } from './json.ts';
import { plainText } from './plain.ts';
import { complain, type Writer } from './writer.ts';

export interface ReplayWanted {
  readonly format: 'json' | 'plain';
  readonly monitors: readonly Monitor[];
  /** Undefined: all there are. */
  readonly monitor: Monitor | undefined;
  /** Snapshots to write. */
  readonly count: number;
  /** So many times as fast as it happened; undefined: as fast as can be. */
  readonly speed: number | undefined;
}

/** A pause worth making, in ms. */
const LEAST_MS = 1;

/** Resolves to the exit code. What is missing in the file is said on stderr. */
export async function replaySnapshots(
  file: RecordingFile,
  writer: Writer,
  { format, monitors, monitor, count, speed }: ReplayWanted,
): Promise<number> {
  const encode = format === 'json' ? jsonLine : plainText;
  const known = new Map(monitors.map((declared) => [declared.name, declared]));
  const strangers = new Set<string>();
  const unfit = new Map<string, string>();
  const pace = speed === undefined ? undefined : pacer(speed);
  let written = 0;
  try {
    for (const snapshot of snapshotsOf(file, monitor?.name, (name, why) => unfit.set(name, why))) {
      const declared = known.get(snapshot.monitor);
      if (declared === undefined) {
        strangers.add(snapshot.monitor);
        continue;
      }
      await pace?.(snapshot);
      if ((await writer.write(encode(declared, snapshot))) === 'gone') return 0;
      written += 1;
      if (written >= count) break;
    }
  } catch (error) {
    complain(cannotWrite(error));
    return 1;
  }
  for (const { text } of file.damage) complain(sanitise(text));
  for (const [name, why] of unfit)
    complain(sanitise(`snapshots of ${name} are not as they must be (${why}); left out`));
  for (const name of strangers) complain(`this ktop knows no monitor ${name}; a newer one shows it`);
  if (written > 0) return 0;
  complain(monitor === undefined ? 'there is no snapshot in it' : `${monitor.name} is not in it`);
  return 1;
}

export function cannotWrite(error: unknown): string {
  return `cannot write: ${error instanceof Error ? error.message : String(error)}; free some space or write elsewhere`;
}

/** A function that waits until it is a snapshot's turn. */
function pacer(speed: number): (snapshot: Snapshot) => Promise<void> {
  let begin: { readonly time: number; readonly at: number } | undefined;
  return async ({ time }) => {
    begin ??= { time, at: performance.now() };
    const left = begin.at + (time - begin.time) / speed - performance.now();
    if (left >= LEAST_MS) await pause(Math.min(left, 2 ** 31 - 1));
  };
}
