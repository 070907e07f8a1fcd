/**
 * The dashboard in a terminal for as long as KTOP_SOAK says (10 minutes; `npm run soak -- 2h`), ten pictures a second, a
 * storm of 200,000 events a second, one tab after the other: it holds no more at the end than when it was warm.
 *
 * Ten pictures a second instead of one, and a tab a second: what grows with each of them grows at least ten times as fast as
 * in use, so ten minutes show what 100 would. Limits are per hour of use: of this pace they are ten times as high.
 */
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import { type Pty, sleep, spawn } from '../e2e/pty.ts';
import { perfStat } from '../helpers/oracle.ts';
import { paths } from '../helpers/paths.ts';
import { startLoad } from '../helpers/workload.ts';
import { inspect, type Live } from './inspector.ts';
import { type Held, heldBy } from './process.ts';
import { trendOf } from './trend.ts';

const LENGTH_MS = lengthOf(process.env.KTOP_SOAK ?? '10m');
const INTERVAL_MS = Number(process.env.KTOP_SOAK_INTERVAL ?? 100);
/** Pictures for each of everyday use. */
const PACE = 1000 / INTERVAL_MS;
const TAB_MS = 1000;
const TABS = monitors.length;
const LONG_MS = 3_600_000;
/** In a long run garbage is collected seldom, so that the resident memory is that of use. */
const CYCLES_PER_LOOK = LENGTH_MS >= LONG_MS ? 5 : 1;
/** Tabs after which what lives is counted: it differs by the pictures that are on their way. */
const LOOKS = 4;

/** Each of these has its events in some tab; getppid makes two of them a call, and most. */
const LOADS = [
  ['getppid', 80_000],
  ['pipe', 2500],
  ['kmalloc', 1000],
  ['udp', 1500],
] as const;
const EVENTS = [
  'raw_syscalls:sys_enter',
  'raw_syscalls:sys_exit',
  'sched:sched_switch',
  'sched:sched_waking',
];
const MOST_MB_PER_HOUR = 1;
/**
 * Half the width of the interval at most. In ten minutes it is about 2 MB: what leaks 5 MB an hour is found then, and 13 MB on the
 * busiest machine that still passes.
 */
const MOST_UNSURE_MB_PER_HOUR = 6;
/** Resident, with all the garbage and the rings; in ten minutes its steps are too few for a slope. */
const MOST_RESIDENT_MB = 300;

interface Sample extends Held, Partial<Live> {
  readonly hours: number;
  readonly cycle: number;
}

