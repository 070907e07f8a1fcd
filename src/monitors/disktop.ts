import { type Monitor, numberAt, type Plan, type Table, textAt, textColumn } from './monitor.ts';

/** Parent of all kernel threads. */
const KTHREADD = 2;
/** A reader that never misses the page cache gets a row from this many bytes on: below, it is pipes and /proc. */
const WORTH_SHOWING = 65536;

/** With -C. */
const SUBMITTED =
  'only what was submitted to a device on these CPUs (-C): what is read from the page cache or only dirtied has no CPU';

/** What one process moved through one device in one direction. */
interface Part {
  device: string;
  bytes: number;
  ios: number;
}

interface Row extends Part {
  readonly pid: number;
  readonly uid: number;
  readonly ppid: number;
  readonly comm: string;
  readonly op: 'R' | 'W';
  readonly cancelled: number;
  readonly cache_hit: number;
  readonly kind: 'process' | 'writeback';
}

const numbers = (rows: readonly Row[], value: (row: Row) => number): Float64Array =>
  Float64Array.from(rows, value);

function tableOf(rows: readonly Row[]): Table {
  return {
    length: rows.length,
    key: ['pid', 'device', 'op'],
    columns: {
      pid: numbers(rows, (row) => row.pid),
      uid: numbers(rows, (row) => row.uid),
      ppid: numbers(rows, (row) => row.ppid),
      comm: textColumn(rows.map((row) => row.comm)),
      device: textColumn(rows.map((row) => row.device)),
      op: textColumn(rows.map((row) => row.op)),
      bytes: numbers(rows, (row) => row.bytes),
      ios: numbers(rows, (row) => row.ios),
      cancelled: numbers(rows, (row) => row.cancelled),
      cache_hit: numbers(rows, (row) => row.cache_hit),
      kind: textColumn(rows.map((row) => row.kind)),
    },
  };
}

/** Block I/O submitted, by `pid op`: one part per device. A device that feeds another one in the list is left out. */
function submitted(
  bio: Table | undefined,
  holders: ReadonlyMap<string, readonly string[]>,
): Map<string, Part[]> {
  const all = new Map<string, Part[]>();
  for (let row = 0; row < (bio?.length ?? 0); row += 1) {
    const columns = bio?.columns ?? {};
    const key = `${numberAt(columns.pid, row)} ${numberAt(columns.write, row) === 0 ? 'R' : 'W'}`;
    const part = {
      device: textAt(columns.device, row),
      bytes: numberAt(columns.bytes, row),
      ios: numberAt(columns.ios, row),
    };
    const parts = all.get(key);
    if (parts === undefined) all.set(key, [part]);
    else parts.push(part);
  }
  for (const [key, parts] of all) {
    const names = new Set(parts.map((part) => part.device));
    const tops = parts.filter(
      (part) => !(holders.get(part.device) ?? []).some((holder) => names.has(holder)),
    );
    all.set(
      key,
      tops.sort((a, b) => b.bytes - a.bytes),
    );
  }
  return all;
}

/** Splits what the kernel billed to the process over the devices it submitted to; the rest was only dirtied so far. */
function split(billed: number, parts: readonly Part[], dirtied: string | undefined): Part[] {
  let left = billed;
  const result: Part[] = [];
  for (const part of parts) {
    const bytes = Math.min(left, part.bytes);
    left -= bytes;
    result.push({ device: part.device, bytes, ios: part.ios });
  }
  if (left > 0) {
    const device = dirtied ?? result[0]?.device ?? '-';
    const same = result.find((part) => part.device === device);
    if (same === undefined) result.push({ device, bytes: left, ios: 0 });
    else same.bytes += left;
  }
  return result;
}

/** pid → the device it dirtied most pages of; `numbers` maps "254:0" to its name. */
function dirtiers(dirty: Table | undefined, names: ReadonlyMap<string, string>): Map<number, string> {
  const most = new Map<number, { device: string; pages: number }>();
  for (let row = 0; row < (dirty?.length ?? 0); row += 1) {
    const device = names.get(textAt(dirty?.columns.bdi, row));
    if (device === undefined) continue;
    const pid = numberAt(dirty?.columns.pid, row);
    const pages = numberAt(dirty?.columns.pages, row);
    if (pages > (most.get(pid)?.pages ?? 0)) most.set(pid, { device, pages });
  }
  return new Map([...most].map(([pid, { device }]) => [pid, device]));
}

