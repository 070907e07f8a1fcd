/** The command lines of `ktop record`, `replay` and `export`. */
import type { Monitor, Options } from '../monitors/monitor.ts';
import type { Look } from '../ui/terminal/capabilities.ts';
import { CAST_ROWS, type CastCommand, parseCast, refuseCastOptions } from './cast.ts';
import { readFlags } from './flags.ts';
import { DEFAULT_INTERVAL_MS, readGiven } from './given.ts';
import { LOOK_ROWS, lookOfFlags } from './look.ts';
import { suggestion } from './nearest.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';
import { type CommandRow, optionLabel } from './tokens.ts';
import { UsageError } from './usage-error.ts';
import { choice, fileName, number, quote, span, wholeNumber } from './values.ts';

export const EXPORTS = ['json', 'csv', 'openmetrics'] as const;

export type RecordingCommand =
  | {
      readonly kind: 'record';
      readonly file: string;
      /** What to open; of `standard` ones only what the host gives. */
      readonly wanted: readonly { readonly monitor: Monitor; readonly options: Options }[];
      /** Nobody has said which: those that are for every host. */
      readonly standard: boolean;
      readonly duration_ms: number;
    }
  | {
      readonly kind: 'replay';
      readonly file: string;
      /** Undefined: all there are, or the first for a screen. */
      readonly monitor: Monitor | undefined;
      /** Undefined: on the screen. */
      readonly format: 'json' | 'plain' | undefined;
      readonly count: number;
      /** Undefined: as fast as can be, or as it happened for a screen. */
      readonly speed: number | undefined;
      readonly look: Look;
    }
  | {
      readonly kind: 'export';
      readonly file: string;
      readonly format: (typeof EXPORTS)[number];
      /** Undefined: stdout. */
      readonly output: string | undefined;
      readonly monitor: Monitor | undefined;
    };

const OUTPUT: CommandRow = { name: 'output', short: 'o', value: 'FILE', help: 'the file to make' };
const SPEED: CommandRow = { name: 'speed', value: 'X', help: '0.1 to 100 times as fast as it happened' };
const HELP: CommandRow = { name: 'help', short: 'h', help: 'the help text' };

const RECORD_OWN: readonly CommandRow[] = [
  OUTPUT,
  { name: 'duration', value: 'TIME', help: 'end after so long, such as 90, 10m or 24h (bare numbers: s)' },
  HELP,
];
/** Not of a monitor's options, or not for a recording. */
const NOT_RECORDED = new Set([
  'json',
  'plain',
  'count',
  'record',
  'input',
  'share',
  ...LOOK_ROWS.map(({ name }) => name),
  'version',
  'help',
]);
const OF_MONITORS: readonly OptionRow[] = OPTIONS.filter(({ name }) => !NOT_RECORDED.has(name));
const of = (name: string): OptionRow => OPTIONS.find((row) => row.name === name) as OptionRow;
export const RECORD_ROWS = [...RECORD_OWN, ...OF_MONITORS] as const;
export const REPLAY_ROWS: readonly (CommandRow | OptionRow)[] = [
  SPEED,
  ...['json', 'plain', 'count'].map(of),
  ...LOOK_ROWS,
  HELP,
];
export const EXPORT_ROWS: readonly (CommandRow | OptionRow)[] = [
  OUTPUT,
  { name: 'format', value: 'WHICH', help: 'json, csv, openmetrics or cast' },
  {
    name: 'monitor',
    also: ['tab'],
    value: 'NAME',
    help: 'only this monitor; for a film the tab it opens on',
  },
  ...CAST_ROWS,
  HELP,
];

