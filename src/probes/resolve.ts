/** A typed definition → something that a kernel takes: places looked up, names of arguments resolved, traps caught. */
import type { ProbeSpec } from '../monitors/monitor.ts';
import { advised, similar } from './advice.ts';
import { resolveArguments } from './btf-args.ts';
import { withElf } from './elf.ts';
import type { Kernel } from './kernel.ts';
import { eventName, type ParseContext, parseProbe } from './parse.ts';
import { NoProbe, type ReadyProbe, type Typed } from './probe.ts';
import { findProgram } from './programs.ts';
import { usdtArguments } from './usdt.ts';

export interface ResolveOptions {
  /** `-x`: the program or library that functions are of; `''` = the kernel. */
  readonly path: string;
  /** `--ret`: the return of what is named. */
  readonly returns: boolean;
  /** Whose view of files `-x` is of. */
  readonly pid?: number | undefined;
}

/** Group of probes that stay: no process id, so that no start of ktop sweeps them. */
export const KEPT = 'ktop_keep';

/** Throws a NoProbe. Several, where a function is in several places of a program. */
export function resolveProbe(text: string, kernel: Kernel, options: ResolveOptions): ReadyProbe {
  const context: ParseContext = {
    path: options.path,
    returns: options.returns,
    isEvent: (name) => kernel.isEvent(name),
  };
  // What has been added before is known by its name.
  if (/^[A-Za-z_]\w*$/.test(text) && kernel.isEvent(`${KEPT}:${text}`) && options.path === '')
    return keptProbe(text);
  const typed = parseProbe(text, context);
  switch (typed.form) {
    case 'event':
      return typed.event.startsWith(`${KEPT}:`)
        ? keptProbe(typed.event.slice(KEPT.length + 1))
        : anEvent(typed.event);
    case 'tracefs':
      return tracefsProbe(typed, kernel);
    case 'usdt':
      return marker(typed, options);
    case 'function': {
      if (typed.path !== '') return programFunction(typed, kernel, options);
      const found = kernelFunction(typed, kernel);
      return found.source === 'btf' && !options.returns ? { ...found, query: text } : found;
    }
  }
}

function keptProbe(name: string): ReadyProbe {
  const event = `${KEPT}:${name}`;
  return { name, event, place: event, fields: [], source: 'kept', notes: [] };
}

function anEvent(event: string): ReadyProbe {
  return {
    name: eventName(event.slice(event.indexOf(':') + 1)),
    event,
    place: event,
    fields: [],
    source: 'event',
    notes: [],
  };
}

function tracefsProbe(typed: Typed & { form: 'tracefs' }, kernel: Kernel): ReadyProbe {
  const { letter, place, name } = typed;
  const user = (letter === 'p' || letter === 'r') && place.includes('/');
  const returning = letter === 'r' || place.endsWith('%return');
  const kinds: Readonly<Record<string, ProbeSpec['kind']>> = { f: 'fprobe', t: 'tprobe', e: 'eprobe' };
  const kind = kinds[letter] ?? (`u${returning ? 'ret' : ''}probe` as const);
  const spec: ProbeSpec['kind'] =
    kind === 'uprobe' || kind === 'uretprobe' ? (user ? kind : (kind.replace('u', 'k') as 'kprobe')) : kind;
  const symbol = place.replace(/^[\w-]+:(?!\/)/, '').replace(/[+%].*$/, '');
  const trap = spec === 'kprobe' || spec === 'kretprobe' ? silentTrap(place, kernel) : {};
  // A BTF name is the kernel's own to resolve where it can, and ours where it cannot.
  return {
    name: eventName(
      name === '' ? `${user ? basenameOf(place) : symbol}${returning ? '__return' : ''}` : name,
    ),
    probe: {
      kind: spec,
      definition: typed.arguments === '' ? place : `${place} ${typed.arguments}`,
      ...(typed.slots > 0 ? { slots: typed.slots } : {}),
    },
    place,
    // An event probe may end in a filter.
    fields: fieldsOf(typed.arguments.replace(/(?:^| )if .*/, '')),
    source: 'manual',
    notes: trap.note === undefined ? [] : [trap.note],
    ...(trap.waits === undefined ? {} : { waits: trap.waits }),
  };
}

/** What the kernel takes without a word and that is never hit. Throws a NoProbe for an offset past the function's end. */
function silentTrap(place: string, kernel: Kernel): { readonly note?: string; readonly waits?: string } {
  const match = /^(?:([\w-]+):)?([A-Za-z_][\w.$]*)(?:\+(0x[0-9a-fA-F]+|\d+))?(?:%return)?$/.exec(place);
  if (match === null) return {};
  const [, module = '', symbol = '', offset = '0'] = match;
  const found = kernel.symbols.functions(symbol, module.replace(/-/g, '_'));
  if (module !== '' && module !== 'vmlinux' && found.length === 0 && !kernel.hasModule(module))
    return {
      note: `module ${module} is not loaded: the probe waits for it`,
      waits: module,
    };
  const [only] = found;
  if (only !== undefined && found.length === 1 && only.size > 0 && Number(offset) >= only.size)
    throw new NoProbe(
      'host',
      `${symbol}+${offset} is past the end of ${symbol}, which has ${only.size} bytes, and the kernel would take it all the same; give an offset below ${only.size}`,
    );
  return {};
}

