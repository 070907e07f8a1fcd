/** The command line of `ktop watch 'SRC ARG… [if FILTER]'`: what is watched, and the rest as for any monitor. */
import type { Declaration } from '../watch/declare.ts';
import { ownFlags } from './hist.ts';
import type { CommandRow } from './tokens.ts';
import { UsageError } from './usage-error.ts';
import { duration, wholeNumber } from './values.ts';

/** Options of its own; --count is no number of intervals here. */
export const WATCH_ROWS: readonly CommandRow[] = [
  { name: 'list', help: 'events as they happen (the default)' },
  { name: 'count', value: 'K[,K]', help: 'counts by fields of the event, or comm, pid, tid, cpu' },
  { name: 'hist', value: 'FIELD', help: 'how the values of a field are spread' },
  { name: 'lat', help: 'from entry to return, or from a beginning to its end' },
  { name: 'by', value: 'WHAT', help: 'told apart by pid, tid, comm, cpu or stack' },
  { name: 'top', value: 'N', help: 'at most so many rows' },
  { name: 'every', value: 'TIME', help: 'time between two refreshes, such as 500ms (default 1s)' },
  { name: 'yes', help: 'arm a probe that is hit very often, too' },
  { name: 'intervals', short: 'n', value: 'N', help: 'end after N intervals (with --json, --plain)' },
];

/** `argv` after the word `watch`. Throws a UsageError. */
export function parseWatch(argv: readonly string[]): {
  readonly declaration: Declaration;
  readonly argv: readonly string[];
  /** Whatever it costs. */
  readonly yes: boolean;
} {
  const { input, flags, rest } = ownFlags(argv, WATCH_ROWS);
  const last = (name: string) => flags.get(name)?.at(-1);
  const every = last('every');
  const times = last('intervals');
  const top = last('top');
  const hist = last('hist');
  const by = last('by');
  // One K after another, and a --count for each: both are meant the same.
  const counts = flags.get('count')?.flatMap((text) => text.split(',').map((part) => part.trim()));
  if (counts?.some((part) => part === '') === true)
    throw new UsageError('--count: a field is missing; write it like --count comm,ret');
  // A field alone says how: by counting.
  const counted =
    counts ??
    (by !== undefined && !flags.has('list') && !flags.has('lat') && hist === undefined ? [] : undefined);
  return {
    yes: flags.has('yes'),
    argv: [
      'watch',
      ...rest,
      ...(every === undefined ? [] : [`--interval=${Math.round(duration('--every', every, 's') / 1e6)}`]),
      ...(times === undefined ? [] : [`--count=${times}`]),
    ],
    declaration: {
      name: 'watch',
      title: 'Watch',
      watch: input.join(' '),
      ...(flags.has('list') ? { list: true } : {}),
      ...(counted === undefined ? {} : { count: counted }),
      ...(hist === undefined ? {} : { hist }),
      ...(flags.has('lat') ? { lat: true } : {}),
      ...(by === undefined ? {} : { by }),
      ...(top === undefined ? {} : { top: wholeNumber('--top', top, 1, 10_000) }),
    },
  };
}
