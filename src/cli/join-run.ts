/** Runs `ktop join`. */
import { basename } from 'node:path';
import type { Monitor, Options } from '../monitors/monitor.ts';
import { streamSnapshots } from '../output/stream.ts';
import { complain, type Writer } from '../output/writer.ts';
import { joinSource, NotJoined } from '../sources/share/viewer.ts';
import type { Recording, Source } from '../sources/source.ts';
import { tapSource } from '../sources/tapped.ts';
import { DEFAULT_INTERVAL_MS } from './given.ts';
import type { JoinCommand } from './join.ts';
import { VERSION } from './version.ts';

/** What the command line gives to every command. */
export interface JoinTools {
  readonly stdout: () => Writer;
  readonly untilSignalled: () => AbortSignal;
  readonly recordTo: (
    source: Source,
    path: string | undefined,
    use: (source: Source) => Promise<number>,
  ) => Promise<number>;
  readonly startRecording: (recording: Recording, path: string) => boolean;
  readonly endRecording: (
    source: Source & { readonly recording: Recording },
    code: number,
  ) => Promise<number>;
}

/** Resolves to the exit code. */
export async function runJoin(
  command: JoinCommand,
  monitors: readonly Monitor[],
  tools: JoinTools,
): Promise<number> {
  const { path, monitor, format, count, record, look } = command;
  let source: Source;
  try {
    source = await joinSource(path, VERSION);
  } catch (error) {
    if (!(error instanceof NotJoined)) throw error;
    complain(error.message);
    return 1;
  }
  const options: Options = { interval_ms: DEFAULT_INTERVAL_MS };
  try {
    if (format !== undefined) {
      const signal = tools.untilSignalled();
      return await tools.recordTo(source, record, (tapped) =>
        streamSnapshots(tapped, tools.stdout(), { format, monitor, options, count, signal }),
      );
    }
    const tapped = tapSource(source, { monitors, version: VERSION, history: true });
    if (record !== undefined && !tools.startRecording(tapped.recording, record)) return 1;
    const { runDashboard } = await import('../ui/dashboard.tsx');
    const view = { source: tapped, monitors, initial: monitor.name, options: () => options, ...look };
    const code = await runDashboard({ ...view, file: basename(path) });
    return await tools.endRecording(tapped, code);
  } finally {
    await source.close();
  }
}
