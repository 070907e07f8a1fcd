/** A query → a probe, by debug information: perf reads it, and what perf says is not believed before it is checked. */

import { sanitise } from '../panels/sanitise.ts';
import { withElf } from '../probes/elf.ts';
import { NoProbe } from '../probes/probe.ts';
import { argumentsOf } from './arguments.ts';
import { type Definition, parseDefinitions, parseVariables } from './definitions.ts';
import { askPerf, type Said } from './perf.ts';
import { forPerf, isReturn, lineOf, type Query } from './query.ts';
import { FEW_PLACES, MOST, type RecipePlace } from './recipe.ts';
import { chainAt, type Frame, type Line } from './source-lines.ts';
import type { Found, Host, Subject } from './subject.ts';

/** Lines from the head of a function to its first that has code, at most. */
const MOST_DECLARED = 12;

/** Where a function is found at all: its own entry, and the functions that it is inlined into. */
interface Hosts {
  readonly places: readonly Host[];
  readonly definitions: readonly Definition[];
  readonly names: ReadonlySet<string>;
}

export class DwarfMaker {
  readonly #hosts = new Map<string, Promise<Hosts>>();
  readonly #functions = new Map<string, readonly { name: string; offset: number; size: number }[]>();
  readonly #signal: AbortSignal | undefined;
  /** What may be asked of whoever sits there; undefined: nobody does. */
  readonly #agree: (question: string) => Promise<boolean | undefined>;

  constructor(agree: (question: string) => Promise<boolean | undefined>, signal?: AbortSignal) {
    this.#agree = agree;
    this.#signal = signal;
  }