/** `90s`, `10m`, `2h` in ms. */
function lengthOf(text: string): number {
  const [, count, unit = ''] = /^(\d+)(s|m|h)$/.exec(text) ?? [];
  if (count === undefined) throw new Error(`KTOP_SOAK=${text}: write a time such as 10m or 2h`);
  return Number(count) * ({ s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? 0);
}

/** A port that nobody listens on. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

/** Goes from tab to tab; a sample with each. A cycle is once through them all; with its first what lives is counted. */
async function cycles(pty: Pty, live: () => Promise<Live>, keep: (sample: Sample) => void): Promise<void> {
  const start = performance.now();
  for (let shown = 0; performance.now() - start < LENGTH_MS; shown += 1) {
    await sleep(TAB_MS);
    const cycle = Math.floor(shown / TABS);
    const looks = shown % Math.floor(TABS / LOOKS) === 0 && cycle % CYCLES_PER_LOOK === 0;
    const held = heldBy(pty.pid);
    keep({ ...held, hours: (performance.now() - start) / 3.6e6, cycle, ...(looks ? await live() : {}) });
    pty.send('\t');
  }
}

/** The first third is for getting warm. The last cycle may be cut short and have no tab in which little is held. */
function warm(samples: readonly Sample[]): Sample[] {
  const last = samples.at(-1)?.cycle ?? 0;
  return samples.filter(({ cycle }) => cycle >= Math.ceil(last / 3) && cycle < last);
}

/** The least that was held in the first and in the last third of the time. */
function ends(samples: readonly Sample[], of: (sample: Sample) => number): [number, number] {
  const third = Math.max(1, Math.floor(samples.length / 3));
  const least = (part: readonly Sample[]) => Math.min(...part.map(of));
  return [least(samples.slice(0, third)), least(samples.slice(-third))];
}

/** What lived, as the mean of a cycle. */
function means(samples: readonly Sample[], of: (live: Live) => number) {
  const cycles = Map.groupBy(
    samples.filter(({ heaps }) => heaps !== undefined),
    ({ cycle }) => cycle,
  );
  return [...cycles].map(([cycle, looks]) => {
    const mean = (value: (sample: Sample) => number) =>
      looks.reduce((sum, sample) => sum + value(sample), 0) / looks.length;
    return { cycle, hours: mean(({ hours }) => hours), value: mean((sample) => of(sample as Sample & Live)) };
  });
}

test('holds no more at the end than when it was warm', { timeout: LENGTH_MS + 240_000 }, async () => {
  const file = join(paths.project, 'build/soak.jsonl');
  mkdirSync(join(paths.project, 'build'), { recursive: true });
  rmSync(file, { force: true });
  const seconds = LENGTH_MS / 1000 + 30;
  const loads = LOADS.map(([mode, rate]) =>
    startLoad('storm', [mode, seconds, '-', rate], LENGTH_MS + 200_000),
  );
  const counted = await perfStat(EVENTS);
  const began = performance.now();
  const port = await freePort();
  const args = [`--inspect=127.0.0.1:${port}`, paths.ktop, '-i', String(INTERVAL_MS)];
  // The history in memory is full after a minute, not after hours.
  const env = { KTOP_TEST_HISTORY_BYTES: String(1 << 20) };
  const pty = spawn(paths.node(), args, { cols: 120, rows: 40, env });
  const samples: Sample[] = [];
  try {
    await pty.waitFor(/events\/s/, 60_000);
    const inspector = await inspect(port);
    await cycles(pty, inspector.live, (sample) => {
      samples.push(sample);
      appendFileSync(file, `${JSON.stringify(sample)}\n`);
    });
    inspector.close();
    pty.send('q');
    expect((await pty.exit).code).toBe(0);
  } finally {
    try {
      pty.kill('SIGKILL');
    } catch {
      // It has ended.
    }
  }
  const events = [...(await counted.stop()).values()].reduce((sum, count) => sum + count, 0);
  const rate = events / ((performance.now() - began) / 1000);
  await Promise.all(loads.map(({ said }) => said));
  const kept = warm(samples);
  const trend = (of: (sample: Sample) => number) =>
    trendOf(kept.map((sample) => ({ hours: sample.hours, cycle: sample.cycle, value: of(sample) })));
  const trendOfMeans = (of: (live: Live) => number) => trendOf(means(kept, of));
  const told = {
    events_s: Math.round(rate),
    pictures_s: PACE,
    live: trendOfMeans(({ heaps, malloc }) => heaps + malloc),
    heaps: trendOfMeans(({ heaps }) => heaps),
    malloc: trendOfMeans(({ malloc }) => malloc),
    rss: { ...trend(({ rss }) => rss), most: Math.max(...samples.map(({ rss }) => rss)) },
    fds: ends(kept, ({ fds }) => fds),
    threads: ends(kept, ({ threads }) => threads),
    instances: ends(kept, ({ instances }) => instances),
  };
  process.stderr.write(`soak: ${JSON.stringify(told)}\n`);
  expect(rate).toBeGreaterThan(100_000);
  for (const key of ['fds', 'threads', 'instances'] as const)
    expect(told[key][1], key).toBeLessThanOrEqual(told[key][0]);
  expect(told.live.slope - told.live.half).toBeLessThanOrEqual(MOST_MB_PER_HOUR * PACE);
  expect(told.live.half).toBeLessThanOrEqual(MOST_UNSURE_MB_PER_HOUR * PACE);
  expect(told.rss.most).toBeLessThan(MOST_RESIDENT_MB);
  if (LENGTH_MS >= LONG_MS)
    expect(told.rss.slope - told.rss.half).toBeLessThanOrEqual(MOST_MB_PER_HOUR * PACE);
});
