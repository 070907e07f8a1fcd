import { type Monitor, numberAt, type Options, type Plan, type Table, textAt } from './monitor.ts';

const FREQUENCY = 49;
const TICKS = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] as const;

/** Reference cycles of the interval, by the mode they were spent in; NaN = not counted. */
interface Cycles {
  readonly user: number;
  readonly kernel: number;
}
const UNCOUNTED: Cycles = { user: Number.NaN, kernel: Number.NaN };

/** Of a CPU, or of all. */
function cyclesOf(counted: Table | undefined, cpu: string): Cycles {
  const sum = { user: 0, kernel: 0 };
  let rows = 0;
  for (let row = 0; row < (counted?.length ?? 0); row += 1) {
    if (cpu !== 'all' && numberAt(counted?.columns.cpu, row) !== Number(cpu)) continue;
    sum.user += numberAt(counted?.columns.user, row);
    sum.kernel += numberAt(counted?.columns.kernel, row);
    rows += 1;
  }
  return rows === 0 ? UNCOUNTED : sum;
}

/**
 * Shares of the ticks that passed, one row per CPU; a CPU without a tick was idle. Where cycles were counted, how busy a CPU
 * was is what the ticks say, and in which mode, what the cycles say: a tick sees only the moment it comes.
 */
function shares(times: Table, counted: Table | undefined, wanted: (cpu: string) => boolean): Table {
  const rows = Array.from({ length: times.length }, (_, row) => row)
    .filter((row) => wanted(textAt(times.columns.cpu, row)))
    .sort((a, b) => Number(textAt(times.columns.cpu, a)) - Number(textAt(times.columns.cpu, b)));
  const tick = (name: string, row: number): number => numberAt(times.columns[name], row);
  const percent = (value: (row: number) => number): Float64Array =>
    Float64Array.from(rows, (row) => {
      const total = TICKS.reduce((sum, name) => sum + tick(name, row), 0);
      return total > 0 ? (100 * Math.max(0, value(row))) / total : 0;
    });
  const guest = (row: number): number => tick('guest', row) + tick('guest_nice', row);
  const programs = (row: number): number => tick('user', row) + tick('nice', row) - guest(row);
  const interrupts = (row: number): number => tick('irq', row) + tick('softirq', row);
  /** The kernel's share of what was busy; NaN where nothing was counted, or a counter opens but does not count. */
  const kernelShare = (row: number): number => {
    const { user, kernel } = cyclesOf(counted, textAt(times.columns.cpu, row));
    return kernel / (user + kernel);
  };
  const busy = (row: number): number => programs(row) + tick('system', row) + interrupts(row);
  const usr = (row: number): number => {
    const share = kernelShare(row);
    return Number.isNaN(share) ? programs(row) : busy(row) * (1 - share);
  };
  const sys = (row: number): number => {
    const share = kernelShare(row);
    return Number.isNaN(share) ? tick('system', row) : busy(row) * share - interrupts(row);
  };
  const total = (row: number): number => TICKS.reduce((sum, name) => sum + tick(name, row), 0);
  return {
    length: rows.length,
    key: ['cpu'],
    columns: {
      cpu: Float64Array.from(rows, (row) => Number(textAt(times.columns.cpu, row))),
      usr: percent(usr),
      sys: percent(sys),
      irq: percent((row) => tick('irq', row)),
      softirq: percent((row) => tick('softirq', row)),
      steal: percent((row) => tick('steal', row)),
      guest: percent(guest),
      iowait: percent((row) => tick('iowait', row)),
      idle: Float64Array.from(rows, (row) =>
        total(row) > 0 ? (100 * (tick('idle', row) + tick('iowait', row))) / total(row) : 100,
      ),
    },
  };
}

function consumers(who: Table | undefined, frequency: number, interval_ms: number): Table {
  if (who === undefined) return { length: 0, key: ['pid'], columns: {} };
  const of = (name: string): Float64Array =>
    Float64Array.from(
      { length: who.length },
      (_, row) => (numberAt(who.columns[name], row) * 1e5) / (frequency * interval_ms),
    );
  return { ...who, columns: { ...who.columns, usr: of('usr'), sys: of('sys') } };
}

const narrows = ({ exclude_user, exclude_kernel, exclude_guest, guest }: Options): boolean =>
  [exclude_user, exclude_kernel, exclude_guest, guest].includes(true);
const NARROWED =
  'shares of CPUs are those of /proc/stat, which tells user, kernel and guests apart: --exclude-* and -G narrow the processes below only';