  /** Whether the file knows the function at all, inlined or not. */
  async knows(subject: Subject, symbol: string): Promise<boolean> {
    if (subject.image !== undefined && subject.image.functions(symbol).length > 0) return true;
    return (await this.#perf(subject, ['-D', symbol])).code === 0;
  }

  /** Throws a NoProbe: what is wrong, and what would be right. */
  async make(asked: Query, subject: Subject): Promise<Found> {
    // A return without arguments would tell nothing but that it happened.
    const query = isReturn(asked) && asked.args.length === 0 ? { ...asked, args: ['$retval'] } : asked;
    const hosts = query.symbol === '' ? undefined : await this.#hostsOf(query.symbol, subject);
    if (isReturn(query)) this.#refuseInlined(query, subject, hosts as Hosts);
    const said = await this.#perf(subject, ['-D', forPerf(query)]);
    if (said.code !== 0) throw await this.#explained(query, subject, said);
    const definitions = parsed(said.stdout, query);
    const [first] = definitions;
    if (first === undefined)
      throw new NoProbe('host', `perf defines nothing for ${query.text}; give another place`);
    if (definitions.length > MOST.places)
      throw new NoProbe(
        'host',
        `${query.symbol}${query.where} is in ${definitions.length} places, and a recipe takes ${MOST.places} at most; take one of the functions that it is inlined into`,
      );
    const at = definitions.map((one) => this.#hostOf(one, query, subject));
    for (const host of at) this.#refuseStray(host, query, hosts);
    if (definitions.length > FEW_PLACES) await this.#askAbout(query, definitions.length);
    const lines = await this.#linesOf(definitions, at, query, subject);
    const places = definitions.map((one, index) =>
      this.#placeOf(one, at[index] as Host, lines[index], query, subject, first),
    );
    const variables = await this.#variables(query, subject);
    return {
      event: query.name === '' ? first.event : query.name,
      kind: `${subject.image === undefined ? 'u' : 'k'}${first.returns ? 'ret' : ''}probe`,
      places,
      args: argumentsOf(definitions, query, variables, subject),
      maxactive: first.maxactive > 0 ? first.maxactive : null,
      notes: notesOn(query, hosts),
    };
  }

  #perf(subject: Subject, args: readonly string[]): Promise<Said> {
    return askPerf([...subject.options, ...args], this.#signal);
  }

  #hostsOf(symbol: string, subject: Subject): Promise<Hosts> {
    const key = `${subject.label} ${symbol}`;
    let known = this.#hosts.get(key);
    if (known === undefined) {
      known = this.#findHosts(symbol, subject);
      this.#hosts.set(key, known);
    }
    return known;
  }

  async #findHosts(symbol: string, subject: Subject): Promise<Hosts> {
    const said = await this.#perf(subject, ['-D', symbol]);
    if (said.code !== 0) {
      if (subject.image !== undefined && subject.image.functions(symbol).length > 0)
        throw new NoProbe('host', `perf finds no place for ${symbol} in ${subject.label}: ${words(said)}`);
      if (/[Nn]o debug ?info|debug information|Debuginfo|not found in .*debug/.test(said.why))
        throw new NoProbe('host', `${subject.label} has no debug information; ${subject.remedy}`);
      throw new NoProbe(
        'host',
        `${subject.label} has no function ${symbol}, neither as such nor inlined${this.#near(symbol, subject)}`,
      );
    }
    const definitions = parsed(said.stdout, undefined);
    const places = definitions.map((one) => this.#hostOf(one, undefined, subject));
    return { places, definitions, names: new Set(places.map((one) => one.symbol)) };
  }

  #near(symbol: string, subject: Subject): string {
    const test = new RegExp(symbol.replace(/[.]/g, '\\.').replace(/^_+/, ''));
    const near =
      subject.image === undefined
        ? [...new Set(this.#functionsOf(subject.path).map(({ name }) => name))].filter((name) =>
            test.test(name),
          )
        : subject.image.names(test);
    return near.length === 0 ? '; check its name' : `; did you mean ${near.slice(0, 3).join(', ')}?`;
  }

  /** The function of the file that a place is in: perf goes past the ends of functions, and names what it likes. */
  #hostOf(one: Definition, query: Query | undefined, subject: Subject): Host {
    const asked = query === undefined ? '' : ` for ${query.text}`;
    if (subject.image === undefined) {
      const around = this.#functionsOf(subject.path).filter(
        ({ offset, size }) => one.offset >= offset && one.offset < offset + Math.max(1, size),
      );
      const best = around.find(({ name }) => name === query?.symbol) ?? around[0];
      return best === undefined
        ? { symbol: '', offset: one.offset, size: 0 }
        : { symbol: best.name, offset: one.offset - best.offset, size: best.size };
    }
    const found = subject.image.functions(one.symbol);
    const [only, ...others] = found;
    if (only === undefined)
      throw new NoProbe(
        'host',
        `perf says ${one.symbol}${asked}, and ${subject.label} has no function of that name`,
      );
    if (others.length > 0)
      throw new NoProbe(
        'host',
        `${found.length} functions of ${subject.label} are called ${one.symbol}: the name alone is ambiguous; take another place`,
      );
    if (only.size > 0 && one.offset >= only.size)
      throw new NoProbe(
        'host',
        `${one.symbol}+${one.offset}, which perf gives${asked}, is past the end of ${one.symbol}, which has ${only.size} bytes; take another line`,
      );
    if (query !== undefined && subject.image.isForbidden(only))
      throw new NoProbe(
        'host',
        `${one.symbol} must not be probed: it is on the kernel's blacklist of kprobes, or marked noinstr; probe its caller`,
      );
    return { symbol: one.symbol, offset: one.offset, size: only.size };
  }

  #functionsOf(path: string): readonly { name: string; offset: number; size: number }[] {
    let known = this.#functions.get(path);
    if (known === undefined) {
      known = withElf(path, (elf) => elf.functions(/./));
      this.#functions.set(path, known);
    }
    return known;
  }

  /** A line past the end of a function is resolved by perf all the same, to the next function. */
  #refuseStray({ symbol, offset }: Host, query: Query, hosts: Hosts | undefined): void {
    if (hosts === undefined || hosts.names.has(symbol) || isPartOf(symbol, query.symbol)) return;
    const line = lineOf(query);
    const what = line === undefined ? `${query.symbol}${query.where}` : `line ${line} of ${query.symbol}`;
    const inside = [...hosts.names].slice(0, 4).join(', ');
    throw new NoProbe(
      'host',
      `${what} is past its end: perf resolves it to ${symbol}+${offset}, and ${query.symbol} is in ${inside} only; take a line of it (ktop probe lines ${query.symbol})`,
    );
  }

  #refuseInlined(query: Query, subject: Subject, hosts: Hosts): void {
    const { symbol } = query;
    if (hosts.names.has(symbol) || (subject.image?.functions(symbol).length ?? 0) > 0) return;
    const where = hosts.places.slice(0, 6).map((one) => `${one.symbol}+${one.offset}`);
    const more = hosts.places.length > where.length ? ' …' : '';
    throw new NoProbe(
      'host',
      `${symbol} is inlined into ${where.join(', ')}${more}: its return cannot be probed; its entry and its lines can (${symbol}, ${symbol}:LINE)`,
    );
  }

  async #askAbout({ symbol, where }: Query, count: number): Promise<void> {
    const text = `${symbol}${where} is in ${count} places`;
    const answer = await this.#agree(`${text}. Probe them all?`);
    if (answer === true) return;
    throw new NoProbe(
      'host',
      answer === false
        ? `${text}, which was not agreed to; take a line that fewer have`
        : `${text}, more than ${FEW_PLACES}; take a line that fewer have, or give --yes`,
    );
  }

  /** Why perf has found nothing, in words that help. */
  async #explained(query: Query, subject: Subject, said: Said): Promise<NoProbe> {
    const { symbol, where } = query;
    const place = `${symbol}${where}`;
    const variable =
      /location of the '([^']+)' variable/.exec(said.why)?.[1] ??
      /Failed to find '([^']+)' in this function/.exec(said.why)?.[1];
    if (variable !== undefined) {
      const there = await this.#variables(query, subject);
      const names = [...there.keys()];
      const known = names.length === 0 ? 'there are none' : `there are ${names.slice(0, 12).join(', ')}`;
      return new NoProbe(
        'host',
        `${sanitise(variable)} cannot be had at ${place}: ${names.includes(variable) ? 'it is optimised away there' : 'it does not exist, or is optimised away there'}; ${known}, and other lines may have more`,
      );
    }
    const line = lineOf(query);
    const instead = /Please try to probe at (\S+?) instead/.exec(said.why)?.[1];
    if (line !== undefined && symbol !== '') {
      const near =
        instead !== undefined && !instead.includes(':-')
          ? [instead]
          : await this.#linesNear(query, subject, line);
      return new NoProbe(
        'host',
        `line ${line} of ${symbol} has no code of its own: it is blank, a declaration, or was optimised into others; ${near.length === 0 ? `see ktop probe lines ${symbol}` : `take ${near.join(' or ')}`}`,
      );
    }
    const more = instead === undefined ? '' : `; take ${sanitise(instead)}`;
    return new NoProbe('host', `${place} cannot be probed: ${words(said)}${more}`);
  }

  /** The nearest lines that can be probed: at most one before and one behind. */
  async #linesNear(query: Query, subject: Subject, line: number): Promise<string[]> {
    const hosts = await this.#hostsOf(query.symbol, subject);
    const near: string[] = [];
    for (const step of [-1, 1])
      for (let by = 1; by <= 3 && line + step * by >= 0; by += 1) {
        const place = `${query.symbol}:${line + step * by}`;
        const said = await this.#perf(subject, ['-D', place]);
        if (said.code !== 0) continue;
        const inside = parsed(said.stdout, undefined).every(
          ({ symbol }) => symbol === '' || hosts.names.has(symbol),
        );
        if (inside) near.push(place);
        break;
      }
    return near;
  }

  /** Variables at the place and their types. */
  async #variables(query: Query, subject: Subject): Promise<ReadonlyMap<string, string>> {
    if (isReturn(query)) return new Map();
    const said = await this.#perf(subject, ['-V', forPerf(query, false)]);
    const [first] = said.code === 0 ? parseVariables(said.stdout) : [];
    return new Map((first?.variables ?? []).map(({ name, type }) => [name, sanitise(type)]));
  }

  #placeOf(
    one: Definition,
    host: Host,
    line: Line | undefined,
    query: Query,
    subject: Subject,
    first: Definition,
  ): RecipePlace {
    const fetch = one.args.map((arg) => arg.fetch);
    const differs = fetch.some((text, index) => text !== first.args[index]?.fetch);
    if (
      one.args.length !== first.args.length ||
      one.args.some(({ type }, index) => type !== first.args[index]?.type)
    )
      throw new NoProbe(
        'host',
        `${query.symbol}${query.where} has other arguments at ${host.symbol}+${host.offset} than at its first place; take a line that is in one place`,
      );
    const program = subject.image === undefined;
    const inlined =
      query.symbol !== '' && host.symbol !== query.symbol && !isPartOf(host.symbol, query.symbol);
    return {
      module: program || subject.image?.module === '' ? null : one.module || (subject.image?.module ?? null),
      binary: program ? subject.path : null,
      symbol: host.symbol,
      offset: host.offset,
      symbol_size: host.size,
      file_offset: program ? one.offset : null,
      semaphore: one.semaphore > 0 ? one.semaphore : null,
      inlined_function: inlined ? query.symbol : null,
      file: line?.file ?? null,
      line: line?.line ?? null,
      fetch: differs ? fetch : null,
    };
  }

  /** Where each place is in the sources, as far as addr2line is there to say; it also tells whose line it is. */
  async #linesOf(
    definitions: readonly Definition[],
    hosts: readonly Host[],
    query: Query,
    subject: Subject,
  ): Promise<(Line | undefined)[]> {
    const lines: (Line | undefined)[] = [];
    for (const [index, one] of definitions.slice(0, FEW_PLACES).entries()) {
      const host = hosts[index] as Host;
      const chain = await chainAt(one, host, subject, this.#signal);
      const own = chain.find(({ name }) => name === query.symbol);
      const [inner] = chain;
      if (own === undefined && inner !== undefined && (await this.#isBehind(inner, query, subject)))
        throw new NoProbe(
          'host',
          `line ${lineOf(query)} of ${query.symbol} is past its end: ${host.symbol}+${host.offset}, which perf resolves it to, is of ${inner.name}; take a line of it (ktop probe lines ${query.symbol})`,
        );
      const best = own ?? chain[0];
      lines.push(best === undefined || best.line === 0 ? undefined : { file: best.file, line: best.line });
    }
    return lines;
  }

  /**
   * A line past the end of an inlined function may lie in the function around it. What is there then is so many lines behind
   * the first of the function that has code as were asked for, or a few less; a caller's line is elsewhere.
   */
  async #isBehind(inner: Frame, query: Query, subject: Subject): Promise<boolean> {
    const line = lineOf(query);
    if (line === undefined || query.symbol === '' || isPartOf(inner.name, query.symbol)) return false;
    const { places, definitions } = await this.#hostsOf(query.symbol, subject);
    const [place] = places;
    const [definition] = definitions;
    if (place === undefined || definition === undefined) return false;
    const entry = (await chainAt(definition, place, subject, this.#signal)).find(
      ({ name }) => name === query.symbol,
    );
    if (entry === undefined || entry.file !== inner.file) return false;
    const short = line - (inner.line - entry.line);
    return short >= 0 && short <= MOST_DECLARED;
  }
}

/** What the compiler has cut off a function: `vfs_read.cold`. */
function isPartOf(symbol: string, whole: string): boolean {
  return (
    symbol.startsWith(`${whole}.`) &&
    /^(?:\.(?:cold|part|isra|constprop|\d+))+$/.test(symbol.slice(whole.length))
  );
}

const words = ({ why }: Said): string => sanitise(why === '' ? 'perf does not say why' : why);

function parsed(text: string, query: Query | undefined): Definition[] {
  try {
    return parseDefinitions(text);
  } catch (error) {
    throw new NoProbe(
      'host',
      `what perf says${query === undefined ? '' : ` of ${query.text}`} is not understood: ${sanitise((error as Error).message)}; use a perf of another version`,
    );
  }
}

function notesOn(query: Query, hosts: Hosts | undefined): string[] {
  if (!isReturn(query) || hosts === undefined) return [];
  const others = [...hosts.names].filter((name) => name !== query.symbol);
  return others.length === 0
    ? []
    : [
        `${query.symbol} is inlined into ${others.slice(0, 3).join(', ')} too: returns from there are not seen`,
      ];
}
