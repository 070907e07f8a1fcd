/** `ktop join SOCKET [MONITOR]`: argv → what is watched of another ktop. */
import type { Monitor } from '../monitors/monitor.ts';
import type { Look } from '../ui/terminal/capabilities.ts';
import { readFlags } from './flags.ts';
import { LOOK_ROWS, lookOfFlags } from './look.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';
import { named } from './recordings.ts';
import { UsageError } from './usage-error.ts';
import { fileName, quote, wholeNumber } from './values.ts';

export interface JoinCommand {
  readonly kind: 'join';
  readonly path: string;
  readonly monitor: Monitor;
  /** Undefined: on the screen. */
  readonly format: 'json' | 'plain' | undefined;
  /** Intervals to print; Infinity without -n. */
  readonly count: number;
  /** File to record to. */
  readonly record: string | undefined;
  readonly look: Look;
}

const TAKEN = ['json', 'plain', 'count', 'record', ...LOOK_ROWS.map(({ name }) => name), 'help'];
export const JOIN_ROWS: readonly OptionRow[] = OPTIONS.filter(({ name }) => TAKEN.includes(name));

export function parseJoin(
  argv: readonly string[],
  monitors: readonly Monitor[],
  terminal: boolean,
): JoinCommand | { readonly kind: 'help' } {
  const { input, flags } = readFlags(argv, JOIN_ROWS);
  if (flags.has('help')) return { kind: 'help' };
  const [path, name, extra] = input;
  if (path === undefined)
    throw new UsageError('join needs a socket; write ktop join SOCKET, that of ktop --share');
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${quote(extra)}; join takes a socket and one monitor`);
  if (flags.has('json') && flags.has('plain'))
    throw new UsageError('--json and --plain exclude each other; give one of them');
  const format = flags.has('json') ? 'json' : flags.has('plain') || !terminal ? 'plain' : undefined;
  const count = flags.get('count')?.at(-1);
  if (count !== undefined && format === undefined)
    throw new UsageError('-n/--count is not for the dashboard; add --json or --plain');
  const record = flags.get('record')?.at(-1);
  return {
    kind: 'join',
    path: fileName('SOCKET', path),
    monitor: name === undefined ? (monitors[0] as Monitor) : named(name, monitors),
    format,
    count: count === undefined ? Number.POSITIVE_INFINITY : wholeNumber('-n/--count', count, 1, 1e9),
    record: record === undefined ? undefined : fileName('--record', record),
    look: lookOfFlags(flags),
  };
}
