/** argv → one Command. */
import type { Monitor, Options } from '../monitors/monitor.ts';
import type { Later } from '../output/stream.ts';
import type { Look } from '../ui/terminal/capabilities.ts';
import { type CastCommand, type DemoCommand, parseDemo } from './cast.ts';
import { COMMAND_TABLE } from './command-table.ts';
import { SHELLS, type Shell } from './completion.ts';
import { readFlags } from './flags.ts';
import { DEFAULT_INTERVAL_MS, type ForMonitor, readGiven } from './given.ts';
import { type JoinCommand, parseJoin } from './join.ts';
import { lookOf } from './look.ts';
import { suggestion } from './nearest.ts';
import { type Given, OPTIONS, type OptionRow } from './option-table.ts';
import { type ProbeCommand, parseProbeCommand } from './probe.ts';
import { parseRecipeCommand, type RecipeCommand } from './recipe.ts';
import { parseExport, parseRecord, parseReplay, type RecordingCommand } from './recordings.ts';
import { UsageError } from './usage-error.ts';
import { choice, fileName, functionName, quote } from './values.ts';
import { parseVmcore, type VmcoreCommand } from './vmcore.ts';

export type Command =
  | RecordingCommand
  | CastCommand
  | DemoCommand
  | VmcoreCommand
  | JoinCommand
  | ProbeCommand
  | RecipeCommand
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'list'; readonly json: boolean; readonly input: string | undefined }
  | { readonly kind: 'doctor'; readonly json: boolean }
  | { readonly kind: 'vmcore-help' }
  | { readonly kind: 'completion'; readonly shell: Shell }
  | { readonly kind: 'manual' }
  | {
      readonly kind: 'stream';
      readonly format: 'json' | 'plain';
      readonly monitor: Monitor;
      /** A perf.data file instead of this kernel. */
      readonly input: Input | undefined;
      readonly options: Options;
      /** Intervals to print; Infinity without -n. */
      readonly count: number;
      /** File to record to. */
      readonly record: string | undefined;
      /** A command to be started and watched, with its arguments. */
      readonly program?: readonly string[];
      readonly later?: Later;
    }
  | {
      readonly kind: 'dashboard';
      readonly monitor: Monitor;
      readonly input: Input | undefined;
      /** Options for any monitor, by name: that of the command line gets all, others what they share with it. */
      readonly options: (monitor: string) => Options;
      readonly look: Look;
      /** File to record to. */
      readonly record: string | undefined;
      /** Socket for others to watch through. */
      readonly share?: string | undefined;
      readonly program?: readonly string[];
      readonly later?: Later;
    };

export type { Later };

export interface Input {
  readonly path: string;
  /** Nobody has said which monitor: the first that the file serves. */
  readonly any: boolean;
}

const COMMANDS = COMMAND_TABLE.map(({ name }) => name);

/**
 * Parses the arguments after the program's name. `terminal`: stdout is one; `recordable`: what recordings may hold.
 * Throws a UsageError for anything that is not right.
 */
