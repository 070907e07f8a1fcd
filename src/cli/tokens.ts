/**
 * argv with every option spelled `--name` or `--name=value`, as the table has it. Done before meow sees it because only
 * here is the user's own spelling still known, which a good message needs.
 */

import { suggestion } from './nearest.ts';
import { UsageError } from './usage-error.ts';
import { quote } from './values.ts';

/** What of an option's row the spelling depends on. */
export interface TokenRow {
  /** Long name without dashes. */
  readonly name: string;
  readonly short?: string;
  /** Other spellings of the long name. */
  readonly also?: readonly string[];
  /** Placeholder of the value; absent = the option takes none. */
  readonly value?: string;
}

/** An option of a command that is no monitor, for parsing, completion and the manual. */
export interface CommandRow extends TokenRow {
  readonly help: string;
}

/** How an option is called in messages: `-C/--cpu`. */
export function optionLabel(row: TokenRow): string {
  return row.short === undefined ? `--${row.name}` : `-${row.short}/--${row.name}`;
}

/**
 * Throws a UsageError for an unknown option, a missing value or a value too many. After `words` words the rest is taken
 * as it stands: it is meant for somebody else.
 */
export function canonical(
  argv: readonly string[],
  rows: readonly TokenRow[],
  words = Number.POSITIVE_INFINITY,
): string[] {
  const table: Table = {
    byName: new Map(
      rows.flatMap((row) => [row.name, ...(row.also ?? [])].map((name) => [name, row] as const)),
    ),
    byShort: new Map(rows.flatMap((row) => (row.short === undefined ? [] : [[row.short, row] as const]))),
  };
  const out: string[] = [];
  const rest = [...argv];
  let seen = 0;
  for (let token = rest.shift(); token !== undefined; token = rest.shift()) {
    if (token === '--') return [...out, token, ...rest];
    if (token.startsWith('--')) out.push(longOption(token, rest, table));
    else if (token.length > 1 && token.startsWith('-')) out.push(...shortOptions(token, rest, table));
    else {
      seen += 1;
      out.push(token);
      if (seen >= words) return rest.length === 0 ? out : [...out, '--', ...rest];
    }
  }
  return out;
}

interface Table {
  readonly byName: ReadonlyMap<string, TokenRow>;
  readonly byShort: ReadonlyMap<string, TokenRow>;
}

function longOption(token: string, rest: string[], { byName }: Table): string {
  const equals = token.indexOf('=');
  const name = equals < 0 ? token.slice(2) : token.slice(2, equals);
  const row = byName.get(name);
  if (row === undefined) {
    const known = [...byName.keys()].map((key) => `--${key}`);
    throw new UsageError(
      `unknown option ${quote(`--${name}`)}${suggestion(`--${name}`, known) || '; see ktop --help'}`,
    );
  }
  if (equals < 0) return spelled(row, rest);
  if (row.value === undefined) throw new UsageError(`${optionLabel(row)} takes no value; write it alone`);
  return checked(row, token.slice(equals + 1));
}

/** `-n3`, `-n 3`, `-SD`, `-SDn3`. */
function shortOptions(token: string, rest: string[], { byShort }: Table): string[] {
  const out: string[] = [];
  for (let at = 1; at < token.length; at += 1) {
    const letter = token[at] as string;
    const row = byShort.get(letter);
    if (row === undefined) {
      throw new UsageError(
        `unknown option ${quote(`-${letter}`)}${at > 1 ? ` in ${quote(token)}` : ''}; see ktop --help`,
      );
    }
    const attached = token.slice(at + 1).replace(/^=/, '');
    if (row.value !== undefined && attached !== '') return [...out, checked(row, attached)];
    out.push(spelled(row, rest));
  }
  return out;
}

function spelled(row: TokenRow, rest: string[]): string {
  if (row.value === undefined) return `--${row.name}`;
  const next = rest[0];
  // A negative number is a value, a bad one; anything else with a dash is the next option.
  if (next === undefined || /^-(?![\d.])./.test(next)) {
    throw new UsageError(`${optionLabel(row)} needs a value; write ${optionLabel(row)} ${row.value}`);
  }
  rest.shift();
  return checked(row, next);
}

function checked(row: TokenRow, value: string): string {
  if (value === '')
    throw new UsageError(`${optionLabel(row)} needs a value; write ${optionLabel(row)} ${row.value}`);
  return `--${row.name}=${value}`;
}
