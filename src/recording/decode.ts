/** Lines of JSON as messages. Whatever they hold: what comes out is as the types say, or `Unfit` is thrown. */
import type { Options } from '../monitors/monitor.ts';
import {
  type Column,
  type Histogram,
  type LogEntry,
  markScaled,
  type Shed,
  type Snapshot,
  type Table,
} from '../sources/snapshot.ts';
import type { Capability, Failure, HostInfo, HostLoad, Mark, Totals } from '../sources/source.ts';
import { MOST_BUCKETS, MOST_COLUMNS, MOST_NAMES, MOST_ROWS } from './limits.ts';
import { readNumber, readNumbers } from './numbers.ts';
import { array, finite, type Json, members, moment, object, text, texts, Unfit, whole } from './shape.ts';

/** The text of a line as an object. */
export function parseLine(line: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Unfit('it is no JSON');
  }
  return object(value, 'the line');
}

export function readSnapshot(line: Json, monitor: string): Snapshot {
  const shed = line.shed === undefined ? undefined : readShed(line.shed);
  return {
    monitor,
    seq: whole(line.seq, 'seq'),
    time: moment(line.time, 'time'),
    mono_ms: finite(line.mono_ms, 'mono_ms'),
    interval_ms: finite(line.interval_ms, 'interval_ms', 0),
    backend: text(line.backend, 'backend'),
    events: finite(line.events, 'events', 0),
    lost: finite(line.lost, 'lost', 0),
    late: finite(line.late, 'late', 0),
    unseen: finite(line.unseen, 'unseen', 0),
    ...(shed === undefined ? {} : { shed }),
    notes: texts(line.notes, 'notes'),
    tables: markScaled(members(line.tables, 'tables', MOST_NAMES, readTable), shed),
    histograms: members(line.histograms, 'histograms', MOST_NAMES, (value, name) =>
      array(value, `histogram ${name}`, MOST_NAMES * MOST_COLUMNS).map(readHistogram),
    ),
    logs: members(line.logs, 'logs', MOST_NAMES, (value, name) =>
      array(value, `log ${name}`, MOST_ROWS).map(readEntry),
    ),
  };
}

function readShed(value: unknown): Shed {
  const shed = object(value, 'shed');
  const share = finite(shed.share, 'share', 0);
  if (share > 1) throw new Unfit('share is more than all');
  const kind = SHED_KINDS.find((known) => known === shed.kind);
  if (kind === undefined) throw new Unfit('kind of shed is not known');
  return {
    level: whole(shed.level, 'level', 100),
    kind,
    share,
    cost_pct: finite(shed.cost_pct, 'cost_pct', 0),
    text: text(shed.text, 'text of shed'),
  };
}

const SHED_KINDS = ['full', 'lean', 'filter', 'duty', 'off'] as const;

function readTable(value: unknown, name: string): Table {
  const table = object(value, `table ${name}`);
  const length = whole(table.length, `length of ${name}`, MOST_ROWS);
  const columns = members(table.columns, `columns of ${name}`, MOST_COLUMNS, (column, id) =>
    readColumn(column, length, `${name}.${id}`),
  );
  if (length > 0 && Object.keys(columns).length === 0) throw new Unfit(`${name} has rows and no columns`);
  const key = texts(table.key, `key of ${name}`);
  for (const id of key)
    if (!Object.hasOwn(columns, id)) throw new Unfit(`key column ${id} of ${name} is missing`);
  return { length, key, columns };
}

function readColumn(value: unknown, length: number, what: string): Column {
  if (Array.isArray(value)) {
    const numbers = readNumbers(value, length);
    if (numbers === undefined) throw new Unfit(`column ${what} is not ${length} numbers`);
    return numbers;
  }
  const column = object(value, `column ${what}`);
  const strings = texts(column.strings, `texts of ${what}`);
  const given = array(column.ids, `ids of ${what}`);
  if (given.length !== length) throw new Unfit(`column ${what} has ${given.length} ids, not ${length}`);
  const ids = new Uint32Array(length);
  for (let row = 0; row < length; row += 1) {
    const id = given[row];
    if (typeof id !== 'number' || !(id >= 0 && id < strings.length) || !Number.isInteger(id))
      throw new Unfit(`an id of ${what} stands for no text`);
    ids[row] = id;
  }
  return { ids, strings };
}

function readHistogram(value: unknown): Histogram {
  const { label, unit, low, high, count } = object(value, 'a histogram');
  const length = array(count, 'counts', MOST_BUCKETS).length;
  const columns = [low, high, count].map((column) => {
    const numbers = readNumbers(column, length);
    if (numbers === undefined) throw new Unfit(`a histogram is not ${length} numbers wide`);
    return numbers;
  }) as [Float64Array, Float64Array, Float64Array];
  return {
    label: text(label, 'label'),
    unit: text(unit, 'unit'),
    low: columns[0],
    high: columns[1],
    count: columns[2],
  };
}

