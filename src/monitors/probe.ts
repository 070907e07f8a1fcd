import {
  type Clause,
  type EventSpec,
  type LogEntry,
  type Monitor,
  numberAt,
  type OperatorSpec,
  type Options,
  onCpus,
  type Plan,
  type ProbeChoice,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';

/** A probe that has not been hit for so long gets a hint, seconds. */
const UNHIT_S = 10;
/** Records a second that are written one by one; beyond, hits are counted only. */
const MOST_PER_S = 200_000;
/** So many snapshots below half of that, and records are written again; more of them where hits are not known meanwhile. */
const CALM = 10;
const CALM_BLIND = 60;
/** Words that may stand for an argument. */
const OF_TASK: Readonly<Record<string, string>> = {
  comm: '$comm:text',
  pid: '$pid',
  tid: '$tid',
  cpu: '$cpu',
  stack: '$stack',
};
const ENDS = '__end';

function eventOf(choice: ProbeChoice, lean: boolean): EventSpec {
  const { name, event, probe, filter, stack } = choice;
  // Never true: the record is thrown away where it is made, and the probe counts on.
  const kernel = lean ? 'common_pid == -1' : filter;
  const common = { id: name, filter: kernel, stack };
  return probe === undefined
    ? { ...common, names: event === undefined ? [] : [event] }
    : { ...common, names: [], probe };
}

/** Of the processes that are asked for. */
function whereOf({ pids }: Options): string | undefined {
  return pids === undefined || pids.length === 0 ? undefined : `oneof($pid, ${pids.join(', ')})`;
}

function planOf(options: Options): Plan {
  const { list = [], count, histogram, latency = false } = options.probes ?? {};
  const of_task = whereOf(options);
  // From entry to return a task may go to another CPU.
  const chosen = [of_task, latency ? onCpus(options) : undefined].filter((term) => term !== undefined);
  const where = chosen.length === 0 ? undefined : chosen.join(' && ');
  const lean = options.probes?.lean !== undefined;
  // Reading records hits probes, too. Whoever asks for ktop by its number gets them.
  const others = options.pids === undefined;
  const armed = list.filter(({ off, held }) => off !== true && held !== true);
  const has = (choice: ProbeChoice, field: string) =>
    choice.probe === undefined || choice.fields.includes(field);
  const clauses = (parts: (choice: ProbeChoice) => Partial<Clause> | undefined): Clause[] =>
    armed.flatMap((choice) => {
      const part = parts(choice);
      return part === undefined ? [] : [{ event: choice.name, where, ...part }];
    });
  const named = (choice: ProbeChoice) => ({ probe: `"${choice.name}":text` });
  const operators: OperatorSpec[] = [];
  if (armed.length > 0 && !lean) {
    operators.push(
      { op: 'log', name: 'records', others, on: clauses(() => ({})) },
      {
        op: 'count',
        name: 'seen',
        others,
        keep: true,
        on: clauses((choice) => ({ key: named(choice), add: { count: '1' } })),
      },
      {
        op: 'count',
        name: 'now',
        others,
        on: clauses((choice) => ({ key: named(choice), add: { count: '1' } })),
      },
    );
    if (count !== undefined)
      operators.push({
        op: 'count',
        name: 'counts',
        others,
        keep: true,
        on: clauses((choice) => {
          const value = OF_TASK[count] ?? (has(choice, count) ? count : undefined);
          return value === undefined ? undefined : { key: { ...named(choice), value }, add: { count: '1' } };
        }),
      });
    if (histogram !== undefined)
      operators.push({
        op: 'histogram',
        name: 'values',
        others,
        keep: true,
        on: clauses((choice) =>
          has(choice, histogram) ? { group: named(choice), add: { [histogram]: histogram } } : undefined,
        ),
      });
    const pairs = latency ? armed.filter(({ end }) => end !== undefined) : [];
    if (pairs.length > 0)
      operators.push({
        op: 'pair',
        name: 'latency',
        others,
        keep: true,
        histogram_per_group: true,
        than_ns: Math.round((options.than_ms ?? 0) * 1e6),
        on: pairs.flatMap((choice, index): Clause[] => {
          const key = { tid: '$tid', which: String(index) };
          return [
            { event: choice.name, as: 'start', where, key, group: named(choice) },
            { event: `${choice.name}${ENDS}`, as: 'end', where: of_task, key },
          ];
        }),
      });
  }
  return {
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    cpus: options.cpus,
    all_cpus: latency,
    events: armed.flatMap((choice) => [
      eventOf(choice, lean),
      ...(latency && !lean && choice.end !== undefined
        ? [{ id: `${choice.name}${ENDS}`, names: [], probe: choice.end }]
        : []),
    ]),
    operators,
    // Too many records are counted by the kernel instead: see `ease`.
    shed: { last: 'never', lacks: 'each record is told' },
    polls: [{ poll: 'probes', name: 'probes' }],
  };
}

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly place: string;
  readonly args: string;
  readonly hits: number;
  readonly fresh: number;
  readonly missed: number;
  readonly state: string;
  readonly source: string;
  readonly hint: string;
}