export const cpuUtil: Monitor = {
  name: 'cpu-util',
  title: 'CPU',
  summary: 'Where every CPU spends its time, the kernel’s share first, and who makes it do so',
  standard: true,
  options: ['cpu', 'freq', 'exclude-user', 'exclude-kernel', 'exclude-guest', 'guest'],
  plan: (options): Plan => ({
    cpus: options.cpus,
    backend: options.backend,
    events: [],
    sampler: {
      frequency: options.frequency ?? FREQUENCY,
      // Only a hardware counter tells guest from host; without one the options narrow what the clock can narrow.
      hardware: options.guest === true || options.exclude_guest === true,
      exclude_user: options.exclude_user,
      exclude_kernel: options.exclude_kernel,
      exclude_guest: options.exclude_guest,
      guest_only: options.guest,
    },
    operators: [
      {
        op: 'sample',
        name: 'who',
        process: 'pid',
        on: [
          {
            event: '@clock',
            // The idle task, and what perf calls a task that has given up its ids on its way out.
            where: '$tid != 0 && $tid != 4294967295',
            key: { pid: '$pid' },
            add: { usr: '$user', sys: '!$user' },
          },
        ],
      },
    ],
    polls: [
      { poll: 'cpu-times', name: 'times' },
      {
        poll: 'counters',
        name: 'cycles',
        events: { user: 'pmu:cycles-user', kernel: 'pmu:cycles-kernel' },
      },
    ],
    ...(narrows(options) && { notes: [NARROWED] }),
  }),
  derive: (tables, options, interval_ms) => {
    const times = tables.times;
    const result: Record<string, Table> = {
      who: consumers(tables.who, options.frequency ?? FREQUENCY, interval_ms),
    };
    if (times !== undefined) {
      result.cpus = shares(times, tables.cycles, (cpu) => cpu !== 'all');
      result.total = shares(times, tables.cycles, (cpu) => cpu === 'all');
    }
    return result;
  },
  panels: [
    {
      kind: 'bars',
      id: 'bars',
      title: 'CPUs',
      table: 'cpus',
      label: 'cpu',
      segments: [
        { column: 'sys', title: 'sys', mark: 'S', colour: 'red' },
        { column: 'irq', title: 'irq', mark: 'I', colour: 'yellow' },
        { column: 'softirq', title: 'softirq', mark: 'i', colour: 'magenta' },
        { column: 'usr', title: 'usr', mark: 'u', colour: 'green' },
        { column: 'guest', title: 'guest', mark: 'g', colour: 'blue' },
        { column: 'steal', title: 'steal', mark: 'x', colour: 'cyan' },
      ],
    },
    {
      kind: 'line',
      id: 'history',
      title: '%sys, all CPUs',
      table: 'total',
      column: 'sys',
      how: 'mean',
      max: 100,
    },
    {
      kind: 'table',
      id: 'rows',
      title: 'CPUs',
      table: 'cpus',
      sort: { column: 'cpu', descending: false },
      empty: 'no CPU',
      columns: [
        { id: 'cpu', title: 'CPU', help: 'CPU number', format: 'int', min: 4 },
        {
          id: 'sys_pct',
          from: 'sys',
          title: '%SYS',
          help: '% in the kernel for processes',
          format: 'percent',
          min: 6,
          warn: 30,
          alarm: 60,
        },
        {
          id: 'usr_pct',
          from: 'usr',
          title: '%USR',
          help: '% in programs, guests excluded',
          format: 'percent',
          min: 6,
        },
        {
          id: 'irq_pct',
          from: 'irq',
          title: '%IRQ',
          help: '% in hard interrupts',
          format: 'percent',
          min: 6,
          priority: 1,
        },
        {
          id: 'softirq_pct',
          from: 'softirq',
          title: '%SOFT',
          help: '% in softirqs',
          format: 'percent',
          min: 6,
          priority: 1,
        },
        {
          id: 'steal_pct',
          from: 'steal',
          title: '%STEAL',
          help: '% the hypervisor gave to others',
          format: 'percent',
          min: 6,
          warn: 10,
        },
        {
          id: 'guest_pct',
          from: 'guest',
          title: '%GUEST',
          help: '% in guests of this host',
          format: 'percent',
          min: 6,
          priority: 2,
        },
        {
          id: 'iowait_pct',
          from: 'iowait',
          title: '%IOWAIT',
          help: '% idle with I/O under way (part of idle)',
          format: 'percent',
          min: 7,
          priority: 2,
        },
        {
          id: 'idle_pct',
          from: 'idle',
          title: '%IDLE',
          help: '% idle, iowait included',
          format: 'percent',
          min: 6,
        },
      ],
    },
    {
      kind: 'table',
      id: 'who',
      title: 'Who, by samples of the CPU clock',
      table: 'who',
      sort: { column: 'sys_pct', descending: true },
      empty: 'no sample: all CPUs idle, or perf not permitted',
      columns: [
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
        { id: 'uid', title: 'UID', help: 'real user id', format: 'int', min: 5, priority: 1 },
        {
          id: 'sys_pct',
          from: 'sys',
          title: '%SYS',
          help: '% of one CPU in the kernel, sampled',
          format: 'percent',
          min: 6,
        },
        {
          id: 'usr_pct',
          from: 'usr',
          title: '%USR',
          help: '% of one CPU in the program, sampled',
          format: 'percent',
          min: 6,
        },
        { id: 'comm', title: 'COMMAND', help: 'name of the process', format: 'text', min: 8 },
      ],
    },
  ],
};
