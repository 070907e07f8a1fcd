/** The probes of a dashboard: what has been typed there, and on the command line before. */
import type { Options, ProbeChoice, ProbeChoices } from '../monitors/monitor.ts';
import { probe as monitor } from '../monitors/probe.ts';
import type { Later } from '../output/stream.ts';
import { chooseProbes, costPercent, tooMuch } from '../probes/choose.ts';
import { Kernel } from '../probes/kernel.ts';
import { NoProbe } from '../probes/probe.ts';
import { KEPT, resolveProbe } from '../probes/resolve.ts';
import { removeKept, tryProbe } from '../probes/tracefs.ts';
import { isLoaded } from '../recipes/build-ids.ts';
import { recipeOfProbes } from '../recipes/export.ts';
import { readRecipe } from '../recipes/read.ts';
import { BadRecipe, type RecipeProbe } from '../recipes/recipe.ts';
import { choicesOf, fitRecipe, viewsOf } from '../recipes/use.ts';
import { writeRecipe } from '../recipes/write.ts';
import type { ProbeDesk, Said } from '../ui/probe-desk.ts';
import { VERSION } from './version.ts';

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
  /** Of recipes whose modules are not loaded: tries again. */
  /** What probes were in the recipes that they came from. */
  readonly #made = new Map<string, RecipeProbe>();
  readonly #later: (() => Said | undefined)[] = [];

  /** `from`: what the command line has asked for; `later`: what it still waits for. */
  constructor(from: ProbeChoices | undefined, later?: Later) {
    if (later !== undefined) this.#later.push(() => this.#settled(later));
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

  async takeRecipe(path: string): Promise<Said> {
    try {
      const recipe = readRecipe(fromHome(path));
      const settings = { only: [], pid: undefined, filter: '', stack: this.#choices.list[0]?.stack === true };
      const fits = fitRecipe(recipe, this.#kernel, settings);
      const choices = choicesOf(fits, settings);
      let cost = 0;
      for (const [index, { ready }] of fits.entries()) {
        if (ready === undefined) continue;
        const per_s = await tryProbe(this.#kernel.tracefs, ready, choices[index]?.filter ?? '', TRIAL_MS);
        if (tooMuch(ready.probe?.kind ?? 'kprobe', per_s))
          cost += costPercent(ready.probe?.kind ?? 'kprobe', per_s);
      }
      if (cost > 0 && this.#warned !== path) {
        this.#warned = path;
        return not(`its probes would cost ${cost.toFixed(0)} % of a CPU; type it again to arm them`);
      }
      this.#warned = '';
      const names: string[] = [];
      let list = this.#choices.list;
      for (const choice of choices) {
        const name = unique(choice.name, list);
        names.push(name);
        this.#typed.set(name, typedAs({ ...choice, name }));
        const made = recipe.probes.find(({ id }) => id === choice.name);
        if (made !== undefined) this.#made.set(name, made);
        list = [...list, { ...choice, name }];
      }
      this.#choices = { ...viewsOf(fits), ...this.#choices, list };
      const waiting = choices.filter(({ held }) => held === true);
      if (waiting.length > 0) this.#later.push(() => this.#retried(path, names));
      const notes = [...new Set(fits.flatMap(({ notes }) => notes))];
      const armed =
        waiting.length === 0
          ? 'armed'
          : `taken; ${waiting.map(({ waits }) => waits).join(', ')} is waited for`;
      return done([`${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} ${armed}`, ...notes].join('; '));
    } catch (error) {
      return refusal(error);
    }
  }

  exportRecipe(path: string, name?: string): Said {
    try {
      const list = this.#choices.list.filter((one) => name === undefined || one.name === name);
      const asTyped = list.map((one) => {
        const query = one.query ?? apart(this.#typed.get(one.name) ?? '').definition;
        return { ...one, query };
      });
      const { recipe, left } = recipeOfProbes(
        { ...this.#choices, list: asTyped },
        this.#kernel,
        `ktop ${VERSION}`,
        (one) => this.#made.get(one),
      );
      writeRecipe(fromHome(path), recipe);
      const count = `${recipe.probes.length} probe${recipe.probes.length === 1 ? '' : 's'}`;
      // Not `done`: nothing has changed that the tab would have to be opened anew for.
      return not([`${path} has ${count}`, ...left.map((why) => `left out ${why}`)].join('; '));
    } catch (error) {
      return refusal(error);
    }
  }

  awaited(): Said | undefined {
    for (const [index, ask] of this.#later.entries()) {
      const said = ask();
      if (said === undefined) continue;
      this.#later.splice(index, 1);
      return said.text === '' ? undefined : said;
    }
    return undefined;
  }

  /** What the command line waits for has come, or will not. */
  #settled(later: Later): Said | undefined {
    const next = later();
    if (next === undefined) return undefined;
    if (next.options === undefined) return not(next.text);
    const fresh = new Map((next.options.probes?.list ?? []).map((one) => [one.name, one]));
    this.#set(this.#choices.list.map((one) => (one.held === true ? (fresh.get(one.name) ?? one) : one)));
    // There may be more than one module to wait for.
    if (next.options.probes?.list.some(({ held }) => held === true))
      this.#later.push(() => this.#settled(later));
    return done(next.text);
  }

  /** The same for a recipe that was taken in here. */
  #retried(path: string, names: readonly string[]): Said | undefined {
    const waiting = this.#choices.list.filter(({ name, held }) => names.includes(name) && held === true);
    // Deleted in the meantime.
    if (waiting.length === 0) return not('');
    if (!waiting.some(({ waits = '' }) => waits.split(', ').some(isLoaded))) return undefined;
    try {
      const fits = fitRecipe(readRecipe(fromHome(path)), new Kernel(), { only: [], pid: undefined });
      const fresh = choicesOf(fits, { filter: '', stack: this.#choices.list[0]?.stack === true });
      this.#set(
        this.#choices.list.map((one) => {
          const at = names.indexOf(one.name);
          const choice = fresh[at];
          return one.held !== true || choice === undefined ? one : { ...choice, name: one.name };
        }),
      );
      if (this.#choices.list.some(({ name, held }) => names.includes(name) && held === true))
        this.#later.push(() => this.#retried(path, names));
      return done('the module is loaded, and of the right build: armed');
    } catch (error) {
      return refusal(error);
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

function refusal(error: unknown): Said {
  if (error instanceof NoProbe || error instanceof BadRecipe) return not(error.message);
  throw error;
}

const fromHome = (path: string): string =>
  path.startsWith('~/') ? `${process.env.HOME ?? ''}${path.slice(1)}` : path;

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
function typedAs({ name, probe, event, filter, query }: ProbeChoice): string {
  if (query !== undefined) return filter === undefined ? query : `${query} if ${filter}`;
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
