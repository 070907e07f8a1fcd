/** The command line of `ktop export FILE -o OUT.cast`, a film of the dashboard, and of `ktop demo`. */
import type { Monitor } from '../monitors/monitor.ts';
import type { Look } from '../ui/terminal/capabilities.ts';
import { readFlags } from './flags.ts';
import { LOOK_ROWS, lookOfFlags } from './look.ts';
import type { OptionRow } from './option-table.ts';
import type { CommandRow } from './tokens.ts';
import { UsageError } from './usage-error.ts';
import { fileName, number, quote } from './values.ts';

/** What a film is made of. */
export interface CastCommand {
  readonly kind: 'cast';
  readonly file: string;
  /** Undefined: stdout. */
  readonly output: string | undefined;
  readonly monitor: Monitor | undefined;
  readonly speed: number;
  readonly columns: number;
  readonly rows: number;
  /** Moments of the recording, as typed. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly version: 2 | 3;
  /** File with a script of keys. */
  readonly keys: string | undefined;
  readonly look: Look;
}

export interface DemoCommand {
  readonly kind: 'demo';
  /** Undefined: the recordings that come with ktop. */
  readonly directory: string | undefined;
  readonly look: Look;
}

/** What only a film takes. */
export const CAST_ROWS: readonly (CommandRow | OptionRow)[] = [
  { name: 'speed', value: 'X', help: '0.1 to 100 times as fast as it happened' },
  { name: 'size', value: 'WxH', help: 'columns and rows of a film (default 100x30)' },
  { name: 'from', value: 'TIME', help: 'where a film begins' },
  { name: 'to', value: 'TIME', help: 'where a film ends' },
  { name: 'v3', help: 'a film in version 3 of the format' },
  { name: 'keys', value: 'FILE', help: 'keys to press while a film is made' },
  // A film has no mouse.
  ...LOOK_ROWS.filter(({ name }) => name !== 'mouse'),
];
const HELP: CommandRow = { name: 'help', short: 'h', help: 'the help text' };
export const DEMO_ROWS: readonly (CommandRow | OptionRow)[] = [...LOOK_ROWS, HELP];

const LEAST = [60, 15] as const;
const MOST = [500, 200] as const;
const SIZE = [100, 30] as const;

type Flags = ReadonlyMap<string, readonly string[]>;

/** Throws a UsageError for what is given of a film where there is none. */
export function refuseCastOptions(flags: Flags): void {
  const given = CAST_ROWS.find(({ name }) => flags.has(name));
  if (given !== undefined)
    throw new UsageError(`--${given.name} is for a film; write -o OUT.cast or --format cast`);
}

/** `flags` may hold what all exports take too. */
export function parseCast(
  flags: Flags,
  given: Pick<CastCommand, 'file' | 'output' | 'monitor'>,
): CastCommand {
  const last = (name: string) => flags.get(name)?.at(-1);
  const speed = last('speed');
  const keys = last('keys');
  const [columns, rows] = sizeOf(last('size'));
  return {
    kind: 'cast',
    ...given,
    speed: speed === undefined ? 1 : number('--speed', speed, 0.1, 100),
    columns,
    rows,
    from: last('from'),
    to: last('to'),
    version: flags.has('v3') ? 3 : 2,
    keys: keys === undefined ? undefined : fileName('--keys', keys),
    look: lookOfFlags(flags),
  };
}

export function parseDemo(
  argv: readonly string[],
  monitors: readonly Monitor[],
): DemoCommand | { readonly kind: 'help' } {
  const { input, flags } = readFlags(argv, DEMO_ROWS);
  if (flags.has('help')) return { kind: 'help' };
  const [directory, extra] = input;
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${quote(extra)}; demo takes one directory of recordings`);
  if (directory !== undefined && monitors.some(({ name }) => name === directory))
    throw new UsageError(`demo takes a directory, not the monitor ${directory}; choose the tab there`);
  return {
    kind: 'demo',
    directory: directory === undefined ? undefined : fileName('DIRECTORY', directory),
    look: lookOfFlags(flags),
  };
}

function sizeOf(text: string | undefined): readonly [number, number] {
  if (text === undefined) return SIZE;
  const match = /^(\d{1,4})x(\d{1,4})$/i.exec(text);
  const [columns, rows] = [Number(match?.[1]), Number(match?.[2])];
  const fits = columns >= LEAST[0] && columns <= MOST[0] && rows >= LEAST[1] && rows <= MOST[1];
  if (!fits)
    throw new UsageError(
      `--size: ${quote(text)} is no size from ${LEAST.join('x')} to ${MOST.join('x')}; write it like ${SIZE.join('x')}`,
    );
  return [columns, rows];
}
