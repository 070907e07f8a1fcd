import {
  type ColumnSpec,
  type Monitor,
  nameFilter,
  numberAt,
  type Options,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';
import { reasonOf } from './offcpu-reasons.ts';

/** Samples find tasks that came back unseen, on hosts that hide switches out of idle. */
const SAMPLE_NS = 250_000_000;
const NONE: Table = { length: 0, key: [], columns: {} };
const INNERMOST = /^(__schedule|schedule\w*|io_schedule\w*|preempt_schedule\w*)(\+|$)/;

/** Kernel filters by name. */
function filters({ filter }: Options): { readonly change?: string; readonly wake?: string } {
  if (filter === undefined) return {};
  const change = `${nameFilter('prev_comm', filter)}||${nameFilter('next_comm', filter)}`;
  return { change, wake: nameFilter('comm', filter) };
}

/** The function that waits: the first one that is not of the scheduler. */
function placeOf(stack: string): string {
  const frames = stack.split(';');
  return (frames.find((frame) => !INNERMOST.test(frame)) ?? '').replace(/\+.*$/, '');
}

/** Every table of waits has them. */
function withReasons(table: Table): Table {
  const rows = Array.from({ length: table.length }, (_, row) => ({
    stack: textAt(table.columns.stack, row),
    state: textAt(table.columns.state, row),
  }));
  return {
    ...table,
    columns: {
      ...table.columns,
      reason: textColumn(rows.map(({ stack, state }) => reasonOf(stack, state))),
      place: textColumn(rows.map(({ stack }) => placeOf(stack))),
      // The waker's chain follows the waiter's, so that one picture has both.
      chain: textColumn(
        rows.map(({ stack }, row) => {
          const waker = textAt(table.columns.waker_stack, row);
          return waker === '' ? stack : `${stack};--;${waker.split(';').reverse().join(';')}`;
        }),
      ),
    },
  };
}

interface Sum {
  count: number;
  total: number;
  delay: number;
  max: number;
  open: number;
  now: number;
  readonly tids: Set<number>;
}

/** By what is waited for, all tasks together. */
function byReason(table: Table): Table {
  const sums = new Map<string, Sum>();
  for (let row = 0; row < table.length; row += 1) {
    const reason = textAt(table.columns.reason, row);
    const at = (column: string) => numberAt(table.columns[column], row) || 0;
    const sum = sums.get(reason) ?? {
      count: 0,
      total: 0,
      delay: 0,
      max: 0,
      open: 0,
      now: 0,
      tids: new Set<number>(),
    };
    sums.set(reason, sum);
    sum.count += at('count');
    sum.total += at('total_ns');
    sum.delay += at('delay_ns');
    sum.max = Math.max(sum.max, at('max_ns'));
    sum.open += at('open');
    sum.now = Math.max(sum.now, at('now_ns'));
    sum.tids.add(at('tid'));
  }
  const rows = [...sums];
  const column = (value: (sum: Sum) => number) => Float64Array.from(rows, ([, sum]) => value(sum));
  return {
    length: rows.length,
    key: ['reason'],
    columns: {
      reason: textColumn(rows.map(([reason]) => reason)),
      tasks: column(({ tids }) => tids.size),
      count: column(({ count }) => count),
      total_ns: column(({ total }) => total),
      delay_ns: column(({ delay }) => delay),
      avg_ns: column(({ total, count }) => (count === 0 ? Number.NaN : total / count)),
      max_ns: column(({ max }) => max),
      open: column(({ open }) => open),
      now_ns: column(({ now }) => now),
    },
  };
}

const ms = (id: string, title: string, help: string, priority = 0): ColumnSpec => ({
  id: `${id}_ms`,
  from: `${id}_ns`,
  scale: 1e-6,
  title,
  help,
  format: 'ms',
  decimals: 3,
  min: 9,
  priority,
});
const COUNT: ColumnSpec = {
  id: 'count',
  title: 'COUNT',
  help: 'waits that ended',
  sum: true,
  format: 'int',
  min: 6,
};
const TOTAL: ColumnSpec = {
  ...ms('total', 'OFF_MS', 'sum of the waits that ended, from leaving a CPU to being back, ms'),
  sum: true,
};
const DELAY: ColumnSpec = {
  ...ms('delay', 'DELAY_MS', 'of these, time in which it could run but had no CPU, ms', 2),
  sum: true,
};
const AVG = ms('avg', 'AVG_MS', 'mean, ms', 3);
const MAX = ms('max', 'MAX_MS', 'longest that ended, ms');
const NOW = ms('now', 'NOW_MS', 'off the CPU now, since so many ms; 0 = is not', 1);
const REASON: ColumnSpec = {
  id: 'reason',
  title: 'REASON',
  help: 'what is waited for, by the kernel functions; preempted = lost its CPU and would go on',
  format: 'text',
  min: 9,
  max: 13,
};

export const offcpu: Monitor = {
  name: 'offcpu',
  title: 'Off CPU',
  summary: 'What tasks wait for while they do not run: where in the kernel, how long, and who woke them',
  options: ['pid', 'than', 'filter', 'call-graph', 'mmap-pages'],
  plan: (options): Plan => {
    const { change, wake } = filters(options);
    return {
      mmap_pages: options.mmap_pages,
      backend: options.backend,
      complete: true,
      shed: { last: 'duty', keeps_stacks: true, lacks: 'what takes longer than that is not seen' },
      events: [
        { id: 'switch', names: ['sched:sched_switch'], filter: change, stack: true },
        // The wakeup itself may be done by the other CPU; this one always happens where its cause is.
        { id: 'wake', names: ['sched:sched_waking'], filter: wake, stack: options.callgraph },
      ],
      sampler: { period_ns: SAMPLE_NS },
      operators: [
        {
          op: 'off',
          name: 'waits',
          process: 'tid',
          comm: options.filter,
          pids: options.pids,
          others: true,
          than_ns: (options.than_ms ?? 0) * 1e6,
          tables: [{ name: 'waits', by: ['tid', 'state', 'stack', 'waker', 'waker_stack'] }],
          on: [
            {
              event: 'switch',
              as: 'switch',
              add: { prev: 'prev_pid', prev_state: 'prev_state', next: 'next_pid' },
            },
            { event: 'wake', as: 'wake', add: { tid: 'pid', by: '$who' } },
            { event: '@clock', as: 'seen' },
          ],
        },
      ],
    };
  },
  derive: ({ waits = NONE }): Record<string, Table> => {
    const each = withReasons(waits);
    return { waits: each, reasons: byReason(each) };
  },
  quiet: (tables) => (tables.waits?.length === 0 ? 'No task left a CPU in this interval' : undefined),
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Waits, by task, place and waker',
      table: 'waits',
      sort: { column: 'total_ms', descending: true },
      empty: 'no task came back to a CPU',
      columns: [
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7, priority: 4 },
        { id: 'tid', title: 'TID', help: 'thread', format: 'int', min: 7 },
        { id: 'comm', title: 'COMMAND', help: 'name of the thread', format: 'text', min: 10, max: 16 },
        {
          id: 'state',
          title: 'S',
          help: 'state it left the CPU in: R runnable, S sleeping, D uninterruptible, T stopped, t traced, I idle',
          format: 'text',
          min: 1,
        },
        REASON,
        COUNT,
        TOTAL,
        DELAY,
        AVG,
        MAX,
        NOW,
        {
          id: 'waker',
          title: 'WAKER',
          help: 'thread that ended the wait; [irq] = an interrupt did, whoever it interrupted; - = nobody or not seen',
          format: 'text',
          min: 8,
          max: 23,
          priority: 1,
        },
        {
          id: 'place',
          title: 'WHERE',
          help: 'kernel function that waits',
          format: 'text',
          min: 12,
          priority: 2,
        },
        {
          id: 'stack',
          title: 'STACK',
          help: 'kernel call chain, innermost first',
          format: 'text',
          hidden: 'screen',
        },
        {
          id: 'waker_stack',
          title: 'WAKER_STACK',
          help: 'kernel call chain of the wakeup, innermost first (-g)',
          format: 'text',
          hidden: 'screen',
        },
      ],
    },
    {
      kind: 'table',
      id: 'reasons',
      title: 'Reasons',
      table: 'reasons',
      sort: { column: 'total_ms', descending: true },
      empty: 'no task came back to a CPU',
      columns: [
        REASON,
        { id: 'tasks', title: 'TASKS', help: 'threads', format: 'int', min: 6 },
        COUNT,
        TOTAL,
        DELAY,
        { ...AVG, priority: 1 },
        MAX,
        { id: 'open', title: 'WAITING', help: 'threads that wait for it now', format: 'int', min: 7 },
        NOW,
      ],
    },
    {
      kind: 'stacks',
      id: 'stacks',
      title: 'Call chains by time off the CPU',
      table: 'waits',
      stack: 'chain',
      value: 'total_ns',
      by: ['comm', 'reason'],
    },
    { kind: 'histogram', id: 'histogram', title: 'Time off the CPU, ns', histogram: 'waits' },
    { kind: 'log', id: 'log', title: 'Longer than --than', log: 'waits', incidents: true },
  ],
};
