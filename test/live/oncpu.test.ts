/** oncpu against the kernel's own trace, which has every switch, and the kernel's own sums. */
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, startKtop, sum, watch } from '../helpers/ktop.ts';
import { keepBusy, runLoad, sleep, startLoad } from '../helpers/workload.ts';
import { msOf, witnessSched } from './sched-witness.ts';

interface Truth {
  readonly pids: readonly number[];
  readonly run_ms: readonly number[];
}

const panel = (pictures: readonly Picture[], name: string) =>
  pictures.flatMap((picture) => picture[name] as readonly Row[]);
const logOf = (pictures: readonly Picture[]) => pictures.flatMap(({ log = [] }) => log);
const all = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe('oncpu', () => {
  test('tasks that share a CPU: stays and their sums are those of the trace, and of the kernel', {
    timeout: 60_000,
  }, async () => {
    const witness = witnessSched();
    const { pictures, load } = await watch(['oncpu', '-i', '500'], () =>
      runLoad<Truth>('cpus', ['share', 3, 1500, 1]),
    );
    const seen = witness.stop();
    for (const [index, tid] of load.pids.entries()) {
      const of = (row: Row) => row.tid === tid;
      const runs = seen.runs.filter((run) => run.tid === tid);
      expect(runs.length).toBeGreaterThan(10);
      expect(sum(pictures, 'switches', of)).toBe(runs.length);
      const on_ms = sum(pictures, 'on_ms', of);
      expect(Math.abs(on_ms - msOf(runs))).toBeLessThan(0.05 * runs.length + 1);
      // The kernel does not bill interrupts, and steal time where it can tell.
      const kernel_ms = load.run_ms[index] as number;
      expect(on_ms).toBeGreaterThan(0.95 * kernel_ms);
      expect(on_ms).toBeLessThan(1.3 * kernel_ms + 20);
      const longest = Math.max(
        ...pictures.flatMap(({ rows }) => rows.filter(of).map((row) => number(row, 'max_ms'))),
      );
      expect(Math.abs(longest - Math.max(...runs.map(({ ms }) => ms)))).toBeLessThan(0.5);
    }
    // No CPU has more than all of an interval, and what its tasks have is what it was busy.
    for (const picture of pictures)
      for (const cpu of picture.cpus as readonly Row[]) {
        const tasks = picture.rows.filter((row) => row.cpu === cpu.cpu);
        const busy = all(tasks.map((row) => number(row, 'pct')));
        expect(busy).toBeLessThan(101 + 0.05 * tasks.length);
        expect(Math.abs(busy - number(cpu, 'busy_pct'))).toBeLessThan(0.1 + 0.05 * tasks.length);
      }
  });

  test('a task that goes from CPU to CPU: where it ran, and how often it was moved', {
    timeout: 60_000,
  }, async () => {
    const leave = keepBusy([0, 1]);
    const witness = witnessSched();
    const { pictures, load } = await watch(['oncpu', '--filter', 'w-*', '--percpu', '-i', '300'], () =>
      runLoad<Truth>('cpus', ['move', 100]),
    ).finally(leave);
    const seen = witness.stop();
    const [tid] = load.pids as [number];
    const moved = seen.moves.filter((move) => move.tid === tid).length;
    // Its first stay may be where it goes first; and a host may hide switches from the tasks it runs for itself.
    expect(moved).toBeGreaterThan(90);
    // The trace does not have it before it has its name: where it was then may make moves more.
    const tasks = panel(pictures, 'tasks').filter((row) => row.tid === tid);
    const migrations = all(tasks.map((row) => number(row, 'migrations')));
    expect(migrations).toBeGreaterThanOrEqual(moved);
    expect(migrations).toBeLessThanOrEqual(moved + 2);
    expect(sum(pictures, 'migrations', (row) => row.tid === tid)).toBe(migrations);
    expect(tasks.some((row) => row.cpus === '0-1' && row.used === 2)).toBe(true);
    for (const cpu of [0, 1]) {
      const ms = msOf(seen.runs.filter((run) => run.tid === tid && run.cpu === cpu));
      expect(Math.abs(sum(pictures, 'on_ms', (row) => row.tid === tid && row.cpu === cpu) - ms)).toBeLessThan(
        5,
      );
      const stays = pictures
        .flatMap(({ histogram = [] }) => histogram)
        .filter((bucket) => 'cpu' in bucket && bucket.cpu === cpu);
      expect(all(stays.map(({ count }) => count))).toBeGreaterThan(40);
    }
    // The other programs of this name are those of tests that run beside this one.
    const comms = new Set(pictures.flatMap(({ rows }) => rows.map((row) => String(row.comm))));
    expect([...comms].filter((comm) => !comm.startsWith('w-'))).toEqual([]);
  });

  test('who had its CPU before ktop came is shown with all of its time, and is an incident', {
    timeout: 60_000,
  }, async () => {
    // Under SCHED_FIFO nobody takes the CPU from it, but for the share that the kernel keeps for others each second.
    const leave = keepBusy([1]);
    const hog = startLoad<Truth>('cpus', ['hold', 12_000, 1]);
    await hog.said;
    await sleep(100);
    const ktop = await startKtop(['oncpu', '--than', '150', '-i', '250']);
    try {
      await ktop.more(7);
      const of = (row: Row) => row.tid === hog.pid && row.cpu === 1;
      const [, ...later] = ktop.pictures;
      const held = all(later.flatMap(({ rows }) => rows.filter(of).map((row) => number(row, 'on_ms'))));
      const passed = all(later.map(({ interval_ms }) => interval_ms));
      expect(held).toBeGreaterThan(0.8 * passed);
      expect(held).toBeLessThan(1.01 * passed + 5);
      const ages = later.map(({ rows }) => rows.find(of)?.now_ms).filter((age) => typeof age === 'number');
      expect(Math.max(...ages)).toBeGreaterThan(150);
      const now = panel(later, 'cpus').filter((row) => row.cpu === 1 && row.tid === hog.pid);
      expect(now.length).toBeGreaterThanOrEqual(3);
      for (const row of now) expect(row.comm).toBe('w-cpus');
      const told = logOf(ktop.pictures).filter(({ tid }) => tid === hog.pid);
      expect(told.length).toBeGreaterThanOrEqual(1);
      for (const { text } of told)
        expect(String(text)).toMatch(/^(at least )?\d+\.\d ms on CPU 1 without a break(, still there)?$/);
    } finally {
      await ktop.kill();
      process.kill(hog.pid, 'SIGKILL');
      leave();
    }
  });

  test('-p, -C: of the one process, of the one CPU', { timeout: 60_000 }, async () => {
    const hold = startLoad<Truth>('cpus', ['share', 2, 1000, 0]);
    const only = await watch(['oncpu', '-p', String(hold.pid), '-i', '300'], async () => {
      await (await hold.said).release();
    });
    expect(new Set(only.pictures.flatMap(({ rows }) => rows.map((row) => row.pid)))).toEqual(
      new Set([hold.pid]),
    );
    const leave = keepBusy([0, 1]);
    const { pictures, load } = await watch(['oncpu', '-C', '1', '-i', '300'], () =>
      runLoad<Truth>('cpus', ['move', 20]),
    ).finally(leave);
    expect(new Set(pictures.flatMap(({ rows }) => rows.map((row) => row.cpu)))).toEqual(new Set([1]));
    // It came ten times from the other one.
    const own = pictures
      .flatMap(({ tasks }) => tasks as readonly Row[])
      .filter(({ tid }) => tid === load.pids[0]);
    expect(all(own.map((row) => number(row, 'migrations')))).toBe(10);
  });
});
