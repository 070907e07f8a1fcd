/** The monitor of one line: an event, a filter, and what to make of it. Pure. */
import { parseFilter } from '../filter/parse.ts';
import { compileRows } from '../filter/row-test.ts';
import {
  type Clause,
  type Column,
  type ColumnSpec,
  type EventSpec,
  type Monitor,
  onCpus,
  type PanelSpec,
  type Plan,
  type ProbeSpec,
  type TablePanel,
} from '../monitors/monitor.ts';
import { tableFields } from '../panels/table-filter.ts';
import { numberAt, type Table, textAt } from '../sources/snapshot.ts';

/** A column that rows are told apart by. */
export interface WatchKey {
  readonly id: string;
  readonly expr: string;
  readonly text: boolean;
}

/** An event of the kernel's, or a probe that is armed for it. */
export interface WatchEvent {
  /** `sys:name`, or how a probe is called. */
  readonly name: string;
  /** With a probe: what its event is called, a C identifier. */
  readonly id?: string;
  readonly probe?: ProbeSpec;
}

/** What is watched; plain data, so that it can travel between threads. */
export interface WatchSpec {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly mode: 'list' | 'count' | 'lat';
  readonly start: WatchEvent;
  /** `lat`: what ends what `start` begins, and what tells which belong together. */
  readonly end?: WatchEvent;
  readonly pair?: string;
  /** For the kernel. */
  readonly filter?: string;
  /** `Expr`, event by event. */
  readonly where?: string;
  /** A filter on the rows. */
  readonly rows?: string;
  readonly keys: readonly WatchKey[];
  /** By kernel call chain. */
  readonly stack?: boolean;
  /** Most rows. */
  readonly top?: number;
  /** Process that must not watch itself. */
  readonly self?: number;
  readonly notes?: readonly string[];
}

function planOf(spec: WatchSpec, cpus: readonly number[] | undefined, mmap_pages: number | undefined): Plan {
  const terms = [
    ...(spec.where === undefined ? [] : [`(${spec.where})`]),
    ...(spec.self === undefined ? [] : [`$pid != ${spec.self}`]),
  ];
  const where = terms.length === 0 ? undefined : terms.join(' && ');
  const key = Object.fromEntries(spec.keys.map(({ id, expr }) => [id, expr]));
  const id = spec.start.id ?? 'start';
  const start = eventOf(id, spec.start, spec.filter, spec.stack);
  const common = { cpus, mmap_pages, notes: spec.notes };
  if (spec.mode === 'lat' && spec.end !== undefined) {
    const on_cpus = onCpus({ cpus });
    const begun = on_cpus === undefined ? where : [...terms, on_cpus].join(' && ');
    const pair = { pair: spec.pair ?? '$tid' };
    const endId = spec.end.id ?? 'end';
    const group = spec.keys.length === 0 ? { what: `"${spec.start.name}":text` } : key;
    const on: Clause[] = [
      { event: endId, as: 'end', key: pair },
      { event: id, as: 'start', key: pair, where: begun, group },
    ];
    return {
      ...common,
      all_cpus: true,
      complete: true,
      shed: { last: 'duty', lacks: 'what takes longer than that is not seen' },
      events: [start, eventOf(endId, spec.end, undefined, false)],
      operators: [{ op: 'pair', name: 'rows', on, group }],
    };
  }
  const on: Clause[] = [{ event: id, where }];
  const rate: Clause = {
    event: id,
    where,
    key: {
      ...(spec.keys.length === 0 && spec.stack !== true ? { what: `"${spec.start.name}":text` } : key),
      ...(spec.stack === true ? { stack: '$stack' } : {}),
    },
    add: { count: '1' },
  };
  return {
    ...common,
    shed: { last: 'duty' },
    events: [start],
    operators: [
      ...(spec.mode === 'list' ? [{ op: 'log' as const, name: 'events', on }] : []),
      { op: 'count', name: 'rows', on: [rate] },
    ],
  };
}

function eventOf(
  id: string,
  { name, probe }: WatchEvent,
  filter: string | undefined,
  stack: boolean | undefined,
): EventSpec {
  return {
    id,
    names: probe === undefined ? [name] : [],
    ...(probe === undefined ? {} : { probe }),
    ...(filter === undefined ? {} : { filter }),
    ...(stack === true ? { stack } : {}),
  };
}

const COUNT_COLUMNS: readonly ColumnSpec[] = [
  { id: 'count', title: 'COUNT', help: 'events in the interval', sum: true, format: 'int', min: 9 },
  {
    id: 'per_s',
    from: 'count',
    rate: true,
    title: 'PER_S',
    help: 'events per second',
    sum: true,
    format: 'number',
    min: 10,
  },
];

const time = (id: string, from: string, help: string, priority?: number): ColumnSpec => ({
  id: `${id}_us`,
  from,
  scale: 1e-3,
  title: `${id.toUpperCase()}_US`,
  help: `${help}, µs`,
  format: 'us',
  min: 10,
  ...(priority === undefined ? {} : { priority }),
});

const LAT_COLUMNS: readonly ColumnSpec[] = [
  { id: 'count', title: 'COUNT', help: 'complete pairs in the interval', sum: true, format: 'int', min: 9 },
  { ...time('total', 'total_ns', 'sum', 1), sum: true },
  time('avg', 'avg_ns', 'mean'),
  time('p50', 'p50_ns', 'median (3 % exact)', 2),
  time('p99', 'p99_ns', '99th percentile (3 % exact)'),
  time('max', 'max_ns', 'longest'),
];

