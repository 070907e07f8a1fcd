import { openFlags } from './call-effects.ts';
import { ERROR_NAMES } from './calls.ts';
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
import { filePlan } from './open-files.ts';

/** Opening a file, and the time until it is closed. */
const THAN_MS = 1000;
/** One read, write or sync. */
const LATENCY_US = 10_000;

const MS = 1e6;

/** Reading a terminal waits for a person. */
const TERMINAL = /^\/dev\/(pts\/|tty|console)/;

const NONE: Table = { length: 0, key: [], columns: {} };

const known = (slow: Table, column: string, row: number): boolean =>
  !Number.isNaN(numberAt(slow.columns[column], row));

/** Rows of the table that `keep` takes, in their order. */
function only(table: Table, keep: (row: number) => boolean): Table {
  const rows = Array.from({ length: table.length }, (_, row) => row).filter(keep);
  const columns = Object.entries(table.columns).map(([name, column]) => [
    name,
    column instanceof Float64Array
      ? Float64Array.from(rows, (row) => column[row] ?? Number.NaN)
      : { ids: Uint32Array.from(rows, (row) => column.ids[row] ?? 0), strings: column.strings },
  ]);
  return { length: rows.length, key: table.key, columns: Object.fromEntries(columns) };
}

function resultAt(slow: Table, row: number): string {
  if (!known(slow, 'result', row)) return '';
  const result = numberAt(slow.columns.result, row);
  return result < 0 ? (ERROR_NAMES[-result] ?? String(result)) : String(result);
}

const flagsAt = (slow: Table, row: number): string =>
  known(slow, 'flags', row) ? openFlags(numberAt(slow.columns.flags, row)) : '';

function readable(slow: Table): Table {
  const shown = only(
    slow,
    (row) => textAt(slow.columns.kind, row) !== 'io' || !TERMINAL.test(textAt(slow.columns.path, row)),
  );
  const rows = Array.from({ length: shown.length }, (_, row) => row);
  return {
    ...shown,
    columns: {
      ...shown.columns,
      flags: textColumn(rows.map((row) => flagsAt(shown, row))),
      result: textColumn(rows.map((row) => resultAt(shown, row))),
      mark: textColumn(
        rows.map((row) =>
          numberAt(shown.columns.in_flight, row) === 0
            ? ''
            : numberAt(shown.columns.at_least, row) === 1
              ? '>='
              : '...',
        ),
      ),
    },
  };
}

/** `lifetime 8470.1 ms, of which 8310.0 ms in I/O: /var/log/x (ext4), ended by exit` */
function textOf(slow: Table, row: number): string {
  const text = (name: string) => textAt(slow.columns[name], row);
  const ms = (name: string) => `${(numberAt(slow.columns[name], row) / MS).toFixed(1)} ms`;
  const kind = text('kind');
  const what = kind === 'io' ? text('call') : kind;
  const within = kind === 'lifetime' && known(slow, 'io_ns', row) ? `, of which ${ms('io_ns')} in I/O` : '';
  const flags = kind === 'open' ? ` ${text('flags')}` : '';
  const result = text('result') === '' ? '' : ` = ${text('result')}`;
  const type = text('fstype') === '' ? '' : ` (${text('fstype')})`;
  const how = kind === 'lifetime' ? `, ended by ${text('how')}` : '';
  return `${what} ${ms('took_ns')}${within}: ${text('path')}${flags}${result}${type}${how}`;
}

function entries(slow: Table): readonly LogEntry[] {
  const table = readable(slow);
  const rows = Array.from({ length: table.length }, (_, row) => row);
  return rows
    .filter((row) => numberAt(table.columns.in_flight, row) === 0)
    .map((row) => ({
      at_ms: numberAt(table.columns.at_ms, row),
      cpu: 0,
      pid: numberAt(table.columns.pid, row),
      tid: numberAt(table.columns.tid, row),
      comm: textAt(table.columns.comm, row),
      text: textOf(table, row),
    }));
}

/** Means of an operation, and how many requests were sent again. */
function perOperation(nfs: Table): Table {
  const rows = Array.from({ length: nfs.length }, (_, row) => row);
  const at = (column: string, row: number) => numberAt(nfs.columns[column], row);
  const mean = (column: string) => Float64Array.from(rows, (row) => at(column, row) / at('ops', row));
  return {
    ...nfs,
    columns: {
      ...nfs.columns,
      retrans: Float64Array.from(rows, (row) => Math.max(0, at('requests', row) - at('ops', row))),
      queue_ms: mean('queue_ms'),
      rtt_ms: mean('rtt_ms'),
      exec_ms: mean('exec_ms'),
    },
  };
}

function plan(options: Options): Plan {
  const plan = filePlan(options, {
    slow: 'slow',
    than_ns: (options.than_ms ?? THAN_MS) * MS,
    age_ns: (options.latency_us ?? LATENCY_US) * 1000,
  });
  return { ...plan, polls: [{ poll: 'nfs-mounts', name: 'nfs' }] };
}