function readEntry(value: unknown): LogEntry {
  const entry = object(value, 'an entry');
  const number = (name: string): number => {
    const found = readNumber(entry[name]);
    if (found === undefined) throw new Unfit(`${name} of an entry is no number`);
    return found;
  };
  return {
    at_ms: number('at_ms'),
    cpu: number('cpu'),
    pid: number('pid'),
    tid: number('tid'),
    comm: text(entry.comm, 'comm'),
    text: text(entry.text, 'text of an entry'),
    ...(entry.stack === undefined ? {} : { stack: texts(entry.stack, 'stack') }),
    ...(entry.between === undefined ? {} : { between: texts(entry.between, 'between') }),
  };
}

export function readHost(value: unknown): HostInfo {
  const { host, kernel, cpus, boot_time } = object(value, 'host');
  return {
    host: text(host, 'host'),
    kernel: text(kernel, 'kernel'),
    cpus: whole(cpus, 'cpus', 1 << 20),
    boot_time: moment(boot_time, 'boot_time'),
  };
}

export function readLoad(value: unknown): HostLoad {
  const { uptime_s, load, self_cpu_pct, self_rss } = object(value, 'load');
  const [one, five, fifteen] = array(load, 'load', 3);
  return {
    uptime_s: finite(uptime_s, 'uptime_s', 0),
    load: [finite(one, 'load', 0), finite(five, 'load', 0), finite(fifteen, 'load', 0)],
    self_cpu_pct: finite(self_cpu_pct, 'self_cpu_pct', 0),
    self_rss: finite(self_rss, 'self_rss', 0),
  };
}

export function readCapabilities(value: unknown): readonly Capability[] {
  return array(value, 'capabilities', 1000).map((item) => {
    const { monitor, state, needs, backend, why, remedy } = object(item, 'a capability');
    if (state !== 'yes' && state !== 'degraded' && state !== 'no') throw new Unfit('state is not known');
    return {
      monitor: text(monitor, 'monitor'),
      state,
      needs: texts(needs, 'needs'),
      backend: text(backend, 'backend'),
      why: text(why, 'why'),
      remedy: text(remedy, 'remedy'),
    };
  });
}

export function readFailure(value: unknown, monitor: string): Failure {
  const { kind, text: words } = object(value, 'failure');
  if (kind !== 'usage' && kind !== 'host' && kind !== 'internal') throw new Unfit('kind is not known');
  return { monitor, kind, text: text(words, 'text') };
}

export function readTotals(value: unknown): Totals {
  const { lost, late, unseen } = object(value, 'totals');
  return {
    lost: finite(lost, 'lost', 0),
    late: finite(late, 'late', 0),
    unseen: finite(unseen, 'unseen', 0),
  };
}

export function readMark(value: unknown, time: number, monitor: string): Mark {
  const { kind, text: words } = object(value, 'mark');
  if (kind !== 'incident' && kind !== 'loss') throw new Unfit('kind is not known');
  return { time, kind, monitor, text: text(words, 'text').slice(0, 200) };
}

/** The options that are of the type they must have; others are left out. */
export function readOptions(value: unknown): Options {
  const given = Object.entries(object(value, 'options'));
  const kept = given.filter(
    ([name, member]) => Object.hasOwn(OPTION_TYPES, name) && OPTION_TYPES[name]?.(member) === true,
  );
  return { interval_ms: 1000, ...Object.fromEntries(kept) };
}

const isNumber = (value: unknown): boolean => Number.isFinite(value);
const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const isText = (value: unknown): boolean => typeof value === 'string';
const listOf =
  (fits: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.length <= 10_000 && value.every(fits);
const isChoice = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  isText((value as Json).name) &&
  ((value as Json).filter === undefined || isText((value as Json).filter));

const OPTION_TYPES: Readonly<Partial<Record<string, (value: unknown) => boolean>>> = {
  cpus: listOf(isNumber),
  pids: listOf(isNumber),
  interval_ms: isNumber,
  mmap_pages: isNumber,
  than_ms: isNumber,
  than_us: isNumber,
  than_pct: isNumber,
  latency_us: isNumber,
  percpu: isBoolean,
  callgraph: isBoolean,
  sleeping: isBoolean,
  uninterruptible: isBoolean,
  filter: isText,
  events: listOf(isChoice),
  key: isText,
  alloc: listOf(isText),
  free: listOf(isText),
  age_ms: isNumber,
  frequency: isNumber,
  precise: isBoolean,
  exclude_user: isBoolean,
  exclude_kernel: isBoolean,
  exclude_guest: isBoolean,
  guest: isBoolean,
  trigger: isNumber,
  test: isBoolean,
  syscalls: isBoolean,
  // What was armed is not armed again.
  probes: () => false,
  summary: isBoolean,
  launched: isBoolean,
  functions: listOf(isText),
  subtrees: listOf(isText),
  depth: isNumber,
  all: isBoolean,
  yes: isBoolean,
  collapse: isBoolean,
  command: listOf(isText),
  command_quiet: isBoolean,
  budget_pct: isNumber,
  backend: (value) => value === 'perf' || value === 'tracefs',
} satisfies Record<keyof Options, (value: unknown) => boolean>;
