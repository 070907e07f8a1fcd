/** Looked-up probes → what the monitor is opened with: unique names, returns for latencies, arguments that are there. */
import type { ProbeChoice, ProbeSpec } from '../monitors/monitor.ts';
import { NoProbe, type ReadyProbe } from './probe.ts';

/** Words that stand for what every record has. */
const OF_TASK = ['comm', 'pid', 'tid', 'cpu', 'stack'];
/** What one hit costs the one who is hit, µs: measured on a small virtual machine, records included. */
const COST_US: Readonly<Record<ProbeSpec['kind'], number>> = {
  kprobe: 1.2,
  kretprobe: 1.8,
  fprobe: 1,
  tprobe: 1,
  eprobe: 1,
  uprobe: 5,
  uretprobe: 8.5,
};

/** Above this many hits a second somebody must have agreed. */
export const MANY_PER_S = 100_000;
/** And above this share of a CPU. */
const MOST_PERCENT = 10;

export interface ChoiceOptions {
  readonly filter: string;
  readonly stack: boolean;
  readonly latency: boolean;
  readonly count: string | undefined;
  readonly histogram: string | undefined;
}

/** Throws a NoProbe (usage) where an argument is asked for that no probe has, or a latency of what has no return. */
export function chooseProbes(ready: readonly ReadyProbe[], options: ChoiceOptions): ProbeChoice[] {
  const list = named(ready).map((one): ProbeChoice => {
    const { name, probe, event, place, fields, source, waits, display, query } = one;
    const end = options.latency ? endOf(one) : undefined;
    return {
      name,
      place,
      fields,
      source,
      ...(probe === undefined ? {} : { probe }),
      ...(event === undefined ? {} : { event }),
      ...(waits === undefined ? {} : { waits }),
      ...(display === undefined ? {} : { display }),
      ...(query === undefined ? {} : { query }),
      ...(options.filter === '' ? {} : { filter: options.filter }),
      ...(options.stack || options.count === 'stack' ? { stack: true } : {}),
      ...(end === undefined ? {} : { end }),
    };
  });
  for (const field of [options.count, options.histogram]) {
    if (field === undefined || (field === options.count && OF_TASK.includes(field))) continue;
    if (list.some(({ probe, fields }) => probe === undefined || fields.includes(field))) continue;
    const known = [...new Set(list.flatMap(({ fields }) => fields))];
    throw new NoProbe(
      'usage',
      `no probe here has an argument ${field}; ${known.length === 0 ? 'they have none: name some in the definition' : `they have ${known.join(', ')}`}`,
    );
  }
  return list;
}

/** Names that come twice get a number. */
function named(ready: readonly ReadyProbe[]): ReadyProbe[] {
  const taken = new Set<string>();
  return ready.map((one) => {
    let name = one.name;
    for (let n = 2; taken.has(name); n += 1) name = `${one.name}_${n}`;
    taken.add(name);
    return { ...one, name };
  });
}

function endOf({ name, probe, place }: ReadyProbe): ProbeSpec {
  const where = probe?.definition.split(' ')[0] ?? '';
  if (probe?.kind === 'kprobe' && /\+0$|^[^+]+$/.test(where))
    return { kind: 'kretprobe', definition: where.replace(/\+0$/, '') };
  if (probe?.kind === 'uprobe' && !place.includes(' ')) return { kind: 'uretprobe', definition: where };
  throw new NoProbe(
    'usage',
    `--lat needs the entry of a function, and ${name} is ${probe === undefined ? 'an event' : `a ${probe.kind} on ${place}`}; name a function`,
  );
}

/**
 * Whether somebody must agree first. A hot function of a program is slowed by its own probe and fires less often while it is
 * tried: what it costs tells more than how often it fires.
 */
export function tooMuch(kind: ProbeSpec['kind'], per_s: number): boolean {
  return per_s > MANY_PER_S || costPercent(kind, per_s) > MOST_PERCENT;
}

/** Share of one CPU that so many hits cost, in percent. */
export function costPercent(kind: ProbeSpec['kind'], per_s: number): number {
  return (COST_US[kind] * per_s) / 1e4;
}
