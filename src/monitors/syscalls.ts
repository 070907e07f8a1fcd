import {
  argumentsOf,
  CALL_NAMES,
  CALL_WORDS,
  COMPAT,
  ERROR_NAMES,
  numbersOf,
  numbersWith,
  WAITING_NUMBERS,
} from './calls.ts';
import {
  type Monitor,
  nameFilter,
  numberAt,
  type Options,
  onCpus,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';

const ARGS = 6;
/** Errors named in a row; the table of errors has all. */
const NAMED_ERRORS = 3;

/** Number of the call, told apart by the kind of program. */
const CALL = `($compat ? id | ${COMPAT} : id)`;
const oneOf = (numbers: readonly number[]): string => `oneof(${[CALL, ...numbers].join(', ')})`;

/** execve, as the return of exec has it: of a program that was 64-bit, and of one that is 32-bit now. */
const EXEC_RETURNS = [59, 11];
/** A return from a signal handler has lost the number of its call. */
const SIGNAL_RETURNS = ['rt_sigreturn', 'sigreturn'];

const chosen = (options: Options): readonly string[] => (options.events ?? []).map(({ name }) => name);

/** The narrowest kernel filters for the calls and names that are asked for. */
function filters(options: Options): { readonly enter?: string; readonly exit?: string } {
  const { filter } = options;
  const name = filter === undefined ? [] : [nameFilter('comm', filter)];
  const calls = chosen(options);
  const numbers = [...new Set(calls.flatMap(numbersOf).map((number) => number % COMPAT))];
  const exits = [...new Set([...numbers, ...EXEC_RETURNS])];
  if (calls.some((call) => SIGNAL_RETURNS.includes(call))) exits.push(-1);
  const any = (ids: readonly number[]) =>
    calls.length === 0 ? [] : [`(${ids.map((id) => `id==${id}`).join('||')})`];
  const all = (terms: readonly string[]) => (terms.length === 0 ? undefined : terms.join('&&'));
  return { enter: all([...name, ...any(numbers)]), exit: all([...name, ...any(exits)]) };
}

/** Which calls have begun on these CPUs, and are among those asked for. */
function where(options: Options): string | undefined {
  const calls = chosen(options);
  const on = onCpus(options);
  const terms = [
    ...(calls.length === 0 ? [] : [oneOf(calls.flatMap(numbersOf))]),
    ...(on === undefined ? [] : [on]),
  ];
  return terms.length === 0 ? undefined : terms.join(' && ');
}

/** Names of the errors of each row, the most frequent first: `ENOENT 12, EAGAIN 3`. */
function errorsByRow(errors: Table): Map<string, { readonly total: number; readonly text: string }> {
  const lists = new Map<string, [string, number][]>();
  const about = errors.scaled === true ? '~' : '';
  for (let row = 0; row < errors.length; row += 1) {
    const key = rowKey(errors, row);
    const list = lists.get(key) ?? [];
    lists.set(key, list);
    list.push([textAt(errors.columns.errno, row), numberAt(errors.columns.count, row)]);
  }
  return new Map(
    [...lists].map(([key, list]) => {
      list.sort(([, a], [, b]) => b - a);
      const named = list.slice(0, NAMED_ERRORS).map(([name, count]) => `${name} ${about}${count}`);
      if (list.length > NAMED_ERRORS) named.push('…');
      return [key, { total: list.reduce((sum, [, count]) => sum + count, 0), text: named.join(', ') }];
    }),
  );
}

const rowKey = (table: Table, row: number): string =>
  `${numberAt(table.columns.pid, row)} ${textAt(table.columns.call, row)}`;

function withErrors(calls: Table, errors: Table): Table {
  const of = errorsByRow(errors);
  const rows = Array.from({ length: calls.length }, (_, row) => row);
  const found = rows.map((row) => of.get(rowKey(calls, row)));
  const calls_ = rows.map((row) => numberAt(calls.columns.count, row) + numberAt(calls.columns.cut, row));
  return {
    ...calls,
    columns: {
      ...calls.columns,
      calls: Float64Array.from(calls_),
      errors: Float64Array.from(found, (each) => each?.total ?? 0),
      errnos: textColumn(found.map((each) => each?.text ?? '')),
    },
  };
}

/** A small negative number of 32 bits has lost its sign on its way through a register. */
function decimal(hex: string): string {
  const value = BigInt(hex || 0);
  return String(value >> 16n === 0xffffn ? BigInt.asIntN(32, value) : BigInt.asIntN(64, value));
}

/** Files on which one waits for somebody else. */
const WAITED_ON = /^(pipe:|socket:|anon_inode:|\/dev\/(pts\/|tty|ptmx))/;

/** Arguments as a person reads them: `3 </var/log/syslog>, 0x7ffc12, 4096`. */
function argumentsAt(open: Table, row: number): string {
  const letters = argumentsOf(textAt(open.columns.call, row)).split('');
  const file = textAt(open.columns.file, row);
  let path = textAt(open.columns.path, row);
  return letters
    .map((letter, index) => {
      const hex = textAt(open.columns[`arg${index}`], row);
      if (letter === 's' && path !== '') {
        const text = `"${path}"`;
        path = '';
        return text;
      }
      if (letter === 'd') return decimal(hex);
      if (letter !== 'f') return hex;
      const fd = Number(BigInt.asIntN(32, BigInt(hex || 0)));
      if (fd === -100) return 'cwd';
      return index === 0 && file !== '' ? `${fd} <${file}>` : String(fd);
    })
    .join(', ');
}

/** Stuck in the kernel first, then running there, then what sleeps; last what waits by nature. */
function severityAt(open: Table, row: number): number {
  const state = textAt(open.columns.state, row);
  const waits = numberAt(open.columns.alarm, row) === 0 || WAITED_ON.test(textAt(open.columns.file, row));
  const rank = state === 'D' ? 3 : waits ? 0 : state === 'R' ? 2 : 1;
  return rank * 1e9 + numberAt(open.columns.age_ns, row) / 1e6;
}

function withArguments(open: Table): Table {
  const rows = Array.from({ length: open.length }, (_, row) => row);
  return {
    ...open,
    columns: {
      ...open.columns,
      args: textColumn(rows.map((row) => argumentsAt(open, row))),
      mark: textColumn(rows.map((row) => (numberAt(open.columns.at_least, row) === 1 ? '>=' : ''))),
      severity: Float64Array.from(rows, (row) => severityAt(open, row)),
    },
  };
}

const NONE: Table = { length: 0, key: [], columns: {} };

export const syscalls: Monitor = {
  name: 'syscalls',
  title: 'Syscalls',
  summary:
    'Which system calls each process makes, how they fail, how long they take, and which hang right now',
  options: ['cpu', 'pid', 'than', 'filter', 'event', 'percpu', 'call-graph', 'mmap-pages'],
  event_words: CALL_WORDS,
  plan: (options): Plan => {
    const filter = filters(options);
    const args = Array.from({ length: ARGS }, (_, index) => [`arg${index}`, `args[${index}]:hex`]);
    return {
      cpus: options.cpus,
      all_cpus: true,
      mmap_pages: options.mmap_pages,
      backend: options.backend,
      complete: true,
      shed: {
        last: 'duty',
        lacks: 'calls that take longer than that are in the list of those in flight only',
      },
      names: { call: CALL_NAMES, error: ERROR_NAMES },
      events: [
        { id: 'enter', names: ['raw_syscalls:sys_enter'], filter: filter.enter },
        { id: 'exit', names: ['raw_syscalls:sys_exit'], filter: filter.exit },
      ],
      operators: [
        { op: 'abi', name: 'abi', on: [{ event: 'exit', add: { compat: 'id == 11' } }] },
        {
          op: 'pair',
          name: 'calls',
          on: [
            // A thread may move between CPUs while it is in a call.
            {
              event: 'exit',
              as: 'end',
              key: { tid: '$tid' },
              // A number below 0 is a return from a signal handler: its value is what the interrupted code had.
              group: { errno: 'ret < 0 ? (ret >= -4095 && id >= 0 ? -ret : 0) : 0:error' },
            },
            {
              event: 'enter',
              as: 'start',
              key: { tid: '$tid' },
              where: where(options),
              group: { pid: '$pid', call: `${CALL}:call` },
            },
          ],
          tables: [
            { name: 'calls', by: ['pid', 'call'] },
            { name: 'errors', by: ['pid', 'call', 'errno'], only: 'errno' },
          ],
          process: 'pid',
          pids: options.pids,
          comm: options.filter,
          // Reading events makes calls too. Whoever asks for ktop by its number gets them.
          others: options.pids === undefined,
          percpu: options.percpu,
          than_ns: (options.than_ms ?? 0) * 1e6,
          alarm: chosen(options).length > 0 ? '1' : `!${oneOf(WAITING_NUMBERS)}`,
          open: {
            name: 'open',
            task: true,
            stack: options.callgraph,
            columns: {
              ...Object.fromEntries(args),
              file: `${oneOf(numbersWith('f', 0))} ? args[0] & 0xffffffff : -1:fd`,
              path: `${oneOf(numbersWith('s', 0))} ? args[0] : ${oneOf(numbersWith('s', 1))} ? args[1] : 0:path`,
            },
          },
        },
      ],
    };
  },
  derive: (tables): Record<string, Table> => {
    const { calls = NONE, errors = NONE, open = NONE } = tables;
    return { calls: withErrors(calls, errors), errors, open: withArguments(open) };
  },
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Calls of the interval, by process',
      table: 'calls',
      sort: { column: 'calls', descending: true },
      empty: 'no call',
      columns: [
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
        { id: 'comm', title: 'COMMAND', help: 'name of the process', format: 'text', min: 8, max: 16 },
        {
          id: 'call',
          title: 'CALL',
          help: 'name of the call; /32 behind it: made by a 32-bit program',
          format: 'text',
          min: 12,
          max: 24,
        },
        {
          id: 'calls',
          title: 'CALLS',
          help: 'calls that ended, those that ended with their thread too (exit, kill)',
          sum: true,
          format: 'int',
          min: 8,
        },
        {
          id: 'errors',
          title: 'ERRORS',
          help: 'calls that returned an error',
          sum: true,
          format: 'int',
          min: 6,
        },
        {
          id: 'total_ms',
          from: 'total_ns',
          scale: 1e-6,
          title: 'TOTAL_MS',
          help: 'time in these calls, waiting included, ms',
          sum: true,
          format: 'ms',
          min: 9,
        },
        {
          id: 'avg_us',
          from: 'avg_ns',
          scale: 1e-3,
          title: 'AVG_US',
          help: 'mean, µs',
          format: 'us',
          min: 9,
          priority: 1,
        },
        {
          id: 'p50_us',
          from: 'p50_ns',
          scale: 1e-3,
          title: 'P50_US',
          help: 'median, µs (3 % exact)',
          format: 'us',
          min: 9,
          priority: 4,
        },
        {
          id: 'p95_us',
          from: 'p95_ns',
          scale: 1e-3,
          title: 'P95_US',
          help: '95th percentile, µs (3 % exact)',
          format: 'us',
          min: 9,
          priority: 3,
        },
        {
          id: 'p99_us',
          from: 'p99_ns',
          scale: 1e-3,
          title: 'P99_US',
          help: '99th percentile, µs (3 % exact)',
          format: 'us',
          min: 9,
          priority: 2,
        },
        {
          id: 'max_us',
          from: 'max_ns',
          scale: 1e-3,
          title: 'MAX_US',
          help: 'longest, µs',
          format: 'us',
          min: 10,
        },
        {
          id: 'errnos',
          title: 'ERRNO',
          help: 'the most frequent errors with their counts',
          format: 'text',
          min: 8,
          priority: 2,
        },
      ],
    },
    {
      kind: 'table',
      id: 'open',
      title: 'In flight: begun and not returned',
      table: 'open',
      sort: { column: 'severity', descending: true },
      empty: 'no call is in flight',
      columns: [
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7, priority: 2 },
        { id: 'tid', title: 'TID', help: 'thread', format: 'int', min: 7 },
        { id: 'comm', title: 'COMMAND', help: 'name of the thread', format: 'text', min: 8, max: 16 },
        {
          id: 'state',
          title: 'ST',
          help: 'state of the thread now: D uninterruptible, S sleeping, R running; of the first 128 rows',
          format: 'text',
          min: 2,
          max: 2,
        },
        { id: 'call', title: 'CALL', help: 'name of the call', format: 'text', min: 12, max: 24 },
        {
          id: 'mark',
          title: '',
          help: '>=: it began before ktop looked, the age is a lower bound',
          format: 'text',
          min: 2,
          max: 2,
          hidden: 'json',
        },
        {
          id: 'age_ms',
          from: 'age_ns',
          scale: 1e-6,
          title: 'AGE_MS',
          help: 'in the call now, since so many ms',
          format: 'ms',
          min: 10,
        },
        {
          id: 'at_least',
          title: '>=',
          help: '1: it began before ktop looked, the age is a lower bound',
          format: 'int',
          hidden: 'screen',
        },
        {
          id: 'args',
          title: 'ARGUMENTS',
          help: 'of a file descriptor its file, of a path its text; the others as numbers',
          format: 'text',
          min: 10,
          priority: 1,
        },
        {
          id: 'wchan',
          title: 'WCHAN',
          help: 'kernel function it sleeps in, now',
          format: 'text',
          min: 8,
          max: 24,
          priority: 3,
        },
        {
          id: 'stack',
          title: 'STACK',
          help: 'its kernel stack, now (-g)',
          format: 'text',
          hidden: 'screen',
          optional: true,
        },
        {
          id: 'severity',
          title: 'SEV',
          help: 'order: D, R, sleeping, waiting by nature; then the oldest',
          format: 'number',
          hidden: 'both',
        },
      ],
    },
    {
      kind: 'table',
      id: 'errors',
      title: 'Errors of the interval',
      table: 'errors',
      sort: { column: 'count', descending: true },
      empty: 'no error',
      columns: [
        { id: 'errno', title: 'ERRNO', help: 'error, by its name', format: 'text', min: 12, max: 24 },
        { id: 'count', title: 'COUNT', help: 'calls that returned it', sum: true, format: 'int', min: 8 },
        { id: 'call', title: 'CALL', help: 'name of the call', format: 'text', min: 12, max: 24 },
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
        { id: 'comm', title: 'COMMAND', help: 'name of the process', format: 'text', min: 8 },
      ],
    },
    { kind: 'histogram', id: 'histogram', title: 'Time in a call, waits left out', histogram: 'calls' },
    { kind: 'log', id: 'log', title: 'Slower than --than', log: 'calls', incidents: true },
  ],
};
