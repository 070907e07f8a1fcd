import {
  type ColumnSpec,
  type Monitor,
  numberAt,
  type Table,
  type TablePanel,
  textAt,
  textColumn,
} from './monitor.ts';
import { filePlan } from './open-files.ts';

const NONE: Table = { length: 0, key: [], columns: {} };
/** Added up over files; of the longest the longest. */
const SUMS = ['reads', 'writes', 'others', 'errors', 'read_bytes', 'write_bytes', 'io_ns'] as const;

/** What is no path (a pipe, a socket) has neither directory nor mount, and is added up by its kind. */
function fileOf(path: string): string {
  if (path.startsWith('/')) return path;
  return path === '' ? '(not known)' : path.replace(/:?\[.*/, '');
}

function directoryOf(path: string): string {
  if (!path.startsWith('/')) return fileOf(path);
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

/** The files added up by what `key` says of a row; `extra` are columns that are the same in all rows of a key. */
function addedUp(
  files: Table,
  name: string,
  key: (row: number) => string,
  extra: readonly string[] = [],
): Table {
  const groups = new Map<string, { first: number; rows: number[] }>();
  for (let row = 0; row < files.length; row += 1) {
    const text = key(row);
    const group = groups.get(text) ?? { first: row, rows: [] };
    group.rows.push(row);
    groups.set(text, group);
  }
  const list = [...groups.values()];
  const sum = (column: string) =>
    Float64Array.from(list, ({ rows }) =>
      rows.reduce((total, row) => total + numberAt(files.columns[column], row), 0),
    );
  return {
    length: list.length,
    key: [name],
    columns: {
      [name]: textColumn([...groups.keys()]),
      open_files: Float64Array.from(list, ({ rows }) => rows.length),
      ...Object.fromEntries(SUMS.map((column) => [column, sum(column)])),
      longest_ns: Float64Array.from(list, ({ rows }) =>
        Math.max(...rows.map((row) => numberAt(files.columns.longest_ns, row))),
      ),
      ...Object.fromEntries(
        extra.map((column) => {
          const from = files.columns[column];
          const of =
            from instanceof Float64Array
              ? Float64Array.from(list, ({ first }) => from[first] ?? Number.NaN)
              : textColumn(list.map(({ first }) => textAt(from, first)));
          return [column, of];
        }),
      ),
    },
  };
}

const COUNTS: readonly ColumnSpec[] = [
  { id: 'reads', title: 'READS', help: 'calls that read', format: 'int', min: 7 },
  { id: 'writes', title: 'WRITES', help: 'calls that write', format: 'int', min: 7 },
  {
    id: 'others',
    title: 'OTHER',
    help: 'other calls on it, such as fsync, fstat, ftruncate',
    format: 'int',
    min: 6,
    priority: 3,
  },
  { id: 'read_bytes', title: 'RB', help: 'bytes read, as the calls returned them', format: 'bytes', min: 8 },
  { id: 'write_bytes', title: 'WB', help: 'bytes written', format: 'bytes', min: 8 },
  {
    id: 'io_ms',
    from: 'io_ns',
    scale: 1e-6,
    title: 'IO_MS',
    help: 'time in these calls, waiting included, ms',
    format: 'ms',
    decimals: 3,
    min: 9,
  },
  {
    id: 'max_us',
    from: 'longest_ns',
    scale: 1e-3,
    title: 'MAX_US',
    help: 'longest of them, µs',
    format: 'us',
    min: 9,
    priority: 1,
  },
  {
    id: 'errors',
    title: 'ERRORS',
    help: 'of these calls, those that failed',
    format: 'int',
    min: 6,
    priority: 2,
  },
];

const panel = (id: string, title: string, first: readonly ColumnSpec[]): TablePanel => ({
  kind: 'table',
  id,
  title,
  table: id,
  sort: { column: 'io_ms', descending: true },
  empty: 'nothing was done with any file',
  columns: [
    ...first,
    {
      id: 'open_files',
      title: 'OPEN',
      help: 'open files that something was done with',
      format: 'int',
      min: 5,
      priority: 2,
    },
    ...COUNTS,
  ],
});

export const files: Monitor = {
  name: 'files',
  title: 'Files',
  summary:
    'What is done with each open file: reads, writes, bytes and time, by file, directory, process and mount',
  options: ['pid', 'filter', 'mmap-pages'],
  takes_command: true,
  plan: (options) => filePlan(options, { files: 'files' }),
  derive: ({ files: open = NONE }): Record<string, Table> => {
    const path = (row: number) => textAt(open.columns.path, row);
    const mount = (row: number) => textAt(open.columns.mount, row) || fileOf(path(row));
    return {
      files: open,
      by_file: addedUp(open, 'path', (row) => fileOf(path(row)), ['fstype']),
      by_directory: addedUp(open, 'directory', (row) => directoryOf(path(row)), ['fstype']),
      by_process: addedUp(open, 'process', (row) => String(numberAt(open.columns.pid, row)), ['pid', 'comm']),
      by_mount: addedUp(open, 'mount', mount, ['fstype']),
    };
  },
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Open files that something was done with',
      table: 'files',
      sort: { column: 'io_ms', descending: true },
      empty: 'nothing was done with any file',
      columns: [
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
        { id: 'comm', title: 'COMMAND', help: 'name of the process', format: 'text', min: 8, max: 16 },
        { id: 'fd', title: 'FD', help: 'its descriptor, of several the first', format: 'int', min: 4 },
        {
          id: 'path',
          title: 'FILE',
          help: 'its name; ? behind it: read late, may be wrong',
          format: 'text',
          min: 13,
        },
        ...COUNTS,
        {
          id: 'age_ms',
          from: 'age_ns',
          scale: 1e-6,
          title: 'OPEN_MS',
          help: 'open since, ms; of one opened before ktop looked: since then',
          format: 'ms',
          min: 9,
          priority: 3,
        },
        {
          id: 'closed',
          title: 'CLOSED',
          help: '1: it has been closed since',
          format: 'int',
          min: 6,
          priority: 4,
        },
        { id: 'fstype', title: 'FS', help: 'filesystem', format: 'text', min: 5, max: 10, priority: 3 },
        {
          id: 'mount',
          title: 'MOUNT',
          help: 'where the filesystem is mounted',
          format: 'text',
          min: 6,
          max: 20,
          priority: 5,
        },
      ],
    },
    panel('by_file', 'By file', [
      {
        id: 'path',
        title: 'FILE',
        help: 'name; pipes, sockets and the like by their kind',
        format: 'text',
        min: 16,
      },
    ]),
    panel('by_directory', 'By directory', [
      { id: 'directory', title: 'DIRECTORY', help: 'directory the files are in', format: 'text', min: 16 },
    ]),
    panel('by_process', 'By process', [
      { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
      { id: 'comm', title: 'COMMAND', help: 'name of the process', format: 'text', min: 8 },
    ]),
    panel('by_mount', 'By mount', [
      { id: 'mount', title: 'MOUNT', help: 'where the filesystem is mounted', format: 'text', min: 12 },
      { id: 'fstype', title: 'FS', help: 'filesystem', format: 'text', min: 5, max: 10 },
    ]),
  ],
};
