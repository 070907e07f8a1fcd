import { type Monitor, numberAt, type Plan, type Table, textAt, textColumn } from './monitor.ts';
import { TCP_STATES } from './tcp-states.ts';

const NONE: Table = { length: 0, key: [], columns: {} };
const TCP = 6;
const [SYN_RECV, CLOSE] = [3, 7];
const PROCESS = '!$irq && $pid';
const FLOW = {
  pid: 'recall(owner, skaddr)',
  laddr: 'ip(saddr_v6)',
  lport: 'sport',
  raddr: 'ip(daddr_v6)',
  rport: 'dport',
};

function told(flows: Table): Table {
  const texts = (value: (row: number) => string) =>
    textColumn(Array.from({ length: flows.length }, (_, row) => value(row)));
  const { columns } = flows;
  const endpoint = (side: string, row: number) => {
    const address = textAt(columns[`${side}addr`], row);
    return `${address.includes(':') ? `[${address}]` : address}:${numberAt(columns[`${side}port`], row)}`;
  };
  const pid = (row: number) => numberAt(columns.pid, row);
  return {
    ...flows,
    columns: {
      ...columns,
      pid: Float64Array.from({ length: flows.length }, (_, row) => (pid(row) > 0 ? pid(row) : Number.NaN)),
      comm: texts((row) => (pid(row) > 0 ? textAt(columns.comm, row) : '?')),
      local: texts((row) => endpoint('l', row)),
      remote: texts((row) => endpoint('r', row)),
    },
  };
}

/** The counter beside what the tracepoints saw, and its share of all segments. */
function counters(own: Table, flows: Table): Table {
  const value = (name: string): number => {
    for (let row = 0; row < own.length; row += 1)
      if (textAt(own.columns.counter, row) === name) return numberAt(own.columns.count, row);
    return 0;
  };
  let seen = 0;
  for (let row = 0; row < flows.length; row += 1) seen += numberAt(flows.columns.count, row);
  const out = value('Tcp:OutSegs');
  const again = value('Tcp:RetransSegs');
  return {
    length: 1,
    key: [],
    columns: {
      out: Float64Array.of(out),
      again: Float64Array.of(again),
      pct: Float64Array.of(out === 0 ? 0 : (100 * again) / out),
      seen: Float64Array.of(seen),
      timeouts: Float64Array.of(value('TcpExt:TCPTimeouts')),
      probes: Float64Array.of(value('TcpExt:TCPLossProbes')),
      fast: Float64Array.of(value('TcpExt:TCPFastRetrans')),
      spurious: Float64Array.of(value('TcpExt:TCPDSACKRecv')),
    },
  };
}

