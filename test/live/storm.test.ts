/**
 * Storms of events for half a minute, with no bound on what watching may cost: nothing breaks, nothing grows, every event is
 * accounted for. What is shed within a budget: shed.test.ts.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { watch } from '../helpers/ktop.ts';
import { perfStat } from '../helpers/oracle.ts';
import { sleep, startLoad } from '../helpers/workload.ts';
import { accounted, eventsOf, total } from './accounting.ts';

const SECONDS = 30;

/** Resident set, MB. */
const rss = (pid: number) =>
  Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

describe('storm', () => {
  test.each([
    [
      'task-state',
      ['task-state', '-i', '500', '--budget', 'off'],
      ['pipe', 'pipe'],
      () => eventsOf('task-state'),
    ],
    [
      'trace',
      ['trace', '-e', 'raw_syscalls:sys_enter', '-i', '500', '--budget', 'off'],
      ['getppid', 'getppid'],
      () => ['raw_syscalls:sys_enter'],
    ],
  ] as const)('%s', { timeout: 120_000 }, async (_, args, loads, events) => {
    const watched = events();
    const outer = await perfStat(watched);
    const sizes: number[] = [];
    const { pictures, load } = await watch(args, async (ktop) => {
      const inner = await perfStat(watched);
      // Longer than the load lasts: a machine under storm is slow.
      const storms = loads.map((mode) => startLoad('storm', [mode, SECONDS], 2000 * SECONDS).said);
      const end = performance.now() + SECONDS * 1000;
      while (performance.now() < end) {
        sizes.push(rss(ktop.pid));
        await sleep(500);
      }
      await Promise.all(storms);
      return total(await inner.stop());
    });
    const most = total(await outer.stop());
    const got = accounted(pictures);
    expect(load / SECONDS).toBeGreaterThan(100_000);
    expect(got).toBeGreaterThanOrEqual(load);
    expect(got).toBeLessThanOrEqual(most);
    const third = Math.floor(sizes.length / 3);
    const peak = (of: readonly number[]) => Math.max(...of);
    // The last third needs no more than the second, but for what the collector leaves lying about.
    expect(peak(sizes.slice(2 * third))).toBeLessThan(peak(sizes.slice(third, 2 * third)) + 16);
  });
});
