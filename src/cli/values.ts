/** Texts of the command line as values. Each function throws a UsageError that names the option. */
import { existsSync } from 'node:fs';
import type { EventChoice, ObjectChoice } from '../monitors/monitor.ts';
import { parseList } from '../sources/host.ts';
import { suggestion } from './nearest.ts';
import { UsageError } from './usage-error.ts';

/** CPUs that are online, as found on this host. */
export interface OnlineCpus {
  readonly text: string;
  readonly numbers: readonly number[];
}

/** One page, its last byte a zero. */
const MOST_FILTER_BYTES = 4095;
/** What the kernel takes as one text in a filter is shorter than 256. */
const MOST_GLOB_BYTES = 240;
const UNITS_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** A whole number from `low` to `high`. */
export function wholeNumber(option: string, text: string, low: number, high: number): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value))
    throw new UsageError(`${option}: ${quote(text)} is not a whole number; give ${low} to ${high}`);
  if (value < low || value > high)
    throw new UsageError(`${option}: ${text} is out of range; give ${low} to ${high}`);
  return value;
}

/** A power of two from 1 to `high`. */
export function powerOfTwo(option: string, text: string, high: number): number {
  const value = wholeNumber(option, text, 1, high);
  if ((value & (value - 1)) !== 0)
    throw new UsageError(`${option}: ${text} is not a power of two; give 1, 2, 4 … ${high}`);
  return value;
}

/** A positive duration in ns: a number with ns, us, ms or s behind it; without one, `unit` is meant. */
export function duration(option: string, text: string, unit: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+)(ns|us|ms|s)?$/.exec(text);
  const factor = UNITS_NS[match?.[2] ?? unit];
  const value = Number(match?.[1]) * (factor ?? 1);
  if (match === null || !(value > 0) || value > 1e18) {
    throw new UsageError(
      `${option}: ${quote(text)} is not a duration above 0; give a number with ns, us, ms or s (default ${unit})`,
    );
  }
  return value;
}

/** A duration in us that is long enough to be told. */
export function latency(option: string, text: string, least_us: number): number {
  const us = duration(option, text, 'us') / 1e3;
  if (us < least_us)
    throw new UsageError(`${option}: ${quote(text)} is too short to be told; give ${least_us}us or more`);
  return us;
}

const SPANS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 6e4, h: 3.6e6, d: 8.64e7 };

/** A span of time in ms, up to a year: a number with ms, s, m, h or d behind it; without one, seconds. */
export function span(option: string, text: string): number {
  const match = /^(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h|d)?$/.exec(text);
  const value = Number(match?.[1]) * (SPANS_MS[match?.[2] ?? 's'] ?? Number.NaN);
  if (!(value > 0 && value <= 366 * 8.64e7))
    throw new UsageError(
      `${option}: ${quote(text)} is no span of time up to a year; give seconds, or a number with ms, s, m, h or d`,
    );
  return value;
}

/** A number from `low` to `high`. */
export function number(option: string, text: string, low: number, high: number): number {
  const value = /^(\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= low && value <= high))
    throw new UsageError(`${option}: ${quote(text)} is no number from ${low} to ${high}; give one`);
  return value;
}

/** A share above 0, up to 100, with or without %. */
export function percentage(option: string, text: string): number {
  const value = Number(/^(\d+(?:\.\d*)?|\.\d+)%?$/.exec(text)?.[1] ?? Number.NaN);
  if (!(value > 0 && value <= 100))
    throw new UsageError(`${option}: ${quote(text)} is not a share in percent; give more than 0, up to 100`);
  return value;
}

/** A filter, as long as the kernel takes it. */
export function filterText(option: string, text: string): string {
  if (text.trim() === '') throw new UsageError(`${option}: the filter is empty; leave it out to see all`);
  const bytes = Buffer.byteLength(text);
  if (bytes > MOST_FILTER_BYTES)
    throw new UsageError(
      `${option}: the filter has ${bytes} bytes; the kernel takes ${MOST_FILTER_BYTES} at most, shorten it`,
    );
  return text;
}

/** A glob on names, as long as the kernel takes one. */
export function nameGlob(option: string, text: string): string {
  filterText(option, text);
  if (Buffer.byteLength(text) > MOST_GLOB_BYTES)
    throw new UsageError(
      `${option}: ${quote(text)} is too long for a name, which has 15 characters; give ${MOST_GLOB_BYTES} bytes at most`,
    );
  return text;
}

/** Name of an event's field, or one of the task's own such as `$tid`. */
export function fieldName(option: string, text: string): string {
  if (!/^\$?[A-Za-z_]\w*$/.test(text))
    throw new UsageError(`${option}: ${quote(text)} is not the name of a field; write it like dev or $tid`);
  return text;
}

/** A CPU list such as `0-3,7`; every CPU must be online, where that is known. */
export function cpuList(option: string, text: string, online: OnlineCpus | undefined): readonly number[] {
  const cpus = parseList(text);
  if (cpus === undefined)
    throw new UsageError(`${option}: ${quote(text)} is not a list of CPUs; write it like 0-3,7`);
  if (online === undefined) return cpus;
  const unknown = cpus.find((cpu) => !online.numbers.includes(cpu));
  if (unknown !== undefined)
    throw new UsageError(`${option}: no CPU ${unknown} is online here; online are ${online.text}`);
  return cpus;
}

