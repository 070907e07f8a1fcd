/** mpdelay against a program that times its own sleeps, and against bpftrace, which saw both ends of each. */
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, sum, watch } from '../helpers/ktop.ts';
import { bpftrace } from '../helpers/oracle.ts';
import { type Traced, traceInstance } from '../helpers/trace-instance.ts';
import { runLoad } from '../helpers/workload.ts';

interface Truth {
  readonly tid: number;
  readonly sleeps: number;
  readonly waits_ms: readonly number[];
}

const MINE = 'comm=="w-sleeps"';
const ENTER = 'syscalls:sys_enter_nanosleep';
const EXIT = 'syscalls:sys_exit_nanosleep';
const GETPPID = 'syscalls:sys_enter_getppid';
const chain = (...events: string[]) => events.map((event) => `${event}/${MINE}/`).join(',');
const hop = (from: string, to: string) => (row: Row) => row.hop === `${from} => ${to}`;
const total = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
const logOf = (pictures: readonly Picture[]) => pictures.flatMap(({ log = [] }) => log);

const NANOSLEEPS = `
  tracepoint:${ENTER} /comm == "w-sleeps"/ { @at[tid] = nsecs; }
  tracepoint:${EXIT} /comm == "w-sleeps" && @at[tid] != 0/
    { printf("%d %d\\n", tid, nsecs - @at[tid]); delete(@at[tid]); }
  END { clear(@at); }`;

/** Complete pairs by CPU of the wake-up, as the kernel's own trace has them. */
function pairs(traced: readonly Traced[]): readonly [number, number] {
  const woken = new Map<string, number>();
  const count: [number, number] = [0, 0];
  for (const { event, text, cpu } of traced) {
    const pid = /(?: |^|next_)pid=(\d+)/.exec(text.replace(/^.*==> /, ''))?.[1] ?? '';
    const at = woken.get(pid);
    if (event === 'sched_wakeup') woken.set(pid, cpu);
    else if (at !== undefined && woken.delete(pid)) count[at === 0 ? 0 : 1] += 1;
  }
  return count;
}

