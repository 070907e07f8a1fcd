/** What a filter says, taken apart: see docs/filters.md for the language. Pure. */

export type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | '~' | '=~' | 'contains';

/** A value as typed; `quoted`: it is text, whatever it looks like. `at`: where it begins in the filter, from 0. */
export interface Value {
  readonly text: string;
  readonly quoted: boolean;
  readonly at: number;
}

export type Expression =
  | { readonly kind: 'and'; readonly parts: readonly Expression[] }
  | { readonly kind: 'or'; readonly parts: readonly Expression[] }
  | { readonly kind: 'not'; readonly part: Expression }
  /** `name operator value`. */
  | {
      readonly kind: 'compare';
      readonly name: string;
      readonly at: number;
      readonly operator: Operator;
      readonly value: Value;
    }
  | { readonly kind: 'in'; readonly name: string; readonly at: number; readonly values: readonly Value[] }
  | { readonly kind: 'exists'; readonly name: string; readonly at: number }
  /** Text that stands alone: a part of anything shown. */
  | { readonly kind: 'word'; readonly text: string; readonly at: number };

/** What is wrong with a filter: one sentence with the place, counted from 1, and the remedy. */
export class FilterError extends Error {
  /** From 0. */
  readonly at: number;
  /** It only ends too early: more may be on its way. */
  readonly unfinished: boolean;

  constructor(what: string, at: number, unfinished = false) {
    super(`${what} (at ${at + 1})`);
    this.at = at;
    this.unfinished = unfinished;
  }
}

/** All of them hold; undefined of none. */
export function allOf(parts: readonly Expression[]): Expression | undefined {
  return parts.length < 2 ? parts[0] : { kind: 'and', parts };
}

/** The parts that must all hold. */
export function conjuncts(expression: Expression): readonly Expression[] {
  return expression.kind === 'and' ? expression.parts.flatMap(conjuncts) : [expression];
}

/** Names of fields, in the order they stand. */
export function namesIn(expression: Expression): readonly { readonly name: string; readonly at: number }[] {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return expression.parts.flatMap(namesIn);
    case 'not':
      return namesIn(expression.part);
    case 'word':
      return [];
    default:
      return [{ name: expression.name, at: expression.at }];
  }
}

/** As it could be typed. */
export function filterText(expression: Expression): string {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return expression.parts
        .map((part) =>
          part.kind === 'and' || part.kind === 'or' ? `(${filterText(part)})` : filterText(part),
        )
        .join(` ${expression.kind} `);
    case 'not':
      return expression.part.kind === 'and' || expression.part.kind === 'or'
        ? `not (${filterText(expression.part)})`
        : `not ${filterText(expression.part)}`;
    case 'in':
      return `${expression.name} in (${expression.values.map(valueText).join(', ')})`;
    case 'exists':
      return `${expression.name} exists`;
    case 'word':
      return quoteValue(expression.text);
    default: {
      const { name, operator, value } = expression;
      const text = valueText(value);
      return operator === 'contains' ? `${name} contains ${text}` : `${name}${operator}${text}`;
    }
  }
}

const valueText = ({ text, quoted }: Value): string => (quoted ? `"${escaped(text)}"` : quoteValue(text));

/** A value as it must be typed: quoted where it would not stand alone. */
export function quoteValue(text: string): string {
  return /^[\w.:/@%+*?-]+$/.test(text) && !KEYWORD.test(text) ? text : `"${escaped(text)}"`;
}

const escaped = (text: string): string => text.replace(/["\\]/g, '\\$&');

/** Words that join terms. */
export const KEYWORD = /^(?:and|or|not)$/i;