/** Process ids, comma-separated; `here`: each must exist on this host. */
export function pidList(option: string, text: string, here: boolean): readonly number[] {
  return text.split(',').map((part) => {
    const pid = wholeNumber(option, part.trim(), 1, 4194304);
    if (here && !existsSync(`/proc/${pid}`))
      throw new UsageError(`${option}: there is no process ${pid}; look it up with pgrep or ps`);
    return pid;
  });
}

/** A function, a glob of functions, or those of a module: `:mod:NAME`. */
export function functionName(option: string, text: string): string {
  if (!/^[\w.*?[\]^-]*(:mod:[\w*?-]+)?$/.test(text) || text === '')
    throw new UsageError(
      `${option} takes a function such as ext4_* or :mod:loop, not ${quote(text)}; see /proc/kallsyms`,
    );
  return text;
}

/**
 * Events with objects: `system:name`, behind it between slashes a filter, `ptr=EXPRESSION` and `size=EXPRESSION`, or a
 * filter, a slash, and those.
 */
export function objectChoices(option: string, text: string): readonly ObjectChoice[] {
  return eventChoices(option, text, 'kmem:kmalloc').map((choice) => objectChoice(option, choice));
}

function objectChoice(option: string, { name, filter: text }: EventChoice): ObjectChoice {
  if (text === undefined) return { name };
  const match = ATTRIBUTES.exec(text);
  const [, filter = '', attributes = ''] = match ?? [text, text];
  const wrong = /^\s*(\w+)\s*=(?![=~])/.exec(filter)?.[1];
  if (wrong !== undefined)
    throw new UsageError(
      `${option}: ${quote(wrong)} is not known; give ptr=FIELD or size=FIELD, or a filter such as ${wrong}==1`,
    );
  const given: { name: string; filter?: string; ptr?: string; size?: string } = { name };
  if (filter.trim() !== '') given.filter = filter;
  for (const part of attributes === '' ? [] : attributes.split(ANOTHER)) {
    const at = part.indexOf('=');
    const key = part.slice(0, at).trim() as 'ptr' | 'size';
    const value = part.slice(at + 1).trim();
    if (value === '' || given[key] !== undefined)
      throw new UsageError(
        `${option}: ${key}= ${value === '' ? 'is empty' : 'is given twice'}; name one field, as in ${name}/${key}=FIELD/`,
      );
    given[key] = value;
  }
  return given;
}

/** What is before, and what begins with an attribute. */
const ATTRIBUTES = /^(?:(.*?)\/)?\s*((?:ptr|size)\s*=(?!=).*)$/s;
const ANOTHER = /,\s*(?=(?:ptr|size)\s*=(?!=))/;

/**
 * Events as `system:name` or `system:name/filter/`, comma-separated. A filter may contain commas and slashes: it ends
 * with the slash that the end or another event follows.
 */
export function eventChoices(
  option: string,
  text: string,
  example = 'sched:sched_switch',
): readonly EventChoice[] {
  const found: EventChoice[] = [];
  for (let rest = text.trim(); ; ) {
    const [whole, name = '', filter] = CHOICE.exec(rest) ?? [];
    if (whole === undefined) {
      const start = rest.replace(/[,/].*$/s, '').trim();
      if (!EVENT.test(start)) throw noEvent(option, start, example);
      throw new UsageError(
        `${option}: the filter in ${quote(rest)} has no end; write it like sched:sched_switch/prev_pid==1/`,
      );
    }
    found.push(filter === undefined ? { name } : { name, filter: filterText(option, filter) });
    rest = rest.slice(whole.length);
    if (rest === '') return found;
    rest = rest.slice(1).trim();
  }
}

const EVENT = /^\w[\w-]*:\w[\w-]*$/;
const CHOICE = /^(\w[\w-]*:\w[\w-]*)\s*(?:\/(.*?)\/\s*(?=$|,\s*\w[\w-]*:)|(?=$|,))/s;

const noEvent = (option: string, text: string, example: string): UsageError =>
  new UsageError(`${option}: ${quote(text)} is not an event; write system:name, such as ${example}`);

/** A path; its text is checked by whoever opens it. */
export function fileName(option: string, text: string): string {
  if (text.includes('\0')) throw new UsageError(`${option}: a file name has no NUL in it; give another`);
  return text;
}

/** Words out of many, comma-separated. */
export function wordList(option: string, text: string, words: readonly string[]): readonly string[] {
  const known = new Set(words);
  return text.split(',').map((part) => {
    const word = part.trim();
    if (known.has(word)) return word;
    throw new UsageError(
      `${option}: ${quote(word)} is not known${suggestion(word, words) || `; write it like ${words[0]}`}`,
    );
  });
}

/** One of several words. */
export function choice<Word extends string>(option: string, text: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === text);
  if (found === undefined)
    throw new UsageError(`${option}: ${quote(text)} is not known; give one of ${words.join(', ')}`);
  return found;
}

/** The user's own text in a message, harmless on a terminal and on one line. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return JSON.stringify(short.toWellFormed()).replace(/[\x7f-\x9f]/g, '?');
}