function rowsOf(tables: Readonly<Record<string, Table>>): Row[] {
  const { io, bio, dirty, disks } = tables;
  const holders = new Map<string, readonly string[]>();
  const names = new Map<string, string>();
  for (let row = 0; row < (disks?.length ?? 0); row += 1) {
    const device = textAt(disks?.columns.device, row);
    holders.set(device, textAt(disks?.columns.holders, row).split(' '));
    names.set(textAt(disks?.columns.number, row), device);
  }
  const parts = submitted(bio, holders);
  const dirtied = dirtiers(dirty, names);
  const rows: Row[] = [];
  const billed = new Set<string>();
  for (let row = 0; row < (io?.length ?? 0); row += 1) {
    const columns = io?.columns ?? {};
    const pid = numberAt(columns.pid, row);
    const read = numberAt(columns.read_bytes, row);
    const rchar = numberAt(columns.rchar, row);
    const common = {
      pid,
      uid: numberAt(columns.uid, row),
      ppid: numberAt(columns.ppid, row),
      comm: textAt(columns.comm, row),
      kind: 'process' as const,
    };
    const hit = rchar > 0 ? Math.max(0, 100 * (1 - read / rchar)) : Number.NaN;
    for (const op of ['R', 'W'] as const) {
      // What a kernel thread submits was billed to whoever dirtied it: it is shown apart, below.
      if (op === 'W' && (common.ppid === KTHREADD || pid === KTHREADD)) continue;
      const own = parts.get(`${pid} ${op}`) ?? [];
      const bytes = op === 'R' ? read : numberAt(columns.write_bytes, row);
      billed.add(`${pid} ${op}`);
      if (bytes === 0 && own.length === 0 && !(op === 'R' && rchar >= WORTH_SHOWING)) continue;
      const pieces = split(bytes, own, op === 'W' ? dirtied.get(pid) : undefined);
      if (pieces.length === 0) pieces.push({ device: '-', bytes: 0, ios: 0 });
      for (const piece of pieces)
        rows.push({
          ...common,
          ...piece,
          op,
          cancelled: op === 'W' ? numberAt(columns.cancelled, row) : 0,
          cache_hit: op === 'R' ? hit : Number.NaN,
        });
    }
  }
  // Submitted by a task that is billed for nothing: a kernel thread that writes back what others dirtied. Where nobody's
  // bill is known, as in a file, what was submitted is all there is.
  for (let row = 0; row < (bio?.length ?? 0); row += 1) {
    const pid = numberAt(bio?.columns.pid, row);
    const op = numberAt(bio?.columns.write, row) === 0 ? 'R' : 'W';
    const key = `${pid} ${op}`;
    if (billed.has(key)) continue;
    billed.add(key);
    const ppid = numberAt(bio?.columns.ppid, row);
    const own = io === undefined && pid !== KTHREADD && ppid !== KTHREADD;
    for (const part of parts.get(key) ?? [])
      rows.push({
        pid,
        uid: numberAt(bio?.columns.uid, row),
        ppid,
        comm: textAt(bio?.columns.comm, row),
        ...part,
        op,
        cancelled: io === undefined ? Number.NaN : 0,
        cache_hit: Number.NaN,
        kind: own ? 'process' : 'writeback',
      });
  }
  return rows;
}

function totals(rows: readonly Row[]): Table {
  const sum = (op: 'R' | 'W'): number =>
    rows
      .filter((row) => row.op === op && row.kind === 'process')
      .reduce((total, row) => total + row.bytes, 0);
  const read = sum('R');
  const write = sum('W');
  return {
    length: 1,
    key: [],
    columns: {
      read: Float64Array.of(read),
      write: Float64Array.of(write),
      all: Float64Array.of(read + write),
    },
  };
}

