import { type Column, type Monitor, numberAt, type Plan, type Table, textAt, textColumn } from './monitor.ts';

/** The kernel's own arithmetic: a timer every 2/5 of the threshold, a soft lockup at twice the threshold. */
const PERIOD_OF_THRESH = 2000 / 5;
const SOFT_OF_THRESH = 2000;
const HARD_OF_THRESH = 1000;
/**
 * A timer or the stopper may be this late, ms, beside what the hypervisor took, before it counts as missed. On a virtual
 * machine of two busy CPUs they were never more than 50 ms late in half an hour.
 */
const SLACK_MS = 200;

interface Beat {
  readonly age_ms: number;
  readonly stolen_ms: number;
  readonly ticks: number;
}

function beats(table: Table | undefined): Map<number, Beat> {
  const result = new Map<number, Beat>();
  for (let row = 0; row < (table?.length ?? 0); row += 1)
    result.set(numberAt(table?.columns.cpu, row), {
      age_ms: numberAt(table?.columns.age_ns, row) / 1e6,
      stolen_ms: numberAt(table?.columns.age_stolen_ns, row) / 1e6,
      ticks: numberAt(table?.columns.ticks, row),
    });
  return result;
}

/** `rounds`: how often the timer of any CPU has fired; after two, every CPU's should have been seen. */
function stateOf(timer: Beat | undefined, touch: Beat | undefined, thresh_s: number, rounds: number): string {
  const due = thresh_s * PERIOD_OF_THRESH + SLACK_MS;
  if (timer === undefined) return rounds < 2 ? 'waiting' : 'no timer';
  if (timer.age_ms > thresh_s * HARD_OF_THRESH) return 'HARD LOCKUP';
  if (timer.age_ms > due + timer.stolen_ms) return 'WILL: hard lockup';
  if (touch === undefined) return 'waiting';
  if (touch.age_ms > thresh_s * SOFT_OF_THRESH) return 'SOFT LOCKUP';
  if (touch.age_ms > due + touch.stolen_ms) return 'WILL: soft lockup';
  return 'ok';
}

function rowsOf(settings: Table, timers: Map<number, Beat>, touches: Map<number, Beat>): Table {
  const rounds = Math.max(0, ...Array.from(timers.values(), ({ ticks }) => ticks));
  const rows = Array.from({ length: settings.length }, (_, row) => {
    const cpu = numberAt(settings.columns.cpu, row);
    const thresh = numberAt(settings.columns.thresh_s, row);
    const off = numberAt(settings.columns.enabled, row) === 0;
    const timer = timers.get(cpu);
    const touch = touches.get(cpu);
    const limit = thresh * SOFT_OF_THRESH;
    return {
      cpu,
      touch: touch?.age_ms ?? Number.NaN,
      timer: timer?.age_ms ?? Number.NaN,
      steal: touch?.stolen_ms ?? timer?.stolen_ms ?? Number.NaN,
      limit,
      left: touch === undefined ? Number.NaN : limit - touch.age_ms,
      state: off ? 'off' : stateOf(timer, touch, thresh, rounds),
    };
  });
  const order = ['ok', 'waiting', 'off', 'no timer'];
  return {
    length: rows.length,
    key: ['cpu'],
    columns: {
      cpu: Float64Array.from(rows, (row) => row.cpu),
      touch_age: Float64Array.from(rows, (row) => row.touch),
      timer_age: Float64Array.from(rows, (row) => row.timer),
      steal: Float64Array.from(rows, (row) => row.steal),
      limit: Float64Array.from(rows, (row) => row.limit),
      left: Float64Array.from(rows, (row) => row.left),
      state: textColumn(rows.map((row) => row.state)),
      severity: Float64Array.from(rows, (row) => (order.includes(row.state) ? 0 : 1e6) + (row.touch || 0)),
    },
  };
}

