/** An expression as a test on rows, whatever the rows are of. */
import { type Expression, FilterError, type Operator, type Value } from './expression.ts';
import { suggestion } from './nearest.ts';
import { globTest, regexTest } from './text-match.ts';
import { errorNumber, holdsError, quantity, signalNumber, type Unit } from './values.ts';

export type RowTest = (row: number) => boolean;

/** A field as a filter sees it. */
export type Field =
  | {
      readonly kind: 'text';
      /** Rows whose text passes; so that each distinct text need be tested but once. */
      readonly test: (passes: (text: string) => boolean) => RowTest;
    }
  | {
      readonly kind: 'number';
      readonly value: (row: number) => number;
      /** As it is shown. */
      readonly shown?: (row: number) => string;
      readonly unit: Unit;
    };

/** What filters act on. */
export interface Fields {
  /** The field of a name, as typed. */
  readonly find: (name: string) => Field | undefined;
  /** For the error: what there is, and what it is called. */
  readonly names: readonly string[];
  readonly called: string;
  /** Rows that have the word anywhere in what is shown. */
  readonly word: (word: string) => RowTest;
}

/** Throws a FilterError for names that are not there, and for values that make no sense. */
export function compileRows(expression: Expression, fields: Fields): RowTest {
  switch (expression.kind) {
    case 'and': {
      const tests = expression.parts.map((part) => compileRows(part, fields));
      return (row) => tests.every((test) => test(row));
    }
    case 'or': {
      const tests = expression.parts.map((part) => compileRows(part, fields));
      return (row) => tests.some((test) => test(row));
    }
    case 'not': {
      const test = compileRows(expression.part, fields);
      return (row) => !test(row);
    }
    case 'word':
      return fields.word(expression.text);
    case 'exists':
      return existsTest(fieldOf(expression, fields));
    case 'in': {
      const field = fieldOf(expression, fields);
      const tests = expression.values.map((value) => compareTest(field, expression.name, '=', value));
      return (row) => tests.some((test) => test(row));
    }
    default:
      return compareTest(fieldOf(expression, fields), expression.name, expression.operator, expression.value);
  }
}

/** The sentence on a name that nothing has. */
export function unknownName(name: string, at: number, called: string, names: readonly string[]): FilterError {
  const near = suggestion(name, names);
  const all = names.length <= 12 ? names.join(', ') : `${names.slice(0, 12).join(', ')} …`;
  return new FilterError(`there is no ${called} "${name}"${near === '' ? `; there are ${all}` : near}`, at);
}

function fieldOf({ name, at }: { readonly name: string; readonly at: number }, fields: Fields): Field {
  const field = fields.find(name);
  if (field === undefined) throw unknownName(name, at, fields.called, fields.names);
  return field;
}

function existsTest(field: Field): RowTest {
  if (field.kind === 'text') return field.test((text) => text !== '');
  return (row) => !Number.isNaN(field.value(row));
}

function compareTest(field: Field, name: string, operator: Operator, value: Value): RowTest {
  if (operator === '~' || operator === '=~' || operator === 'contains') {
    const passes = textTest(operator, value);
    if (field.kind === 'text') return field.test(passes);
    const { shown = (row: number) => String(field.value(row)) } = field;
    return (row) => passes(shown(row));
  }
  if (field.kind === 'text') {
    if (operator === '=') return field.test((text) => text === value.text);
    if (operator === '!=') return field.test((text) => text !== value.text);
    throw new FilterError(`${name} is text; compare it with =, !=, ~, =~, contains or in`, value.at);
  }
  return numberTest(field, name, operator, value);
}

function textTest(operator: '~' | '=~' | 'contains', value: Value): (text: string) => boolean {
  if (operator === '~') return globTest(value.text);
  if (operator === '=~') return regexTest(value.text, value.at);
  const wanted = value.text.toLowerCase();
  return (text) => text.toLowerCase().includes(wanted);
}

function numberTest(
  field: Extract<Field, { kind: 'number' }>,
  name: string,
  operator: Operator,
  value: Value,
): RowTest {
  const number = numberOf(name, value, field.unit);
  const { value: of, shown } = field;
  switch (operator) {
    case '=':
    case '!=': {
      const { text } = value;
      const equal: RowTest = (row) => of(row) === number || (shown !== undefined && shown(row) === text);
      return operator === '=' ? equal : (row) => !equal(row);
    }
    case '<':
      return (row) => of(row) < number;
    case '<=':
      return (row) => of(row) <= number;
    case '>':
      return (row) => of(row) > number;
    default:
      return (row) => of(row) >= number;
  }
}

function numberOf(name: string, { text, at }: Value, unit: Unit): number {
  const found = quantity(text, name, unit);
  if (found !== undefined && 'trouble' in found) throw new FilterError(found.trouble, at);
  if (found !== undefined) return found.value;
  const error = errorNumber(text);
  if (error !== undefined) return holdsError(name) ? error : -error;
  const signal = signalNumber(text);
  if (signal !== undefined) return signal;
  throw new FilterError(`${name} is a number, and "${text}" is none; write it like ${name}>10`, at);
}
