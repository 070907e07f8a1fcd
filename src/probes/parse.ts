/**
 * What people type for a probe, in the ways they know from perf probe, tracefs, bcc and SystemTap:
 *
 *   do_sys_openat2 filename:string           function, arguments by name
 *   myopen=do_sys_openat2%return $retval     a name of one's own, the return
 *   ext4:ext4_sync_file+12                   module, offset
 *   /usr/bin/bash:readline%return            a program's function; 0x… is an offset in the file
 *   p:myopen do_sys_openat2 +0(%si):string   as tracefs takes it
 *   sdt /usr/bin/python3 python:gc__start    a marker in a program; %python:gc__start with -x
 *   sched:sched_switch                       an event that there is
 */
import { NoProbe, type Typed, type TypedArgument } from './probe.ts';

const IDENTIFIER = /^[A-Za-z_]\w*$/;
const TRACEFS = /^([prfte])(\d*)(?::(?:([^\s/]*)\/)?([^\s/]*))?$/;
const USDT = /^(?:%|sdt_)?([A-Za-z_]\w*):([A-Za-z_]\w*)$/;
/** Compiler clones have dots in their names. */
const PLACE = /^(?:([\w-]+):)?([A-Za-z_][\w.$@]*|0x[0-9a-fA-F]+)(?:\+(0x[0-9a-fA-F]+|\d+))?(%return)?$/;

export interface ParseContext {
  /** File of `-x`; `''` = the kernel. */
  readonly path: string;
  /** `--ret`. */
  readonly returns: boolean;
  /** Whether `sys:name` is an event of this kernel. */
  readonly isEvent: (name: string) => boolean;
}

/** Throws a NoProbe (usage) for what is no definition. */
export function parseProbe(text: string, context: ParseContext): Typed {
  const words = splitWords(text);
  const [first = '', ...rest] = words;
  if (first === '')
    throw new NoProbe('usage', 'a probe needs a place; write FUNCTION, PATH:FUNCTION or sys:event');
  const tracefs = TRACEFS.exec(first);
  if (tracefs !== null && (first.includes(':') || (rest.length > 0 && /^[prfte]\d*$/.test(first))))
    return tracefsProbe(tracefs, rest, text);
  if (first === 'sdt') return usdtProbe(rest, context, text);
  if (first.startsWith('%') || /^sdt_\w+:/.test(first))
    return usdtProbe([context.path, ...words], context, text);
  const equals = /^([A-Za-z_]\w*)=(.+)$/.exec(first);
  const name = equals?.[1] ?? '';
  const place = equals?.[2] ?? first;
  if (name === '' && context.path === '' && !context.returns && /^[\w-]+:[\w-]+$/.test(place)) {
    if (context.isEvent(place)) {
      if (rest.length > 0)
        throw new NoProbe(
          'usage',
          `${place} is an event of the kernel: it has its own fields; leave "${rest.join(' ')}" out`,
        );
      return { form: 'event', event: place };
    }
  }
  return functionProbe(name, place, rest, context, text);
}

function tracefsProbe(match: RegExpExecArray, rest: readonly string[], text: string): Typed {
  const [, letter = 'p', slots = '', group = '', name = ''] = match;
  const [place, ...args] = rest;
  if (place === undefined)
    throw new NoProbe('usage', `"${text}" has no place; write ${letter}:NAME PLACE [ARGUMENTS]`);
  return {
    form: 'tracefs',
    letter: letter as 'p',
    slots: Number(slots),
    group,
    name,
    place,
    arguments: args.join(' '),
  };
}

function usdtProbe(words: readonly string[], context: ParseContext, text: string): Typed {
  const [path, marker] = words.length === 1 ? [context.path, words[0]] : words;
  const match = USDT.exec(marker ?? '');
  if (match === null || words.length > 2)
    throw new NoProbe(
      'usage',
      `"${text}" names no marker; write sdt PATH PROVIDER:NAME, or -x PATH and %PROVIDER:NAME`,
    );
  if (path === undefined || path === '')
    throw new NoProbe('usage', `"${text}" does not say in which program; write sdt PATH PROVIDER:NAME`);
  return { form: 'usdt', name: '', path, provider: match[1] ?? '', marker: match[2] ?? '' };
}

function functionProbe(
  name: string,
  place: string,
  rest: readonly string[],
  context: ParseContext,
  text: string,
): Typed {
  let path = context.path;
  let where = place;
  const colon = place.lastIndexOf(':');
  // A path has a slash; a library may be called by its name: libc:getaddrinfo is refused later if there is none.
  if (place.includes('/')) {
    if (colon < 0) throw new NoProbe('usage', `"${place}" has no function; write ${place}:FUNCTION`);
    path = place.slice(0, colon);
    where = place.slice(colon + 1);
  }
  const match = PLACE.exec(where);
  if (match === null)
    throw new NoProbe(
      'usage',
      `"${where}" is no place for a probe; write FUNCTION, FUNCTION+OFFSET, FUNCTION%return, PATH:FUNCTION or PATH:0xOFFSET`,
    );
  const [, module = '', symbol = '', offset = '0', returning] = match;
  const returns = returning !== undefined || context.returns;
  const raw = symbol.startsWith('0x');
  if (raw && path === '')
    throw new NoProbe('usage', `"${where}" is an address; name the function, or the file with -x PATH`);
  if (returns && Number(offset) !== 0)
    throw new NoProbe(
      'usage',
      `"${text}" has an offset and the return; a function returns as a whole, leave one out`,
    );
  return {
    form: 'function',
    name,
    path: path === '' ? '' : path,
    module,
    symbol: raw ? '' : symbol,
    offset: raw ? Number(symbol) + Number(offset) : Number(offset),
    returns,
    arguments: rest.map(parseArgument),
  };
}

/** `fd=$retval:s32`, `filename:string`, `file->f_path.dentry->d_name.name:string`, `+0(%si):ustring`. */
export function parseArgument(word: string): TypedArgument {
  const equals = /^([A-Za-z_]\w*)=(.+)$/.exec(word);
  const name = equals?.[1] ?? '';
  const body = equals?.[2] ?? word;
  // The type is behind the last colon; there is none in an immediate text or a symbol of a module (@mod:sym is rare).
  const colon = body.lastIndexOf(':');
  const typed = colon > 0 && /^[A-Za-z%][\w@/[\]]*$/.test(body.slice(colon + 1));
  const value = typed ? body.slice(0, colon) : body;
  const type = typed ? body.slice(colon + 1) : '';
  if (value === '') throw new NoProbe('usage', `"${word}" is no argument; write [NAME=]VALUE[:TYPE]`);
  return { name, value, type };
}

/** Words between blanks; blanks within quotes stay. */
function splitWords(text: string): string[] {
  const words = text.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  return [...words];
}

/** A name that is a C identifier, made of this. */
export function eventName(text: string): string {
  const name = text
    .replace(/\W+/g, '_')
    .replace(/^_+(?=.)/, '')
    .slice(0, 60);
  if (name === '') return 'probe';
  return IDENTIFIER.test(name) ? name : `p_${name}`;
}
