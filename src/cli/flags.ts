/** argv → words and options, by a table of options. */
import meow from 'meow';
import { canonical, type TokenRow } from './tokens.ts';

export interface Flags {
  readonly input: readonly string[];
  /** Options given, by their long name, in the order of the table; the texts of those with a value. */
  readonly flags: ReadonlyMap<string, readonly string[]>;
}

/** `words`: see canonical. */
export function readFlags(argv: readonly string[], rows: readonly TokenRow[], words?: number): Flags {
  const definitions = rows.map((row) => [
    camel(row.name),
    row.value === undefined
      ? ({ type: 'boolean' } as const)
      : ({ type: 'string', isMultiple: true } as const),
  ]);
  const parsed = meow({
    importMeta: import.meta,
    argv: canonical(argv, rows, words),
    // Given here so that meow does not search the file system for it.
    pkg: { name: 'ktop' },
    flags: Object.fromEntries(definitions),
    autoHelp: false,
    autoVersion: false,
    description: false,
  });
  const flags = new Map<string, readonly string[]>();
  for (const row of rows) {
    const found = [parsed.flags[camel(row.name)]]
      .flat()
      .filter((value) => value !== undefined && value !== false);
    if (found.length > 0) flags.set(row.name, found.map(String));
  }
  return { input: parsed.input, flags };
}

const camel = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
