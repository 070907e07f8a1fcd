/** A recording without a kernel: random walks, written by the writer that the product has. */
import type { Monitor } from '../../src/monitors/monitor.ts';
import { createFile, FileWriter } from '../../src/recording/file-writer.ts';
import { Recorder } from '../../src/recording/recorder.ts';
import { DEFAULTS, TAPE_START, World } from '../e2e/fake-source.ts';

/** Which second has the only incidents, three of each monitor that has any, and which a loss, of all. */
export const INCIDENT_S = 5;
export const LOSS_S = 9;

const HOST = { host: 'web-3', kernel: '6.1.0-25-amd64', cpus: 8, boot_time: 0 };

/**
 * Snapshots of every monitor each second from `TAPE_START` on, `seconds` long. `entries`: of a log in a snapshot; `every_s`:
 * there are incidents again and again.
 */
export async function makeRecording(
  path: string,
  monitors: readonly Monitor[],
  seconds = 20,
  entries = 3,
  every_s = 0,
): Promise<void> {
  let second = 0;
  const clocks = { wall: () => TAPE_START + second * 1000, steady: () => second * 1000 };
  const recorder = new Recorder({ host: HOST, version: '0', monitors, clocks });
  let error = '';
  const file = new FileWriter(path, createFile(path), (text) => {
    error = text;
  });
  recorder.attach(file);
  for (const { name } of monitors) recorder.opened(name, { interval_ms: 1000 });
  const quiet = new Set(monitors.filter(hasIncidents).map(({ name }) => name));
  const options = { ...DEFAULTS, rows: 30, cpus: 8, stacks: 60, entries, monitors };
  const worlds = monitors.map((monitor) => new World(monitor, options));
  for (; second <= seconds; second += 1) {
    for (const world of worlds) {
      world.step();
      const mono_ms = 5000 + second * 1000;
      const snapshot = world.snapshot(second + 1, 1000, mono_ms, second === LOSS_S ? 17 : 0);
      const now = second === INCIDENT_S || second % every_s === 0;
      const logs = quiet.has(snapshot.monitor) && !now ? {} : snapshot.logs;
      recorder.take({ type: 'snapshot', snapshot: { ...snapshot, logs, time: TAPE_START + second * 1000 } });
    }
  }
  await recorder.detach(file);
  error ||= await file.close();
  if (error !== '') throw new Error(error);
}

function hasIncidents({ panels }: Monitor): boolean {
  return panels.some((panel) => panel.kind === 'log' && panel.incidents === true);
}
