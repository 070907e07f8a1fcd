/**
 * A filter as far as the kernel itself can apply it: what it takes at events/…/filter and at a perf event
 * (Documentation/trace/events.rst, "Event filtering"). What it cannot goes on to ktop.
 */
import type { EventField, EventFormat } from './event-format.ts';
import {
  allOf,
  conjuncts,
  type Expression,
  FilterError,
  filterText,
  type Operator,
  type Value,
} from './expression.ts';
import { unknownName } from './row-test.ts';
import {
  errorNumber,
  holdsError,
  PLAIN_UNIT,
  quantity,
  signalNumber,
  type Unit,
  unitOfName,
} from './values.ts';

export interface Split {
  /** For the kernel. */
  readonly kernel: string | undefined;
  /** What it was made of, as typed. */
  readonly inKernel: Expression | undefined;
  /** An expression of an operator (`Expr` in monitor.ts): per event, in ktop. */
  readonly perEvent: string | undefined;
  /** What that was made of. */
  readonly inKtop: Expression | undefined;
  /** Of the rows that come of the events; only where `columns` were given. */
  readonly rows: Expression | undefined;
}

/** The longest text that a kernel compares with (MAX_FILTER_STR_VAL). */
const LONGEST_TEXT = 255;

/**
 * Divides a filter. Each part that must hold goes where it costs least. `columns`: names of the rows' columns that are no
 * fields. Throws a FilterError for names that neither has, and for what nobody can decide.
 */
export function splitFilter(
  expression: Expression | undefined,
  format: EventFormat,
  columns: readonly string[] = [],
): Split {
  const kernel: [string, Expression][] = [];
  const perEvent: [string, Expression][] = [];
  const rows: Expression[] = [];
  for (const part of expression === undefined ? [] : conjuncts(expression)) {
    checkNames(part, format, columns);
    if (ofRows(part, format, columns)) {
      rows.push(part);
      continue;
    }
    const forKernel = kernelText(part, format);
    if (forKernel !== undefined) {
      kernel.push([forKernel, part]);
      continue;
    }
    const here = eventText(part, format);
    if (here === undefined)
      throw new FilterError(
        `"${filterText(part)}" can be decided neither by the kernel nor for each event; write it without =~ and words, and join what is of rows with and`,
        placeOf(part),
      );
    perEvent.push([here, part]);
  }
  return {
    kernel: kernel.length === 0 ? undefined : joined(kernel, '&&'),
    inKernel: allOf(kernel.map(([, part]) => part)),
    perEvent: perEvent.length === 0 ? undefined : joined(perEvent, '&&'),
    inKtop: allOf(perEvent.map(([, part]) => part)),
    rows: allOf(rows),
  };
}

const joined = (parts: readonly (readonly [string, Expression])[], by: string): string =>
  parts.length === 1 ? (parts[0]?.[0] ?? '') : parts.map(([text]) => `(${text})`).join(` ${by} `);

/** One sentence on which part runs where; '' without a filter. */
export function whereItRuns({ inKernel, inKtop, rows }: Split): string {
  const here = allOf([...(inKtop === undefined ? [] : [inKtop]), ...(rows === undefined ? [] : [rows])]);
  if (inKernel === undefined && here === undefined) return '';
  if (here === undefined) return `filter, all in the kernel: ${filterText(inKernel as Expression)}`;
  if (inKernel === undefined) return `filter, all in ktop: ${filterText(here)}`;
  return `filter in the kernel: ${filterText(inKernel)}; in ktop: ${filterText(here)}`;
}

const fieldNamed = (format: EventFormat, name: string): EventField | undefined => {
  const bare = name.replace(/\.(?:u?string|function)$/, '');
  return format.fields.find((field) => field.name === bare);
};

const TASK = new Set(['comm', 'pid', 'tid', 'cpu']);

function checkNames(part: Expression, format: EventFormat, columns: readonly string[]): void {
  if (part.kind === 'and' || part.kind === 'or')
    for (const each of part.parts) checkNames(each, format, columns);
  else if (part.kind === 'not') checkNames(part.part, format, columns);
  else if (part.kind === 'word')
    throw new FilterError(
      `"${part.text}" stands alone; compare a field of ${format.event}, as in comm=${part.text}`,
      part.at,
    );
  else if (
    fieldNamed(format, part.name) === undefined &&
    !TASK.has(part.name) &&
    !columns.includes(part.name)
  )
    throw unknownName(part.name, part.at, `field of ${format.event}`, [
      ...format.fields.map(({ name }) => name),
      ...TASK,
      ...columns,
    ]);
}

