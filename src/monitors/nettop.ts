import {
  type Clause,
  type Monitor,
  numberAt,
  type Options,
  onCpus,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';

const TTL = 5e9;
/** Decimals of KiB that tell every byte: one is 0.00098 KiB. */
const EXACT = 4;
/** Where the bytes of a call went through: the device of the packet just copied, else the socket's last one. */
const RX_DEV = 'first(recall(rx_dev, $tid), recall(sk_dev, sk), "-"):text';
const TX_DEV = 'first(recall(tx_dev, $tid), recall(sk_dev, sk), "-"):text';
const INET = '(family == 2 || family == 10 || family == 40)';
const PEEK = '(flags & 2)';

/** The device's own counters beside what the tracepoints saw of it. */
function devices(own: Table | undefined, traced: Table | undefined): Table {
  if (own === undefined) return { length: 0, key: ['dev'], columns: {} };
  const at = new Map<string, number>();
  for (let row = 0; row < (traced?.length ?? 0); row += 1) at.set(textAt(traced?.columns.dev, row), row);
  const column = (name: string): Float64Array =>
    Float64Array.from({ length: own.length }, (_, row) => {
      const found = at.get(textAt(own.columns.dev, row));
      return found === undefined ? 0 : numberAt(traced?.columns[name], found);
    });
  return {
    ...own,
    columns: {
      ...own.columns,
      traced_rx: column('rx'),
      traced_tx: column('tx'),
      traced_rx_pk: column('rx_pk'),
      traced_tx_pk: column('tx_pk'),
    },
  };
}

/** Only what happens on the CPUs asked for. */
function chosen(options: Options, clauses: readonly Clause[]): readonly Clause[] {
  const on = onCpus(options);
  if (on === undefined) return clauses;
  return clauses.map((clause) => ({
    ...clause,
    where: clause.where === undefined ? on : `${on} && (${clause.where})`,
  }));
}

export const nettop: Monitor = {
  name: 'nettop',
  title: 'NetTop',
  summary: 'Which process sends and receives how much, through which device',
  standard: true,
  options: ['cpu', 'mmap-pages'],
  plan: (options): Plan => ({
    cpus: options.cpus,
    // A packet arrives on one CPU and is read on another.
    all_cpus: true,
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    shed: { last: 'duty', lacks: 'more of them have no device' },
    events: [
      { id: 'queue', names: ['net:net_dev_queue'] },
      { id: 'arrive', names: ['net:netif_receive_skb'] },
      { id: 'copy', names: ['skb:skb_copy_datagram_iovec'] },
      {
        id: 'send',
        names: ['sock:sock_send_length'],
        optional: 'bytes as the application sent them are not known (kernels before 6.3)',
      },
      {
        id: 'recv',
        names: ['sock:sock_recv_length'],
        optional:
          'received bytes are counted per packet copied: a peeked packet counts twice, and what is read from Unix sockets may be among them',
      },
      {
        id: 'ready',
        names: ['sock:sk_data_ready'],
        optional: 'the device of small UDP packets may be missing',
        secondary: 'the device of small UDP packets may be missing',
      },
    ],
    operators: [
      // skb → device, until the reader takes it; CPU → device, for the wake-up of the socket that follows at once.
      {
        op: 'remember',
        name: 'skb_dev',
        ttl_ns: TTL,
        on: [{ event: 'arrive', add: { key: 'skbaddr', value: 'name' } }],
      },
      {
        op: 'remember',
        name: 'cpu_dev',
        ttl_ns: 1e6,
        on: [{ event: 'arrive', add: { key: '$cpu', value: 'name' } }],
      },
      {
        op: 'remember',
        name: 'rx_dev',
        ttl_ns: TTL,
        on: [
          {
            event: 'copy',
            where: 'recall(skb_dev, skbaddr)',
            add: { key: '$tid', value: 'recall(skb_dev, skbaddr)' },
          },
        ],
      },
      {
        op: 'remember',
        name: 'tx_dev',
        ttl_ns: 1e7,
        on: [{ event: 'queue', where: '!$irq', add: { key: '$tid', value: 'name' } }],
      },
      {
        op: 'remember',
        name: 'sk_dev',
        ttl_ns: 60e9,
        on: [
          {
            event: 'ready',
            where: 'recall(cpu_dev, $cpu)',
            add: { key: 'skaddr', value: 'recall(cpu_dev, $cpu)' },
          },
          {
            event: 'recv',
            where: 'recall(rx_dev, $tid)',
            add: { key: 'sk', value: 'recall(rx_dev, $tid)' },
          },
          {
            event: 'send',
            where: 'recall(tx_dev, $tid)',
            add: { key: 'sk', value: 'recall(tx_dev, $tid)' },
          },
        ],
      },
      // What one call copied: billed when the call returns, because only then it is known to be no peek.
      {
        op: 'remember',
        name: 'copied_pk',
        ttl_ns: TTL,
        on: [{ event: 'copy', add: { key: '$tid', value: 'recall(copied_pk, $tid) + 1' } }],
      },
      {
        op: 'remember',
        name: 'copied',
        ttl_ns: TTL,
        on: [{ event: 'copy', add: { key: '$tid', value: 'recall(copied, $tid) + len' } }],
      },
      {
        op: 'count',
        name: 'net',
        process: 'pid',
        on: chosen(options, [
          {
            event: 'queue',
            key: { pid: '$irq ? 0 : $pid', dev: 'name' },
            add: { xmit_pk: '1', xmit: 'len' },
          },
          {
            event: 'copy',
            unless: 'recv',
            where: 'recall(skb_dev, skbaddr)',
            key: { pid: '$pid', dev: 'recall(skb_dev, skbaddr):text' },
            add: { recv_pk: '1', recv: 'len' },
          },
          // A small datagram is copied without an event of its own: then the call itself is the packet.
          {
            event: 'recv',
            where: `${INET} && ret > 0 && !${PEEK}`,
            key: { pid: '$pid', dev: RX_DEV },
            add: {
              rx_app: 'ret',
              recv_pk: 'first(recall(copied_pk, $tid), protocol == 17)',
              recv: 'first(recall(copied, $tid), protocol == 17 ? ret : 0)',
            },
          },
          {
            event: 'send',
            where: `${INET} && ret > 0`,
            key: { pid: '$pid', dev: TX_DEV },
            add: { tx_app: 'ret' },
          },
          {
            event: 'recv',
            where: `${INET} && ret < 0`,
            key: { pid: '$pid', dev: RX_DEV },
            add: { errors: '1' },
          },
          {
            event: 'send',
            where: `${INET} && ret < 0`,
            key: { pid: '$pid', dev: TX_DEV },
            add: { errors: '1' },
          },
        ]),
      },
      { op: 'remember', name: 'copied_pk', on: [{ event: 'recv', add: { key: '$tid', value: '0' } }] },
      { op: 'remember', name: 'copied', on: [{ event: 'recv', add: { key: '$tid', value: '0' } }] },
      { op: 'remember', name: 'rx_dev', on: [{ event: 'recv', add: { key: '$tid', value: '0' } }] },
      {
        op: 'count',
        name: 'traced',
        on: chosen(options, [
          { event: 'arrive', key: { dev: 'name' }, add: { rx_pk: '1', rx: 'len' } },
          { event: 'queue', key: { dev: 'name' }, add: { tx_pk: '1', tx: 'len' } },
        ]),
      },
    ],
    polls: [{ poll: 'net-devices', name: 'devices' }],
  }),
  derive: (tables) => {
    const net = tables.net;
    const result: Record<string, Table> = { devices: devices(tables.devices, tables.traced) };
    if (net !== undefined) {
      const comm = textColumn(
        Array.from({ length: net.length }, (_, row) =>
          numberAt(net.columns.pid, row) === 0 ? '[softirq]' : textAt(net.columns.comm, row),
        ),
      );
      const sum = Float64Array.from(
        { length: net.length },
        (_, row) => numberAt(net.columns.xmit, row) + numberAt(net.columns.recv, row),
      );
      result.net = { ...net, columns: { ...net.columns, comm, sum } };
    }
    return result;
  },
  quiet: (tables) =>
    tables.net?.length === 0 ? 'No packet was sent or received in this interval' : undefined,
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Processes',
      table: 'net',
      sort: { column: 'sum_kb', descending: true },
      empty: 'no traffic',
      columns: [
        {
          id: 'pid',
          title: 'PID',
          help: 'process; 0 = sent from a softirq, no process to bill',
          format: 'int',
          min: 7,
        },
        { id: 'uid', title: 'UID', help: 'real user id', format: 'int', min: 5, priority: 3 },
        { id: 'dev', title: 'DEV', help: 'network device; - = not known', format: 'text', min: 6, max: 15 },
        {
          id: 'xmit_pk',
          title: 'XMIT_PK',
          help: 'packets queued to the device (a GSO packet is one)',
          sum: true,
          format: 'int',
          min: 7,
          priority: 2,
        },
        {
          id: 'recv_pk',
          title: 'RECV_PK',
          help: 'packets taken by the reader (a GRO packet is one)',
          sum: true,
          format: 'int',
          min: 7,
          priority: 2,
        },
        {
          id: 'xmit_kb',
          from: 'xmit',
          scale: 1 / 1024,
          title: 'XMIT_KB',
          help: 'KiB queued to the device, headers included',
          sum: true,
          format: 'number',
          decimals: EXACT,
          min: 10,
        },
        {
          id: 'recv_kb',
          from: 'recv',
          scale: 1 / 1024,
          title: 'RECV_KB',
          help: 'KiB of packets that the process read',
          sum: true,
          format: 'number',
          decimals: EXACT,
          min: 10,
        },
        {
          id: 'tx_app_kb',
          from: 'tx_app',
          scale: 1 / 1024,
          title: 'TX_APP',
          help: 'KiB the process handed to send, write, sendfile',
          sum: true,
          format: 'number',
          decimals: EXACT,
          min: 10,
          priority: 1,
        },
        {
          id: 'rx_app_kb',
          from: 'rx_app',
          scale: 1 / 1024,
          title: 'RX_APP',
          help: 'KiB the process got from recv, read; a peek does not count',
          sum: true,
          format: 'number',
          decimals: EXACT,
          min: 10,
          priority: 1,
        },
        {
          id: 'errors',
          title: 'ERR',
          help: 'send and receive calls that returned an error (EAGAIN too)',
          sum: true,
          format: 'int',
          min: 4,
          priority: 3,
          warn: 1,
        },
        {
          id: 'sum_kb',
          from: 'sum',
          scale: 1 / 1024,
          title: 'SUM_KB',
          help: 'KiB sent and received',
          sum: true,
          format: 'number',
          min: 9,
          priority: 4,
          hidden: 'json',
        },
        { id: 'comm', title: 'COMMAND', help: 'name of the process', format: 'text', min: 8 },
      ],
    },
    {
      kind: 'table',
      id: 'devices',
      title: 'Devices: their own counters, and what the tracepoints saw',
      table: 'devices',
      sort: { column: 'rx_kb', descending: true },
      empty: 'no network device',
      columns: [
        { id: 'dev', title: 'DEV', help: 'network device', format: 'text', min: 6, max: 15 },
        { id: 'rx_packets', title: 'RX_PK', help: 'packets received, device counter', format: 'int', min: 7 },
        { id: 'tx_packets', title: 'TX_PK', help: 'packets sent, device counter', format: 'int', min: 7 },
        {
          id: 'rx_kb',
          from: 'rx_bytes',
          scale: 1 / 1024,
          title: 'RX_KB',
          help: 'KiB received, device counter',
          format: 'number',
          min: 9,
        },
        {
          id: 'tx_kb',
          from: 'tx_bytes',
          scale: 1 / 1024,
          title: 'TX_KB',
          help: 'KiB sent, device counter',
          format: 'number',
          min: 9,
        },
        {
          id: 'traced_rx_kb',
          from: 'traced_rx',
          scale: 1 / 1024,
          title: 'TRACED_RX',
          help: 'KiB that netif_receive_skb saw',
          sum: true,
          format: 'number',
          min: 9,
          priority: 1,
        },
        {
          id: 'traced_tx_kb',
          from: 'traced_tx',
          scale: 1 / 1024,
          title: 'TRACED_TX',
          help: 'KiB that net_dev_queue saw',
          sum: true,
          format: 'number',
          min: 9,
          priority: 1,
        },
        {
          id: 'dropped',
          from: 'rx_dropped',
          title: 'DROP',
          help: 'packets dropped on receive, device counter',
          format: 'int',
          min: 5,
          warn: 1,
        },
        {
          id: 'rx_errors',
          title: 'ERR',
          help: 'receive errors, device counter',
          format: 'int',
          min: 4,
          warn: 1,
          priority: 1,
        },
      ],
    },
  ],
};