export const disktop: Monitor = {
  name: 'disktop',
  title: 'DiskTop',
  summary: 'Which process reads and writes how much storage, on which device, past the page cache',
  standard: true,
  options: ['cpu', 'mmap-pages'],
  plan: (options): Plan => ({
    cpus: options.cpus,
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    shed: { last: 'duty', lacks: 'bytes are right for each process, not by device' },
    events: [
      {
        id: 'bio',
        names: ['block:block_bio_queue'],
        optional: 'bytes are not split by device and IOPS are missing',
      },
      {
        id: 'dirty',
        names: ['writeback:writeback_dirty_folio', 'writeback:writeback_dirty_page'],
        optional: 'the device of buffered writes is not known',
        secondary: 'the device of buffered writes is not known',
      },
    ],
    operators: [
      {
        op: 'count',
        name: 'bio',
        process: 'pid',
        on: [
          {
            event: 'bio',
            where: 'nr_sector > 0 && !$irq && (has(rwbs, "R") || has(rwbs, "W"))',
            key: { pid: '$pid', device: 'dev:device', write: 'has(rwbs, "W")' },
            add: { bytes: 'nr_sector * 512', ios: '1' },
          },
        ],
      },
      {
        op: 'count',
        name: 'dirty',
        on: [{ event: 'dirty', key: { pid: '$pid', bdi: 'name' }, add: { pages: '1' } }],
      },
    ],
    polls: [
      // What a process is billed for has no CPU.
      ...(options.cpus === undefined ? [{ poll: 'process-io' as const, name: 'io' }] : []),
      { poll: 'disk-devices', name: 'disks' },
    ],
    ...(options.cpus !== undefined && { notes: [SUBMITTED] }),
  }),
  derive: (tables) => {
    const rows = rowsOf(tables);
    const result: Record<string, Table> = { rows: tableOf(rows), totals: totals(rows) };
    if (tables.disks !== undefined) result.disks = tables.disks;
    return result;
  },
  quiet: (tables) =>
    tables.rows?.length === 0 ? 'No process read or wrote storage in this interval' : undefined,
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Processes',
      table: 'rows',
      sort: { column: 'bytes', descending: true },
      tree: { id: 'pid', parent: 'ppid' },
      empty: 'no I/O',
      columns: [
        { id: 'uid', title: 'UID', help: 'real user id', format: 'int', min: 5, priority: 3 },
        { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
        { id: 'ppid', title: 'PPID', help: 'its parent', format: 'int', min: 7, priority: 3 },
        { id: 'comm', title: 'COMMAND', help: 'name of the process', format: 'text', min: 8 },
        {
          id: 'device',
          title: 'DEVICE',
          help: 'block device; - = none was touched (all from the page cache)',
          format: 'text',
          min: 7,
          max: 14,
        },
        { id: 'op', title: 'T', help: 'R read, W write', format: 'text', min: 1, max: 1 },
        {
          id: 'bytes',
          title: 'BYTES',
          help: 'bytes in the interval; a buffered write counts when the page is dirtied',
          sum: true,
          format: 'bytes',
          min: 8,
        },
        {
          id: 'iops',
          from: 'ios',
          rate: true,
          title: 'IOPS',
          help: 'block requests submitted per second',
          sum: true,
          format: 'number',
          min: 8,
        },
        {
          id: 'cache_hit_pct',
          from: 'cache_hit',
          title: 'CACHE%',
          help: 'share of what it read (pipes and terminals included) that needed no storage',
          format: 'percent',
          min: 6,
          priority: 1,
        },
        {
          id: 'cancelled',
          title: 'CANCEL',
          help: 'bytes dirtied and dropped before they were written (truncate)',
          format: 'bytes',
          min: 7,
          priority: 2,
        },
        {
          id: 'kind',
          title: 'KIND',
          help: 'writeback: a kernel thread that writes what others dirtied; not in the totals',
          format: 'text',
          min: 9,
          max: 9,
          priority: 2,
        },
      ],
    },
    {
      kind: 'table',
      id: 'totals',
      title: 'All processes',
      table: 'totals',
      sort: { column: 'read_kb', descending: true },
      empty: '',
      columns: [
        {
          id: 'average_kb_s',
          from: 'all',
          scale: 1 / 1024,
          rate: true,
          title: 'AVERAGE_KB/S',
          help: 'KiB per second over the measured interval',
          format: 'number',
          min: 12,
        },
        {
          id: 'read_kb',
          from: 'read',
          scale: 1 / 1024,
          title: 'READ_KB',
          help: 'KiB read by all processes',
          format: 'number',
          min: 10,
        },
        {
          id: 'write_kb',
          from: 'write',
          scale: 1 / 1024,
          title: 'WRITE_KB',
          help: 'KiB written by all processes',
          format: 'number',
          min: 10,
        },
      ],
    },
    {
      kind: 'table',
      id: 'devices',
      title: 'Devices, their own counters',
      table: 'disks',
      sort: { column: 'read_kb', descending: true },
      empty: 'no block device',
      columns: [
        { id: 'device', title: 'DEVICE', help: 'block device', format: 'text', min: 7, max: 14 },
        {
          id: 'reads_s',
          from: 'reads',
          rate: true,
          title: 'R/S',
          help: 'reads completed per second',
          format: 'number',
          min: 8,
        },
        {
          id: 'read_kb',
          from: 'read_bytes',
          scale: 1 / 1024,
          title: 'READ_KB',
          help: 'KiB read',
          format: 'number',
          min: 10,
        },
        {
          id: 'writes_s',
          from: 'writes',
          rate: true,
          title: 'W/S',
          help: 'writes completed per second',
          format: 'number',
          min: 8,
        },
        {
          id: 'write_kb',
          from: 'write_bytes',
          scale: 1 / 1024,
          title: 'WRITE_KB',
          help: 'KiB written',
          format: 'number',
          min: 10,
        },
        {
          id: 'busy_pct',
          from: 'busy_ms',
          scale: 0.1,
          rate: true,
          title: 'BUSY%',
          help: '% of the interval with I/O under way',
          format: 'percent',
          min: 6,
          warn: 80,
          alarm: 95,
        },
      ],
    },
  ],
};
