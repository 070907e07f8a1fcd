/** rundelay against the kernel's own trace, which has every switch and wakeup, and the kernel's own sums. */
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, startKtop, sum, watch } from '../helpers/ktop.ts';
import { perfStat } from '../helpers/oracle.ts';
import { keepBusy, runLoad, startLoad } from '../helpers/workload.ts';
import { accounted, eventsOf, total } from './accounting.ts';
import { msOf, witnessSched } from './sched-witness.ts';

interface Truth {
  readonly pids: readonly number[];
  readonly delay_ms: readonly number[];
}

const logOf = (pictures: readonly Picture[]) => pictures.flatMap(({ log = [] }) => log);
const cpusOf = (pictures: readonly Picture[]) => pictures.flatMap(({ cpus }) => cpus as readonly Row[]);
const buckets = (pictures: readonly Picture[]) => pictures.flatMap(({ histogram = [] }) => histogram);
const all = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe('rundelay', () => {
  test('tasks that share a CPU: waits and their sums are those of the trace, and of the kernel', {
    timeout: 60_000,
  }, async () => {
    const witness = witnessSched();
    const args = ['rundelay', '--filter', 'w-cpus', '--percpu', '-i', '500'];
    const { pictures, load } = await watch(args, () => runLoad<Truth>('cpus', ['share', 3, 1500, 1]));
    const seen = witness.stop();
    for (const [index, tid] of load.pids.entries()) {
      const of = (row: Row) => row.tid === tid;
      const waits = seen.waits.filter((wait) => wait.tid === tid);
      expect(waits.length).toBeGreaterThan(10);
      expect(sum(pictures, 'count', of)).toBe(waits.length);
      const total_ms = sum(pictures, 'total_ms', of);
      // Each clock is read once at either end; columns are rounded to 0.1 ms.
      expect(Math.abs(total_ms - msOf(waits))).toBeLessThan(0.05 * waits.length + 1);
      // The kernel's sum begins where a task is put into the queue: some µs before or after the event.
      const kernel_ms = load.delay_ms[index] as number;
      expect(Math.abs(total_ms - kernel_ms) / kernel_ms).toBeLessThan(0.05);
      const rows = pictures.flatMap((picture) => picture.rows.filter(of)).filter(({ count }) => count !== 0);
      const longest = Math.max(...rows.map((row) => number(row, 'max_us')));
      expect(Math.abs(longest / 1e3 - Math.max(...waits.map(({ ms }) => ms)))).toBeLessThan(0.5);
      for (const row of rows) {
        expect(number(row, 'p50_us')).toBeLessThanOrEqual(number(row, 'p99_us'));
        expect(number(row, 'p99_us')).toBeLessThanOrEqual(number(row, 'max_us'));
      }
    }
    // By CPU, in the table and in the histograms.
    for (const cpu of [0, 1]) {
      const count = seen.waits.filter((wait) => wait.cpu === cpu).length;
      const rows = cpusOf(pictures).filter((row) => row.cpu === cpu);
      expect(all(rows.map((row) => number(row, 'count')))).toBe(count);
      const inBuckets = buckets(pictures).filter((bucket) => 'cpu' in bucket && bucket.cpu === cpu);
      expect(all(inBuckets.map(({ count: n }) => n))).toBe(count);
    }
  });

  test('-C and -p: of the one CPU, of the one process', { timeout: 60_000 }, async () => {
    const leave = keepBusy([0, 1]);
    const witness = witnessSched();
    const { pictures, load } = await watch(['rundelay', '-C', '1', '--filter', 'w-cpus', '-i', '300'], () =>
      runLoad<Truth>('cpus', ['move', 60]),
    ).finally(leave);
    const waits = witness.stop().waits.filter(({ tid }) => tid === load.pids[0]);
    const on1 = waits.filter(({ cpu }) => cpu === 1).length;
    expect(on1).toBeLessThan(waits.length);
    expect(sum(pictures, 'count', (row) => row.tid === load.pids[0])).toBe(on1);
    expect(new Set(cpusOf(pictures).map((row) => row.cpu))).toEqual(new Set([1]));
    const hold = startLoad<Truth>('cpus', ['share', 2, 1000, 0]);
    const only = await watch(['rundelay', '-p', String(hold.pid), '-i', '300'], async () => {
      await (await hold.said).release();
    });
    expect(new Set(only.pictures.flatMap(({ rows }) => rows.map((row) => row.pid)))).toEqual(
      new Set([hold.pid]),
    );
  });

  test('who is kept waiting is shown at once, ages, and is told with both events', {
    timeout: 60_000,
  }, async () => {
    const interval_ms = 200;
    const ktop = await startKtop(['rundelay', '-g', '-i', String(interval_ms)]);
    try {
      // The kernel gives a starved task some time now and then: again until it was kept waiting all the time.
      for (let tries = 1; ; tries++) {
        const from = ktop.pictures.length;
        const args = ['starve', 800, 1];
        const { truth, release } = await startLoad<{ readonly tid: number }>('waits', args).said;
        await ktop.more(2);
        await release();
        const pictures = ktop.pictures.slice(from);
        const told = logOf(pictures).filter(({ tid }) => tid === truth.tid);
        const isEarly = ({ text }: Row) => String(text).endsWith('not over yet');
        const entry = told.find((row) => Number.parseFloat(String(row.text)) > 700 && !isEarly(row));
        if (entry === undefined && tries < 5) continue;
        const now = pictures.map(
          ({ rows }) => rows.find(({ tid }) => tid === truth.tid)?.now_ms ?? 0,
        ) as number[];
        const ages = now.map((age, index) => ({ age, index })).filter(({ age }) => age > 100);
        expect(ages.length).toBeGreaterThanOrEqual(2);
        for (const [i, { age, index }] of ages.entries()) {
          const before = ages[i - 1];
          if (before?.index !== index - 1) continue;
          // The age is that at the last event fetched, which on a busy machine comes some time after the picture.
          expect(Math.abs(age - before.age - (pictures[index]?.interval_ms ?? 0))).toBeLessThan(60);
        }
        expect(String(entry?.text)).toMatch(/^\d+\.\d ms in R, lost CPU 1 to .+\/\d+/);
        const between = entry?.between as unknown as string[];
        expect(between.length).toBe(2);
        expect(between[0]).toMatch(/^\+0\.000 us cpu1 w-victim\/\d+ sched_switch: prev_comm=w-victim /);
        expect(between[1]).toMatch(/ sched_switch: .*next_comm=w-victim/);
        expect(JSON.stringify(entry?.stack)).toMatch(/schedule/);
        expect(told.filter(isEarly).length).toBeGreaterThanOrEqual(1);
        for (const { text } of told.filter(isEarly))
          expect(String(text)).toMatch(/in R, (lost CPU|woken by)/);
        break;
      }
    } finally {
      await ktop.kill();
    }
  });

  test('every event is accounted for', { timeout: 60_000 }, async () => {
    const events = eventsOf('rundelay');
    const outer = await perfStat(events);
    const { pictures, load } = await watch(['rundelay', '-i', '500', '--budget', 'off'], async () => {
      const inner = await perfStat(events);
      await runLoad('storm', ['pipe', 1]);
      return total(await inner.stop());
    });
    const most = total(await outer.stop());
    expect(load).toBeGreaterThan(10_000);
    expect(accounted(pictures)).toBeGreaterThanOrEqual(load);
    // The samples of the CPU clock are events, too: 4 a second and CPU.
    const samples = all(pictures.map(({ interval_ms }) => interval_ms)) / 125 + 8;
    expect(accounted(pictures)).toBeLessThanOrEqual(most + samples);
  });
});
