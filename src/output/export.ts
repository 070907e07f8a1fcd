/** `ktop export`: the rows of a recording for other programs. */
import type { Monitor } from '../monitors/monitor.ts';
import { sanitise } from '../panels/sanitise.ts';
import type { RecordingFile } from '../recording/file.ts';
import { snapshotsOf } from '../recording/reading.ts';
import { csvHead, csvLines } from './csv.ts';
import { OpenMetrics } from './openmetrics.ts';
import { cannotWrite, replaySnapshots } from './replay.ts';
import { complain, type Writer } from './writer.ts';

export interface ExportWanted {
  readonly format: 'json' | 'csv' | 'openmetrics';
  readonly monitors: readonly Monitor[];
  /** Undefined: all there are; of CSV, the only one there is. */
  readonly monitor: Monitor | undefined;
}

/** Resolves to the exit code. What is missing in the file is said on stderr. */
export async function exportRows(
  file: RecordingFile,
  writer: Writer,
  { format, monitors, monitor }: ExportWanted,
): Promise<number> {
  if (format === 'json') {
    const all = { count: Number.POSITIVE_INFINITY, speed: undefined };
    return replaySnapshots(file, writer, { format, monitors, monitor, ...all });
  }
  const recorded = new Set<string>();
  for (let number = file.first; number < file.end; number += 1)
    for (const name of Object.keys(file.span(number).counts)) recorded.add(name);
  const chosen = monitors.filter(({ name }) => recorded.has(name) && (monitor?.name ?? name) === name);
  const names = [...recorded].map((name) => sanitise(name)).join(', ');
  if (chosen.length === 0) {
    complain(`${monitor?.name ?? 'what this ktop knows'} is not in it; recorded were ${names || 'none'}`);
    return 1;
  }
  if (format === 'csv' && chosen.length > 1) {
    complain(`CSV has the rows of one monitor; give --monitor, one of ${names}`);
    return 2;
  }
  try {
    const pieces = format === 'csv' ? csv(file, chosen[0] as Monitor) : metrics(file, chosen);
    for (const piece of pieces) if ((await writer.write(piece)) === 'gone') return 0;
  } catch (error) {
    complain(error instanceof TooMuch ? error.message : cannotWrite(error));
    return 1;
  }
  for (const { text } of file.damage) complain(sanitise(text));
  return 0;
}

class TooMuch extends Error {}

function* csv(file: RecordingFile, monitor: Monitor): Generator<string> {
  yield csvHead(monitor);
  for (const snapshot of snapshotsOf(file, monitor.name)) yield csvLines(monitor, snapshot);
}

function* metrics(file: RecordingFile, monitors: readonly Monitor[]): Generator<string> {
  const gathered = new OpenMetrics();
  try {
    for (const monitor of monitors)
      for (const snapshot of snapshotsOf(file, monitor.name)) gathered.add(monitor, snapshot);
  } catch (error) {
    throw new TooMuch((error as Error).message);
  }
  yield* gathered.text();
}
