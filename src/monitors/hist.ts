/** How the values of one field of an event are spread: by counters in the kernel, one per range, without a record read. */
import {
  type Column,
  type ColumnSpec,
  type Monitor,
  numberAt,
  type Plan,
  type ProbeSpec,
  type Table,
  textAt,
  textColumn,
} from './monitor.ts';

/** What is counted; plain data, so that it can travel between threads. */
export interface HistSpec {
  readonly name: string;
  readonly title: string;
  readonly summary?: string;
  /** `sys:name`, or the place of the probe. */
  readonly event: string;
  /** Armed for it; it is called `id`. */
  readonly probe?: { readonly id: string; readonly spec: ProbeSpec };
  /** Made by an event probe: no counter sees it. */
  readonly derived?: boolean;
  readonly field: string;
  readonly signed: boolean;
  /** Bytes of the field. */
  readonly size: number;
  /** Where a range begins, ascending; what lies below the first is one too. */
  readonly bounds: readonly number[];
  /** For the kernel. */
  readonly filter?: string;
  /** `Expr`, event by event: only where events are read. */
  readonly where?: string;
  readonly by?: 'pid' | 'comm' | 'cpu';
  /** Process whose events do not count, where events are read: ktop itself. */
  readonly self?: number;
  /** Said with each snapshot. */
  readonly notes?: readonly string[];
}

/** A field worth a look, on any kernel that has the event. */
export interface HistPreset {
  readonly name: string;
  readonly event: string;
  readonly field: string;
  readonly signed: boolean;
  readonly size: number;
  readonly about: string;
}

export const HIST_PRESETS: readonly HistPreset[] = [
  preset('read', 'syscalls:sys_exit_read', 'ret', true, 8, 'bytes that read(2) returned'),
  preset('write', 'syscalls:sys_exit_write', 'ret', true, 8, 'bytes that write(2) returned'),
  preset('xmit', 'net:net_dev_xmit', 'len', false, 4, 'bytes of packets sent'),
  preset('recv', 'net:netif_receive_skb', 'len', false, 4, 'bytes of packets received'),
  preset('bitesize', 'block:block_rq_complete', 'nr_sector', false, 4, 'sectors of block requests'),
  preset('kmalloc', 'kmem:kmalloc', 'bytes_alloc', false, 8, 'bytes that kmalloc() gave'),
];

function preset(
  name: string,
  event: string,
  field: string,
  signed: boolean,
  size: number,
  about: string,
): HistPreset {
  return { name, event, field, signed, size, about };
}

/** The kernel checks every event against every counter: past so many it is cheaper to read the events. */
const MOST_COUNTERS = 24;
const BAR = 40;

/** 0, 1, power, power² … up to `most`. */
export function powerBounds(power: number, most: number): number[] {
  const bounds = [0, 1];
  for (let bound = power; bound <= most; bound *= power) bounds.push(bound);
  return bounds;
}

/** One range of values, both ends in it. */
export interface Range {
  /** -Infinity where there is no lower end. */
  readonly low: number;
  readonly high: number;
}

/** The ranges of a field, ascending, without gaps; values below 0 are one of their own, for those are errors. */
export function rangesOf({ bounds, signed }: Pick<HistSpec, 'bounds' | 'signed'>): Range[] {
  const starts = [...bounds];
  const first = starts[0] ?? 0;
  if (signed && first > 0) starts.unshift(0);
  if (!signed && first > 0) starts.unshift(0);
  const ranges = starts.map((low, index) => ({
    low,
    high: (starts[index + 1] ?? Number.POSITIVE_INFINITY) - 1,
  }));
  return signed ? [{ low: Number.NEGATIVE_INFINITY, high: (starts[0] ?? 0) - 1 }, ...ranges] : ranges;
}

/** The kernel's filter of a range; `also`: what must hold besides. */
function rangeFilter(field: string, { low, high }: Range, also: string | undefined): string {
  const terms =
    low === high
      ? [`${field} == ${low}`]
      : [
          ...(Number.isFinite(low) ? [`${field} >= ${low}`] : []),
          ...(Number.isFinite(high) ? [`${field} < ${high + 1}`] : []),
        ];
  return [...terms, ...(also === undefined ? [] : [`(${also})`])].join(' && ');
}