export const retrans: Monitor = {
  name: 'retrans',
  title: 'Retrans',
  summary: 'Which TCP connections send again, in which state, and whose they are',
  options: ['mmap-pages'],
  plan: (options): Plan => ({
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    complete: true,
    shed: { last: 'never', lacks: 'each segment that is sent again is told' },
    events: [
      { id: 'segment', names: ['tcp:tcp_retransmit_skb'] },
      { id: 'synack', names: ['tcp:tcp_retransmit_synack'] },
      { id: 'state', names: ['sock:inet_sock_set_state'], filter: `protocol == ${TCP}` },
      {
        id: 'read',
        names: ['tcp:tcp_rcv_space_adjust'],
        secondary: 'whose connections they are may not be known',
      },
      {
        id: 'send',
        names: ['sock:sock_send_length'],
        filter: `protocol == ${TCP}`,
        optional:
          'owners of connections that only send are not known until they change their state (kernels before 6.3)',
        secondary: '',
      },
    ],
    names: { STATES: TCP_STATES },
    operators: [
      // Retransmits happen in timers and softirqs: whose the socket is must be known from before.
      {
        op: 'remember',
        name: 'owner',
        on: [
          { event: 'state', where: PROCESS, add: { key: 'skaddr', value: '$pid' } },
          { event: 'read', where: PROCESS, add: { key: 'skaddr', value: '$pid' } },
          { event: 'send', where: PROCESS, add: { key: 'sk', value: '$pid' } },
        ],
      },
      {
        op: 'count',
        name: 'flows',
        process: 'pid',
        on: [
          {
            event: 'segment',
            key: { ...FLOW, state: 'state:STATES' },
            add: { count: '1', failed: 'maybe(err) != 0' },
          },
          // Its socket is the listener's: there is none of the connection yet.
          { event: 'synack', key: { ...FLOW, state: `${SYN_RECV}:STATES` }, add: { count: '1' } },
        ],
      },
      // The next socket at this address is another one.
      {
        op: 'remember',
        name: 'owner',
        on: [{ event: 'state', where: `newstate == ${CLOSE}`, add: { key: 'skaddr', value: '0' } }],
      },
      { op: 'log', name: 'events', on: [{ event: 'segment' }, { event: 'synack' }] },
    ],
    polls: [
      {
        poll: 'net-counters',
        name: 'counters',
        match: [
          'Tcp:OutSegs',
          'Tcp:RetransSegs',
          'TcpExt:TCPTimeouts',
          'TcpExt:TCPLossProbes',
          'TcpExt:TCPFastRetrans',
          'TcpExt:TCPDSACKRecv',
        ],
      },
    ],
  }),
  derive: (tables): Record<string, Table> => {
    const flows = tables.flows ?? NONE;
    return { flows: told(flows), counters: counters(tables.counters ?? NONE, flows) };
  },
  quiet: (tables) => (tables.flows?.length === 0 ? 'No segment was sent again in this interval' : undefined),
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Connections that sent again',
      table: 'flows',
      sort: { column: 'count', descending: true },
      empty: 'no segment was sent again',
      columns: [
        {
          id: 'pid',
          title: 'PID',
          help: 'process whose socket it is, never the one a timer interrupted; - = not known',
          format: 'int',
          min: 7,
        },
        { id: 'comm', title: 'COMMAND', help: 'its name', format: 'text', min: 8, max: 16 },
        {
          id: 'local',
          title: 'LOCAL',
          help: 'own address and port',
          format: 'text',
          min: 12,
          max: 47,
          priority: 1,
        },
        {
          id: 'remote',
          title: 'REMOTE',
          help: "the other's address and port",
          format: 'text',
          min: 12,
          max: 47,
        },
        {
          id: 'state',
          title: 'STATE',
          help: 'state of the connection at the last one; SYN_RECV: a SYN-ACK',
          format: 'text',
          min: 11,
        },
        { id: 'count', title: 'COUNT', help: 'segments sent again in the interval', format: 'int', min: 6 },
        {
          id: 'failed',
          title: 'ERR',
          help: 'of these, refused by the host itself (kernels that tell)',
          format: 'int',
          min: 4,
          warn: 1,
          priority: 2,
        },
      ],
    },
    {
      kind: 'table',
      id: 'counters',
      title: "The kernel's counters, of this network namespace",
      table: 'counters',
      sort: { column: 'again', descending: true },
      empty: '',
      columns: [
        { id: 'out', title: 'OUT', help: 'segments sent', format: 'int', min: 8 },
        { id: 'again', title: 'AGAIN', help: 'segments sent again', format: 'int', min: 6, warn: 1 },
        { id: 'pct', title: 'PCT', help: '% of those sent', format: 'percent', min: 5, warn: 1, alarm: 5 },
        {
          id: 'seen',
          title: 'SEEN',
          help: 'sent again by the table above, of all namespaces',
          format: 'int',
          min: 6,
        },
        { id: 'timeouts', title: 'TIMEOUT', help: 'retransmission timeouts', format: 'int', min: 7 },
        { id: 'probes', title: 'PROBES', help: 'tail loss probes sent', format: 'int', min: 6 },
        { id: 'fast', title: 'FAST', help: 'fast retransmits', format: 'int', min: 5, priority: 1 },
        {
          id: 'spurious',
          title: 'DSACK',
          help: 'told by the other side that it had them already',
          format: 'int',
          min: 5,
          priority: 1,
        },
      ],
    },
    { kind: 'log', id: 'log', title: 'Segments sent again', log: 'events' },
  ],
};
