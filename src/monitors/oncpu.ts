import {
  type ColumnSpec,
  type Monitor,
  numberAt,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';

const IDLE = 0;
/** Samples find what was running already when ktop came and has not left its CPU since. */
const SAMPLE_NS = 250_000_000;
const NONE: Table = { length: 0, key: [], columns: {} };

/** What a task did on a CPU in the interval. */
interface Stay {
  readonly cpu: number;
  readonly pid: number;
  readonly tid: number;
  readonly comm: string;
  readonly on_ns: number;
  readonly pct: number;
  readonly switches: number;
  readonly migrations: number;
  readonly max_ns: number;
  /** NaN: not on the CPU now. */
  readonly now_ns: number;
}

function staysOf(table: Table): Stay[] {
  return Array.from({ length: table.length }, (_, row) => {
    const at = (name: string) => numberAt(table.columns[name], row);
    const now_ns = at('open') > 0 ? at('now_ns') : Number.NaN;
    return {
      cpu: at('cpu'),
      pid: at('pid'),
      tid: at('tid'),
      comm: textAt(table.columns.comm, row),
      on_ns: at('within_ns'),
      pct: at('window_ns') > 0 ? (100 * at('within_ns')) / at('window_ns') : 0,
      switches: at('begun'),
      migrations: at('moved'),
      max_ns: Math.max(at('max_ns') || 0, now_ns || 0),
      now_ns,
    };
  });
}

const sumOf = (stays: readonly Stay[], value: (stay: Stay) => number): number =>
  stays.reduce((sum, stay) => sum + value(stay), 0);

function groups<Key>(stays: readonly Stay[], key: (stay: Stay) => Key): Map<Key, Stay[]> {
  const found = new Map<Key, Stay[]>();
  for (const stay of stays) {
    const group = found.get(key(stay));
    if (group === undefined) found.set(key(stay), [stay]);
    else group.push(stay);
  }
  return found;
}

/** As the kernel writes lists of CPUs: 0-2,5 */
function rangesOf(cpus: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const cpu of [...cpus].sort((a, b) => a - b)) {
    const last = parts.at(-1);
    if (last !== undefined && cpu === last[1] + 1) last[1] = cpu;
    else parts.push([cpu, cpu]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

const numbers = <Row>(rows: readonly Row[], value: (row: Row) => number): Float64Array =>
  Float64Array.from(rows, value);
const texts = <Row>(rows: readonly Row[], value: (row: Row) => string) => textColumn(rows.map(value));

function sums(stays: readonly Stay[]) {
  return {
    on_ns: sumOf(stays, ({ on_ns }) => on_ns),
    pct: sumOf(stays, ({ pct }) => pct),
    switches: sumOf(stays, ({ switches }) => switches),
    migrations: sumOf(stays, ({ migrations }) => migrations),
    max_ns: stays.reduce((most, { max_ns }) => Math.max(most, max_ns), 0),
  };
}

function tableOf(rows: readonly Omit<Stay, 'now_ns'>[], key: readonly string[]): Table {
  return {
    length: rows.length,
    key,
    columns: {
      cpu: numbers(rows, ({ cpu }) => cpu),
      pid: numbers(rows, ({ pid }) => pid),
      tid: numbers(rows, ({ tid }) => tid),
      comm: texts(rows, ({ comm }) => comm),
      on_ns: numbers(rows, ({ on_ns }) => on_ns),
      pct: numbers(rows, ({ pct }) => pct),
      switches: numbers(rows, ({ switches }) => switches),
      migrations: numbers(rows, ({ migrations }) => migrations),
      max_ns: numbers(rows, ({ max_ns }) => max_ns),
    },
  };
}

/** Who was on which CPU. */
function byBoth(stays: readonly Stay[]): Table {
  const table = tableOf(stays, ['cpu', 'tid']);
  return { ...table, columns: { ...table.columns, now_ns: numbers(stays, ({ now_ns }) => now_ns) } };
}

/** Where each task was. */
function byTask(stays: readonly Stay[]): Table {
  const each = [...groups(stays, ({ tid }) => tid).values()];
  const table = tableOf(
    each.map((group) => ({ ...(group[0] as Stay), ...sums(group) })),
    ['tid'],
  );
  const cpus = each.map((group) => group.map(({ cpu }) => cpu));
  return {
    ...table,
    columns: { ...table.columns, used: numbers(cpus, ({ length }) => length), cpus: texts(cpus, rangesOf) },
  };
}

/** How busy each CPU was, and who is on it. */
function byCpu(stays: readonly Stay[]): Table {
  const rows = [...groups(stays, ({ cpu }) => cpu)].map(([cpu, group]) => {
    const tasks = group.filter(({ tid }) => tid !== IDLE);
    const now = group.find(({ now_ns }) => now_ns >= 0);
    return { cpu, tasks: tasks.filter(({ on_ns }) => on_ns > 0).length, now, ...sums(tasks) };
  });
  return {
    length: rows.length,
    key: ['cpu'],
    columns: {
      cpu: numbers(rows, ({ cpu }) => cpu),
      pct: numbers(rows, ({ pct }) => pct),
      tasks: numbers(rows, ({ tasks }) => tasks),
      switches: numbers(rows, ({ switches }) => switches),
      migrations: numbers(rows, ({ migrations }) => migrations),
      max_ns: numbers(rows, ({ max_ns }) => max_ns),
      tid: numbers(rows, ({ now }) => (now === undefined || now.tid === IDLE ? Number.NaN : now.tid)),
      comm: texts(rows, ({ now }) => (now?.tid === IDLE ? '(idle)' : (now?.comm ?? ''))),
      now_ns: numbers(rows, ({ now }) => now?.now_ns ?? Number.NaN),
    },
  };
}

const CPU: ColumnSpec = { id: 'cpu', title: 'CPU', help: 'number of the CPU', format: 'int', min: 4 };
const PID: ColumnSpec = { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7, priority: 2 };
const TID: ColumnSpec = { id: 'tid', title: 'TID', help: 'thread', format: 'int', min: 7 };
const COMM: ColumnSpec = {
  id: 'comm',
  title: 'COMMAND',
  help: 'name of the thread',
  format: 'text',
  min: 10,
};
const ON: ColumnSpec = {
  id: 'on_ms',
  from: 'on_ns',
  scale: 1e-6,
  title: 'ON_MS',
  help: 'time on the CPU in the interval, ms',
  sum: true,
  format: 'ms',
  min: 9,
};
const SWITCHES: ColumnSpec = {
  id: 'switches',
  title: 'SWITCHES',
  help: 'times it came onto the CPU',
  sum: true,
  format: 'int',
  min: 8,
  priority: 1,
};
const MIGRATIONS: ColumnSpec = {
  id: 'migrations',
  title: 'MIGR',
  help: 'of these, times it had been on another CPU before',
  sum: true,
  format: 'int',
  min: 6,
  priority: 2,
};
const MAX: ColumnSpec = {
  id: 'max_ms',
  from: 'max_ns',
  scale: 1e-6,
  title: 'MAX_MS',
  help: 'longest stay without a break, ms, the present one included',
  format: 'ms',
  min: 9,
  warn: 1000,
  alarm: 10000,
};
const NOW: ColumnSpec = {
  id: 'now_ms',
  from: 'now_ns',
  scale: 1e-6,
  title: 'NOW_MS',
  help: 'on the CPU now, since so many ms; - = no more',
  format: 'ms',
  min: 9,
  priority: 1,
};

export const oncpu: Monitor = {
  name: 'oncpu',
  title: 'On CPU',
  summary: 'Who ran on each CPU and for how long at a stretch, and where each task ran',
  options: ['cpu', 'pid', 'than', 'filter', 'percpu', 'mmap-pages'],
  plan: (options): Plan => ({
    cpus: options.cpus,
    all_cpus: true,
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    complete: true,
    shed: { last: 'duty', lacks: 'of longer stays only a part is seen' },
    events: [{ id: 'switch', names: ['sched:sched_switch'] }],
    sampler: { period_ns: SAMPLE_NS },
    operators: [
      {
        op: 'state',
        name: 'stays',
        measure: 'run',
        tables: [{ name: 'on', by: ['cpu', 'tid'] }],
        process: 'tid',
        percpu: options.percpu,
        cpus: options.cpus,
        comm: options.filter,
        pids: options.pids,
        than_ns: (options.than_ms ?? 0) * 1e6,
        early: true,
        on: [
          {
            event: 'switch',
            as: 'switch',
            add: { prev: 'prev_pid', prev_state: 'prev_state', next: 'next_pid' },
          },
          { event: '@clock', as: 'seen' },
        ],
      },
    ],
  }),
  derive: ({ on = NONE }): Record<string, Table> => {
    const stays = staysOf(on);
    const tasks = stays.filter(({ tid }) => tid !== IDLE);
    return { on: byBoth(tasks), tasks: byTask(tasks), cpus: byCpu(stays) };
  },
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Who ran where',
      table: 'on',
      sort: { column: 'on_ms', descending: true },
      empty: 'no task ran',
      columns: [
        CPU,
        PID,
        TID,
        COMM,
        ON,
        { id: 'pct', title: 'CPU%', help: '% of the CPU', sum: true, format: 'percent', min: 6 },
        SWITCHES,
        MIGRATIONS,
        MAX,
        NOW,
      ],
    },
    {
      kind: 'table',
      id: 'cpus',
      title: 'CPUs, and who is on them now',
      table: 'cpus',
      sort: { column: 'busy_pct', descending: true },
      empty: 'nothing seen yet',
      columns: [
        CPU,
        {
          id: 'busy_pct',
          from: 'pct',
          title: 'BUSY%',
          help: '% of the interval in tasks',
          sum: true,
          format: 'percent',
          min: 6,
        },
        { id: 'tasks', title: 'TASKS', help: 'tasks that ran', format: 'int', min: 5, priority: 1 },
        SWITCHES,
        MIGRATIONS,
        MAX,
        { ...TID, help: 'thread that is on it now' },
        { ...COMM, help: 'its name' },
        { ...NOW, help: 'on the CPU since so many ms', priority: 0 },
      ],
    },
    {
      kind: 'table',
      id: 'tasks',
      title: 'Where each task ran',
      table: 'tasks',
      sort: { column: 'on_ms', descending: true },
      empty: 'no task ran',
      columns: [
        PID,
        TID,
        COMM,
        { ...ON, help: 'time on all CPUs in the interval, ms' },
        { id: 'pct', title: 'CPU%', help: '% of one CPU', sum: true, format: 'percent', min: 6, priority: 1 },
        { id: 'used', title: 'CPUS', help: 'how many CPUs it ran on', format: 'int', min: 4 },
        { id: 'cpus', title: 'WHICH', help: 'these CPUs', format: 'text', min: 6, max: 24 },
        SWITCHES,
        { ...MIGRATIONS, priority: 0 },
        { ...MAX, priority: 1 },
      ],
    },
    { kind: 'histogram', id: 'histogram', title: 'Stay on a CPU, ns', histogram: 'stays' },
    { kind: 'log', id: 'log', title: 'Longer than --than without a break', log: 'stays', incidents: true },
  ],
};