export function parseRecord(
  argv: readonly string[],
  monitors: readonly Monitor[],
): RecordingCommand | { readonly kind: 'help' } {
  const { input, flags } = readFlags(argv, RECORD_ROWS);
  if (flags.has('help')) return { kind: 'help' };
  const file = flags.get('output')?.at(-1);
  if (file === undefined) throw new UsageError('record needs a file; write ktop record -o FILE');
  const standard = input.length === 0;
  const chosen = standard
    ? monitors.filter((monitor) => monitor.standard)
    : [...new Set(input)].map((word) => named(word, monitors));
  const wanted = readGiven(flags, chosen, monitors).map(({ monitor, given }) => ({
    monitor,
    options: { interval_ms: DEFAULT_INTERVAL_MS, ...given },
  }));
  const duration = flags.get('duration')?.at(-1);
  return {
    kind: 'record',
    file: fileName(optionLabel(OUTPUT), file),
    wanted,
    standard,
    duration_ms: duration === undefined ? Number.POSITIVE_INFINITY : span('--duration', duration),
  };
}

export function parseReplay(
  argv: readonly string[],
  monitors: readonly Monitor[],
  terminal: boolean,
): RecordingCommand | { readonly kind: 'help' } {
  const { input, flags } = readFlags(argv, REPLAY_ROWS);
  if (flags.has('help')) return { kind: 'help' };
  const [file, name, extra] = input;
  if (file === undefined) throw new UsageError('replay needs a recording; write ktop replay FILE');
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${quote(extra)}; replay takes a file and one monitor`);
  if (flags.has('json') && flags.has('plain'))
    throw new UsageError('--json and --plain exclude each other; give one of them');
  const format = flags.has('json') ? 'json' : flags.has('plain') || !terminal ? 'plain' : undefined;
  const count = flags.get('count')?.at(-1);
  if (count !== undefined && format === undefined)
    throw new UsageError('-n/--count is not for the dashboard; add --json or --plain');
  const speed = flags.get('speed')?.at(-1);
  return {
    kind: 'replay',
    file: fileName('FILE', file),
    monitor: name === undefined ? undefined : named(name, monitors),
    format,
    count: count === undefined ? Number.POSITIVE_INFINITY : wholeNumber('-n/--count', count, 1, 1e9),
    speed: speed === undefined ? undefined : number('--speed', speed, 0.1, 100),
    look: lookOfFlags(flags),
  };
}

export function parseExport(
  argv: readonly string[],
  monitors: readonly Monitor[],
): RecordingCommand | CastCommand | { readonly kind: 'help' } {
  const { input, flags } = readFlags(argv, EXPORT_ROWS);
  if (flags.has('help')) return { kind: 'help' };
  const [file, extra] = input;
  if (file === undefined)
    throw new UsageError('export needs a recording; write ktop export FILE --format json');
  if (extra !== undefined) throw new UsageError(`unexpected argument ${quote(extra)}; export takes one file`);
  const output = flags.get('output')?.at(-1);
  const format = flags.get('format')?.at(-1);
  const name = flags.get('monitor')?.at(-1);
  const monitor = name === undefined ? undefined : named(name, monitors);
  if (format === 'cast' || (format === undefined && output?.endsWith('.cast') === true)) {
    const path = output === undefined ? undefined : fileName(optionLabel(OUTPUT), output);
    return parseCast(flags, { file: fileName('FILE', file), output: path, monitor });
  }
  if (format === undefined)
    throw new UsageError(`export needs a format; give --format ${EXPORTS.join(', ')}, or -o OUT.cast`);
  refuseCastOptions(flags);
  return {
    kind: 'export',
    file: fileName('FILE', file),
    format: choice('--format', format, EXPORTS),
    output: output === undefined ? undefined : fileName(optionLabel(OUTPUT), output),
    monitor,
  };
}

export function named(word: string, monitors: readonly Monitor[]): Monitor {
  const found = monitors.find(({ name }) => name === word);
  if (found !== undefined) return found;
  const names = monitors.map(({ name }) => name);
  const guess = suggestion(word, names);
  throw new UsageError(
    `no monitor ${quote(word)}${guess}${guess === '' ? '; known are' : ' Known:'} ${names.join(', ')}`,
  );
}