export function parseCommand(
  argv: readonly string[],
  monitors: readonly Monitor[],
  terminal: boolean,
  recordable: readonly Monitor[] = monitors,
): Command {
  const [command, ...rest] = argv;
  if (command === 'record') return parseRecord(rest, monitors);
  if (command === 'replay') return parseReplay(rest, recordable, terminal);
  if (command === 'export') return parseExport(rest, recordable);
  if (command === 'demo') return parseDemo(rest, monitors);
  if (command === 'join') return parseJoin(rest, monitors, terminal);
  if (command === 'vmcore') return parseVmcore(rest, terminal) ?? { kind: 'vmcore-help' };
  if (command === 'recipe') return parseRecipeCommand(rest, terminal);
  const probing = command === 'probe' ? parseProbeCommand(rest, terminal) : undefined;
  if (probing !== undefined) return probing;
  const { before, behind } = atCommand(argv);
  const { input, flags } = readFlags(before, spelledFor(before, monitors));
  if (flags.has('help')) return { kind: 'help' };
  if (flags.has('version')) return { kind: 'version' };
  const [word, ...words] = input;
  const extra = words[0];
  if (word === 'list') return parseList(flags, extra);
  if (word === 'doctor') return parseDoctor(flags, extra);
  if (word === 'completion') return { kind: 'completion', shell: shellOf(flags, input.slice(1)) };
  if (word === 'manual') {
    refuseAll(word, flags, extra);
    return { kind: 'manual' };
  }
  const monitor = word === undefined ? monitors[0] : monitors.find(({ name }) => name === word);
  if (monitor === undefined) throw unknownWord(word ?? '', monitors);
  if (extra !== undefined && monitor.words === undefined)
    throw new UsageError(`unexpected argument ${quote(extra)}; one monitor at a time, options start with -`);

  const { given: options, shared } = readGiven(flags, [monitor], monitors)[0] as ForMonitor;
  const given = { ...options, ...wordsOf(monitor, words), ...commandOf(monitor, behind) };
  if (given.input !== undefined && (given.command ?? given.functions) !== undefined)
    throw new UsageError('--input is what was recorded; leave it or the functions and the command out');
  const file = given.input === undefined ? undefined : { path: given.input, any: word === undefined };
  const parsed = complete(given, shared, monitor, monitors, terminal, file);
  if (behind === undefined || monitor.command === true) return parsed;
  return withProgram(parsed, behind, monitor, monitors, given);
}

/** What stands before `--`, and the command behind it. */
function atCommand(argv: readonly string[]): {
  readonly before: readonly string[];
  readonly behind: readonly string[] | undefined;
} {
  const at = argv.indexOf('--');
  return at < 0
    ? { before: argv, behind: undefined }
    : { before: argv.slice(0, at), behind: argv.slice(at + 1) };
}

/** A monitor with --subtree and no call chains has -g for it. */
function spelledFor(argv: readonly string[], monitors: readonly Monitor[]): readonly OptionRow[] {
  const used = monitors.find(({ name }) => name === argv[0])?.options ?? [];
  if (!used.includes('subtree') || used.includes('call-graph')) return OPTIONS;
  return OPTIONS.map((row) => {
    if (row.name === 'subtree') return { ...row, short: 'g' };
    const { short, ...rest } = row;
    return short === 'g' ? rest : row;
  });
}

function wordsOf(monitor: Monitor, words: readonly string[]): Partial<Options> {
  if (words.length === 0) return {};
  return { functions: words.map((word) => functionName(monitor.name, word)) };
}

function commandOf(monitor: Monitor, command: readonly string[] | undefined): Partial<Options> {
  if (command === undefined || monitor.command !== true) return {};
  if (command.length === 0)
    throw new UsageError('there is no command behind --; write -- COMMAND [ARGUMENT…]');
  return { command };
}

function complete(
  given: Given,
  shared: ForMonitor['shared'],
  monitor: Monitor,
  monitors: readonly Monitor[],
  terminal: boolean,
  input: Input | undefined,
): Command {
  const {
    json,
    plain,
    count,
    colour,
    ascii,
    theme,
    mouse,
    record,
    share,
    input: _i,
    version: _v,
    help: _h,
    ...rest
  } = given;
  if (json === true && plain === true)
    throw new UsageError('--json and --plain exclude each other; give one of them');
  const options: Options = { interval_ms: DEFAULT_INTERVAL_MS, ...rest };
  if (json === true || plain === true || !terminal) {
    const format = json === true ? 'json' : 'plain';
    if (share !== undefined)
      throw new UsageError('--share is for the dashboard; leave it out, or run ktop on a terminal');
    return {
      kind: 'stream',
      format,
      monitor,
      input,
      options,
      count: count ?? Number.POSITIVE_INFINITY,
      record,
    };
  }
  const onScreen: Options = options.command === undefined ? options : { ...options, command_quiet: true };
  if (count !== undefined) throw new UsageError('-n/--count is not for the dashboard; add --json or --plain');
  const optionsOf = (name: string): Options => {
    if (name === monitor.name) return onScreen;
    const other = monitors.find((candidate) => candidate.name === name);
    const parts = shared.filter(
      ([row]) => row.uses === undefined || other?.options.includes(row.uses) === true,
    );
    return Object.assign({ interval_ms: DEFAULT_INTERVAL_MS }, ...parts.map(([, part]) => part)) as Options;
  };
  return {
    kind: 'dashboard',
    monitor,
    input,
    options: optionsOf,
    look: lookOf({ colour, ascii, theme, mouse }),
    record,
    share,
  };
}

