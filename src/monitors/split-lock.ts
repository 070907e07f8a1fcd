import { type Monitor, numberAt, type Plan, type Table, textAt, textColumn } from './monitor.ts';

/** "x86/split lock detection: #DB: comm/pid took a bus_lock trap at address: 0x…" (#AC … split_lock trap). */
const LINE =
  /split lock detection: #(AC|DB): (.*)\/(\d+) took a (split_lock|bus_lock) trap at address: (0x[0-9a-f]+)/;

interface Row {
  readonly source: string;
  readonly comm: string;
  readonly pid: number;
  readonly kind: string;
  readonly address: string;
  count: number;
}

function fromLog(lines: Table | undefined): Row[] {
  const rows = new Map<string, Row>();
  for (let row = 0; row < (lines?.length ?? 0); row += 1) {
    const match = LINE.exec(textAt(lines?.columns.text, row));
    if (match === null) continue;
    const [, trap = '', comm = '', pid = '', kind = '', address = ''] = match;
    const key = `${pid} ${address} ${kind}`;
    const known = rows.get(key);
    if (known !== undefined) known.count += 1;
    else rows.set(key, { source: `kernel log #${trap}`, comm, pid: Number(pid), kind, address, count: 1 });
  }
  return [...rows.values()];
}

/** Per CPU, from the counter where there is one. */
function fromCounter(counts: Table | undefined): Row[] {
  const rows: Row[] = [];
  for (let row = 0; row < (counts?.length ?? 0); row += 1) {
    const count = numberAt(counts?.columns.locks, row);
    if (Number.isFinite(count) && count > 0)
      rows.push({
        source: `counter cpu ${numberAt(counts?.columns.cpu, row)}`,
        comm: '',
        pid: Number.NaN,
        kind: 'split_lock',
        address: '',
        count,
      });
  }
  return rows;
}

export const splitLock: Monitor = {
  name: 'split-lock',
  title: 'SplitLock',
  summary: 'Who makes atomic accesses across cache lines, which stop every CPU’s memory',
  options: ['cpu', 'trigger', 'guest', 'test', 'mmap-pages'],
  plan: (options): Plan => ({
    cpus: options.cpus,
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    events: [],
    sampler:
      options.trigger !== undefined && options.trigger > 0
        ? { counter: 'split-lock', trigger: options.trigger, stack: true, guest_only: options.guest }
        : undefined,
    operators:
      options.trigger !== undefined && options.trigger > 0
        ? [{ op: 'log', name: 'samples', on: [{ event: '@clock' }] }]
        : [],
    polls: [
      {
        poll: 'counters',
        name: 'counts',
        events: { locks: options.guest === true ? 'pmu:split-lock-guest' : 'pmu:split-lock' },
      },
      { poll: 'kernel-log', name: 'log', match: ['split lock detection: #'] },
      ...(options.test === true ? [{ poll: 'split-lock-test' as const, name: 'test' }] : []),
    ],
  }),
  derive: (tables): Record<string, Table> => {
    const rows = [...fromCounter(tables.counts), ...fromLog(tables.log)];
    return {
      rows: {
        length: rows.length,
        key: ['source', 'pid', 'address'],
        columns: {
          source: textColumn(rows.map((row) => row.source)),
          comm: textColumn(rows.map((row) => row.comm)),
          pid: Float64Array.from(rows, (row) => row.pid),
          kind: textColumn(rows.map((row) => row.kind)),
          address: textColumn(rows.map((row) => row.address)),
          count: Float64Array.from(rows, (row) => row.count),
        },
      },
    };
  },
  quiet: (tables) => (tables.rows?.length === 0 ? 'No split lock was seen in this interval' : undefined),
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Split locks',
      table: 'rows',
      sort: { column: 'count', descending: true },
      empty: 'none',
      columns: [
        {
          id: 'count',
          title: 'COUNT',
          help: 'in the interval; from the kernel log a lower bound: it prints at most 10 lines in 5 s',
          format: 'int',
          min: 7,
        },
        {
          id: 'source',
          title: 'SOURCE',
          help: 'counter (per CPU, exact) or kernel log (#AC split lock, #DB bus lock)',
          format: 'text',
          min: 15,
          max: 18,
        },
        { id: 'pid', title: 'PID', help: 'thread; - = the counter does not tell', format: 'int', min: 7 },
        { id: 'comm', title: 'COMMAND', help: 'its name', format: 'text', min: 8 },
        { id: 'kind', title: 'KIND', help: 'split_lock or bus_lock', format: 'text', min: 10, max: 10 },
        {
          id: 'address',
          title: 'ADDRESS',
          help: 'instruction',
          format: 'text',
          min: 18,
          max: 18,
          priority: 1,
        },
      ],
    },
    { kind: 'log', id: 'log', title: 'Samples, one every -T split locks', log: 'samples' },
  ],
};
