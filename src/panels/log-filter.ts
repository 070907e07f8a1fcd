/** What the user types after `/`, compiled to a test on the entries of a list of events. */
import type { Field, Fields } from '../filter/row-test.ts';
import { PLAIN_UNIT } from '../filter/values.ts';
import { compileTyped } from './filter-of.ts';
import type { KeptEntry } from './paint-log.ts';
import { entryText } from './paint-log.ts';

type Entry = KeptEntry & { readonly monitor?: string };

const TEXTS: Readonly<Record<string, (kept: Entry) => string>> = {
  comm: ({ entry }) => entry.comm,
  text: ({ entry }) => entry.text,
  stack: ({ entry }) => (entry.stack ?? []).join(';'),
  monitor: ({ monitor }) => monitor ?? '',
};
const NUMBERS: Readonly<Record<string, (kept: Entry) => number>> = {
  cpu: ({ entry }) => entry.cpu,
  pid: ({ entry }) => entry.pid,
  tid: ({ entry }) => entry.tid,
};

let last: {
  readonly entries: readonly KeptEntry[];
  readonly filter: string;
  readonly found: readonly KeptEntry[];
};

/**
 * The entries that pass, in their order; docs/filters.md has the language. Words without an operator must all stand in the
 * line as drawn; `comm`, `text`, `stack` and `monitor` are texts, `cpu`, `pid` and `tid` numbers. The last result is kept:
 * nothing is done again while nothing changes.
 */
export function filterLog<T extends KeptEntry>(entries: readonly T[], filter: string): readonly T[] {
  if (filter.trim() === '') return entries;
  if (last?.entries === entries && last.filter === filter) return last.found as readonly T[];
  const { test } = compileTyped(filter, logFields(entries));
  const found = test === undefined ? entries : entries.filter((_, index) => test(index));
  last = { entries, filter, found };
  return found;
}

/** Why a filter cannot be applied to a list of events; '' when it can. */
export const logFilterProblem = (filter: string): string => compileTyped(filter, logFields([])).problem;

function logFields(entries: readonly Entry[]): Fields {
  const at = (row: number) => entries[row] as Entry;
  return {
    called: 'field',
    names: [...Object.keys(TEXTS), ...Object.keys(NUMBERS)],
    find: (name): Field | undefined => {
      const key = name.toLowerCase();
      const text = TEXTS[key];
      const number = NUMBERS[key];
      if (text !== undefined && Object.hasOwn(TEXTS, key))
        return { kind: 'text', test: (passes) => (row) => passes(text(at(row))) };
      if (number === undefined || !Object.hasOwn(NUMBERS, key)) return undefined;
      return { kind: 'number', value: (row) => number(at(row)), unit: PLAIN_UNIT };
    },
    word: (word) => {
      const wanted = word.toLowerCase();
      return (row) => entryText(at(row)).toLowerCase().includes(wanted);
    },
  };
}
