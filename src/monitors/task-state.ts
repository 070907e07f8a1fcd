import { type Monitor, nameFilter, type Options, type Plan } from './monitor.ts';

const THAN_MS = 100;

/** The narrowest kernel filter for sched_switch that the options allow; undefined = every switch is needed. */
function switchFilter(options: Options): string | undefined {
  const terms: string[] = [];
  // Only sleeps are watched: a wakeup ends them, so nothing but the switch into sleep matters.
  if (options.sleeping === true && options.uninterruptible === true)
    terms.push('(prev_state==1||prev_state==2)');
  else if (options.sleeping === true) terms.push('prev_state==1');
  else if (options.uninterruptible === true) terms.push('prev_state==2');
  const name = options.filter;
  if (name !== undefined) {
    const left = nameFilter('prev_comm', name);
    terms.push(terms.length > 0 ? left : `(${left}||${nameFilter('next_comm', name)})`);
  }
  return terms.length > 0 ? terms.join('&&') : undefined;
}

function states(options: Options): string {
  const chosen = (options.sleeping === true ? 'S' : '') + (options.uninterruptible === true ? 'D' : '');
  return chosen === '' ? 'SDTtR' : chosen;
}

export const taskState: Monitor = {
  name: 'task-state',
  title: 'Tasks',
  summary: 'Which tasks hang in D, S or T, or wait for a CPU, longer than they should',
  standard: true,
  options: ['cpu', 'pid', 'than', 'S', 'D', 'filter', 'call-graph', 'mmap-pages'],
  plan: (options): Plan => {
    const wakeup = options.filter === undefined ? undefined : nameFilter('comm', options.filter);
    return {
      cpus: options.cpus,
      all_cpus: true,
      mmap_pages: options.mmap_pages,
      backend: options.backend,
      complete: true,
      shed: { last: 'duty', lacks: 'states and waits that last longer than that are not seen' },
      events: [
        {
          id: 'switch',
          names: ['sched:sched_switch'],
          filter: switchFilter(options),
          stack: options.callgraph,
        },
        { id: 'wakeup', names: ['sched:sched_wakeup'], filter: wakeup },
        { id: 'new', names: ['sched:sched_wakeup_new'], filter: wakeup },
      ],
      operators: [
        {
          op: 'state',
          name: 'offenders',
          keep: true,
          states: states(options),
          // Every idle daemon sleeps for long: of interest when asked for, else not in the way.
          quiet_states: options.sleeping === true ? '' : 'S',
          than_ns: (options.than_ms ?? THAN_MS) * 1e6,
          cpus: options.cpus,
          comm: options.filter,
          pids: options.pids,
          on: [
            {
              event: 'switch',
              as: 'switch',
              add: { prev: 'prev_pid', prev_state: 'prev_state', next: 'next_pid' },
            },
            { event: 'wakeup', as: 'wakeup', add: { tid: 'pid', cpu: 'target_cpu' } },
            { event: 'new', as: 'wakeup', add: { tid: 'pid', cpu: 'target_cpu' } },
          ],
        },
      ],
    };
  },
  quiet: (tables) =>
    tables.offenders?.length === 0
      ? 'No task has been in a watched state for longer than the threshold (--than)'
      : undefined,
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Offenders since the tab was opened',
      table: 'offenders',
      sort: { column: 'severity', descending: true },
      empty: 'no offender',
      columns: [
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
        { id: 'tid', title: 'TID', help: 'thread', format: 'int', min: 7, priority: 2 },
        { id: 'comm', title: 'COMMAND', help: 'name of the thread', format: 'text', min: 8, max: 20 },
        {
          id: 'state',
          title: 'ST',
          help: 'D uninterruptible, S sleeping, T stopped, t traced, R runnable but not running',
          format: 'text',
          min: 2,
          max: 2,
        },
        {
          id: 'count',
          title: 'COUNT',
          help: 'finished stays longer than the threshold',
          format: 'int',
          min: 5,
        },
        {
          id: 'total_ms',
          from: 'total_ns',
          scale: 1e-6,
          title: 'TOTAL_MS',
          help: 'sum of the finished stays, ms',
          format: 'ms',
          min: 9,
          priority: 1,
        },
        {
          id: 'max_ms',
          from: 'max_ns',
          scale: 1e-6,
          title: 'MAX_MS',
          help: 'longest stay, ms, the present one included',
          format: 'ms',
          min: 9,
          alarm: 10000,
        },
        {
          id: 'p99_ms',
          from: 'p99_ns',
          scale: 1e-6,
          title: 'P99_MS',
          help: '99th percentile of the finished stays, ms (3 % exact)',
          format: 'ms',
          min: 9,
          priority: 3,
        },
        {
          id: 'current_ms',
          from: 'current_ns',
          scale: 1e-6,
          title: 'NOW_MS',
          help: 'in this state now, since so many ms; - = no more',
          format: 'ms',
          min: 9,
          warn: 1000,
          alarm: 10000,
        },
        { id: 'wchan', title: 'WCHAN', help: 'kernel function it sleeps in, now', format: 'text', min: 8 },
        {
          id: 'stack',
          title: 'STACK',
          help: 'call chain at the switch (-g)',
          format: 'text',
          hidden: 'screen',
        },
        {
          id: 'severity',
          title: 'SEV',
          help: 'order: D, R, T, S, then the longest',
          format: 'number',
          hidden: 'both',
        },
      ],
    },
    {
      kind: 'table',
      id: 'states',
      title: 'All stays that ended in the interval',
      table: 'offenders_states',
      sort: { column: 'total_ms', descending: true },
      empty: 'no switch',
      columns: [
        {
          id: 'state',
          title: 'ST',
          help: 'R on a CPU, RD runnable and waiting for one; S, D, T, t, I as in the kernel',
          format: 'text',
          min: 2,
          max: 2,
        },
        { id: 'count', title: 'STAYS', help: 'stays that ended', sum: true, format: 'int', min: 7 },
        {
          id: 'total_ms',
          from: 'total_ns',
          scale: 1e-6,
          title: 'TOTAL_MS',
          help: 'sum, ms',
          sum: true,
          format: 'ms',
          min: 10,
        },
        {
          id: 'p50_ms',
          from: 'p50_ns',
          scale: 1e-6,
          title: 'P50_MS',
          help: 'median, ms (3 % exact)',
          format: 'ms',
          decimals: 3,
          min: 9,
        },
        {
          id: 'p95_ms',
          from: 'p95_ns',
          scale: 1e-6,
          title: 'P95_MS',
          help: '95th percentile, ms (3 % exact)',
          format: 'ms',
          decimals: 3,
          min: 9,
          priority: 1,
        },
        {
          id: 'p99_ms',
          from: 'p99_ns',
          scale: 1e-6,
          title: 'P99_MS',
          help: '99th percentile, ms (3 % exact)',
          format: 'ms',
          decimals: 3,
          min: 9,
        },
        {
          id: 'max_ms',
          from: 'max_ns',
          scale: 1e-6,
          title: 'MAX_MS',
          help: 'longest, ms',
          format: 'ms',
          decimals: 3,
          min: 9,
        },
      ],
    },
    { kind: 'log', id: 'log', title: 'Finished stays', log: 'offenders', incidents: true },
  ],
};
