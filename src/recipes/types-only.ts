/** A query → a probe without debug information: the types that this kernel carries tell the arguments of a function at its entry. */
import type { Kernel } from '../probes/kernel.ts';
import { parseProbe } from '../probes/parse.ts';
import { NoProbe, type ReadyProbe } from '../probes/probe.ts';
import { kernelFunction } from '../probes/resolve.ts';
import { isTypesQuery } from './check.ts';
import { parseDefinition } from './definitions.ts';
import { displayOf, memberType, typeName } from './display.ts';
import { isReturn, type Query } from './query.ts';
import type { RecipeArgument, RecipePlace } from './recipe.ts';
import type { Found } from './subject.ts';

/** Looked up on this kernel. Throws a NoProbe. */
export function resolveQuery(text: string, kernel: Kernel): ReadyProbe {
  const typed = parseProbe(text, { path: '', returns: false, isEvent: () => false });
  if (typed.form !== 'function' || typed.path !== '' || !isTypesQuery(text))
    throw new NoProbe(
      'usage',
      `"${text}" is more than the types of a kernel can tell; name a function and its arguments`,
    );
  return { ...kernelFunction(typed, kernel), query: text };
}

/** As it is typed, without the filter. */
export const queryText = ({ name, owner, symbol, where, args }: Query): string =>
  [`${name === '' ? '' : `${name}=`}${owner === '' ? '' : `${owner}:`}${symbol}${where}`, ...args]
    .join(' ')
    .replaceAll('$vars', '$params');

/** Throws a NoProbe; `remedy` = how to get debug information, for what the types do not know. */
export function makeFromTypes(query: Query, kernel: Kernel, remedy: string): Found {
  const { symbol, where, owner } = query;
  if (where !== '' && !isReturn(query))
    throw new NoProbe(
      'host',
      `${symbol}${where} needs debug information, for the types of a kernel tell entries and returns of functions only; ${remedy}`,
    );
  const text = queryText(query);
  if (!isTypesQuery(text))
    throw new NoProbe(
      'usage',
      `"${query.text}" is more than names: without debug information a recipe takes names of arguments and members, $retval and $params; ${remedy}`,
    );
  let ready: ReadyProbe;
  try {
    ready = resolveQuery(text, kernel);
  } catch (error) {
    if (!(error instanceof NoProbe) || error.kind !== 'host') throw error;
    // What is no argument may be a local variable.
    throw new NoProbe('host', `${error.message}; for local variables and inlined functions, ${remedy}`);
  }
  const name = symbolOf(ready);
  const [found] = kernel.symbols.functions(name, owner.replace(/-/g, '_'));
  if (found === undefined)
    throw new NoProbe(
      'host',
      `this kernel has no function ${owner === '' ? '' : `${owner}:`}${name}: it is inlined, of a module that is not loaded, or not there; for inlined functions, ${remedy}`,
    );
  const place: RecipePlace = {
    module: owner === '' ? null : owner,
    binary: null,
    symbol: name,
    offset: 0,
    symbol_size: found.size,
    file_offset: null,
    semaphore: null,
    inlined_function: null,
    file: null,
    line: null,
    fetch: null,
  };
  return {
    event: ready.name,
    kind: isReturn(query) ? 'kretprobe' : 'kprobe',
    places: [place],
    args: argumentsOf(ready, query, kernel),
    maxactive: null,
    notes: ready.notes,
  };
}

const symbolOf = ({ probe }: ReadyProbe): string =>
  (probe?.definition.split(' ')[0] ?? '').replace(/^[\w-]+:/, '').replace(/[+%].*$/, '');

function argumentsOf(ready: ReadyProbe, query: Query, kernel: Kernel): RecipeArgument[] {
  const { args } = parseDefinition(`p:x/x ${ready.probe?.definition ?? ''}`);
  const symbol = symbolOf(ready).replace(/\..*$/, '');
  const prototype = kernel.types?.prototype(symbol);
  const typed =
    query.args.length === args.length && !query.args.some((word) => /^\$(?:params|vars)/.test(word));
  return args.map(({ name, fetch, type }, index) => {
    const word = typed ? (query.args[index] ?? '') : name;
    const value = word.replace(/^[A-Za-z_]\w*=/, '').replace(/:[a-z]\w*(?:@\S+)?$/, '');
    const wanted = /:([a-z]\w*)$/.exec(word)?.[1] ?? '';
    const root = /^[A-Za-z_]\w*/.exec(value)?.[0] ?? '';
    const parameter = prototype?.parameters.find((one) => one.name === root)?.value;
    const returns = prototype?.returns;
    const own = value === '$retval' || name === 'ret' ? returns : parameter;
    const rootType = own === undefined ? '' : typeName(own);
    const ctype =
      value === root || value === '$retval' || value === ''
        ? rootType
        : memberType(value, rootType, kernel.types);
    return { name, ctype, fetch, type, display: displayOf(name, ctype, type, wanted) };
  });
}
