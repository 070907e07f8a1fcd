/** How cpu-util splits busy time: by counted cycles where they count, by ticks elsewhere. */
import { expect, test } from 'vitest';
import { cpuUtil } from '../../src/monitors/cpu-util.ts';
import { numberAt, type Table } from '../../src/monitors/monitor.ts';

const OPTIONS = { interval_ms: 1000 };
const TICKS = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal', 'guest', 'guest_nice'];

/** /proc/stat of two CPUs and of both, 100 ticks each. */
function ticks(of: Readonly<Record<string, number>>): Table {
  const names = ['all', '0', '1'];
  const columns = Object.fromEntries(
    TICKS.map((name) => [name, Float64Array.from(names, (cpu) => (of[name] ?? 0) * (cpu === 'all' ? 2 : 1))]),
  );
  return {
    length: 3,
    key: ['cpu'],
    columns: { ...columns, cpu: { ids: Uint32Array.of(0, 1, 2), strings: names } },
  };
}

const cycles = (user: readonly number[], kernel: readonly number[]): Table => ({
  length: 2,
  key: ['cpu'],
  columns: {
    cpu: Float64Array.of(0, 1),
    user: Float64Array.from(user),
    kernel: Float64Array.from(kernel),
  },
});

function sharesOf(counted: Table | undefined) {
  const times = ticks({ user: 40, system: 10, irq: 2, softirq: 8, idle: 40 });
  const tables = cpuUtil.derive?.(
    counted === undefined ? { times } : { times, cycles: counted },
    OPTIONS,
    1000,
  );
  return (name: string, table: 'cpus' | 'total' = 'cpus') =>
    Array.from({ length: tables?.[table]?.length ?? 0 }, (_, row) =>
      numberAt(tables?.[table]?.columns[name], row),
    );
}

test('cycles say in which mode, ticks how long', () => {
  // CPU 0: half of its busy 60 % in the kernel, of which 10 % in interrupts. CPU 1: all in the program but interrupts.
  const of = sharesOf(cycles([500, 900], [500, 100]));
  expect(of('usr')).toEqual([30, 54]);
  expect(of('sys')).toEqual([20, 0]);
  expect(of('irq')).toEqual([2, 2]);
  expect(of('softirq')).toEqual([8, 8]);
  expect(of('idle')).toEqual([40, 40]);
  // Both: 1400 of 2000 cycles in programs.
  expect(of('usr', 'total')[0]).toBeCloseTo(42);
  expect(of('sys', 'total')[0]).toBeCloseTo(8);
});

test.each([
  ['no counter', undefined],
  ['a counter that is absent', cycles([Number.NaN, Number.NaN], [Number.NaN, Number.NaN])],
  ['a counter that opens and does not count', cycles([0, 0], [0, 0])],
])('%s: the ticks', (_, counted) => {
  const of = sharesOf(counted);
  expect(of('usr')).toEqual([40, 40]);
  expect(of('sys')).toEqual([10, 10]);
  expect(of('usr', 'total')).toEqual([40]);
});

test('the counters are asked for', () => {
  expect(cpuUtil.plan(OPTIONS).polls?.find(({ name }) => name === 'cycles')?.events).toEqual({
    user: 'pmu:cycles-user',
    kernel: 'pmu:cycles-kernel',
  });
});
