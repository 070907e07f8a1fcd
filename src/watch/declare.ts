/** `SRC ARG… [if FILTER]` and what to make of it, as a monitor's declaration. Pure: formats of events are asked for. */
import type { EventField, EventFormat } from '../filter/event-format.ts';
import { filterText } from '../filter/expression.ts';
import { splitFilter, whereItRuns } from '../filter/kernel.ts';
import { suggestion } from '../filter/nearest.ts';
import { parseFilter } from '../filter/parse.ts';
import { powerBounds } from '../monitors/hist.ts';
import type { ProbeSpec } from '../monitors/monitor.ts';
import type { CustomSpec } from './custom.ts';
import { ROW_NAMES, type WatchEvent, type WatchKey, type WatchSpec } from './watch-monitor.ts';

/** One watch, as it is typed or as its file has it. */
export interface Declaration {
  readonly name: string;
  readonly title: string;
  readonly summary?: string;
  /** `SRC ARG… [if FILTER]`. */
  readonly watch: string;
  readonly list?: boolean;
  readonly count?: readonly string[];
  readonly hist?: string;
  readonly lat?: boolean;
  readonly by?: string;
  readonly top?: number;
}

/** What is wrong with a declaration, one sentence: cause; remedy. */
export class Undeclarable extends Error {}

/** Finds the fields of `sys:name`; throws where there is no such event. */
export type FormatOf = (event: string) => EventFormat;

/** What is watched, looked up. */
export interface Source {
  /** `sys:name`, or the place of a probe. */
  readonly name: string;
  readonly probe?: { readonly id: string; readonly spec: ProbeSpec; readonly end?: ProbeSpec };
  readonly format: EventFormat;
  /** What stands behind an event; of a probe it has become its arguments. */
  readonly args: readonly string[];
  readonly notes: readonly string[];
}

/** Looks up `SRC ARG…`; throws where there is no such place. */
export type SourceOf = (words: readonly string[]) => Promise<Source>;

const BY = ['pid', 'tid', 'comm', 'cpu', 'stack'] as const;
/** What every event can be counted by. */
const TASK_KEYS: Readonly<Record<string, WatchKey>> = {
  pid: { id: 'pid', expr: '$pid', text: false },
  tid: { id: 'tid', expr: '$tid', text: false },
  cpu: { id: 'cpu', expr: '$cpu', text: false },
  comm: { id: 'comm', expr: '$comm:text', text: true },
};
/** How a number may be shown, behind its name: `dev:device`. */
const SHOWN = ['device', 'ksym', 'symbol', 'hex'];