export const slowfiles: Monitor = {
  name: 'slowfiles',
  title: 'SlowFiles',
  summary: 'Which files take long to open, stay open for long, or keep reads and writes waiting',
  options: ['pid', 'filter', 'than', 'latency', 'mmap-pages'],
  takes_command: true,
  plan,
  derive: ({ slow = NONE, nfs = NONE }): Record<string, Table> => ({
    slow: readable(slow),
    nfs: perOperation(nfs),
  }),
  logs: ({ slow = NONE }) => ({ slow: entries(slow) }),
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Slow in this interval, and what is in flight',
      table: 'slow',
      sort: { column: 'dur_ms', descending: true },
      empty: 'nothing was slow',
      columns: [
        {
          id: 'kind',
          title: 'KIND',
          help: 'open: opening it; lifetime: from its opening to its last closing; io: one call on it',
          format: 'text',
          min: 8,
          max: 8,
        },
        {
          id: 'mark',
          title: '',
          help: '...: still going on; >=: and it began before ktop looked',
          format: 'text',
          min: 3,
          max: 3,
          hidden: 'json',
        },
        {
          id: 'dur_ms',
          from: 'took_ns',
          scale: 1e-6,
          title: 'DUR_MS',
          help: 'how long, ms; of what is in flight: until now',
          format: 'ms',
          min: 10,
        },
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
        {
          id: 'tid',
          title: 'TID',
          help: 'thread; of a lifetime the one that opened the file',
          format: 'int',
          min: 7,
          priority: 3,
        },
        { id: 'comm', title: 'COMMAND', help: 'name of the thread', format: 'text', min: 8, max: 16 },
        {
          id: 'call',
          title: 'CALL',
          help: 'the call, of a lifetime none',
          format: 'text',
          min: 8,
          max: 16,
          priority: 1,
        },
        {
          id: 'path',
          title: 'FILE',
          help: 'its name; ? behind it: read late, may be wrong',
          format: 'text',
          min: 16,
        },
        {
          id: 'result',
          title: 'RET',
          help: 'what the call returned: descriptor, bytes, name of the error',
          format: 'text',
          min: 6,
          max: 14,
        },
        {
          id: 'io_ms',
          from: 'io_ns',
          scale: 1e-6,
          title: 'IO_MS',
          help: 'of a lifetime: time in calls on the file, ms',
          format: 'ms',
          min: 9,
          priority: 1,
        },
        {
          id: 'bytes',
          title: 'BYTES',
          help: 'read and written: by the call, or in the lifetime',
          format: 'bytes',
          min: 8,
          priority: 2,
        },
        {
          id: 'how',
          title: 'HOW',
          help: 'what ended a lifetime: close, dup2, close_range, exec, exit; of what is in flight: where it waits',
          format: 'text',
          min: 6,
          max: 20,
          priority: 2,
        },
        {
          id: 'flags',
          title: 'FLAGS',
          help: 'flags of the opening',
          format: 'text',
          min: 8,
          max: 32,
          priority: 4,
        },
        { id: 'fstype', title: 'FS', help: 'filesystem', format: 'text', min: 5, max: 10, priority: 3 },
        {
          id: 'device',
          title: 'DEVICE',
          help: 'what is mounted there',
          format: 'text',
          min: 6,
          max: 24,
          priority: 5,
        },
        {
          id: 'in_flight',
          title: 'NOW',
          help: '1: it goes on; its row comes with every interval',
          format: 'int',
          hidden: 'screen',
        },
        {
          id: 'at_least',
          title: '>=',
          help: '1: it began before ktop looked, the time is a lower bound',
          format: 'int',
          hidden: 'screen',
        },
        {
          id: 'at_ms',
          title: 'AT_MS',
          help: 'when it began, ms since boot (CLOCK_MONOTONIC)',
          format: 'ms',
          hidden: 'screen',
        },
      ],
    },
    {
      kind: 'table',
      id: 'nfs',
      title: 'NFS mounts, their own counters',
      table: 'nfs',
      sort: { column: 'ops', descending: true },
      empty: 'no NFS mount',
      columns: [
        { id: 'mount', title: 'MOUNT', help: 'where it is mounted', format: 'text', min: 12 },
        { id: 'ops', title: 'OPS', help: 'operations', format: 'int', min: 7 },
        { id: 'retrans', title: 'RETRANS', help: 'requests that were sent again', format: 'int', min: 7 },
        {
          id: 'timeouts',
          title: 'TIMEOUTS',
          help: 'requests that timed out',
          format: 'int',
          min: 7,
          priority: 1,
        },
        { id: 'errors', title: 'ERRORS', help: 'operations that failed', format: 'int', min: 6 },
        {
          id: 'rtt_ms',
          title: 'RTT_MS',
          help: 'mean time from sending to the answer, ms',
          format: 'ms',
          min: 8,
        },
        {
          id: 'exec_ms',
          title: 'EXEC_MS',
          help: 'mean time of an operation, all included, ms',
          format: 'ms',
          min: 8,
        },
        {
          id: 'queue_ms',
          title: 'QUEUE_MS',
          help: 'mean time before sending, ms',
          format: 'ms',
          min: 8,
          priority: 1,
        },
        { id: 'sent', title: 'SENT', help: 'bytes sent', format: 'bytes', min: 8, priority: 2 },
        { id: 'received', title: 'RECV', help: 'bytes received', format: 'bytes', min: 8, priority: 2 },
      ],
    },
    { kind: 'log', id: 'log', title: 'What was slow', log: 'slow', incidents: true },
  ],
};
