/** This kernel, live and recorded at once: for every monitor the recording replays what the live stream showed, byte for byte. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import type { Options } from '../../src/monitors/monitor.ts';
import { csvLines } from '../../src/output/csv.ts';
import { jsonLine } from '../../src/output/json.ts';
import { plainText } from '../../src/output/plain.ts';
import { RecordingFile } from '../../src/recording/file.ts';
import { snapshotsOf } from '../../src/recording/reading.ts';
import { openLive } from '../../src/sources/live.ts';
import type { Snapshot } from '../../src/sources/snapshot.ts';
import { tapSource } from '../../src/sources/tapped.ts';
import { ktop } from '../e2e/run-cli.ts';
import type { Picture } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';
import { runLoad, sleep } from '../helpers/workload.ts';

const directory = mkdtempSync(join(tmpdir(), 'ktop-live-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const path = join(directory, 'all.ktop');

/** As much of each monitor's data as there is on any host. */
const MORE: Readonly<Record<string, Partial<Options>>> = {
  'task-state': { sleeping: true, than_ms: 1 },
  trace: { events: [{ name: 'sched:sched_process_exec' }, { name: 'signal:signal_generate' }] },
  mpdelay: { than_us: 1 },
  syscalls: { than_ms: 1, events: [{ name: 'clock_nanosleep' }, { name: 'nanosleep' }] },
  rundelay: { than_ms: 0.001 },
  oncpu: { than_ms: 0.01 },
  offcpu: { than_ms: 1 },
  profile: { than_pct: 1 },
  'kvm-exit': { percpu: true },
  'irq-off': { callgraph: true },
};
const INTERVALS = 4;

interface Seen {
  readonly json: string[];
  readonly plain: string[];
  readonly csv: string[];
}

const live = new Map<string, Seen>();
const failures = new Map<string, string>();
let order = '';

function write(seen: Map<string, Seen>, snapshot: Snapshot): string {
  const monitor = monitors.find(({ name }) => name === snapshot.monitor);
  if (monitor === undefined) throw new Error(`no monitor ${snapshot.monitor}`);
  const of = seen.get(monitor.name) ?? { json: [], plain: [], csv: [] };
  seen.set(monitor.name, of);
  const line = jsonLine(monitor, snapshot);
  of.json.push(line);
  of.plain.push(plainText(monitor, snapshot));
  of.csv.push(csvLines(monitor, snapshot));
  return line;
}

beforeAll(async () => {
  const kernel = openLive({
    entry: pathToFileURL(join(paths.dist, 'worker.mjs')),
    addon: join(paths.dist, 'ktop.node'),
    load: true,
  });
  const source = tapSource(kernel, { monitors, version: 'test', history: true });
  const unsubscribe = source.subscribe((message) => {
    if (message.type === 'failed') failures.set(message.failure.monitor, message.failure.text);
    if (message.type === 'snapshot') order += write(live, message.snapshot);
  });
  source.recording.start(path);
  for (const { name } of monitors) source.start(name, { interval_ms: 500, ...MORE[name] });
  const all = () =>
    monitors.every(({ name }) => failures.has(name) || (live.get(name)?.json.length ?? 0) >= INTERVALS);
  for (let waited = 0; waited < 60_000 && !all(); waited += 100) {
    await Promise.all(
      [runLoad('signals', [20, 5, 2]), runLoad('sleeps', [2, 20]), sleep(100)].map((load) =>
        load.catch(() => {}),
      ),
    );
  }
  // At once: what comes while the file is being closed is in neither.
  unsubscribe();
  await source.recording.stop();
  await source.close();
}, 120_000);

describe.each(monitors.map(({ name }) => name))('%s', (name) => {
  test('replays as it was seen', () => {
    const seen = live.get(name);
    if (seen === undefined) {
      // Not possible on this host: that is what the recording says too.
      expect(failures.get(name)).toMatch(/; /);
      return;
    }
    expect(seen.json.length).toBeGreaterThanOrEqual(INTERVALS);
    const again = new Map<string, Seen>();
    const file = new RecordingFile(path);
    for (const snapshot of snapshotsOf(file, name)) write(again, snapshot);
    expect(file.damage).toEqual([]);
    file.close();
    expect(again.get(name)).toEqual(seen);
  });
});

describe('all of them', () => {
  test('there was something to see on most', () => {
    const full = [...live].filter(([, { json }]) =>
      json.some((line) => {
        const picture = JSON.parse(line) as Picture;
        return picture.rows.length > 0 || (picture.log?.length ?? 0) > 0;
      }),
    );
    expect(full.length).toBeGreaterThanOrEqual(8);
  });

  test.each(['task-state', 'mpdelay', 'syscalls', 'rundelay', 'oncpu', 'profile', 'offcpu'])(
    'what --than finds is kept with both its events: %s',
    (name) => {
      // The same as in the recording, as was seen above.
      const entries = (live.get(name)?.json ?? []).flatMap((line) => (JSON.parse(line) as Picture).log ?? []);
      const whole = entries.filter(({ between }) => Array.isArray(between) && between.length >= 2);
      expect(whole.length).toBeGreaterThan(0);
      for (const entry of whole) {
        for (const key of ['cpu', 'pid', 'tid']) expect(entry[key]).toBeTypeOf('number');
        expect(Date.parse(String(entry.time))).toBeGreaterThan(0);
        const [first, ...rest] = entry.between as unknown as readonly string[];
        expect(first).toMatch(/^\+0\.000 us cpu\d+ .*\/\d+ \S/);
        expect(rest.at(-1)).toMatch(/^\+\d+\.\d{3} us cpu\d+ .*\/\d+ \S/);
      }
    },
  );

  test('come in the order they came, the same bytes at every run of the program', async () => {
    const first = await ktop(['replay', path, '--json']);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toBe(order);
    expect((await ktop(['replay', path, '--json'])).stdout).toBe(order);
    const one = await ktop(['replay', path, 'cpu-util', '--plain']);
    expect(one.stdout).toBe(live.get('cpu-util')?.plain.join(''));
  });
});
