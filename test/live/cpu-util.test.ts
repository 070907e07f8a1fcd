/** cpu-util against /proc/stat, read by the test as each picture arrives: the same windows, CPU by CPU. */
import { describe, expect, test } from 'vitest';
import { number, startKtop } from '../helpers/ktop.ts';
import { cpuTimes } from '../helpers/oracle.ts';
import { runLoad } from '../helpers/workload.ts';

const INTERVAL_MS = 2000;
const POINTS = 2;

/** Shares in % of one CPU between two readings of /proc/stat. */
function shares(before: readonly number[], after: readonly number[]): Record<string, number> {
  const delta = after.map((value, i) => value - (before[i] ?? 0));
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = delta;
  const [, , , , , , , , guest = 0, guestNice = 0] = delta;
  const all = user + nice + system + idle + iowait + irq + softirq + steal;
  const percent = (value: number) => (100 * value) / Math.max(all, 1);
  return {
    usr_pct: percent(user + nice - guest - guestNice),
    sys_pct: percent(system),
    irq_pct: percent(irq),
    softirq_pct: percent(softirq),
    steal_pct: percent(steal),
    guest_pct: percent(guest + guestNice),
    idle_pct: percent(idle + iowait),
  };
}

const LOADS = [
  { name: 'user on CPU 0', burns: [[0, 'user']] },
  { name: 'system on CPU 1', burns: [[1, 'system']] },
  {
    name: 'mixed on both',
    burns: [
      [0, 'mixed'],
      [1, 'mixed'],
    ],
  },
] as const;

describe('cpu-util', () => {
  test.each(LOADS)('within 2 points of /proc/stat: $name', { timeout: 30_000 }, async ({ burns }) => {
    const readings: ReturnType<typeof cpuTimes>[] = [];
    const ktop = await startKtop(['cpu-util', '-i', String(INTERVAL_MS)], () => readings.push(cpuTimes()));
    try {
      const seconds = (2.5 * INTERVAL_MS) / 1000;
      const loads = burns.map(([cpu, mode]) => runLoad('burn', [cpu, mode, seconds]));
      await ktop.more(3);
      await Promise.all(loads);
    } finally {
      await ktop.kill();
    }
    const busiest = Math.max(
      ...ktop.pictures.flatMap(({ rows }) => rows.map((row) => 100 - number(row, 'idle_pct'))),
    );
    expect(busiest).toBeGreaterThan(90);
    for (let i = 1; i < ktop.pictures.length; i++) {
      const rows = ktop.pictures[i]?.rows ?? [];
      expect(rows.map((row) => row.cpu)).toEqual([...cpuTimes().keys()]);
      for (const row of rows) {
        const cpu = number(row, 'cpu');
        const truth = shares(readings[i - 1]?.get(cpu) ?? [], readings[i]?.get(cpu) ?? []);
        for (const [key, wanted] of Object.entries(truth)) {
          const off = Math.abs(number(row, key) - wanted);
          expect(
            off,
            `cpu ${cpu} ${key}: ${number(row, key)}, /proc/stat says ${wanted}`,
          ).toBeLessThanOrEqual(POINTS);
        }
      }
    }
  });
});