const KIND: Readonly<Record<string, string>> = { event: 'event', kept: 'event' };

/** Where the kernel's own figures of a probe are; undefined where it keeps none. */
function rowOf(poll: Table | undefined, choice: ProbeChoice): number | undefined {
  const text = (column: string, row: number) => textAt(poll?.columns[column], row);
  for (let row = 0; row < (poll?.length ?? 0); row += 1) {
    const its =
      choice.probe === undefined
        ? `${text('group', row)}:${text('name', row)}` === choice.event
        : numberAt(poll?.columns.own, row) === 1 && text('name', row) === choice.name;
    if (its) return row;
  }
  return undefined;
}

/** Hits of the interval by the kernel's own count; NaN where one of the probes is not counted. */
function freshHits(poll: Table | undefined, list: readonly ProbeChoice[]): number {
  return list
    .filter(({ off }) => off !== true)
    .reduce((sum, choice) => {
      const row = rowOf(poll, choice);
      return sum + (row === undefined ? Number.NaN : numberAt(poll?.columns.fresh, row));
    }, 0);
}

/** The rows of what is watched, then those of the other probes of this kernel. */
function rowsOf(tables: Readonly<Record<string, Table>>, options: Options): Row[] {
  const { list = [], only = false } = options.probes ?? {};
  const lean = options.probes?.lean !== undefined;
  const poll = tables.probes;
  const text = (column: string, row: number) => textAt(poll?.columns[column], row);
  const number = (column: string, row: number) => numberAt(poll?.columns[column], row);
  const all = Array.from({ length: poll?.length ?? 0 }, (_, row) => row);
  const shown = new Set<number>();
  const watched = list.map((choice): Row => {
    const row = rowOf(poll, choice);
    if (row !== undefined) shown.add(row);
    const seen = countOf(tables.seen, choice.name);
    // Function probes and tracepoints have no profile: what was received is what is known.
    const profiled = row === undefined ? Number.NaN : number('hits', row);
    const hits = Number.isNaN(profiled) && !lean ? seen : profiled;
    const fresh = Number.isNaN(profiled) ? countOf(tables.now, choice.name) : number('fresh', row as number);
    const old = row === undefined ? false : number('age', row) >= UNHIT_S;
    const waiting = choice.waits !== undefined && hits === 0;
    const armed = hits === 0 && old ? '0 hits' : lean ? 'counting' : 'armed';
    const held = choice.held === true ? 'waiting' : '';
    const state = choice.off === true ? 'off' : held || (waiting ? 'pending' : armed);
    return {
      name: choice.name,
      kind: choice.source === 'usdt' ? 'usdt' : (choice.probe?.kind ?? KIND[choice.source] ?? 'event'),
      place: choice.place,
      args: choice.fields.join(' '),
      hits,
      fresh,
      missed: row === undefined ? Number.NaN : number('missed', row),
      state,
      source: choice.source,
      hint: hintOf(choice, state),
    };
  });
  if (only) return watched;
  const ends = new Set(list.map(({ name }) => `${name}${ENDS}`));
  const others = all.flatMap((row): Row[] => {
    if (shown.has(row) || (number('own', row) === 1 && ends.has(text('name', row)))) return [];
    const group = text('group', row);
    return [
      {
        name: text('name', row),
        kind: text('kind', row),
        place: text('place', row),
        args: text('args', row).replace(/(\w+)=\S+/g, '$1'),
        hits: number('hits', row),
        fresh: number('fresh', row),
        missed: number('missed', row),
        state: number('enabled', row) === 1 || number('fresh', row) > 0 ? 'armed' : 'off',
        source:
          group === 'ktop_keep'
            ? 'kept'
            : /^ktop_\d+_/.test(group)
              ? group.replace(/^ktop_(\d+)_.*/, 'ktop $1')
              : group,
        hint: '',
      },
    ];
  });
  return [...watched, ...others];
}

function hintOf({ name, place, waits, probe }: ProbeChoice, state: string): string {
  if (state === 'pending') return `${name}: waiting for module ${waits}; it is hit from when that is loaded`;
  if (state === 'waiting')
    return `${name}: waiting for module ${waits}; its build is checked when it is loaded, and the probe armed then`;
  if (state !== '0 hits') return '';
  const kernel = probe?.kind === 'kprobe' || probe?.kind === 'kretprobe' || probe?.kind === 'fprobe';
  return kernel
    ? `${name}: 0 hits for ${UNHIT_S} s: nothing calls ${place}, or it is inlined, or a clone of the compiler (.isra, .constprop, .part) is called instead; see ktop probe funcs`
    : `${name}: 0 hits for ${UNHIT_S} s: nothing has come by ${place}`;
}