const reads = (spec: HistSpec): boolean =>
  spec.probe !== undefined ||
  spec.derived === true ||
  spec.by === 'pid' ||
  spec.by === 'comm' ||
  spec.where !== undefined ||
  rangesOf(spec).length > MOST_COUNTERS;

/** The number of the range that a value falls into, as an expression on the event. */
function rangeExpr({ field, signed, size }: HistSpec, ranges: readonly Range[]): string {
  const between = (from: number, to: number): string => {
    if (from === to) return String(from);
    const middle = (from + to + 1) >> 1;
    const bound = (ranges[middle] as Range).low;
    const number = bound < 0 ? `(0 - ${-bound})` : String(bound);
    return `(${field} < ${number} ? ${between(from, middle - 1)} : ${between(middle, to)})`;
  };
  const tree = between(0, ranges.length - 1);
  // Numbers of 64 bits without a sign look negative past 2^63.
  return !signed && size === 8 ? `(${field} < 0 ? ${ranges.length - 1} : ${tree})` : tree;
}

function planOf(spec: HistSpec, cpus: readonly number[] | undefined): Plan {
  const ranges = rangesOf(spec);
  const notes = [...(spec.notes ?? [])];
  if (!reads(spec)) {
    const columns = ranges.map((_, index) => `b${index}`);
    return {
      cpus,
      events: [],
      operators: [],
      notes,
      polls: [
        {
          poll: 'counters',
          name: 'counters',
          events: Object.fromEntries([...columns, 'all'].map((column) => [column, spec.event])),
          filters: Object.fromEntries([
            ...ranges.map((range, index) => [`b${index}`, rangeFilter(spec.field, range, spec.filter)]),
            ['all', spec.filter ?? ''],
          ]),
          others: true,
        },
      ],
    };
  }
  const who: Record<string, string> =
    spec.by === 'pid'
      ? { pid: '$pid' }
      : spec.by === 'comm'
        ? { comm: '$comm:text' }
        : spec.by === 'cpu'
          ? { cpu: '$cpu' }
          : {};
  const terms = [
    ...(spec.where === undefined ? [] : [`(${spec.where})`]),
    ...(spec.self === undefined ? [] : [`$pid != ${spec.self}`]),
  ];
  const id = spec.probe?.id ?? 'e';
  const clause = {
    event: id,
    ...(terms.length === 0 ? {} : { where: terms.join(' && ') }),
    key: { range: rangeExpr(spec, ranges), ...who },
    add: { count: '1' },
  };
  return {
    cpus,
    notes,
    shed: { last: 'duty' },
    events: [
      spec.probe === undefined
        ? { id, names: [spec.event], filter: spec.filter }
        : { id, names: [], probe: spec.probe.spec, filter: spec.filter },
    ],
    operators: [
      { op: 'count', name: 'now', on: [clause] },
      { op: 'count', name: 'total', keep: true, on: [clause] },
    ],
  };
}

/** One counted range, of one `who` where it is split. */
interface Cell {
  readonly who: string;
  readonly range: number;
  count: number;
  total: number;
}

function cellsOf(spec: HistSpec, tables: Readonly<Record<string, Table>>): Cell[] {
  const ranges = rangesOf(spec);
  const cells = new Map<string, Cell>();
  const at = (who: string, range: number): Cell => {
    const key = `${range} ${who}`;
    const found = cells.get(key) ?? { who, range, count: 0, total: 0 };
    cells.set(key, found);
    return found;
  };
  const { counters } = tables;
  if (counters !== undefined) {
    for (let row = 0; row < counters.length; row += 1) {
      const who = spec.by === 'cpu' ? String(numberAt(counters.columns.cpu, row)) : '';
      for (const range of ranges.keys()) {
        const cell = at(who, range);
        cell.count += numberAt(counters.columns[`b${range}`], row);
        cell.total += numberAt(counters.columns[`total:b${range}`], row);
      }
    }
    return [...cells.values()];
  }
  const split = spec.by;
  for (const [name, part] of [
    ['total', 'total'],
    ['now', 'count'],
  ] as const) {
    const table = tables[name];
    if (table === undefined) continue;
    for (let row = 0; row < table.length; row += 1) {
      const column: Column | undefined = split === undefined ? undefined : table.columns[split];
      const who =
        column === undefined
          ? ''
          : column instanceof Float64Array
            ? String(numberAt(column, row))
            : textAt(column, row);
      at(who, numberAt(table.columns.range, row))[part] += numberAt(table.columns.count, row);
    }
  }
  // A range that nothing fell into is news too, where there is but one histogram.
  if (split === undefined) for (const range of ranges.keys()) at('', range);
  return [...cells.values()];
}