/** Throws an Undeclarable, a FilterError, or what the look-up throws; `self`: process that is not watched. */
export async function declare(
  from: Declaration,
  sourceOf: SourceOf,
  formatOf: FormatOf,
  self?: number,
): Promise<CustomSpec> {
  const { words, filter } = taken(from.watch);
  const modes = [from.list === true, from.count !== undefined, from.hist !== undefined, from.lat === true];
  if (modes.filter(Boolean).length > 1)
    throw new Undeclarable('list, count, hist and lat exclude each other; give one of them');
  const by = byOf(from.by);
  const found = await sourceOf(words);
  const { name: source, format, args, probe } = found;
  const mode: WatchSpec['mode'] = from.count !== undefined ? 'count' : from.lat === true ? 'lat' : 'list';
  if (args.length > 0 && mode !== 'count' && from.hist === undefined)
    throw new Undeclarable(
      `"${args[0]}" is not needed, a list has all fields of ${source}; name fields to count by, as in --count ${args.join(',')}`,
    );
  if (from.hist !== undefined) return histOf(from, from.hist, found, filter, by, self);
  // What a probe fetches is what it is watched for.
  const fetched =
    probe !== undefined && from.count?.length === 0 ? format.fields.map(({ name }) => name) : [];
  const names = [...(from.count ?? []), ...(mode === 'count' ? args : []), ...fetched];
  const keys = names.map((name) => keyOf(name, format));
  if (by !== undefined && by !== 'stack' && !keys.some(({ id }) => id === by))
    keys.push(TASK_KEYS[by] as WatchKey);
  const twice = keys.find(({ id }, at) => keys.findIndex((key) => key.id === id) !== at);
  if (twice !== undefined) throw new Undeclarable(`${twice.id} is named twice; name it once`);
  if (by === 'stack' && mode === 'lat')
    throw new Undeclarable('latencies are not told apart by stack; give --by pid, tid, comm or cpu');
  const split = splitFilter(filter === undefined ? undefined : parseFilter(filter), format, [
    ...ROW_NAMES[mode],
  ]);
  const ends = mode === 'lat' ? endOf(found, formatOf) : undefined;
  const notes = [...found.notes, whereItRuns(split)].filter((note) => note !== '');
  const spec: WatchSpec = {
    name: from.name,
    title: from.title,
    summary: from.summary ?? summaryOf(from, source),
    mode,
    start: probe === undefined ? { name: source } : { name: source, id: probe.id, probe: probe.spec },
    ...ends,
    ...(split.kernel === undefined ? {} : { filter: split.kernel }),
    ...(split.perEvent === undefined ? {} : { where: split.perEvent }),
    ...(split.rows === undefined ? {} : { rows: filterText(split.rows) }),
    keys,
    ...(by === 'stack' ? { stack: true } : {}),
    ...(from.top === undefined ? {} : { top: from.top }),
    ...(self === undefined ? {} : { self }),
    ...(notes.length === 0 ? {} : { notes }),
  };
  return { kind: 'watch', spec };
}

function taken(text: string): {
  readonly words: readonly string[];
  readonly filter: string | undefined;
} {
  const [, before = '', filter] = /^(.*?)(?:(?:^|\s+)if(?:\s+(.*))?)?$/s.exec(text.trim()) ?? [];
  const words = before
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0)
    throw new Undeclarable(
      "nothing is said to be watched; write it like 'sched:sched_process_exec if comm=make'",
    );
  if (/\sif\s*$/.test(text))
    throw new Undeclarable('the filter behind "if" is missing; write one, or leave "if" out');
  return { words, filter };
}

function byOf(by: string | undefined): (typeof BY)[number] | undefined {
  const found = BY.find((word) => word === by);
  if (by !== undefined && found === undefined)
    throw new Undeclarable(`by: "${by}" is not known; give one of ${BY.join(', ')}`);
  return found;
}

function summaryOf({ watch }: Declaration, source: string): string {
  return watch.trim() === source ? `What happens at ${source}` : watch.trim();
}

function fieldOf(name: string, format: EventFormat): EventField {
  const field = format.fields.find((each) => each.name === name);
  if (field !== undefined) return field;
  const names = [...format.fields.map((each) => each.name), ...Object.keys(TASK_KEYS)];
  throw new Undeclarable(
    `${format.event} has no field "${name}"${suggestion(name, names) || `; it has ${names.join(', ')}`}`,
  );
}

function keyOf(typed: string, format: EventFormat): WatchKey {
  const [name = '', shown] = typed.split(':');
  const own = format.fields.find((each) => each.name === name);
  const task = TASK_KEYS[name];
  if (own === undefined && task !== undefined && Object.hasOwn(TASK_KEYS, name)) return task;
  const field = fieldOf(name, format);
  if (field.kind === 'text') return { id: name, expr: `${name}:text`, text: true };
  if (field.kind === 'pointer')
    throw new Undeclarable(
      `${name} of ${format.event} points into the memory of a program, and is no text yet; filter by it, or count by another field`,
    );
  if (field.kind !== 'number')
    throw new Undeclarable(`${name} of ${format.event} is neither a number nor text; count by another field`);
  if (shown !== undefined && !SHOWN.includes(shown))
    throw new Undeclarable(`${name}: "${shown}" is no way to show a number; give one of ${SHOWN.join(', ')}`);
  const how =
    shown ?? (/^(?:call_site|location|caller|callsite)$/.test(name) && field.size === 8 ? 'ksym' : undefined);
  return how === undefined
    ? { id: name, expr: name, text: false }
    : { id: name, expr: `${name}:${how}`, text: true };
}