/** A function of the kernel, looked up; throws a NoProbe. */
export function kernelFunction(typed: Typed & { form: 'function' }, kernel: Kernel): ReadyProbe {
  const { module, offset, returns } = typed;
  const notes: string[] = [];
  let { symbol } = typed;
  // Where its types are: a function may be of a module that nobody has named.
  let home = module;
  if (module === '') {
    const advice = advised(symbol, kernel.symbols);
    symbol = advice.symbol;
    if (advice.note !== '') notes.push(advice.note);
    const all = kernel.symbols.functions(symbol);
    if (all.length > 1)
      throw ambiguous(
        symbol,
        all.map((one) => one.module),
      );
    home = all[0]?.module ?? '';
  }
  if (offset === 0 && kernel.isForbidden(symbol))
    throw new NoProbe(
      'host',
      `${symbol} is on the kernel's blacklist of kprobes: probing it could hang the machine; probe its caller`,
    );
  const target = `${module === '' ? '' : `${module}:`}${symbol}`;
  const trap = silentTrap(`${target}${offset === 0 ? '' : `+${offset}`}`, kernel);
  if (trap.note !== undefined) notes.push(trap.note);
  const named = typed.arguments.some(({ value }) => /^[A-Za-z_]/.test(value) || value === '$params');
  // At the return, arguments by name are the kernel's own work, where it has function probes.
  if (returns && named && kernel.documents('f[:') && kernel.documents('<argname>')) {
    const texts = typed.arguments.map(({ name, value, type }) =>
      [
        name === '' ? namedAfter(value) : `${name}=`,
        value.startsWith('$') || !/^u?string$/.test(type) ? value : `+0(${value})`,
        type === '' ? '' : `:${type}`,
      ].join(''),
    );
    return ready(
      typed,
      symbol,
      { kind: 'fprobe', definition: [`${target}%return`, ...texts].join(' ') },
      `${target}%return`,
      'btf',
      notes,
    );
  }
  if (offset !== 0 && named)
    throw new NoProbe(
      'host',
      'the types of a kernel tell where arguments are at the entry of a function, not within it; write registers, or take the definition that perf probe -D gives on a machine with debuginfo',
    );
  const wanted =
    returns && typed.arguments.length === 0 ? [{ name: 'ret', value: '$retval', type: '' }] : typed.arguments;
  const plain = symbol.replace(/\..*$/, '');
  const { texts, btf } = resolveArguments(plain, wanted, kernel.typesOf(home), returns, kernel.machine);
  const place = `${target}${returns ? '' : `+${offset}`}`;
  return {
    ...ready(
      typed,
      symbol,
      { kind: returns ? 'kretprobe' : 'kprobe', definition: [place, ...texts].join(' ') },
      returns ? `${target}%return` : offset === 0 ? target : place,
      btf ? 'btf' : 'manual',
      notes,
    ),
    ...(trap.waits === undefined ? {} : { waits: trap.waits }),
  };
}

/** `name=` of what it fetches; `''`: the kernel names it. */
function namedAfter(value: string): string {
  const last = /([A-Za-z_]\w*)$/.exec(value)?.[1];
  return last === undefined || /^[%@+\-\\]/.test(value) ? '' : `${last === 'retval' ? 'ret' : last}=`;
}

function ambiguous(symbol: string, modules: readonly string[]): NoProbe {
  const where = modules.map((module) => (module === '' ? 'the kernel' : module));
  const remedy = new Set(where).size > 1 ? `write MODULE:${symbol}` : 'probe what only one of them calls';
  return new NoProbe(
    'host',
    `${modules.length} functions are called ${symbol} (in ${[...new Set(where)].join(', ')}): the name alone is ambiguous; ${remedy}`,
  );
}