export const watchdog: Monitor = {
  name: 'watchdog',
  title: 'Watchdog',
  summary: 'Which CPU is about to be called locked up, before the kernel says so',
  options: ['cpu', 'freq', 'call-graph', 'mmap-pages'],
  plan: (options): Plan => ({
    cpus: options.cpus,
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    complete: true,
    shed: { last: 'never', lacks: 'a silence would not be told from a pause' },
    steady: true,
    sampler: options.callgraph === true ? { frequency: options.frequency ?? 1, stack: true } : undefined,
    events: [
      { id: 'expire', names: ['timer:hrtimer_expire_entry'] },
      // The watchdog’s own thread was replaced by the stopper in 4.19: that it runs is the touch. Its coming and its going:
      // on some hosts switches out of idle are not recorded.
      {
        id: 'switch',
        names: ['sched:sched_switch'],
        filter: 'next_comm~"migration/*"||prev_comm~"migration/*"',
      },
    ],
    operators: [
      {
        op: 'gap',
        name: 'timers',
        keep: true,
        on: [{ event: 'expire', where: 'function == ksym("watchdog_timer_fn")', key: { cpu: '$cpu' } }],
      },
      { op: 'gap', name: 'touches', keep: true, on: [{ event: 'switch', key: { cpu: '$cpu' } }] },
      ...(options.callgraph === true
        ? [{ op: 'log' as const, name: 'samples', cap: 64, on: [{ event: '@clock' }] }]
        : []),
    ],
    polls: [{ poll: 'watchdog', name: 'settings' }],
  }),
  derive: (tables, options): Record<string, Table> => {
    const settings = tables.settings;
    if (settings === undefined) return {};
    const rows = rowsOf(settings, beats(tables.timers), beats(tables.touches));
    if (options.cpus === undefined) return { rows };
    const wanted = new Set(options.cpus);
    const keep = Array.from({ length: rows.length }, (_, row) => row).filter((row) =>
      wanted.has(numberAt(rows.columns.cpu, row)),
    );
    const columns: Record<string, Column> = {};
    for (const [name, column] of Object.entries(rows.columns))
      columns[name] =
        column instanceof Float64Array
          ? Float64Array.from(keep, (row) => column[row] ?? Number.NaN)
          : textColumn(keep.map((row) => textAt(column, row)));
    return { rows: { length: keep.length, key: rows.key, columns } };
  },
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Watchdog of every CPU',
      table: 'rows',
      sort: { column: 'severity', descending: true },
      empty: 'this kernel has no lockup watchdog',
      columns: [
        { id: 'cpu', title: 'CPU', help: 'CPU number', format: 'int', min: 4 },
        {
          id: 'touch_age_ms',
          from: 'touch_age',
          title: 'TOUCH_AGE',
          help: 'ms since the CPU last ran the watchdog’s stopper work (- = not yet seen: up to 2/5 of the threshold after the start)',
          format: 'ms',
          min: 10,
          warn: 4200,
          alarm: 10000,
        },
        {
          id: 'timer_age_ms',
          from: 'timer_age',
          title: 'TIMER_AGE',
          help: 'ms since the CPU’s watchdog timer last fired, as seen from the other CPUs',
          format: 'ms',
          min: 10,
          warn: 4200,
          alarm: 10000,
        },
        {
          id: 'steal_ms',
          from: 'steal',
          title: 'STEAL',
          help: 'of TOUCH_AGE, ms the hypervisor gave to others (at most, in steps of 10): a virtual CPU may be late by as much',
          format: 'ms',
          decimals: 0,
          min: 7,
          priority: 1,
        },
        {
          id: 'limit_ms',
          from: 'limit',
          title: 'LIMIT',
          help: 'ms after which the kernel calls it a soft lockup',
          format: 'ms',
          decimals: 0,
          min: 8,
        },
        { id: 'left_ms', from: 'left', title: 'LEFT', help: 'ms left until then', format: 'ms', min: 9 },
        {
          id: 'state',
          title: 'STATE',
          help: 'ok, waiting (first round), no timer (nohz_full or watchdog off there), WILL: soft lockup, WILL: hard lockup',
          format: 'text',
          min: 18,
        },
        { id: 'severity', title: 'SEV', help: 'order', format: 'number', hidden: 'both' },
      ],
    },
    { kind: 'log', id: 'log', title: 'Samples of the CPUs (-g)', log: 'samples' },
  ],
};
