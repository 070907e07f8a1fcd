import { argumentList, DESCRIPTOR_NUMBERS, resultText } from './call-effects.ts';
import { CALL_WORDS, COMPAT, numbersOf } from './calls.ts';
import {
  type LogEntry,
  type Monitor,
  numberAt,
  type Options,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';
import {
  ABI,
  CALL,
  CALL_TABLES,
  callTexts,
  descriptorClauses,
  EXEC_NUMBERS,
  followed,
  idFilter,
} from './open-files.ts';

const ARGS = 6;
const RETURN_OF_SIGNAL = -1;
/** Lines of an interval: of one program all that matter, of the whole system what can still be read. */
const MOST_LINES = 100_000;
const MOST_LINES_OF_ALL = 1000;

const chosen = (options: Options): readonly string[] => (options.events ?? []).map(({ name }) => name);
const oneOf = (numbers: readonly number[]): string => `oneof(${[CALL, ...numbers].join(', ')})`;

/** The calls asked for, and those that say which file a descriptor is. */
function filter(options: Options): string | undefined {
  const calls = chosen(options);
  if (calls.length === 0) return undefined;
  const numbers = calls.flatMap(numbersOf).map((number) => number % COMPAT);
  return idFilter([...numbers, ...DESCRIPTOR_NUMBERS, ...EXEC_NUMBERS, RETURN_OF_SIGNAL]);
}

function plan(options: Options): Plan {
  const calls = chosen(options);
  const only = calls.length === 0 ? undefined : oneOf(calls.flatMap(numbersOf));
  const { pids } = options;
  const who = pids === undefined ? undefined : '$followed';
  const asked = [who, only].filter((term) => term !== undefined).join(' && ');
  const id = filter(options);
  return {
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    complete: true,
    shed: { last: 'never', lacks: 'each call is told' },
    names: CALL_TABLES,
    events: [
      { id: 'enter', names: ['raw_syscalls:sys_enter'], filter: id },
      { id: 'exit', names: ['raw_syscalls:sys_exit'], filter: id },
      callTexts(),
    ],
    operators: [
      ABI,
      ...followed(options),
      {
        op: 'descriptors',
        name: 'lines',
        lines: 'lines',
        on: descriptorClauses(who, only),
        pids,
        comm: options.filter,
        others: pids === undefined,
        cap: pids === undefined ? MOST_LINES_OF_ALL : MOST_LINES,
      },
      {
        op: 'pair',
        name: 'summary',
        // Of a command the whole run counts: it has ended when somebody looks.
        keep: options.summary === true || options.launched === true,
        on: [
          {
            event: 'exit',
            as: 'end',
            key: { tid: '$tid' },
            group: { errno: 'ret < 0 ? (ret >= -4095 && id >= 0 ? -ret : 0) : 0:error' },
          },
          {
            event: 'enter',
            as: 'start',
            key: { tid: '$tid' },
            where: asked === '' ? undefined : asked,
            group: { pid: '$pid', call: `${CALL}:call` },
          },
        ],
        tables: [
          { name: 'summary', by: ['call'] },
          { name: 'errors', by: ['call', 'errno'], only: 'errno' },
        ],
        comm: options.filter,
        others: pids === undefined,
        open: { name: 'open' },
      },
    ],
  };
}

/** Calls that ended, errors by name, and what is still in progress, by call. */
function withErrors(summary: Table, errors: Table, open: Table): Table {
  const rows = Array.from({ length: summary.length }, (_, row) => row);
  const lists = new Map<string, [string, number][]>();
  for (let row = 0; row < errors.length; row += 1) {
    const call = textAt(errors.columns.call, row);
    const pair: [string, number] = [textAt(errors.columns.errno, row), numberAt(errors.columns.count, row)];
    lists.set(call, [...(lists.get(call) ?? []), pair]);
  }
  const going = new Map<string, number>();
  for (let row = 0; row < open.length; row += 1) {
    const call = textAt(open.columns.call, row);
    going.set(call, (going.get(call) ?? 0) + 1);
  }
  const listOf = (row: number) =>
    (lists.get(textAt(summary.columns.call, row)) ?? []).sort(([, a], [, b]) => b - a);
  return {
    ...summary,
    columns: {
      ...summary.columns,
      unfinished: Float64Array.from(
        rows,
        (row) => numberAt(summary.columns.cut, row) + (going.get(textAt(summary.columns.call, row)) ?? 0),
      ),
      errors: Float64Array.from(rows, (row) => listOf(row).reduce((sum, [, n]) => sum + n, 0)),
      errnos: textColumn(
        rows.map((row) =>
          listOf(row)
            .map(([name, n]) => `${name} ${n}`)
            .join(', '),
        ),
      ),
    },
  };
}

const OPEN = 0;
const CUT = 2;

/** `     0.123 (    0.005 ms): ls/4711 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3</etc/passwd>` */
export function lineAt(lines: Table, row: number): string {
  const text = (name: string) => textAt(lines.columns[name], row);
  const number = (name: string) => numberAt(lines.columns[name], row);
  const call = text('call');
  const args = Array.from({ length: ARGS }, (_, index) => index);
  const list = argumentList(
    call,
    args.map((index) => text(`arg${index}`)),
    args.map((index) => text(`text${index}`)),
  );
  const end = number('end');
  const before = number('told') === 1;
  const took = `${number('exact') === 1 ? '' : '>='}${(number('took_ns') / 1e6).toFixed(3)}`;
  const head = `${number('since_ms').toFixed(3).padStart(10)} (${took.padStart(9)} ms): ${text('comm')}/${number('tid')} `;
  if (end === OPEN) return `${head}${call}(${list}) ...`;
  const what = before ? ` ... [continued]: ${call}()` : `${call}(${list})`;
  // What a return from a signal handler has is not its own.
  const lost = end === CUT || call.startsWith('rt_sigreturn') || call === 'sigreturn/32';
  return `${head}${what} = ${lost ? '?' : resultText(call, number('result'), text('file'))}`;
}

function logEntries(lines: Table, options: Options): readonly LogEntry[] {
  const least = (options.than_ms ?? 0) * 1e6;
  const entries: LogEntry[] = [];
  for (let row = 0; row < lines.length; row += 1) {
    const number = (name: string) => numberAt(lines.columns[name], row);
    if (number('took_ns') < least) continue;
    const [at_ms, cpu, pid, tid] = ['at_ms', 'cpu', 'pid', 'tid'].map(number) as [
      number,
      number,
      number,
      number,
    ];
    entries.push({ at_ms, cpu, pid, tid, comm: textAt(lines.columns.comm, row), text: lineAt(lines, row) });
  }
  return entries;
}

const NONE: Table = { length: 0, key: [], columns: {} };

export const strace: Monitor = {
  name: 'strace',
  title: 'Strace',
  summary: 'Every system call of a program as it happens, with arguments, files, errors and times',
  options: ['pid', 'filter', 'event', 'than', 'summary', 'mmap-pages'],
  event_words: CALL_WORDS,
  takes_command: true,
  plain: ({ summary }) => (summary === true ? 'last' : 'lines'),
  plan,
  derive: ({ summary = NONE, errors = NONE, open = NONE }): Record<string, Table> => ({
    summary: withErrors(summary, errors, open),
  }),
  logs: ({ lines = NONE }, options) => ({ lines: logEntries(lines, options) }),
  panels: [
    { kind: 'log', id: 'log', title: 'Calls', log: 'lines', stamp: 'none' },
    {
      kind: 'table',
      id: 'rows',
      title: 'Summary',
      table: 'summary',
      sort: { column: 'total_ms', descending: true },
      empty: 'no call',
      columns: [
        {
          id: 'call',
          title: 'CALL',
          help: 'name of the call; /32 behind it: made by a 32-bit program',
          format: 'text',
          min: 12,
          max: 24,
        },
        { id: 'calls', from: 'count', title: 'CALLS', help: 'calls that returned', format: 'int', min: 8 },
        { id: 'errors', title: 'ERRORS', help: 'calls that returned an error', format: 'int', min: 6 },
        {
          id: 'unfinished',
          title: 'UNFIN',
          help: 'calls that did not return: in progress, or their thread ended in them (exit)',
          format: 'int',
          min: 6,
        },
        {
          id: 'total_ms',
          from: 'total_ns',
          scale: 1e-6,
          title: 'TOTAL_MS',
          help: 'time in these calls, waiting included, ms',
          format: 'ms',
          min: 9,
        },
        {
          id: 'min_us',
          from: 'min_ns',
          scale: 1e-3,
          title: 'MIN_US',
          help: 'shortest, µs',
          format: 'us',
          min: 9,
          priority: 3,
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
          help: 'errors with their counts',
          format: 'text',
          min: 8,
          priority: 2,
        },
      ],
    },
  ],
};
