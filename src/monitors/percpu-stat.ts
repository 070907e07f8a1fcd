import { type Column, type ColumnSpec, type Monitor, numberAt, type Plan, type Table } from './monitor.ts';

interface Counter {
  readonly id: string;
  readonly event: string;
  readonly title: string;
  readonly help: string;
  /** Divide by: enter and exit are one. */
  readonly by?: number;
}

const COUNTERS: readonly Counter[] = [
  { id: 'csw', event: 'sw:context-switches', title: 'CSW', help: 'context switches' },
  { id: 'cpu_mig', event: 'sw:cpu-migrations', title: 'MIGR', help: 'tasks that came from another CPU' },
  { id: 'minflt', event: 'sw:minor-faults', title: 'MINFLT', help: 'page faults without I/O' },
  { id: 'majflt', event: 'sw:major-faults', title: 'MAJFLT', help: 'page faults with I/O' },
  { id: 'syscalls', event: 'raw_syscalls:sys_enter', title: 'SYSCALLS', help: 'system calls (--syscalls)' },
  {
    id: 'hardirq',
    event: 'irq:irq_handler_entry',
    title: 'HARDIRQ',
    help: 'device interrupts (no timer, no IPI)',
  },
  { id: 'softirq', event: 'irq:softirq_entry', title: 'SOFTIRQ', help: 'softirqs' },
  {
    id: 'hrtimer',
    event: 'timer:hrtimer_expire_entry',
    title: 'HRTIMER',
    help: 'high-resolution timers fired',
  },
  { id: 'workqueue', event: 'workqueue:workqueue_execute_start', title: 'WORK', help: 'work items run' },
  { id: 'kvm_exit', event: 'kvm:kvm_exit', title: 'KVMEXIT', help: 'guest exits' },
  { id: 'net_recv', event: 'net:netif_receive_skb', title: 'NETRECV', help: 'packets received' },
  { id: 'xmit', event: 'net:net_dev_xmit', title: 'XMIT', help: 'packets given to a driver' },
  { id: 'gro', event: 'net:napi_gro_receive_entry', title: 'GRO', help: 'packets into GRO' },
  { id: 'mm_alloc', event: 'kmem:mm_page_alloc', title: 'MMALLOC', help: 'page allocations' },
  {
    id: 'compact',
    event: 'compaction:mm_compaction_migratepages',
    title: 'COMPACT',
    help: 'compaction moved pages',
  },
  {
    id: 'reclaim',
    event: 'vmscan:mm_vmscan_direct_reclaim_begin',
    title: 'RECLAIM',
    help: 'direct reclaims begun',
  },
  { id: 'migrate', event: 'migrate:mm_migrate_pages', title: 'MMIGR', help: 'page migrations' },
  {
    id: 'page_cache',
    event: 'filemap:mm_filemap_add_to_page_cache',
    title: 'PGCACHE',
    help: 'folios added to the page cache',
  },
  {
    id: 'wb_pages',
    event: 'writeback:wbc_writepage',
    title: 'WBPAGES',
    help: 'pages written back (hardly used by current kernels)',
  },
  { id: 'idle', event: 'power:cpu_idle', title: 'IDLE', help: 'times the CPU went idle', by: 2 },
];

/** One row per CPU and one for all; counters this kernel lacks stay unknown. */
function withAll(counts: Table): Table {
  const rows = counts.length;
  const columns: Record<string, Column> = {
    cpu: {
      ids: Uint32Array.from({ length: rows + 1 }, (_, row) => row),
      strings: [
        'all',
        ...Array.from({ length: rows }, (_, row) => String(numberAt(counts.columns.cpu, row))),
      ],
    },
    order: Float64Array.from({ length: rows + 1 }, (_, row) => row - 1),
  };
  for (const counter of COUNTERS) {
    const from = counts.columns[counter.id];
    if (from === undefined) continue;
    const column = new Float64Array(rows + 1);
    for (let row = 0; row < rows; row += 1) {
      const value = Math.round(numberAt(from, row) / (counter.by ?? 1));
      column[row + 1] = value;
      column[0] = (column[0] ?? 0) + value;
    }
    columns[counter.id] = column;
  }
  return { length: rows + 1, key: ['cpu'], columns };
}

export const percpuStat: Monitor = {
  name: 'percpu-stat',
  title: 'CPU stat',
  summary: 'What every CPU did in the interval: switches, faults, interrupts, packets, pages',
  standard: true,
  options: ['cpu', 'syscalls'],
  plan: (options): Plan => ({
    cpus: options.cpus,
    backend: options.backend,
    events: [],
    operators: [],
    polls: [
      {
        poll: 'counters',
        name: 'counts',
        events: Object.fromEntries(
          COUNTERS.filter(({ id }) => id !== 'syscalls' || options.syscalls === true).map(({ id, event }) => [
            id,
            event,
          ]),
        ),
      },
    ],
  }),
  derive: (tables): Record<string, Table> =>
    tables.counts === undefined ? {} : { counts: withAll(tables.counts) },
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Per CPU, in the interval',
      table: 'counts',
      sort: { column: 'order', descending: false },
      empty: 'no CPU',
      columns: [
        { id: 'cpu', title: 'CPU', help: 'CPU number, or all', format: 'text', min: 4, max: 5 },
        ...COUNTERS.map(
          ({ id, title, help }): ColumnSpec => ({
            id,
            title,
            help: `${help}, in the interval; - = this kernel has no such event`,
            format: 'int',
            min: Math.max(6, title.length),
            optional: id === 'syscalls',
          }),
        ),
        {
          id: 'order',
          title: 'ORDER',
          help: 'place in the list',
          format: 'int',
          hidden: 'both',
        },
      ],
    },
  ],
};