/** `-- COMMAND`, for the monitors that watch a program. */
function withProgram(
  command: Command,
  program: readonly string[],
  monitor: Monitor,
  monitors: readonly Monitor[],
  given: Given,
): Command {
  if (command.kind !== 'stream' && command.kind !== 'dashboard') return command;
  if (monitor.takes_command === undefined) {
    const users = monitors
      .filter((one) => one.takes_command === true || one.command === true)
      .map(({ name }) => name);
    throw new UsageError(`${monitor.name} starts no command (--); monitors that do: ${users.join(', ')}`);
  }
  if (program.length === 0) throw new UsageError('-- needs a command behind it; write it like -- ls /tmp');
  const other = given.pids !== undefined ? '-p/--pid' : given.input !== undefined ? '--input' : undefined;
  if (other !== undefined)
    throw new UsageError(`${other} and a command (--) exclude each other; give one of them`);
  return { ...command, program };
}

function parseList(flags: ReadonlyMap<string, readonly string[]>, extra: string | undefined): Command {
  if (extra !== undefined) throw new UsageError(`unexpected argument ${quote(extra)}; list takes none`);
  for (const name of flags.keys()) {
    if (name !== 'json' && name !== 'plain' && name !== 'input')
      throw new UsageError(`--${name} is not for list; it takes --json and --input only`);
  }
  if (flags.has('json') && flags.has('plain')) {
    throw new UsageError('--json and --plain exclude each other; give one of them');
  }
  const input = flags.get('input')?.at(-1);
  return {
    kind: 'list',
    json: flags.has('json'),
    input: input === undefined ? undefined : fileName('--input', input),
  };
}

function parseDoctor(flags: Flags, extra: string | undefined): Command {
  if (extra !== undefined) throw new UsageError(`unexpected argument ${quote(extra)}; doctor takes none`);
  for (const name of flags.keys())
    if (name !== 'json' && name !== 'plain')
      throw new UsageError(`--${name} is not for doctor; it takes --json only`);
  if (flags.has('json') && flags.has('plain'))
    throw new UsageError('--json and --plain exclude each other; give one of them');
  return { kind: 'doctor', json: flags.has('json') };
}

type Flags = ReadonlyMap<string, readonly string[]>;

function shellOf(flags: Flags, words: readonly string[]): Shell {
  const [shell, extra] = words;
  refuseAll('completion', flags, extra);
  if (shell === undefined)
    throw new UsageError(`completion needs a shell; write ktop completion ${SHELLS.join('|')}`);
  return choice('completion', shell, SHELLS);
}

function refuseAll(command: string, flags: Flags, extra: string | undefined): void {
  if (extra !== undefined)
    throw new UsageError(`unexpected argument ${quote(extra)} behind ${command}; leave it out`);
  for (const name of flags.keys()) throw new UsageError(`--${name} is not for ${command}; leave it out`);
}

function unknownWord(word: string, monitors: readonly Monitor[]): UsageError {
  const known = [...new Set([...monitors.map(({ name }) => name), ...COMMANDS])];
  if (COMMANDS.includes(word)) return new UsageError(`${word} comes first; write ktop ${word} …`);
  const guess = suggestion(word, known);
  const list = known.join(', ');
  return new UsageError(
    `no monitor or command ${quote(word)}${guess}${guess === '' ? '; known are' : ' Known:'} ${list}`,
  );
}