describe('mpdelay', () => {
  test('two events: counts exact, times those of bpftrace and of the program', {
    timeout: 60_000,
  }, async () => {
    const witness = await bpftrace(NANOSLEEPS);
    const { pictures, load } = await watch(['mpdelay', '-e', chain(ENTER, EXIT), '-i', '500'], () =>
      runLoad<Truth>('sleeps', [100, 5]),
    );
    const seen = (await witness.stop())
      .map((line) => line.split(' ').map(Number))
      .filter(([tid]) => tid === load.tid)
      .map(([, ns = 0]) => ns / 1e3);
    const is = hop(ENTER, EXIT);
    expect(seen.length).toBe(load.sleeps);
    expect(sum(pictures, 'calls', is)).toBe(load.sleeps);
    const rows = pictures.flatMap(({ rows }) => rows.filter(is));
    const all_us = sum(pictures, 'total_us', is);
    // bpftrace reads its clock some µs after, or before, the event.
    expect(Math.abs(all_us - total(seen)) / load.sleeps).toBeLessThan(50);
    expect(all_us / 1e3).toBeLessThanOrEqual(total(load.waits_ms));
    expect(all_us / 1e3).toBeGreaterThan(total(load.waits_ms) - 5 * load.sleeps);
    const longest = Math.max(...rows.map((row) => number(row, 'max_us')));
    expect(Math.abs(longest - Math.max(...seen))).toBeLessThan(200);
    for (const row of rows) expect(number(row, 'min_us')).toBeGreaterThanOrEqual(5000);
    const buckets = pictures.flatMap(({ histogram = [] }) => histogram);
    expect(total(buckets.map(({ count }) => count))).toBe(load.sleeps);
    // 5 ms and more are not below 2^22 ns.
    for (const { low } of buckets) expect(low).toBeGreaterThanOrEqual(2 ** 22);
  });

  test('three events: a row for each hop', { timeout: 30_000 }, async () => {
    const args = ['mpdelay', '-e', chain(ENTER, EXIT, GETPPID), '-i', '500'];
    const { pictures, load } = await watch(args, () => runLoad<Truth>('sleeps', [60, 5]));
    expect(sum(pictures, 'calls', hop(ENTER, EXIT))).toBe(load.sleeps);
    expect(sum(pictures, 'calls', hop(EXIT, GETPPID))).toBe(load.sleeps);
    expect(new Set(pictures.flatMap(({ rows }) => rows.map((row) => row.hop))).size).toBe(2);
    const first = sum(pictures, 'total_us', hop(ENTER, EXIT));
    const second = sum(pictures, 'total_us', hop(EXIT, GETPPID));
    expect(first).toBeGreaterThanOrEqual(load.sleeps * 5000);
    // The way back to user mode and into the next call: the rest of what the program measured and a little more.
    expect(second).toBeGreaterThan(0);
    expect(second / load.sleeps).toBeLessThan(5000);
  });

  test('--than: the slow ones, with what happened in between', { timeout: 30_000 }, async () => {
    const args = ['mpdelay', '-e', chain(ENTER, 'sched:sched_switch', EXIT), '--key', 'common_pid'];
    const { pictures, load } = await watch([...args, '--than', '15ms', '-i', '500'], async () => {
      await runLoad<Truth>('sleeps', [20, 2]);
      return runLoad<Truth>('sleeps', [6, 30]);
    });
    const slow = logOf(pictures).filter((entry) => entry.tid === load.tid);
    expect(slow.length).toBe(load.sleeps);
    for (const entry of slow) {
      expect(entry.text).toMatch(/^sched:sched_switch => syscalls:sys_exit_nanosleep \d{5,}\.\d+ us/);
      const between = entry.between as unknown as string[];
      const own = between.filter((line) => line.includes(`w-sleeps/${load.tid} `));
      expect(own.length).toBe(2);
      expect(own[0]).toMatch(/^\+0\.000 us cpu\d+ w-sleeps\/\d+ sched_switch: prev_comm=w-sleeps /);
      expect(own[1]).toMatch(/^\+\d+\.\d+ us cpu\d+ w-sleeps\/\d+ sys_exit_nanosleep: /);
      expect([between[0], between.at(-1)]).toEqual(own);
    }
  });

  test('fields as keys, across CPUs: from wake-up to running, --percpu', { timeout: 60_000 }, async () => {
    const wakeup = { event: 'sched:sched_wakeup', filter: 'comm=="w-sleeps"' };
    const running = { event: 'sched:sched_switch', filter: 'next_comm=="w-sleeps"' };
    const events = [wakeup, running].map(({ event, filter }) => `${event}/${filter}/`).join(',');
    const args = ['mpdelay', '-e', events, '--percpu', '-i', '500', '--backend', 'tracefs'];
    const { pictures, load } = await watch(args, async () => {
      const witness = traceInstance([wakeup, running]);
      await runLoad<Truth>('sleeps', [80, 2]);
      return pairs(witness.stop());
    });
    // How many depends on the host: some do not record a switch out of idle. Both see the same ones.
    expect(load[0] + load[1]).toBeGreaterThan(0);
    for (const cpu of [0, 1] as const) {
      const is = (row: object) => 'cpu' in row && row.cpu === cpu;
      expect(sum(pictures, 'calls', is)).toBe(load[cpu]);
      const buckets = pictures.flatMap(({ histogram = [] }) => histogram).filter(is);
      expect(total(buckets.map(({ count }) => count))).toBe(load[cpu]);
    }
  });

  test('-C: where it begins, wherever it ends', { timeout: 60_000 }, async () => {
    // The task goes from CPU to CPU inside each of these calls.
    const [enter, exit] = ['enter', 'exit'].map((end) => `syscalls:sys_${end}_sched_setaffinity`);
    const args = ['mpdelay', '-e', `${enter}/comm=="w-cpus"/,${exit}/comm=="w-cpus"/`, '-i', '500'];
    const on1 = await watch([...args, '-C', '1'], () =>
      watch([...args, '-C', '0'], () => runLoad('cpus', ['move', 60])),
    );
    const calls = [on1.load.pictures, on1.pictures].map((pictures) => sum(pictures, 'calls'));
    // The first of them may find the task where it is to go.
    expect(Math.min(...calls)).toBe(30);
    expect(total(calls)).toBe(61);
  });
});
