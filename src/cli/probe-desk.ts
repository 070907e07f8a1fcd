/** The probes of a dashboard: what has been typed there, and on the command line before. */
import type { Options, ProbeChoice, ProbeChoices } from '../monitors/monitor.ts';
import { probe as monitor } from '../monitors/probe.ts';
import { chooseProbes, costPercent, tooMuch } from '../probes/choose.ts';
import { Kernel } from '../probes/kernel.ts';
import { NoProbe } from '../probes/probe.ts';
import { KEPT, resolveProbe } from '../probes/resolve.ts';
import { removeKept, tryProbe } from '../probes/tracefs.ts';
import type { ProbeDesk, Said } from '../ui/probe-desk.ts';

/** How long a probe is armed to see how often it fires. */
const TRIAL_MS = 100;
const OF_TASK = ['comm', 'pid', 'tid', 'cpu', 'stack'];

const done = (text: string): Said => ({ done: true, text });
const not = (text: string): Said => ({ done: false, text });

export class Desk implements ProbeDesk {
  readonly tab = monitor.name;
  readonly #kernel = new Kernel();
  readonly #typed = new Map<string, string>();
  #choices: ProbeChoices;
  /** Typed, and found to be expensive: typed again it is taken. */
  #warned = '';

  /** `from`: what the command line has asked for. */
  constructor(from: ProbeChoices | undefined) {
    this.#choices = { list: [], ...from, only: false };
    for (const one of this.#choices.list) this.#typed.set(one.name, typedAs(one));
  }

  options(given: Options): Options {
    return { ...given, probes: this.#choices };
  }

  async add(typed: string, replaces?: string): Promise<Said> {
    try {
      const { definition, filter } = apart(typed);
      const ready = resolveProbe(definition, this.#kernel, { path: '', returns: false });
      const others = this.#choices.list.filter(({ name }) => name !== replaces);
      if (ready.event !== undefined && others.some(({ event }) => event === ready.event))
        return not(`${ready.event} is watched already`);
      const per_s = await tryProbe(this.#kernel.tracefs, ready, filter, TRIAL_MS);
      if (tooMuch(ready.probe?.kind ?? 'kprobe', per_s) && this.#warned !== typed) {
        this.#warned = typed;
        const cost = costPercent(ready.probe?.kind ?? 'kprobe', per_s).toFixed(0);
        return not(
          `${ready.name} fires ${Math.round(per_s)} times a second: ${cost} % of a CPU; type it again to arm it`,
        );
      }
      this.#warned = '';
      const name = unique(ready.name, others);
      const { stack = false } = this.#choices.list[0] ?? {};
      const [choice] = chooseProbes([{ ...ready, name }], {
        filter,
        stack,
        latency: false,
        count: undefined,
        histogram: undefined,
      });
      if (choice === undefined) return not('nothing was typed');
      this.#typed.set(name, typed);
      this.#set([...others, choice]);
      return done([`${name} is armed`, ...ready.notes].join('; '));
    } catch (error) {
      if (!(error instanceof NoProbe)) throw error;
      const [line, caret] = error.lines;
      const at = line === undefined || caret === undefined ? '' : `: at "${line.slice(caret.indexOf('^'))}"`;
      return not(`${error.message}${at}`);
    }
  }

  remove(name: string, source: string): Said {
    const own = this.#choices.list.find((one) => one.name === name);
    if (own !== undefined) {
      this.#typed.delete(name);
      this.#set(this.#choices.list.filter((one) => one !== own));
      if (own.source !== 'kept') return done(`${name} is gone`);
      return done(`${name} is no longer watched; d again deletes it`);
    }
    if (source !== 'kept') return not(`${name} belongs to ${source}; delete it there`);
    try {
      removeKept(this.#kernel.tracefs, KEPT, name);
      return done(`${name} is deleted`);
    } catch (error) {
      if (!(error instanceof NoProbe)) throw error;
      return not(error.message);
    }
  }

  toggle(name: string, source: string): Said {
    const own = this.#choices.list.find((one) => one.name === name);
    if (own === undefined) {
      const event = source === 'kept' ? `${KEPT}:${name}` : `${source}:${name}`;
      if (!this.#kernel.isEvent(event))
        return not(`${name} is of another ktop; it can be watched there only`);
      const choice: ProbeChoice = {
        name: unique(name, this.#choices.list),
        event,
        place: event,
        fields: [],
        source: source === 'kept' ? 'kept' : 'event',
      };
      this.#typed.set(choice.name, event);
      this.#set([...this.#choices.list, choice]);
      return done(`${name} is watched`);
    }
    const off = own.off !== true;
    this.#set(this.#choices.list.map((one) => (one === own ? { ...one, off } : one)));
    return done(`${name} is ${off ? 'disarmed' : 'armed'}`);
  }

  definition(name: string): string {
    return this.#typed.get(name) ?? '';
  }

  count(argument: string): Said {
    if (argument === '') {
      const { count: _, ...rest } = this.#choices;
      this.#choices = rest;
      return done('nothing is counted');
    }
    if (!this.#has(argument) && !OF_TASK.includes(argument)) return this.#without(argument);
    this.#choices = { ...this.#choices, count: argument };
    return done(`counted by ${argument}`);
  }

  histogram(argument: string): Said {
    if (argument === '') {
      const { histogram: _, ...rest } = this.#choices;
      this.#choices = rest;
      return done('no histogram');
    }
    if (!this.#has(argument)) return this.#without(argument);
    this.#choices = { ...this.#choices, histogram: argument };
    return done(`histogram of ${argument}`);
  }

  stacks(): Said {
    const stack = this.#choices.list.some((one) => one.stack !== true);
    this.#set(this.#choices.list.map((one) => ({ ...one, stack })));
    return done(stack ? 'records have call chains' : 'records have no call chains');
  }

  mark(name: string, _source: string): string {
    const own = this.#choices.list.find((one) => one.name === name);
    return own?.event === undefined ? `probe:${name}:` : `${own.event}:`;
  }

  arguments(): readonly string[] {
    return [...new Set(this.#choices.list.flatMap(({ fields }) => fields))];
  }

  #has(argument: string): boolean {
    return this.#choices.list.some(({ event, fields }) => event !== undefined || fields.includes(argument));
  }

  #without(argument: string): Said {
    const known = this.arguments();
    return not(
      `no probe has an argument ${argument}; ${known.length === 0 ? 'they have none' : `there are ${known.join(', ')}`}`,
    );
  }

  #set(list: readonly ProbeChoice[]): void {
    this.#choices = { ...this.#choices, list };
    const { count, histogram } = this.#choices;
    // What no probe has any more cannot be asked for.
    if (count !== undefined && !OF_TASK.includes(count) && !this.#has(count)) this.count('');
    if (histogram !== undefined && !this.#has(histogram)) this.histogram('');
  }
}

/** `DEF if FILTER`. */
function apart(typed: string): { readonly definition: string; readonly filter: string } {
  const at = typed.search(/\sif\s/);
  return at < 0
    ? { definition: typed, filter: '' }
    : { definition: typed.slice(0, at).trim(), filter: typed.slice(at + 4).trim() };
}

function unique(name: string, others: readonly ProbeChoice[]): string {
  let free = name;
  for (let n = 2; others.some((one) => one.name === free); n += 1) free = `${name}_${n}`;
  return free;
}

/** As tracefs has it: what the command line has said is looked up already. */
function typedAs({ name, probe, event, filter }: ProbeChoice): string {
  const letters = {
    kprobe: 'p',
    uprobe: 'p',
    kretprobe: 'r',
    uretprobe: 'r',
    fprobe: 'f',
    tprobe: 't',
    eprobe: 'e',
  };
  const text = probe === undefined ? (event ?? '') : `${letters[probe.kind]}:${name} ${probe.definition}`;
  return filter === undefined ? text : `${text} if ${filter}`;
}