function countOf(table: Table | undefined, name: string): number {
  for (let row = 0; row < (table?.length ?? 0); row += 1)
    if (textAt(table?.columns.probe, row) === name) return numberAt(table?.columns.count, row);
  return 0;
}

/** Numbers as they are, beside texts: one column for arguments of any type. */
function asText(table: Table, shown: 'ip' | 'port' | undefined): Table {
  const { value } = table.columns;
  if (!(value instanceof Float64Array)) return table;
  const text = (one: number) => (shown === undefined ? String(one) : inNetworkOrder(one, shown));
  return { ...table, columns: { ...table.columns, value: textColumn(Array.from(value, text)) } };
}

/** An IPv4 address or a port, as it lies in memory, read as a little-endian number. */
function inNetworkOrder(value: number, shown: 'ip' | 'port'): string {
  if (shown === 'port') return String(((value & 0xff) << 8) | ((value >> 8) & 0xff));
  return [0, 8, 16, 24].map((by) => (value >>> by) & 0xff).join('.');
}

/** The records of probes with arguments that are addresses or ports: written as such. */
function readable(entries: readonly LogEntry[], list: readonly ProbeChoice[]): readonly LogEntry[] {
  const shown = list.filter(({ display }) => display !== undefined);
  if (shown.length === 0) return entries;
  return entries.map((entry) => {
    const display = shown.find(({ name }) => entry.text.startsWith(`probe:${name}:`))?.display;
    if (display === undefined) return entry;
    const text = entry.text.replace(
      / (\w+)=(0x[0-9a-f]+|\d+)(?= |$)/g,
      (whole, name: string, value: string) => {
        const how = Object.hasOwn(display, name) ? display[name] : undefined;
        return how === undefined ? whole : ` ${name}=${inNetworkOrder(Number(value), how)}`;
      },
    );
    return { ...entry, text };
  });
}

function derive(tables: Readonly<Record<string, Table>>, options: Options): Record<string, Table> {
  const rows = rowsOf(tables, options);
  const texts = (of: (row: Row) => string) => textColumn(rows.map(of));
  const numbers = (of: (row: Row) => number) => Float64Array.from(rows, of);
  const probes: Table = {
    length: rows.length,
    key: ['name', 'source'],
    columns: {
      name: texts(({ name }) => name),
      kind: texts(({ kind }) => kind),
      place: texts(({ place }) => place),
      args: texts(({ args }) => args),
      hits: numbers(({ hits }) => hits),
      fresh: numbers(({ fresh }) => fresh),
      missed: numbers(({ missed }) => missed),
      state: texts(({ state }) => state),
      source: texts(({ source }) => source),
      hint: texts(({ hint }) => hint),
    },
  };
  const { counts, latency } = tables;
  return {
    probes,
    ...(counts === undefined ? {} : { counts: asText(counts, displayOfCount(options)) }),
    ...(latency === undefined ? {} : { latency }),
  };
}

function displayOfCount({ probes }: Options): 'ip' | 'port' | undefined {
  const { count = '', list = [] } = probes ?? {};
  return list.map(({ display }) => display?.[count]).find((one) => one !== undefined);
}

