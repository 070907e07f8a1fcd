import {
  type ColumnSpec,
  type Monitor,
  numberAt,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';

const NONE: Table = { length: 0, key: [], columns: {} };

/** Numbers of protocols on Ethernet. */
const PROTOCOLS: Readonly<Record<number, string>> = {
  0: '-',
  1: '802.3',
  4: '802.2',
  2048: 'IPv4',
  2054: 'ARP',
  33024: '802.1Q',
  34525: 'IPv6',
  34887: 'MPLS',
  34915: 'PPPoE',
  34958: 'EAPOL',
  34984: '802.1ad',
  35020: 'LLDP',
  35063: 'PTP',
};

/** One call chain each; the first table has them together. */
function byPlace(dropped: Table): Table {
  const rows = new Map<string, { row: number; count: number }>();
  for (let row = 0; row < dropped.length; row += 1) {
    const id = ['reason', 'location', 'protocol']
      .map((column) => textAt(dropped.columns[column], row))
      .join('\0');
    const found = rows.get(id);
    const count = numberAt(dropped.columns.count, row);
    if (found === undefined) rows.set(id, { row, count });
    else found.count += count;
  }
  const all = [...rows.values()];
  const text = (column: string) => textColumn(all.map(({ row }) => textAt(dropped.columns[column], row)));
  const count = Float64Array.from(all, (each) => each.count);
  return {
    length: all.length,
    key: ['reason', 'location', 'protocol'],
    columns: {
      reason: textColumn(all.map(({ row }) => textAt(dropped.columns.reason, row) || '-')),
      location: text('location'),
      protocol: text('protocol'),
      count,
      rate: count,
    },
  };
}

function byProcess(tasks: Table): Table {
  const comm = Array.from({ length: tasks.length }, (_, row) =>
    numberAt(tasks.columns.pid, row) === 0 ? '[softirq]' : textAt(tasks.columns.comm, row),
  );
  return { ...tasks, columns: { ...tasks.columns, comm: textColumn(comm) } };
}

const COUNT: ColumnSpec = {
  id: 'count',
  title: 'COUNT',
  help: 'packets dropped in the interval',
  sum: true,
  format: 'int',
  min: 7,
};

export const drops: Monitor = {
  name: 'drops',
  title: 'Drops',
  summary: 'Which packets the kernel throws away: why, at which place in its code, of which protocol',
  options: ['cpu', 'call-graph', 'filter', 'mmap-pages'],
  kernel_filter: true,
  plan: (options): Plan => ({
    cpus: options.cpus,
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    complete: true,
    shed: { last: 'duty' },
    events: [
      { id: 'free', names: ['skb:kfree_skb'], stack: options.callgraph, filter: options.filter },
      { id: 'full', names: ['sock:sock_rcvqueue_full'], optional: '' },
      { id: 'limit', names: ['sock:sock_exceed_buf_limit'], optional: '' },
      { id: 'checksum', names: ['tcp:tcp_bad_csum'], optional: '' },
      { id: 'udp', names: ['udp:udp_fail_queue_rcv_skb'], optional: '' },
      { id: 'xmit', names: ['net:net_dev_xmit'], filter: 'rc != 0', optional: '' },
    ],
    names: { PROTOCOLS },
    operators: [
      {
        op: 'count',
        name: 'dropped',
        on: [
          {
            event: 'free',
            key: {
              reason: 'maybe(reason):symbol',
              location: 'location:ksym',
              protocol: 'protocol:PROTOCOLS',
              stack: '$stack',
            },
            add: { count: '1' },
          },
        ],
      },
      {
        op: 'count',
        name: 'tasks',
        process: 'pid',
        on: [{ event: 'free', key: { pid: '$irq ? 0 : $pid' }, add: { count: '1' } }],
      },
      {
        op: 'count',
        name: 'signs',
        on: [
          ['full', 'receive queue of a socket full'],
          ['limit', 'memory limit of a protocol'],
          ['checksum', 'bad TCP checksum'],
          ['udp', 'UDP queue full'],
          ['xmit', 'device did not take it'],
        ].map(([event = '', sign]) => ({ event, key: { sign: `"${sign}":text` }, add: { count: '1' } })),
      },
      { op: 'log', name: 'events', on: [{ event: 'free' }] },
    ],
    polls: [{ poll: 'net-devices', name: 'devices' }],
  }),
  derive: ({ dropped = NONE, tasks = NONE, signs = NONE, devices = NONE }): Record<string, Table> => ({
    places: byPlace(dropped),
    stacks: dropped,
    tasks: byProcess(tasks),
    signs,
    devices,
  }),
  quiet: (tables) => (tables.places?.length === 0 ? 'No packet was dropped in this interval' : undefined),
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Packets dropped, by reason and place',
      table: 'places',
      sort: { column: 'count', descending: true },
      empty: 'no packet was dropped',
      columns: [
        {
          id: 'reason',
          title: 'REASON',
          help: "the kernel's word for it (5.17 and later); NOT_SPECIFIED is often no fault",
          format: 'text',
          min: 14,
          max: 32,
        },
        {
          id: 'location',
          title: 'LOCATION',
          help: 'kernel function that dropped it',
          format: 'text',
          min: 16,
        },
        { id: 'protocol', title: 'PROTO', help: 'protocol on the wire', format: 'text', min: 6, max: 8 },
        COUNT,
        {
          id: 'per_s',
          from: 'rate',
          rate: true,
          title: 'PER_S',
          help: 'dropped per second',
          sum: true,
          format: 'number',
          min: 8,
          warn: 1,
        },
      ],
    },
    {
      kind: 'table',
      id: 'tasks',
      title: 'In whose context',
      table: 'tasks',
      sort: { column: 'count', descending: true },
      empty: 'no packet was dropped',
      columns: [
        {
          id: 'pid',
          title: 'PID',
          help: 'process that dropped it in a call of its own; 0 = dropped in a softirq, which is nobody’s',
          format: 'int',
          min: 7,
        },
        { id: 'comm', title: 'COMMAND', help: 'its name', format: 'text', min: 10 },
        COUNT,
      ],
    },
    {
      kind: 'table',
      id: 'signs',
      title: 'Signs of it elsewhere',
      table: 'signs',
      sort: { column: 'count', descending: true },
      empty: 'none',
      columns: [
        { id: 'sign', title: 'SIGN', help: 'what was reported', format: 'text', min: 30 },
        { ...COUNT, help: 'how often in the interval' },
      ],
    },
    {
      kind: 'table',
      id: 'devices',
      title: 'Counters of the devices',
      table: 'devices',
      sort: { column: 'rx_dropped', descending: true },
      empty: 'no network device',
      columns: [
        { id: 'dev', title: 'DEV', help: 'network device', format: 'text', min: 6, max: 15 },
        { id: 'rx_dropped', title: 'RX_DROP', help: 'dropped on receive', format: 'int', min: 7, warn: 1 },
        { id: 'tx_dropped', title: 'TX_DROP', help: 'dropped on sending', format: 'int', min: 7, warn: 1 },
        { id: 'rx_errors', title: 'RX_ERR', help: 'receive errors', format: 'int', min: 6, warn: 1 },
        { id: 'tx_errors', title: 'TX_ERR', help: 'send errors', format: 'int', min: 6, warn: 1 },
      ],
    },
    {
      kind: 'stacks',
      id: 'stacks',
      title: 'Call chains (-g)',
      table: 'stacks',
      stack: 'stack',
      value: 'count',
      by: ['reason', 'protocol'],
    },
    { kind: 'log', id: 'log', title: 'Packets dropped, one by one', log: 'events' },
  ],
};
