import {
  type Column,
  type Monitor,
  nameFilter,
  numberAt,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';

export const SIGNAL_NAMES: readonly string[] = [
  '',
  'HUP',
  'INT',
  'QUIT',
  'ILL',
  'TRAP',
  'ABRT',
  'BUS',
  'FPE',
  'KILL',
  'USR1',
  'SEGV',
  'USR2',
  'PIPE',
  'ALRM',
  'TERM',
  'STKFLT',
  'CHLD',
  'CONT',
  'STOP',
  'TSTP',
  'TTIN',
  'TTOU',
  'URG',
  'XCPU',
  'XFSZ',
  'VTALRM',
  'PROF',
  'WINCH',
  'IO',
  'PWR',
  'SYS',
]; // x86 and arm64 agree

/** result of signal_generate, as the kernel means it. */
const RESULTS = ['delivered', 'ignored', 'pending', 'overflow', 'no info'];

function named(signals: Table): Table {
  const { columns, length } = signals;
  const texts = (value: (row: number) => string): Column =>
    textColumn(Array.from({ length }, (_, row) => value(row)));
  const number = (row: number): number => numberAt(columns.number, row);
  return {
    ...signals,
    columns: {
      ...columns,
      sig: texts(
        (row) =>
          SIGNAL_NAMES[number(row)] ?? (number(row) >= 34 ? `RT${number(row) - 34}` : `${number(row)}`),
      ),
      origin: texts((row) => (numberAt(columns.by_kernel, row) === 0 ? 'user' : 'kernel')),
      result: texts((row) => RESULTS[numberAt(columns.outcome, row)] ?? '?'),
      sender_comm: texts((row) =>
        numberAt(columns.sender, row) === 0 ? '[irq]' : textAt(columns.comm, row),
      ),
    },
  };
}

export const signal: Monitor = {
  name: 'signal',
  title: 'Signal',
  summary: 'Who sends which signal to whom',
  options: ['cpu', 'filter', 'call-graph', 'mmap-pages'],
  plan: (options): Plan => ({
    cpus: options.cpus,
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    // A signal sent by an interrupt while the CPU idles must not be missed.
    complete: true,
    shed: { last: 'duty' },
    events: [
      {
        id: 'generate',
        names: ['signal:signal_generate'],
        filter: options.filter === undefined ? undefined : nameFilter('comm', options.filter),
        stack: options.callgraph,
      },
    ],
    operators: [
      {
        op: 'count',
        name: 'signals',
        process: 'sender',
        on: [
          {
            event: 'generate',
            key: {
              sender: '$irq ? 0 : $pid',
              receiver: 'pid',
              receiver_comm: 'comm',
              number: 'sig',
              // SI_USER, SI_QUEUE and SI_TKILL are sent; a POSIX timer's code is below 0, too.
              by_kernel: 'code != 0 && code != -1 && code != -6',
              outcome: 'result',
            },
            add: { count: '1' },
          },
        ],
      },
      { op: 'log', name: 'events', on: [{ event: 'generate' }] },
    ],
  }),
  derive: (tables): Record<string, Table> =>
    tables.signals === undefined ? {} : { signals: named(tables.signals) },
  quiet: (tables) => (tables.signals?.length === 0 ? 'No signal was sent in this interval' : undefined),
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Signals',
      table: 'signals',
      sort: { column: 'count', descending: true },
      empty: 'no signal',
      columns: [
        {
          id: 'sender',
          title: 'SENDER',
          help: 'process that sent it; 0 = an interrupt',
          format: 'int',
          min: 7,
        },
        { id: 'sender_comm', title: 'FROM', help: 'name of the sender', format: 'text', min: 8, max: 16 },
        { id: 'receiver', title: 'RECEIVER', help: 'thread it was sent to', format: 'int', min: 8 },
        { id: 'receiver_comm', title: 'TO', help: 'name of the receiver', format: 'text', min: 8, max: 16 },
        { id: 'sig', title: 'SIGNAL', help: 'name without SIG', format: 'text', min: 6, max: 8 },
        { id: 'number', title: 'NO', help: 'number', format: 'int', min: 3, priority: 2 },
        {
          id: 'origin',
          title: 'ORIGIN',
          help: 'kernel = the kernel made it (fault, child, timer), user = kill, sigqueue, tgkill',
          format: 'text',
          min: 6,
          max: 6,
        },
        {
          id: 'result',
          title: 'RESULT',
          help: 'delivered, ignored, pending (one was waiting already), overflow, no info',
          format: 'text',
          min: 9,
          max: 9,
          priority: 1,
        },
        { id: 'count', title: 'COUNT', help: 'in the interval', sum: true, format: 'int', min: 6 },
      ],
    },
    { kind: 'log', id: 'log', title: 'Last signals', log: 'events' },
  ],
};