/** It asks for columns that no event has: all of it is for the rows. */
function ofRows(part: Expression, format: EventFormat, columns: readonly string[]): boolean {
  if (part.kind === 'and' || part.kind === 'or')
    return part.parts.some((each) => ofRows(each, format, columns));
  if (part.kind === 'not') return ofRows(part.part, format, columns);
  if (part.kind === 'word') return false;
  return columns.includes(part.name) && fieldNamed(format, part.name) === undefined && !TASK.has(part.name);
}

function placeOf(part: Expression): number {
  if (part.kind === 'and' || part.kind === 'or') return placeOf(part.parts[0] as Expression);
  return part.kind === 'not' ? placeOf(part.part) : part.at;
}

// ---------------------------------------------------------------- for the kernel

/** Undefined where a kernel cannot say. */
function kernelText(part: Expression, format: EventFormat): string | undefined {
  switch (part.kind) {
    case 'and':
    case 'or': {
      const texts = part.parts.map((each) => kernelText(each, format));
      if (texts.some((text) => text === undefined)) return undefined;
      return texts.map((text) => `(${text})`).join(part.kind === 'and' ? ' && ' : ' || ');
    }
    case 'not': {
      const text = kernelText(part.part, format);
      return text === undefined ? undefined : `!(${text})`;
    }
    case 'in': {
      const texts = part.values.map((value) => kernelCompare(part.name, '=', value, format));
      if (texts.some((text) => text === undefined)) return undefined;
      return texts.join(' || ');
    }
    case 'exists': {
      const field = fieldNamed(format, part.name);
      return field?.kind === 'text' ? `${field.name} != ""` : undefined;
    }
    case 'compare':
      return kernelCompare(part.name, part.operator, part.value, format);
    default:
      return undefined;
  }
}

function kernelCompare(
  name: string,
  operator: Operator,
  value: Value,
  format: EventFormat,
): string | undefined {
  const field = fieldNamed(format, name);
  if (field === undefined) {
    // Of the task that runs, and its CPU; the process of a thread is nothing that a kernel's filter knows.
    if (name === 'comm') return kernelTextCompare('comm', operator, value, name);
    if (name === 'tid') return numberCompare('common_pid', name, operator, value, true, PLAIN_UNIT);
    if (name === 'cpu') return numberCompare('cpu', name, operator, value, true, PLAIN_UNIT);
    return undefined;
  }
  if (/\.function$/.test(name)) {
    if (operator !== '=' && operator !== '!=') return undefined;
    return `${name} ${operator === '=' ? '==' : '!='} ${value.text}`;
  }
  if (field.kind === 'text') return kernelTextCompare(field.name, operator, value, name);
  if (field.kind === 'pointer' || /\.u?string$/.test(name)) {
    // A system call's is in the program's memory, any other's in the kernel's.
    const suffix = format.event.startsWith('syscalls:') ? '.ustring' : '.string';
    const path = name === field.name ? `${field.name}${suffix}` : name;
    return kernelTextCompare(path, operator, value, name);
  }
  if (field.kind === 'other')
    throw new FilterError(`${name} is neither a number nor text; nothing can be compared with it`, value.at);
  return numberCompare(field.name, name, operator, value, field.signed, unitOfField(field));
}