function programFunction(
  typed: Typed & { form: 'function' },
  kernel: Kernel,
  options: ResolveOptions,
): ReadyProbe {
  const path = findProgram(typed.path, options.pid);
  const { symbol, returns } = typed;
  let offset = typed.offset;
  let label = `${path}:0x${offset.toString(16)}`;
  if (symbol !== '') {
    const found = withElf(path, (elf) => elf.functions(symbol));
    const places = new Set(found.map((one) => one.offset));
    const [only] = found;
    if (only === undefined)
      throw new NoProbe(
        'host',
        `${path} has no function ${symbol}${nearestIn(path, symbol)}; see ktop probe funcs -x ${path} '*'`,
      );
    if (places.size > 1)
      throw new NoProbe(
        'host',
        `${places.size} functions of ${path} are called ${symbol}; give the place: ${[...places].map((at) => `${path}:0x${at.toString(16)}`).join(', ')}`,
      );
    if (only.size > 0 && offset >= only.size)
      throw new NoProbe(
        'host',
        `${symbol}+${offset} is past the end of ${symbol}, which has ${only.size} bytes; give an offset below ${only.size}`,
      );
    label = `${path}:${symbol}${offset === 0 ? '' : `+${offset}`}`;
    offset += only.offset;
  }
  if (path.includes(' ') || path.includes('\n'))
    throw new NoProbe(
      'host',
      `${path} has a blank in its name, which no definition can hold; give a link without one`,
    );
  const named = typed.arguments.find(({ value }) => /^[A-Za-z_]/.test(value));
  if (named !== undefined)
    throw new NoProbe(
      'host',
      `${named.value} is an argument by name, and programs do not carry their types; write registers: %di is the first argument, then %si %dx %cx %r8 %r9, as in +0(%di):string`,
    );
  const wanted =
    returns && typed.arguments.length === 0 ? [{ name: 'ret', value: '$retval', type: '' }] : typed.arguments;
  const { texts } = resolveArguments('', wanted, undefined, returns, kernel.machine);
  const definition = [`${path}:0x${offset.toString(16)}`, ...texts].join(' ');
  return ready(
    typed,
    symbol === '' ? `${basenameOf(path)}_0x${offset.toString(16)}` : symbol,
    { kind: returns ? 'uretprobe' : 'uprobe', definition },
    `${label}${returns ? '%return' : ''}`,
    'manual',
    [],
  );
}

function ready(
  typed: { readonly name: string; readonly returns: boolean },
  symbol: string,
  probe: ProbeSpec,
  place: string,
  source: ReadyProbe['source'],
  notes: readonly string[],
): ReadyProbe {
  const name = typed.name === '' ? eventName(symbol) + (typed.returns ? '__return' : '') : typed.name;
  const at = probe.definition.indexOf(' ');
  return {
    name,
    probe,
    place,
    fields: fieldsOf(at < 0 ? '' : probe.definition.slice(at + 1)),
    source,
    notes,
  };
}

function marker(typed: Typed & { form: 'usdt' }, options: ResolveOptions): ReadyProbe {
  const path = findProgram(typed.path, options.pid);
  const all = withElf(path, (elf) => elf.markers());
  const found = all.filter(({ provider, name }) => provider === typed.provider && name === typed.marker);
  const [first, ...others] = found;
  if (first === undefined) {
    const known = [...new Set(all.map(({ provider, name }) => `${provider}:${name}`))];
    throw new NoProbe(
      'host',
      known.length === 0
        ? `${path} has no USDT markers; it was built without them`
        : `${path} has no marker ${typed.provider}:${typed.marker}; it has ${known.slice(0, 12).join(', ')}${known.length > 12 ? ' …' : ''}`,
    );
  }
  const { fetch, left } = usdtArguments(first.arguments);
  const counter = first.semaphore === 0 ? '' : `(0x${first.semaphore.toString(16)})`;
  const definition = [
    `${path}:0x${first.offset.toString(16)}${counter}`,
    ...(fetch === '' ? [] : [fetch]),
  ].join(' ');
  return {
    name: eventName(`${typed.provider}_${typed.marker}`),
    probe: { kind: 'uprobe', definition },
    place: `${path} ${typed.provider}:${typed.marker}`,
    fields: fieldsOf(fetch),
    source: 'usdt',
    notes: [
      ...(left.length === 0 ? [] : [`arguments the kernel cannot fetch are left out: ${left.join(', ')}`]),
      ...(others.length === 0
        ? []
        : [`${typed.provider}:${typed.marker} is in ${found.length} places of ${path}; the first is probed`]),
    ],
  };
}

function nearestIn(path: string, symbol: string): string {
  const escaped = symbol.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const near = withElf(path, (elf) => elf.functions(new RegExp(escaped))).slice(0, 3);
  return near.length === 0 ? '' : `; it has ${near.map(({ name }) => name).join(', ')}`;
}

/** Functions that may have been meant by a name that the kernel does not know; `''` = none. */
export function meant(symbol: string, kernel: Kernel): string {
  const names = similar(symbol, kernel.symbols);
  return names.length === 0 ? '' : `did you mean ${names.join(', ')}?`;
}

/** Names of arguments, in order; what has none is named by the kernel. */
export function fieldsOf(text: string): string[] {
  return text
    .split(' ')
    .filter(Boolean)
    .map((word, index) => /^([A-Za-z_]\w*)=/.exec(word)?.[1] ?? `arg${index + 1}`);
}

function basenameOf(place: string): string {
  return place.replace(/:.*$/, '').replace(/.*\//, '');
}