/** Columns of a watch beside its keys, which a filter on rows may name. */
export const ROW_NAMES: Readonly<Record<WatchSpec['mode'], readonly string[]>> = {
  list: [],
  count: ['count', 'per_s'],
  lat: ['count', ...['total', 'avg', 'p50', 'p99', 'max'].flatMap((name) => [`${name}_us`, name])],
};

function rowsPanel(spec: WatchSpec): TablePanel {
  const keys: readonly WatchKey[] =
    spec.keys.length === 0 ? [{ id: 'what', expr: '', text: true }] : spec.keys;
  const columns = keys.map(
    ({ id, text }): ColumnSpec => ({
      id,
      title: id.toUpperCase(),
      help: id === 'what' ? 'the event' : `${id} of the event`,
      format: text ? 'text' : 'int',
      min: text ? 16 : 8,
    }),
  );
  const lat = spec.mode === 'lat';
  return {
    kind: 'table',
    id: 'rows',
    title: spec.mode === 'list' ? 'Rates' : lat ? 'From entry to return' : 'Counts',
    table: 'rows',
    sort: { column: lat ? 'total_us' : 'count', descending: true },
    empty: lat ? 'no pair was complete in this interval' : 'no event in this interval',
    columns: [...columns, ...(lat ? LAT_COLUMNS : COUNT_COLUMNS)],
  };
}

function panelsOf(spec: WatchSpec): PanelSpec[] {
  const table = rowsPanel(spec);
  if (spec.mode === 'list') return [{ kind: 'log', id: 'log', title: 'Events', log: 'events' }, table];
  if (spec.mode === 'lat')
    return [table, { kind: 'histogram', id: 'histogram', title: 'Latency', histogram: 'rows' }];
  if (spec.stack !== true) return [table];
  const by = spec.keys.map(({ id }) => id);
  return [
    {
      kind: 'stacks',
      id: 'stacks',
      title: 'Call chains',
      table: 'stacks',
      stack: 'stack',
      value: 'count',
      by,
    },
    table,
  ];
}

/** The monitor of a watch. */
export function watchMonitor(spec: WatchSpec): Monitor {
  const panel = rowsPanel(spec);
  return {
    name: spec.name,
    title: spec.title,
    summary: spec.summary,
    options: ['cpu', 'mmap-pages'],
    plan: ({ cpus, mmap_pages }) => planOf(spec, cpus, mmap_pages),
    derive: (tables, _options, interval_ms) => {
      const { rows } = tables;
      if (rows === undefined) return { ...tables };
      const stacks: Record<string, Table> = spec.stack === true ? { stacks: rows } : {};
      const flat = spec.stack === true ? withoutStacks(rows, spec) : rows;
      return { ...tables, ...stacks, rows: keepRows(flat, panel, spec, interval_ms) };
    },
    panels: panelsOf(spec),
  };
}

/** Sums over all call chains. */
function withoutStacks(table: Table, spec: WatchSpec): Table {
  const sums = new Map<string, { row: number; count: number }>();
  for (let row = 0; row < table.length; row += 1) {
    const key = JSON.stringify(spec.keys.map(({ id }) => valueAt(table.columns[id], row)));
    const sum = sums.get(key) ?? { row, count: 0 };
    sum.count += numberAt(table.columns.count, row);
    sums.set(key, sum);
  }
  const kept = [...sums.values()];
  const columns = pick(
    table,
    kept.map(({ row }) => row),
  );
  const what: Record<string, Column> =
    spec.keys.length === 0 ? { what: { ids: new Uint32Array(kept.length), strings: [spec.start.name] } } : {};
  return {
    length: kept.length,
    key: spec.keys.length === 0 ? ['what'] : spec.keys.map(({ id }) => id),
    columns: { ...columns, ...what, count: Float64Array.from(kept, ({ count }) => count) },
  };
}

const valueAt = (column: Column | undefined, row: number): string | number =>
  column instanceof Float64Array ? numberAt(column, row) : textAt(column, row);

/** Those that the filter keeps, and of them the first so many. */
function keepRows(table: Table, panel: TablePanel, spec: WatchSpec, interval_ms: number): Table {
  const expression = spec.rows === undefined ? undefined : parseFilter(spec.rows);
  const passes =
    expression === undefined ? () => true : compileRows(expression, tableFields(table, panel, interval_ms));
  let rows = Array.from({ length: table.length }, (_, row) => row).filter(passes);
  if (spec.top !== undefined && rows.length > spec.top) {
    const by = table.columns[spec.mode === 'lat' ? 'total_ns' : 'count'];
    rows = rows.sort((a, b) => numberAt(by, b) - numberAt(by, a) || a - b).slice(0, spec.top);
  }
  if (rows.length === table.length) return table;
  return { length: rows.length, key: table.key, columns: pick(table, rows) };
}

function pick(table: Table, rows: readonly number[]): Record<string, Column> {
  return Object.fromEntries(
    Object.entries(table.columns).map(([name, column]) => [
      name,
      column instanceof Float64Array
        ? Float64Array.from(rows, (row) => numberAt(column, row))
        : { ids: Uint32Array.from(rows, (row) => column.ids[row] ?? 0), strings: column.strings },
    ]),
  );
}
