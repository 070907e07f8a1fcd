import { ERROR_NAMES } from './calls.ts';
import {
  type ColumnSpec,
  type Monitor,
  numberAt,
  type Plan,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';
import { SIGNAL_NAMES } from './signal.ts';

/** Of the new program's stack: up to 8 KiB lie between the pointers and the texts they point to. */
const STACK_BYTES = 16384;
const NONE: Table = { length: 0, key: [], columns: {} };
/** Nothing happens on these unless the program says so: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH. */
const HARMLESS = '17, 18, 19, 20, 21, 22, 23, 28';
const KILL = 9;
/** What ends a process is told once: threads that end after it say nothing new. */
const FIRST = '!recall(ending, $pid)';

/** How it ended: a number, or the signal that killed it. */
function exitOf(table: Table, row: number): string {
  if (numberAt(table.columns.ended, row) !== 1) return '';
  if (numberAt(table.columns.replaced, row) === 1) return 'exec';
  const signal = numberAt(table.columns.killed_by, row);
  if (signal > 0) return SIGNAL_NAMES[signal] ?? `RT${signal - 34}`;
  const code = numberAt(table.columns.code, row);
  return Number.isNaN(code) ? '?' : `${code}`;
}

function told(table: Table): Table {
  const texts = (value: (row: number) => string) =>
    textColumn(Array.from({ length: table.length }, (_, row) => value(row)));
  const { columns } = table;
  return {
    ...table,
    columns: {
      ...columns,
      exit: texts((row) => exitOf(table, row)),
      ret: new Float64Array(table.length),
      uid: Float64Array.from({ length: table.length }, (_, row) => {
        const uid = numberAt(columns.uid, row);
        return uid < 0 ? Number.NaN : uid;
      }),
      // Where the arguments could not be had there is at least the file.
      args: texts((row) => textAt(columns.args, row) || `[${textAt(columns.file, row)}]`),
    },
  };
}

const PID: ColumnSpec = { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 };
const UID: ColumnSpec = { id: 'uid', title: 'UID', help: 'real user id', format: 'int', min: 5, priority: 3 };

export const execs: Monitor = {
  name: 'execs',
  title: 'Execs',
  summary: 'Who starts which program with which arguments, how long it runs and how it ends',
  options: ['mmap-pages'],
  plan: (options): Plan => ({
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    shed: { last: 'never', lacks: 'each program that is started is told' },
    events: [
      { id: 'exec', names: ['sched:sched_process_exec'], user_stack: STACK_BYTES },
      { id: 'exit', names: ['sched:sched_process_exit'] },
      {
        id: 'exit_group',
        names: ['syscalls:sys_enter_exit_group'],
        optional: 'exit codes are not known without system call events',
      },
      { id: 'exit_thread', names: ['syscalls:sys_enter_exit'], optional: '' },
      { id: 'generate', names: ['signal:signal_generate'], filter: 'sig != 17' },
      { id: 'deliver', names: ['signal:signal_deliver'], filter: 'sa_handler == 0' },
      {
        id: 'execve',
        names: ['syscalls:sys_exit_execve'],
        filter: 'ret < 0',
        optional: 'programs that could not be started are not known without system call events',
      },
      { id: 'execveat', names: ['syscalls:sys_exit_execveat'], filter: 'ret < 0', optional: '' },
    ],
    names: { ERRORS: ERROR_NAMES },
    operators: [
      // A signal that kills a whole process reaches its threads as SIGKILL.
      {
        op: 'remember',
        name: 'sent',
        on: [
          {
            event: 'generate',
            where: `result == 0 && !oneof(sig, ${HARMLESS})`,
            add: { key: 'pid', value: 'sig' },
          },
        ],
      },
      {
        op: 'track',
        name: 'programs',
        on: [
          {
            event: 'exec',
            as: 'start',
            key: { pid: '$pid' },
            group: {
              comm: '$comm',
              uid: '$uid',
              ppid: '$ppid',
              parent: '$pcomm',
              file: 'filename',
              args: '$argv',
            },
          },
          {
            event: 'exit_group',
            as: 'set',
            where: FIRST,
            key: { pid: '$pid' },
            group: { code: 'error_code & 255' },
          },
          // Of a process that never says exit_group it is the first thread's that counts.
          {
            event: 'exit_thread',
            as: 'set',
            where: `$tid == $pid && ${FIRST}`,
            key: { pid: '$pid' },
            group: { code: 'error_code & 255' },
          },
          {
            event: 'deliver',
            as: 'set',
            where: `!oneof(sig, ${HARMLESS}) && ${FIRST}`,
            key: { pid: '$pid' },
            group: { killed_by: `sig != ${KILL} ? sig : first(recall(sent, $tid), recall(sent, $pid), sig)` },
          },
          // A process is gone with its last thread; where the event cannot tell, with its first.
          {
            event: 'exit',
            as: 'end',
            where: 'given(group_dead) ? maybe(group_dead) : $tid == $pid',
            key: { pid: '$pid' },
          },
        ],
      },
      {
        op: 'remember',
        name: 'ending',
        on: [
          { event: 'exec', add: { key: '$pid', value: '0' } },
          { event: 'exit_group', add: { key: '$pid', value: '1' } },
          {
            event: 'deliver',
            where: `!oneof(sig, ${HARMLESS})`,
            add: { key: '$pid', value: '1' },
          },
          {
            event: 'exit',
            where: 'given(group_dead) ? maybe(group_dead) : $tid == $pid',
            add: { key: '$pid', value: '0' },
          },
        ],
      },
      {
        op: 'count',
        name: 'failed',
        on: ['execve', 'execveat'].map((event) => ({
          event,
          key: { uid: '$uid', pid: '$pid', comm: '$comm', ret: 'ret', error: '-ret:ERRORS' },
          add: { count: '1' },
        })),
      },
      { op: 'log', name: 'started', on: [{ event: 'exec' }] },
    ],
  }),
  derive: ({ programs = NONE, failed = NONE }): Record<string, Table> => ({
    programs: told(programs),
    failed,
  }),
  quiet: (tables) =>
    tables.programs?.length === 0 ? 'No program was started since this tab was opened' : undefined,
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Programs: those that run, and those that ended in this interval',
      table: 'programs',
      sort: { column: 'age_s', descending: false },
      tree: { id: 'pid', parent: 'ppid' },
      empty: 'no program was started',
      columns: [
        UID,
        PID,
        { id: 'ppid', title: 'PPID', help: 'its parent', format: 'int', min: 7, priority: 2 },
        {
          id: 'parent',
          title: 'PARENT',
          help: 'name of its parent at the time',
          format: 'text',
          min: 10,
          max: 16,
          priority: 1,
        },
        {
          id: 'comm',
          title: 'COMMAND',
          help: 'name of the process',
          format: 'text',
          min: 8,
          max: 16,
          priority: 2,
        },
        {
          id: 'ret',
          title: 'RET',
          help: 'what exec returned: 0; of those that failed see the other table',
          format: 'int',
          hidden: 'screen',
        },
        {
          id: 'age_s',
          from: 'age_ns',
          scale: 1e-9,
          title: 'RAN_S',
          help: 'since the exec, until it ended, s',
          format: 'seconds',
          decimals: 6,
          min: 10,
          warn: 3,
          alarm: 10,
        },
        {
          id: 'exit',
          title: 'EXIT',
          help: 'exit code, or name of the signal that killed it; exec = runs another program now; ? = not known; empty = runs',
          format: 'text',
          min: 4,
          max: 7,
        },
        {
          id: 'args',
          title: 'ARGS',
          help: 'its arguments, quoted as for a shell; [file] where they could not be had',
          format: 'text',
          min: 20,
        },
        { id: 'file', title: 'FILE', help: 'file that was executed', format: 'text', hidden: 'screen' },
      ],
    },
    {
      kind: 'table',
      id: 'failed',
      title: 'Could not be started',
      table: 'failed',
      sort: { column: 'count', descending: true },
      empty: 'every exec succeeded',
      columns: [
        UID,
        PID,
        { id: 'comm', title: 'COMMAND', help: 'who tried', format: 'text', min: 10 },
        { id: 'ret', title: 'RET', help: 'what exec returned', format: 'int', min: 5 },
        { id: 'error', title: 'ERROR', help: 'its name', format: 'text', min: 8 },
        { id: 'count', title: 'COUNT', help: 'how often', format: 'int', min: 6 },
      ],
    },
    { kind: 'log', id: 'log', title: 'Programs started', log: 'started' },
  ],
};
