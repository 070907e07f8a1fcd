/**
 * Arguments by name, resolved from the types that a kernel carries itself: which register a parameter is in at the
 * function's entry, and where in what it points to a member lies. The results are those of `perf probe -D`.
 */
import type { MemberInfo } from '../vmcore/core.ts';
import type { Prototype } from '../vmcore/kernel/btf.ts';
import { NoProbe, type TypedArgument } from './probe.ts';

/** What is asked of the types: `Btf` is one. */
export interface KernelTypes {
  prototype(name: string): Prototype | undefined;
  member(type: string, path: string): MemberInfo | undefined;
}

/** Where integers and pointers are passed, in order; the rest is on the stack. */
const REGISTERS: Readonly<Record<string, readonly string[]>> = {
  x64: ['%di', '%si', '%dx', '%cx', '%r8', '%r9'],
  arm64: ['%x0', '%x1', '%x2', '%x3', '%x4', '%x5', '%x6', '%x7'],
};

interface Place {
  readonly name: string;
  readonly value: MemberInfo;
  readonly fetch: string;
}

/** Where each parameter is at the entry of the function. Undefined: not known for this kind of machine. */
function places(prototype: Prototype, machine: string): Place[] | undefined {
  const registers = REGISTERS[machine];
  if (registers === undefined) return undefined;
  let next = 0;
  // Above the return address on x86.
  let stack = machine === 'x64' ? 8 : 0;
  const out: Place[] = [];
  for (const { name, value } of prototype.parameters) {
    const words = Math.max(1, Math.ceil(value.size / 8));
    if (words <= 2 && next + words <= registers.length) {
      // A struct of two words is in two registers: nothing reads it as one.
      out.push({ name, value, fetch: words === 1 ? (registers[next] as string) : '' });
      next += words;
    } else {
      out.push({ name, value, fetch: `+${stack}(%sp)` });
      stack += words * 8;
    }
  }
  return out;
}

/** `NAME=FETCH:TYPE` of one typed argument or, of `$params`, of all. Throws a NoProbe (host). */
export function resolveArguments(
  symbol: string,
  typed: readonly TypedArgument[],
  types: KernelTypes | undefined,
  returns: boolean,
  machine: string,
): { readonly texts: readonly string[]; readonly btf: boolean } {
  let btf = false;
  const texts = typed.flatMap((argument): string[] => {
    const { value, type } = argument;
    if (value === '$retval' && type === '') {
      const result = types?.prototype(symbol)?.returns;
      const name = argument.name === '' ? 'ret' : argument.name;
      return [`${name}=$retval${result === undefined ? '' : `:${typeOf(result)}`}`];
    }
    if (value !== '$params' && value !== '$vars' && isFetch(value)) {
      const name = argument.name === '' ? fetchName(value) : argument.name;
      return [`${name === '' ? '' : `${name}=`}${value}${type === '' ? '' : `:${type}`}`];
    }
    btf = true;
    if (returns)
      throw new NoProbe(
        'host',
        `${value} is an argument of ${symbol}, and it is gone when that returns; use $retval here, and a probe on the entry for the arguments`,
      );
    const where = parametersOf(symbol, types, machine);
    if (value === '$params' || value === '$vars')
      return where
        .filter(({ fetch, value: { kind } }) => fetch !== '' && kind !== 'struct' && kind !== 'float')
        .map((place) => `${place.name}=${place.fetch}:${typeOf(place.value)}`);
    return [byName(symbol, argument, where, types as KernelTypes)];
  });
  return { texts: unique(texts), btf };
}

/** Written as tracefs has it: not a name. */
function isFetch(value: string): boolean {
  return /^[%$@+\-\\]/.test(value);
}

/** A name for what has none: that of the register or variable. `''`: let the kernel name it. */
function fetchName(value: string): string {
  return /^[%$]([A-Za-z_]\w*)$/.exec(value)?.[1] ?? '';
}

function parametersOf(symbol: string, types: KernelTypes | undefined, machine: string): Place[] {
  if (types === undefined)
    throw new NoProbe(
      'host',
      'this kernel does not carry its types (no /sys/kernel/btf/vmlinux), so arguments have no names; write registers, as in name=+0(%si):string',
    );
  const prototype = types.prototype(symbol);
  if (prototype === undefined)
    throw new NoProbe(
      'host',
      `the types of this kernel do not tell the arguments of ${symbol}; write registers, as in name=+0(%si):string`,
    );
  const where = places(prototype, machine);
  if (where === undefined)
    throw new NoProbe('host', `arguments by name are not known on ${machine}; write registers instead`);
  return where;
}