/** What the counter that takes all values says; without one, the sum. */
function wholeOf(tables: Readonly<Record<string, Table>>, cells: readonly Cell[]): [number, number] {
  const { counters } = tables;
  if (counters === undefined)
    return [
      cells.reduce((sum, { count }) => sum + count, 0),
      cells.reduce((sum, { total }) => sum + total, 0),
    ];
  let [count, total] = [0, 0];
  for (let row = 0; row < counters.length; row += 1) {
    count += numberAt(counters.columns.all, row);
    total += numberAt(counters.columns['total:all'], row);
  }
  return [count, total];
}

export function rangeText({ low, high }: Range): string {
  if (!Number.isFinite(low)) return `< ${high + 1}`;
  if (!Number.isFinite(high)) return `>= ${low}`;
  return low === high ? String(low) : `${low} - ${high}`;
}

/** The value that a share of all lie below, as if those of a range lay evenly in it. NaN of nothing. */
export function quantileOf(counts: readonly number[], ranges: readonly Range[], share: number): number {
  const sum = counts.reduce((a, b) => a + b, 0);
  if (sum === 0) return Number.NaN;
  let left = sum * share;
  for (const [index, count] of counts.entries()) {
    const { low, high } = ranges[index] as Range;
    if (left > count || count === 0) {
      left -= count;
      continue;
    }
    if (!Number.isFinite(low)) return high;
    return Number.isFinite(high) ? low + ((high - low) * left) / count : low;
  }
  return (ranges.at(-1) as Range).low;
}

function deriveOf(spec: HistSpec, tables: Readonly<Record<string, Table>>): Record<string, Table> {
  const ranges = rangesOf(spec);
  const cells = cellsOf(spec, tables);
  const sums = new Map<string, number>();
  const most = new Map<string, number>();
  for (const { who, count } of cells) {
    sums.set(who, (sums.get(who) ?? 0) + count);
    most.set(who, Math.max(most.get(who) ?? 0, count));
  }
  const rangeOf = ({ range }: Cell) => ranges[range] as Range;
  const numbers = (of: (cell: Cell) => number) => Float64Array.from(cells, of);
  const share = (part: number, of: number | undefined) => (of === undefined || of === 0 ? 0 : part / of);
  const columns: Record<string, Column> = {
    range: numbers(({ range }) => range),
    text: textColumn(cells.map((cell) => rangeText(rangeOf(cell)))),
    low: numbers((cell) => finite(rangeOf(cell).low)),
    high: numbers((cell) => finite(rangeOf(cell).high)),
    count: numbers(({ count }) => count),
    pct: numbers(({ count, who }) => 100 * share(count, sums.get(who))),
    bar: textColumn(cells.map(({ count, who }) => '#'.repeat(Math.ceil(BAR * share(count, most.get(who)))))),
    total: numbers(({ total }) => total),
  };
  if (spec.by === 'comm') columns.comm = textColumn(cells.map(({ who }) => who));
  else if (spec.by !== undefined) columns[spec.by] = numbers(({ who }) => Number(who));
  const perRange = ranges.map((_, index) =>
    cells.reduce((sum, { range, total }) => (range === index ? sum + total : sum), 0),
  );
  const [count, total] = wholeOf(tables, cells);
  const summary: Table = {
    length: 1,
    key: ['what'],
    columns: {
      what: textColumn([`${spec.event} ${spec.field}`]),
      count: Float64Array.of(count),
      total: Float64Array.of(total),
      p50: Float64Array.of(quantileOf(perRange, ranges, 0.5)),
      p90: Float64Array.of(quantileOf(perRange, ranges, 0.9)),
      p99: Float64Array.of(quantileOf(perRange, ranges, 0.99)),
    },
  };
  return {
    ranges: { length: cells.length, key: spec.by === undefined ? ['range'] : [spec.by, 'range'], columns },
    summary,
  };
}