export const probe: Monitor = {
  name: 'probe',
  title: 'Probes',
  summary: 'Probes in kernel and programs: their hits, records, counts by argument and latencies',
  options: ['pid', 'mmap-pages', 'cpu', 'than'],
  plan: planOf,
  derive,
  logs: (_, { probes }, { records = [] } = {}): Record<string, readonly LogEntry[]> =>
    records.length === 0 ? {} : { records: readable(records, probes?.list ?? []) },
  ease: ({ events, interval_ms, tables }, options) => {
    if (options.probes === undefined || options.budget_pct === 0) return undefined;
    const { lean, ...wanted } = options.probes;
    const go = (calm?: number) => ({
      ...options,
      probes: calm === undefined ? wanted : { ...wanted, lean: calm },
    });
    if (lean === undefined) {
      const per_s = (events * 1000) / interval_ms;
      if (per_s < MOST_PER_S) return undefined;
      return {
        options: go(0),
        notice: `${Math.round(per_s)} records a second are too many to be written one by one: hits are counted from now on; give a filter to see records`,
      };
    }
    const hits = freshHits(tables.probes, wanted.list);
    const calm = (hits * 1000) / interval_ms >= MOST_PER_S / 2 ? 0 : lean + 1;
    if (calm < (Number.isNaN(hits) ? CALM_BLIND : CALM)) return { options: go(calm) };
    return { options: go(), notice: 'records are written one by one again' };
  },
  quiet: (tables) => {
    const table = tables.probes;
    if (table === undefined || table.length === 0)
      return "No probes on this kernel; try ktop probe watch 'do_sys_openat2 filename:string'";
    for (let row = 0; row < table.length; row += 1) {
      const hint = textAt(table.columns.hint, row);
      if (hint !== '') return hint;
    }
    return undefined;
  },
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Probes',
      table: 'probes',
      sort: { column: 'hits_s', descending: true },
      empty: 'no probes',
      columns: [
        { id: 'name', title: 'NAME', help: 'name of the event', format: 'text', min: 12, max: 28 },
        {
          id: 'kind',
          title: 'KIND',
          help: 'kprobe, kretprobe, uprobe, uretprobe, usdt, fprobe, tprobe, eprobe, event',
          format: 'text',
          min: 7,
          max: 12,
        },
        { id: 'place', title: 'PLACE', help: 'function, or file and place in it', format: 'text', min: 14 },
        { id: 'args', title: 'ARGS', help: 'its arguments', format: 'text', min: 6, max: 24, priority: 2 },
        {
          id: 'hits',
          title: 'HITS',
          help: 'hits since it was armed, as the kernel counts them',
          format: 'int',
          min: 8,
        },
        {
          id: 'hits_s',
          from: 'fresh',
          rate: true,
          title: 'HITS/s',
          help: 'hits per second in the interval',
          format: 'number',
          min: 8,
        },
        {
          id: 'missed',
          title: 'MISSED',
          help: 'hits that were not recorded: no slot free for the return, or within another probe',
          format: 'int',
          min: 6,
          warn: 1,
          priority: 1,
        },
        {
          id: 'state',
          title: 'STATE',
          help: 'armed; off; pending: its module is not loaded; waiting: so is that of a recipe, whose build must be checked; 0 hits: none in 10 s; counting: too many to be recorded',
          format: 'text',
          min: 6,
          max: 8,
        },
        {
          id: 'source',
          title: 'SOURCE',
          help: 'manual, btf (arguments by name), usdt, recipe, kept (added to stay), event (of the kernel), ktop PID, or the group of another tool',
          format: 'text',
          min: 6,
          max: 12,
          priority: 1,
        },
      ],
    },
    { kind: 'log', id: 'log', title: 'Records', log: 'records' },
    {
      kind: 'table',
      id: 'counts',
      title: 'By argument',
      table: 'counts',
      sort: { column: 'count', descending: true },
      empty: 'nothing counted; c, or ktop probe watch … --by ARG, counts by an argument',
      columns: [
        { id: 'probe', title: 'PROBE', help: 'name of the probe', format: 'text', min: 12, max: 28 },
        {
          id: 'value',
          title: 'VALUE',
          help: 'the argument, or comm, pid, tid, cpu, stack',
          format: 'text',
          min: 16,
        },
        { id: 'count', title: 'COUNT', help: 'records since the start', format: 'int', min: 9 },
      ],
    },
    {
      kind: 'table',
      id: 'latency',
      title: 'From entry to return',
      table: 'latency',
      sort: { column: 'total_us', descending: true },
      empty: 'nothing timed; ktop probe watch … --lat times from entry to return',
      columns: [
        { id: 'probe', title: 'PROBE', help: 'name of the probe', format: 'text', min: 12, max: 28 },
        {
          id: 'calls',
          from: 'count',
          title: 'CALLS',
          help: 'calls that have returned',
          format: 'int',
          min: 8,
        },
        {
          id: 'total_us',
          from: 'total_ns',
          scale: 1e-3,
          title: 'TOTAL_US',
          help: 'sum, µs',
          format: 'us',
          min: 10,
          priority: 1,
        },
        {
          id: 'avg_us',
          from: 'avg_ns',
          scale: 1e-3,
          title: 'AVG_US',
          help: 'mean, µs',
          format: 'us',
          min: 8,
        },
        {
          id: 'p50_us',
          from: 'p50_ns',
          scale: 1e-3,
          title: 'P50_US',
          help: 'median, µs (3 % exact)',
          format: 'us',
          min: 8,
        },
        {
          id: 'p99_us',
          from: 'p99_ns',
          scale: 1e-3,
          title: 'P99_US',
          help: '99th percentile, µs (3 % exact)',
          format: 'us',
          min: 8,
        },
        {
          id: 'max_us',
          from: 'max_ns',
          scale: 1e-3,
          title: 'MAX_US',
          help: 'longest, µs',
          format: 'us',
          min: 8,
        },
      ],
    },
    { kind: 'histogram', id: 'histogram', title: 'Values', histogram: 'values' },
    { kind: 'histogram', id: 'times', title: 'Latency, ns', histogram: 'latency' },
    { kind: 'log', id: 'slow', title: 'Slower than --than', log: 'latency' },
  ],
};