function byName(
  symbol: string,
  argument: TypedArgument,
  where: readonly Place[],
  types: KernelTypes,
): string {
  const { value, type } = argument;
  const parts = /^([A-Za-z_]\w*)((?:(?:->|\.)[A-Za-z_]\w*(?:\[\d+\])*)*)$/.exec(value);
  if (parts === null)
    throw new NoProbe(
      'usage',
      `"${value}" is no argument; write NAME, NAME->MEMBER.MEMBER, %register or +offset(value)`,
    );
  const [, first = '', chain = ''] = parts;
  const start = where.find(({ name }) => name === first);
  if (start === undefined) {
    const names = where.map(({ name }) => name).filter((name) => name !== '');
    throw new NoProbe(
      'host',
      `${symbol} has no argument ${first}; it has ${names.length === 0 ? 'none' : names.join(', ')}`,
    );
  }
  if (start.fetch === '')
    throw new NoProbe('host', `${first} is in two registers; write them, as in a=%di b=%si`);

  // `outer` and `offset` are where the value lies in memory; of one in a register there is no such place.
  let info = start.value;
  let fetch = start.fetch;
  let outer: string | undefined;
  let offset = 0;
  let said = first;
  let last = first;
  for (const [step, arrow, member = ''] of chain.matchAll(/(->|\.)([A-Za-z_]\w*)(?:\[\d+\])*/g)) {
    const fits: boolean = info.kind === (arrow === '->' ? 'pointer' : 'struct') && info.type !== '';
    const found = fits ? types.member(info.type, step.replace(/^(->|\.)/, '')) : undefined;
    if (found === undefined)
      throw new NoProbe('host', `${said} of ${symbol} has no ${step}; it is ${describe(info)}`);
    // A bit field is read as a whole unit of its type.
    const at = found.bits > 0 ? Math.floor(found.offset / found.size) * found.size : found.offset;
    if (arrow === '->') {
      outer = fetch;
      offset = at;
    } else if (outer === undefined) {
      throw new NoProbe('host', `${said} is a value, not a pointer; its members cannot be read`);
    } else offset += at;
    info = found;
    fetch = `+${offset}(${outer})`;
    said += step;
    last = member;
  }
  return `${argument.name === '' ? last : argument.name}=${withType(fetch, info, type, said)}`;
}

function withType(fetch: string, info: MemberInfo, type: string, said: string): string {
  if (/^u?string$/.test(type)) {
    const text = /^(?:unsigned |signed )?char$|^u8$|^__u8$|^$/.test(info.type) || info.kind === 'pointer';
    if (info.kind === 'array' && text) return `${fetch}:${type}`;
    if (info.kind === 'pointer') return `+0(${fetch}):${type}`;
    throw new NoProbe('host', `${said} is no text: it is ${describe(info)}; leave :${type} out`);
  }
  if (type !== '') return `${fetch}:${type}`;
  if (info.kind === 'struct')
    throw new NoProbe('host', `${said} is a struct; name a member of it: ${said}.MEMBER`);
  return `${fetch}:${typeOf(info)}`;
}

/** As perf has it: signed ones decimal, the others hexadecimal. */
export function typeOf(info: MemberInfo): string {
  if (info.bits > 0) {
    const unit = info.size * 8;
    return `b${info.bits}@${(info.offset * 8 + info.bit_offset) % unit}/${unit}`;
  }
  if (info.kind === 'pointer' || info.kind === 'array') return 'x64';
  const bits = Math.min(64, info.size * 8) || 64;
  return `${info.signed ? 's' : 'x'}${bits}`;
}

function describe(info: MemberInfo): string {
  const name = info.type.startsWith('#') ? 'a type without a name' : info.type;
  if (info.kind === 'pointer') return `a pointer to ${name === '' ? 'nothing known' : name}`;
  if (info.kind === 'struct') return `the struct ${name}`;
  if (info.kind === 'array') return `${info.count} of ${name}`;
  return name === '' ? info.kind : name;
}

/** Names that come twice get a number: an event has each once. */
function unique(texts: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return texts.map((text) => {
    const equals = text.indexOf('=');
    if (equals <= 0) return text;
    const name = text.slice(0, equals);
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return before === 0 ? text : `${name}_${before + 1}${text.slice(equals)}`;
  });
}