const finite = (value: number): number => (Number.isFinite(value) ? value : Number.NaN);

const BY: Readonly<Record<'pid' | 'comm' | 'cpu', ColumnSpec>> = {
  pid: { id: 'pid', title: 'PID', help: 'process', format: 'int', min: 7 },
  comm: { id: 'comm', title: 'COMMAND', help: 'name of the task', format: 'text', min: 15, max: 15 },
  cpu: { id: 'cpu', title: 'CPU', help: 'CPU that it happened on', format: 'int', min: 4 },
};

const RANGE_COLUMNS: readonly ColumnSpec[] = [
  { id: 'range', title: 'N', help: 'number of the range', format: 'int', hidden: 'both' },
  {
    id: 'text',
    title: 'RANGE',
    help: 'values, both ends in it',
    format: 'text',
    min: 20,
    max: 30,
    hidden: 'json',
  },
  { id: 'low', title: 'LOW', help: 'least value of the range; null: none', format: 'int', hidden: 'screen' },
  {
    id: 'high',
    title: 'HIGH',
    help: 'greatest value of the range; null: none',
    format: 'int',
    hidden: 'screen',
  },
  { id: 'count', title: 'COUNT', help: 'events in the interval', sum: true, format: 'int', min: 10 },
  {
    id: 'per_s',
    from: 'count',
    rate: true,
    title: 'RATE',
    help: 'events per second',
    format: 'number',
    min: 10,
  },
  { id: 'pct', title: '%', help: 'share of the interval’s events', format: 'percent', min: 6 },
  {
    id: 'total',
    title: 'TOTAL',
    help: 'events since the start',
    sum: true,
    format: 'int',
    min: 11,
    priority: 1,
  },
  {
    id: 'bar',
    title: 'BAR',
    help: 'COUNT, the greatest being the longest',
    format: 'text',
    min: 10,
    max: BAR,
    hidden: 'json',
    priority: 2,
  },
];

const about = (id: string, share: string): ColumnSpec => ({
  id,
  title: `~${id.toUpperCase()}`,
  help: `${share} of all values since the start are at most this; as if those of a range lay evenly in it`,
  format: 'int',
  min: 10,
});

/** The monitor of a histogram. */
export function histMonitor(spec: HistSpec): Monitor {
  const by = spec.by === undefined ? [] : [BY[spec.by]];
  return {
    name: spec.name,
    title: spec.title,
    summary: spec.summary ?? `How the values of ${spec.field} of ${spec.event} are spread`,
    options: ['cpu'],
    plan: ({ cpus }) => planOf(spec, cpus),
    derive: (tables) => deriveOf(spec, tables),
    panels: [
      {
        kind: 'table',
        id: 'rows',
        title: `${spec.field} of ${spec.event}`,
        table: 'ranges',
        sort: { column: spec.by === undefined ? 'range' : 'count', descending: spec.by !== undefined },
        empty: `no ${spec.event} yet`,
        columns: [...by, ...RANGE_COLUMNS],
      },
      {
        kind: 'table',
        id: 'summary',
        title: 'All values',
        table: 'summary',
        sort: { column: 'what', descending: false },
        empty: 'nothing yet',
        columns: [
          { id: 'what', title: 'WHAT', help: 'event and field', format: 'text', min: 30 },
          {
            id: 'count',
            title: 'COUNT',
            help: 'events in the interval, whatever their value: a counter of its own',
            sum: true,
            format: 'int',
            min: 10,
          },
          {
            id: 'total',
            title: 'TOTAL',
            help: 'the same since the start',
            sum: true,
            format: 'int',
            min: 11,
          },
          about('p50', 'half'),
          about('p90', '90 %'),
          about('p99', '99 %'),
        ],
      },
    ],
  };
}

const READ = HIST_PRESETS[0] as HistPreset;

/** The tab, as long as nothing else is asked for. */
export const hist: Monitor = histMonitor({
  ...READ,
  name: 'hist',
  title: 'Hist',
  bounds: powerBounds(4, 2 ** 20),
});
