/** What perf says of arguments → those of a recipe: names that are there once, types of C, how they are shown. */
import { typeOf } from '../probes/btf-args.ts';
import { NoProbe } from '../probes/probe.ts';
import type { Btf } from '../vmcore/kernel/btf.ts';
import { isFetch, isSymbol, isType } from './check.ts';
import type { Definition } from './definitions.ts';
import { displayOf, memberType, typeName } from './display.ts';
import type { Query } from './query.ts';
import type { RecipeArgument } from './recipe.ts';
import type { Subject } from './subject.ts';

/** Names that come twice get a number: an event has each once. */
export function argumentsOf(
  all: readonly Definition[],
  query: Query,
  variables: ReadonlyMap<string, string>,
  { types }: Subject,
): RecipeArgument[] {
  const [first] = all as readonly [Definition, ...Definition[]];
  // Where all variables are asked for, what was typed does not stand beside what came of it.
  const typed =
    query.args.length === first.args.length && !query.args.some((word) => /^\$(?:vars|params)/.test(word));
  const taken = new Map<string, number>();
  const returned = types?.prototype(query.symbol)?.returns;
  return first.args.map(({ name, fetch, type: said }, index) => {
    const type = fetch === '$retval' && said === '' && returned !== undefined ? typeOf(returned) : said;
    const word = typed ? (query.args[index] ?? '') : name;
    const value = word.replace(/^[A-Za-z_]\w*=/, '').replace(/:[a-z]\w*(?:@\S+)?$/, '');
    const wanted = /:([a-z]\w*)$/.exec(word)?.[1] ?? '';
    const root = /^[A-Za-z_]\w*/.exec(value)?.[0] ?? '';
    const ctype = ctypeOf(value, root, query, variables, types);
    for (const [at, one] of all.entries()) {
      const here = one.args[index]?.fetch ?? '';
      refuseComputed(root, value, wanted, here, query);
      // What perf writes for a variable that one of several places does not have.
      if (here === '\\deade12d')
        throw new NoProbe(
          'host',
          `${root} is optimised away in ${all.length === 1 ? 'the' : `one of the ${all.length}`} place${all.length === 1 ? '' : 's'} of ${query.symbol}${query.where} (${at + 1}.: ${one.symbol === '' ? `0x${one.offset.toString(16)}` : `${one.symbol}+${one.offset}`}); take another line, or leave it out`,
        );
      if (!isFetch(here))
        throw new NoProbe(
          'host',
          `${name}=${here}, which perf gives for ${query.text}, is nothing that a recipe takes; leave it out`,
        );
    }
    if (!isType(type) || !isSymbol(name))
      throw new NoProbe(
        'host',
        `${name}=${fetch}:${type}, which perf gives for ${query.text}, is nothing that a recipe takes; leave it out`,
      );
    const before = taken.get(name) ?? 0;
    taken.set(name, before + 1);
    return {
      name: `${name}${before === 0 ? '' : `_${before + 1}`}`.slice(0, 31),
      ctype,
      fetch,
      type,
      display: displayOf(name, ctype, type, wanted),
    };
  });
}

/**
 * A variable that the compiler has put nowhere, since it is a register and a bit: debug information says so, and perf fetches
 * the memory there instead. Variables do lie in memory, but on the stack.
 */
export function refuseComputed(
  root: string,
  value: string,
  type: string,
  fetch: string,
  { symbol, where }: Pick<Query, 'symbol' | 'where'>,
): void {
  if (root === '' || value.includes('[') || type.includes('string')) return;
  const layers = fetch.match(/[+-]u?\d+\(/g) ?? [];
  const arrows = value.match(/->/g) ?? [];
  if (layers.length <= arrows.length) return;
  const [, by = '0', register = ''] = /([+-]\d+)\(%(\w+)\)+$/.exec(fetch) ?? [];
  const offset = Number(by);
  const onStack = register === 'sp' || (register === 'bp' && (offset < 0 || offset >= 16));
  if (register === '' || onStack || /^x(?:29|31)$/.test(register)) return;
  throw new NoProbe(
    'host',
    `${root} is not stored at ${symbol}${where} but computed from register ${register} ${offset < 0 ? '-' : '+'} ${Math.abs(offset)}, and perf would read what lies in memory there; leave it out, or take another line`,
  );
}

function ctypeOf(
  value: string,
  root: string,
  query: Query,
  variables: ReadonlyMap<string, string>,
  types: Btf | undefined,
): string {
  if (value === '$retval') {
    const returns = types?.prototype(query.symbol)?.returns;
    return returns === undefined ? '' : typeName(returns);
  }
  const own = variables.get(root) ?? '';
  return value === root ? own : memberType(value, own, types);
}