function kernelTextCompare(path: string, operator: Operator, value: Value, name: string): string | undefined {
  if (operator === '=~') return undefined;
  if (operator === '<' || operator === '<=' || operator === '>' || operator === '>=')
    throw new FilterError(`${name} is text; compare it with =, !=, ~, contains or in`, value.at);
  const text = operator === 'contains' ? `*${value.text.replace(/[*?[\]\\]/g, '\\$&')}*` : value.text;
  const quote = text.includes('"') ? "'" : '"';
  if (text.includes(quote) || /[\n\0]/.test(text))
    throw new FilterError('no kernel takes a text with both kinds of quotes in it; use ? for one', value.at);
  if (bytesOf(text) > LONGEST_TEXT)
    throw new FilterError(`the text is longer than the ${LONGEST_TEXT} bytes that a kernel takes`, value.at);
  const sign = operator === '=' ? '==' : operator === '!=' ? '!=' : '~';
  return `${path} ${sign} ${quote}${text}${quote}`;
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

function numberCompare(
  path: string,
  name: string,
  operator: Operator,
  value: Value,
  signed: boolean,
  unit: Unit,
): string | undefined {
  if (operator === '~' || operator === '=~' || operator === 'contains')
    throw new FilterError(`${name} is a number; compare it with =, !=, <, <=, >, >= or in`, value.at);
  const whole = wholeOf(name, value, signed, unit);
  const sign = operator === '=' ? '==' : operator;
  return `${path} ${sign} ${whole}`;
}

/** The whole number that a value stands for. Throws a FilterError when it is none, or none that the field can hold. */
export function wholeOf(name: string, { text, at }: Value, signed: boolean, unit: Unit): bigint {
  const found = quantity(text, name, unit);
  if (found !== undefined && 'trouble' in found) throw new FilterError(found.trouble, at);
  const error = errorNumber(text);
  const named = error === undefined ? signalNumber(text) : holdsError(name) || !signed ? error : -error;
  const whole = found === undefined ? (named === undefined ? undefined : BigInt(named)) : found.whole;
  if (whole === undefined)
    throw new FilterError(
      found === undefined
        ? `${name} is a number, and "${text}" is none`
        : `${name} is whole, and ${text} is not`,
      at,
    );
  if (!signed && whole < 0n) throw new FilterError(`${name} is never below 0`, at);
  const limit = signed ? 1n << 63n : 1n << 64n;
  if (whole >= limit || whole < -limit) throw new FilterError(`${text} is past 64 bits`, at);
  return whole;
}

/** Times of the scheduler are in ns, whatever they are called. */
function unitOfField({ name }: EventField): Unit {
  const known = unitOfName(name);
  if (known !== undefined) return known;
  if (/^(?:delay|runtime|vruntime|latency)$/.test(name)) return { dimension: 'time', size: 1 };
  if (/len|size|^ret$|^count$/.test(name)) return { dimension: 'bytes', size: 1 };
  return PLAIN_UNIT;
}

// ---------------------------------------------------------------- for ktop, event by event

const SIGNS: Readonly<Record<string, string>> = { '=': '==' };

/** As an expression of an operator; undefined where it has no words for it. */
function eventText(part: Expression, format: EventFormat): string | undefined {
  switch (part.kind) {
    case 'and':
    case 'or': {
      const texts = part.parts.map((each) => eventText(each, format));
      if (texts.some((text) => text === undefined)) return undefined;
      return texts.map((text) => `(${text})`).join(part.kind === 'and' ? ' && ' : ' || ');
    }
    case 'not': {
      const text = eventText(part.part, format);
      return text === undefined ? undefined : `!(${text})`;
    }
    case 'in': {
      const texts = part.values.map((value) => eventCompare(part.name, '=', value, format));
      if (texts.some((text) => text === undefined)) return undefined;
      return texts.map((text) => `(${text})`).join(' || ');
    }
    case 'exists':
      return '1';
    case 'compare':
      return eventCompare(part.name, part.operator, part.value, format);
    default:
      return undefined;
  }
}

function eventCompare(
  name: string,
  operator: Operator,
  value: Value,
  format: EventFormat,
): string | undefined {
  const field = fieldNamed(format, name);
  const sign = SIGNS[operator] ?? operator;
  if (field?.kind === 'text' || (field === undefined && name === 'comm')) {
    const path = field === undefined ? '$comm' : field.name;
    if (value.text.includes('"')) return undefined;
    if (operator === 'contains' && field !== undefined) return `has(${path}, "${value.text}")`;
    return operator === '=' || operator === '!=' ? `${path} ${sign} "${value.text}"` : undefined;
  }
  if (operator === '~' || operator === '=~' || operator === 'contains') return undefined;
  if (field === undefined) return `$${name} ${sign} ${wholeOf(name, value, true, PLAIN_UNIT)}`;
  if (field.kind !== 'number' || name !== field.name) return undefined;
  return `${field.name} ${sign} ${wholeOf(name, value, field.signed, unitOfField(field))}`;
}
