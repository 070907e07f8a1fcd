import { type ColumnSpec, type Monitor, nameFilter, type Options, type Plan } from './monitor.ts';

const THAN_MS = 100;
/** Samples tell who runs from who waits, of those that were runnable already when ktop came. */
const SAMPLE_NS = 250_000_000;

/** Kernel filters by name. */
function filters({ filter }: Options): { readonly change?: string; readonly wakeup?: string } {
  if (filter === undefined) return {};
  const change = `${nameFilter('prev_comm', filter)}||${nameFilter('next_comm', filter)}`;
  return { change, wakeup: nameFilter('comm', filter) };
}

const time = (id: string, from: string, title: string, help: string, priority = 0): ColumnSpec => ({
  id,
  from,
  scale: 1e-3,
  title,
  help,
  format: 'us',
  min: 9,
  priority,
});

const DELAYS: readonly ColumnSpec[] = [
  { id: 'count', title: 'COUNT', help: 'waits that ended', sum: true, format: 'int', min: 8 },
  {
    id: 'total_ms',
    from: 'total_ns',
    scale: 1e-6,
    title: 'TOTAL_MS',
    help: 'sum of these waits, ms',
    sum: true,
    format: 'ms',
    min: 9,
  },
  time('avg_us', 'avg_ns', 'AVG_US', 'mean, µs', 1),
  time('p50_us', 'p50_ns', 'P50_US', 'median, µs (3 % exact)', 3),
  time('p95_us', 'p95_ns', 'P95_US', '95th percentile, µs (3 % exact)', 2),
  time('p99_us', 'p99_ns', 'P99_US', '99th percentile, µs (3 % exact)'),
  time('max_us', 'max_ns', 'MAX_US', 'longest that ended, µs'),
];
const NOW: ColumnSpec = {
  id: 'now_ms',
  from: 'now_ns',
  scale: 1e-6,
  title: 'NOW_MS',
  help: 'waits now, since so many ms; 0 = does not',
  format: 'ms',
  min: 8,
  warn: 100,
  alarm: 1000,
};

export const rundelay: Monitor = {
  name: 'rundelay',
  title: 'RunDelay',
  summary: 'How long tasks that could run wait for a CPU, on which CPUs, and who is kept waiting right now',
  options: ['cpu', 'pid', 'than', 'filter', 'percpu', 'call-graph', 'mmap-pages'],
  plan: (options): Plan => {
    const { change, wakeup } = filters(options);
    const add = { tid: 'pid', cpu: 'target_cpu' };
    return {
      cpus: options.cpus,
      all_cpus: true,
      mmap_pages: options.mmap_pages,
      backend: options.backend,
      complete: true,
      shed: { last: 'duty', lacks: 'what takes longer than that is not seen' },
      events: [
        { id: 'switch', names: ['sched:sched_switch'], filter: change, stack: options.callgraph },
        { id: 'wakeup', names: ['sched:sched_wakeup'], filter: wakeup, stack: options.callgraph },
        { id: 'new', names: ['sched:sched_wakeup_new'], filter: wakeup, stack: options.callgraph },
      ],
      sampler: { period_ns: SAMPLE_NS },
      operators: [
        {
          op: 'state',
          name: 'waits',
          measure: 'wait',
          states: 'R',
          tables: [
            { name: 'tasks', by: ['tid'] },
            { name: 'cpus', by: ['cpu'] },
          ],
          process: 'tid',
          percpu: options.percpu,
          cpus: options.cpus,
          comm: options.filter,
          pids: options.pids,
          than_ns: (options.than_ms ?? THAN_MS) * 1e6,
          early: true,
          on: [
            {
              event: 'switch',
              as: 'switch',
              add: { prev: 'prev_pid', prev_state: 'prev_state', next: 'next_pid' },
            },
            { event: 'wakeup', as: 'wakeup', add },
            { event: 'new', as: 'wakeup', add },
            { event: '@clock', as: 'seen' },
          ],
        },
      ],
    };
  },
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Waits for a CPU, by task',
      table: 'tasks',
      sort: { column: 'total_ms', descending: true },
      empty: 'no task had to wait',
      columns: [
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7, priority: 2 },
        { id: 'tid', title: 'TID', help: 'thread', format: 'int', min: 7 },
        { id: 'comm', title: 'COMMAND', help: 'name of the thread', format: 'text', min: 10 },
        ...DELAYS,
        NOW,
      ],
    },
    {
      kind: 'table',
      id: 'cpus',
      title: 'By CPU',
      table: 'cpus',
      sort: { column: 'total_ms', descending: true },
      empty: 'no task had to wait',
      columns: [
        { id: 'cpu', title: 'CPU', help: 'on which the task ran in the end', format: 'int', min: 4 },
        ...DELAYS,
        {
          id: 'waiting',
          from: 'open',
          title: 'WAITING',
          help: 'tasks that wait for it now',
          format: 'int',
          min: 7,
        },
        { ...NOW, help: 'the one that has waited longest, ms; 0 = none waits' },
      ],
    },
    { kind: 'histogram', id: 'histogram', title: 'Wait for a CPU, ns', histogram: 'waits' },
    { kind: 'log', id: 'log', title: 'Slower than --than', log: 'waits', incidents: true },
  ],
};