function histOf(
  from: Declaration,
  name: string,
  { format, probe, notes: found }: Source,
  filter: string | undefined,
  by: (typeof BY)[number] | undefined,
  self: number | undefined,
): CustomSpec {
  const field = fieldOf(name, format);
  if (field.kind !== 'number')
    throw new Undeclarable(`${name} of ${format.event} is no number; give a field that is one`);
  if (by === 'stack' || by === 'tid')
    throw new Undeclarable(`a histogram is not told apart by ${by}; give --by pid, comm or cpu`);
  if (from.top !== undefined) throw new Undeclarable('a histogram has all its ranges; leave top out');
  const split = splitFilter(filter === undefined ? undefined : parseFilter(filter), format);
  const notes = [...found, whereItRuns(split)].filter((note) => note !== '');
  return {
    kind: 'hist',
    spec: {
      name: from.name,
      title: from.title,
      ...(from.summary === undefined ? {} : { summary: from.summary }),
      event: format.event,
      field: name,
      signed: field.signed,
      size: field.size,
      bounds: powerBounds(4, 2 ** 20),
      ...(format.derived === true ? { derived: true } : {}),
      ...(by === undefined ? {} : { by }),
      ...(split.kernel === undefined ? {} : { filter: split.kernel }),
      ...(split.perEvent === undefined ? {} : { where: split.perEvent }),
      ...(probe === undefined ? {} : { probe: { id: probe.id, spec: probe.spec } }),
      ...(self === undefined ? {} : { self }),
      ...(notes.length === 0 ? {} : { notes }),
    },
  };
}

/** How events that begin something call those that end it. */
const ENDS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^sys_enter(_?)/, ['sys_exit$1']],
  [/_entry$/, ['_exit']],
  [/_enter$/, ['_exit']],
  [/_begin$/, ['_end']],
  [/_start$/, ['_end', '_done', '_complete', '_stop', '_finish']],
  [/_issue$/, ['_complete']],
];

function endOf(
  { name: source, format, probe }: Source,
  formatOf: FormatOf,
): { readonly end: WatchEvent; readonly pair: string } {
  if (probe?.end !== undefined)
    return { end: { name: source, id: `${probe.id}__end`, probe: probe.end }, pair: '$tid' };
  if (probe !== undefined)
    throw new Undeclarable(`lat needs the entry of a function, and ${source} is none; name a function`);
  const [system = '', name = ''] = source.split(':');
  for (const [pattern, ends] of ENDS) {
    if (!pattern.test(name)) continue;
    for (const end of ends) {
      const event = `${system}:${name.replace(pattern, end)}`;
      try {
        return { end: { name: event }, pair: pairOf(system, format, formatOf(event)) };
      } catch {
        // Another end may be the one.
      }
    }
  }
  throw new Undeclarable(
    `what ends ${source} is not known; lat takes events such as syscalls:sys_enter_read, irq:softirq_entry or block:block_rq_issue`,
  );
}

/** Interrupts stay on their CPU, requests have a place on a device, all else is of one task. */
function pairOf(system: string, start: EventFormat, end: EventFormat): string {
  const both = (name: string) =>
    [start, end].every(({ fields }) => fields.some((field) => field.name === name));
  if (both('dev') && both('sector')) return '(dev << 44) ^ sector';
  if (system === 'irq')
    return both('vec') ? '($cpu << 16) | vec' : both('irq') ? '($cpu << 16) | irq' : '$cpu';
  if (system === 'irq_vectors') return '$cpu';
  if (both('work')) return 'work';
  return '$tid';
}
