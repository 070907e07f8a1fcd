import {
  type ColumnSpec,
  type Monitor,
  numberAt,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';
import { TCP_STATES } from './tcp-states.ts';

const NONE: Table = { length: 0, key: [], columns: {} };
const TCP = 6;
const PEEK = '(flags & 2)';
const [ESTABLISHED, SYN_SENT, SYN_RECV, CLOSE, LISTEN] = [1, 2, 3, 7, 10];

/** What a connection had come to when it was closed, by the state it left. */
const ENDS: Readonly<Record<number, string>> = {
  0: 'CLOSED',
  1: 'RESET',
  2: 'FAILED',
  3: 'RESET',
  4: 'CLOSED',
  5: 'CLOSED',
  6: 'CLOSED',
  7: 'CLOSED',
  8: 'RESET',
  9: 'CLOSED',
  11: 'CLOSED',
  12: 'RESET',
};

const ENDPOINTS = {
  laddr: 'ip(saddr_v6)',
  lport: 'sport',
  raddr: 'ip(daddr_v6)',
  rport: 'dport',
};
/** Only where a process does it: what a softirq does is nobody's. */
const OWNER = { pid: '$pid', comm: '$comm' };
const PROCESS = '!$irq && $pid';

function told(table: Table): Table {
  const texts = (value: (row: number) => string) =>
    textColumn(Array.from({ length: table.length }, (_, row) => value(row)));
  const at = (column: string, row: number) => textAt(table.columns[column], row);
  return {
    ...table,
    columns: {
      ...table.columns,
      dir: texts((row) => at('dir', row) || '?'),
      state: texts((row) => at('end', row) || at('state', row) || '?'),
      comm: texts((row) => at('comm', row) || '?'),
      local: texts((row) => endpoint(at('laddr', row), numberAt(table.columns.lport, row))),
      remote: texts((row) => endpoint(at('raddr', row), numberAt(table.columns.rport, row))),
    },
  };
}

/** As `ss` writes it. */
function endpoint(address: string, port: number): string {
  if (address === '') return '?';
  return `${address.includes(':') ? `[${address}]` : address}:${Number.isNaN(port) ? '?' : port}`;
}

const bytes = (id: string, title: string, help: string): ColumnSpec => ({
  id,
  title,
  help,
  format: 'bytes',
  min: 8,
  priority: 1,
});

export const conns: Monitor = {
  name: 'conns',
  title: 'Conns',
  summary:
    'Which TCP connections are opened and accepted by whom, their states, how long a connect takes, and what they carry',
  options: ['mmap-pages'],
  plan: (options): Plan => ({
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    complete: true,
    shed: { last: 'never', lacks: 'a connection whose begin or end is missed would be wrong' },
    events: [
      { id: 'state', names: ['sock:inet_sock_set_state'], filter: `protocol == ${TCP}` },
      {
        id: 'read',
        names: ['tcp:tcp_rcv_space_adjust'],
        secondary: 'who owns an accepted connection may not be known',
      },
      { id: 'retransmit', names: ['tcp:tcp_retransmit_skb'] },
      {
        id: 'send',
        names: ['sock:sock_send_length'],
        filter: `protocol == ${TCP}`,
        optional: 'bytes of connections are not known (kernels before 6.3)',
        secondary: 'bytes of connections are not counted meanwhile',
      },
      {
        id: 'recv',
        names: ['sock:sock_recv_length'],
        filter: `protocol == ${TCP}`,
        optional: '',
        secondary: '',
      },
    ],
    names: { STATES: TCP_STATES, ENDS },
    operators: [
      {
        op: 'remember',
        name: 'opening',
        on: [{ event: 'state', where: `newstate == ${SYN_SENT}`, add: { key: 'skaddr', value: '$time' } }],
      },
      // Who listens on a port takes what comes in there, until one is seen that does.
      ...(['pid', 'comm'] as const).map((what) => ({
        op: 'remember' as const,
        name: `listener_${what}`,
        on: [
          {
            event: 'state',
            where: `newstate == ${LISTEN} && ${PROCESS}`,
            add: { key: 'sport', value: `$${what}` },
          },
        ],
      })),
      {
        op: 'track',
        name: 'conns',
        on: [
          {
            event: 'state',
            as: 'start',
            where: `newstate == ${SYN_SENT}`,
            key: { sk: 'skaddr:hex' },
            group: { ...ENDPOINTS, dir: '"out":text', state: 'newstate:STATES' },
          },
          {
            event: 'state',
            as: 'start',
            where: `newstate == ${SYN_RECV}`,
            key: { sk: 'skaddr:hex' },
            group: { dir: '"in":text', state: 'newstate:STATES' },
          },
          {
            event: 'state',
            as: 'set',
            where: `oldstate == ${SYN_SENT} && newstate == ${ESTABLISHED}`,
            key: { sk: 'skaddr:hex' },
            group: { connect_ns: '$time - recall(opening, skaddr)' },
          },
          {
            event: 'state',
            as: 'set',
            where: `oldstate == ${SYN_RECV} && newstate == ${ESTABLISHED} && recall(listener_pid, sport)`,
            key: { sk: 'skaddr:hex' },
            group: { pid: 'recall(listener_pid, sport)', comm: 'recall(listener_comm, sport):text' },
          },
          // The own port of one that never came about is chosen after SYN_SENT was told.
          {
            event: 'state',
            as: 'set',
            where: `oldstate == ${SYN_SENT} && newstate == ${CLOSE}`,
            key: { sk: 'skaddr:hex' },
            group: ENDPOINTS,
          },
          // Also of a connection that was there before.
          {
            event: 'state',
            as: 'seen',
            where: `!oneof(newstate, ${SYN_SENT}, ${SYN_RECV}, ${CLOSE}, ${LISTEN}) && oldstate != ${LISTEN}`,
            key: { sk: 'skaddr:hex' },
            group: { ...ENDPOINTS, state: 'newstate:STATES' },
          },
          {
            event: 'read',
            as: 'seen',
            where: PROCESS,
            key: { sk: 'skaddr:hex' },
            group: { ...ENDPOINTS, ...OWNER },
          },
          {
            event: 'state',
            as: 'set',
            where: `${PROCESS} && newstate != ${CLOSE}`,
            key: { sk: 'skaddr:hex' },
            group: OWNER,
          },
          {
            event: 'send',
            as: 'set',
            where: PROCESS,
            key: { sk: 'sk:hex' },
            add: { tx: 'ret > 0 ? ret : 0' },
            group: OWNER,
          },
          {
            event: 'recv',
            as: 'set',
            where: PROCESS,
            key: { sk: 'sk:hex' },
            add: { rx: `ret > 0 && !${PEEK} ? ret : 0` },
            group: OWNER,
          },
          { event: 'retransmit', as: 'set', key: { sk: 'skaddr:hex' }, add: { retrans: '1' } },
          {
            event: 'state',
            as: 'end',
            where: `newstate == ${CLOSE}`,
            key: { sk: 'skaddr:hex' },
            group: { end: 'oldstate:ENDS' },
          },
        ],
      },
      {
        op: 'count',
        name: 'changes',
        on: [
          {
            event: 'state',
            key: { from: 'oldstate:STATES', to: 'newstate:STATES' },
            add: { count: '1' },
          },
        ],
      },
      { op: 'log', name: 'events', on: [{ event: 'state' }] },
    ],
  }),
  derive: ({ conns: rows = NONE, changes = NONE }): Record<string, Table> => ({ conns: told(rows), changes }),
  quiet: (tables) =>
    tables.conns?.length === 0
      ? 'No connection was opened, used or closed since this tab was opened'
      : undefined,
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Connections: those that are, and those that ended in this interval',
      table: 'conns',
      sort: { column: 'age_s', descending: false },
      empty: 'no connection was opened, used or closed',
      columns: [
        {
          id: 'pid',
          title: 'PID',
          help: 'process that uses it, or at first listens there; - = not known yet',
          format: 'int',
          min: 7,
        },
        { id: 'comm', title: 'COMMAND', help: 'its name', format: 'text', min: 8, max: 16 },
        {
          id: 'dir',
          title: 'DIR',
          help: 'out = opened here, in = accepted here, ? = was there before',
          format: 'text',
          min: 3,
        },
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
          help: 'state now; at the end CLOSED, RESET, or FAILED: never came about',
          format: 'text',
          min: 11,
        },
        {
          id: 'connect_ms',
          from: 'connect_ns',
          scale: 1e-6,
          title: 'CONN_MS',
          help: 'from the first SYN to being established, ms; of those opened here',
          format: 'ms',
          decimals: 3,
          min: 8,
        },
        {
          id: 'age_s',
          from: 'age_ns',
          scale: 1e-9,
          title: 'AGE_S',
          help: 'since it began, or was first seen, until it ended, s',
          format: 'seconds',
          decimals: 3,
          min: 8,
        },
        bytes('tx', 'TX', 'bytes sent since'),
        bytes('rx', 'RX', 'bytes received since; a peek does not count'),
        {
          id: 'retrans',
          title: 'RETR',
          help: 'segments sent again since',
          format: 'int',
          min: 4,
          warn: 1,
          priority: 2,
        },
      ],
    },
    {
      kind: 'table',
      id: 'changes',
      title: 'Changes of state',
      table: 'changes',
      sort: { column: 'count', descending: true },
      empty: 'no change',
      columns: [
        { id: 'from', title: 'FROM', help: 'state before', format: 'text', min: 12 },
        { id: 'to', title: 'TO', help: 'state after', format: 'text', min: 12 },
        { id: 'count', title: 'COUNT', help: 'changes in the interval', format: 'int', min: 6 },
      ],
    },
    { kind: 'log', id: 'log', title: 'Changes of state, one by one', log: 'events' },
  ],
};
