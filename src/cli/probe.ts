/** `ktop probe …`: argv → one command about probes. */
import type { Look } from '../ui/terminal/capabilities.ts';
import { readFlags } from './flags.ts';
import { LOOK_ROWS, lookOfFlags } from './look.ts';
import { suggestion } from './nearest.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';
import { optionLabel, type TokenRow } from './tokens.ts';
import { UsageError } from './usage-error.ts';
import * as values from './values.ts';

export interface WatchWanted {
  /** As typed, or names of probes that were added. */
  readonly definitions: readonly string[];
  readonly path: string;
  readonly returns: boolean;
  readonly filter: string;
  readonly stack: boolean;
  readonly pids: readonly number[];
  readonly count: string | undefined;
  readonly histogram: string | undefined;
  readonly latency: boolean;
  readonly than_ms: number | undefined;
  /** Arm what fires very often without asking. */
  readonly yes: boolean;
  readonly interval_ms: number;
  /** Pictures to print; Infinity without -n. */
  readonly times: number;
  readonly record: string | undefined;
}

export type ProbeCommand =
  | {
      readonly kind: 'probe-watch';
      readonly wanted: WatchWanted;
      readonly format: 'json' | 'plain' | 'screen';
      readonly look: Look;
    }
  | {
      readonly kind: 'probe-add';
      readonly definitions: readonly string[];
      readonly path: string;
      readonly returns: boolean;
      readonly name: string;
      readonly pids: readonly number[];
    }
  | { readonly kind: 'probe-del'; readonly names: readonly string[] }
  | { readonly kind: 'probe-list'; readonly json: boolean }
  | { readonly kind: 'probe-funcs'; readonly glob: string; readonly path: string; readonly json: boolean }
  | {
      readonly kind: 'probe-vars' | 'probe-lines';
      readonly place: string;
      readonly path: string;
      /** A file that ktop recipe db has written; `''` = none. */
      readonly database: string;
      readonly json: boolean;
    }
  | { readonly kind: 'probe-help' };

/** Words after `ktop probe` that are commands; anything else is the monitor's. */
export const PROBE_COMMANDS = ['add', 'del', 'list', 'funcs', 'vars', 'lines', 'watch', 'help'] as const;
type Word = (typeof PROBE_COMMANDS)[number];

interface ProbeOption extends TokenRow {
  readonly help: string;
  readonly for: readonly Word[];
}

function of(name: string, ...words: readonly Word[]): ProbeOption {
  const { help, ...row } = OPTIONS.find((each) => each.name === name) as OptionRow;
  return { ...row, help: String(help), for: words };
}

export const PROBE_OPTIONS: readonly ProbeOption[] = [
  { name: 'json', for: ['watch', 'list', 'funcs', 'vars', 'lines'], help: 'JSON on stdout' },
  { name: 'plain', for: ['watch', 'list', 'funcs', 'vars', 'lines'], help: 'text on stdout' },
  of('count', 'watch'),
  of('interval', 'watch'),
  {
    name: 'exec',
    short: 'x',
    value: 'PATH',
    for: ['watch', 'add', 'funcs', 'vars', 'lines'],
    help: 'functions of this program or library (bash, libc, a path) instead of the kernel’s',
  },
  { name: 'ret', for: ['watch', 'add'], help: 'the return of the function; $retval is its value' },
  { name: 'filter', value: 'FILTER', for: ['watch'], help: 'in the kernel: \'len > 100 && comm == "sshd"\'' },
  { name: 'stack', short: 'g', for: ['watch'], help: 'the call chain of each record' },
  {
    name: 'pid',
    short: 'p',
    value: 'LIST',
    for: ['watch', 'add'],
    help: 'these processes; of add: whose files -x means',
  },
  {
    name: 'by',
    value: 'ARG',
    for: ['watch'],
    help: 'count by an argument, or by comm, pid, tid, cpu, stack',
  },
  { name: 'hist', value: 'ARG', for: ['watch'], help: 'log2 histogram of an argument' },
  { name: 'lat', for: ['watch'], help: 'time from each entry to its return' },
  {
    name: 'than',
    value: 'TIME',
    for: ['watch'],
    help: 'with --lat: records of calls that take longer (default ms)',
  },
  { name: 'yes', short: 'y', for: ['watch'], help: 'arm what fires more than 100000 times a second' },
  { name: 'db', value: 'FILE', for: ['vars', 'lines'], help: 'look it up in what ktop recipe db has stored' },
  { name: 'name', value: 'NAME', for: ['add'], help: 'name of the probe' },
  of('record', 'watch'),
  ...LOOK_ROWS.map(({ name }) => of(name, 'watch')),
  { name: 'help', short: 'h', for: PROBE_COMMANDS, help: 'this text' },
];

/** The words after `probe`; undefined: it is the monitor that is meant. */
export function parseProbeCommand(argv: readonly string[], terminal: boolean): ProbeCommand | undefined {
  const word = PROBE_COMMANDS.find((each) => each === argv[0]);
  if (word === undefined) {
    if (argv[0] === undefined || argv[0].startsWith('-')) return undefined;
    const guess = suggestion(argv[0], PROBE_COMMANDS);
    throw new UsageError(
      `no probe command ${values.quote(argv[0])}${guess}${guess === '' ? ';' : ''} use ${PROBE_COMMANDS.join(', ')}`,
    );
  }
  const { input, flags } = readFlags(argv.slice(1), PROBE_OPTIONS);
  if (flags.has('help') || word === 'help') return { kind: 'probe-help' };
  const unused = PROBE_OPTIONS.find((row) => flags.has(row.name) && !row.for.includes(word));
  if (unused !== undefined)
    throw new UsageError(
      `${optionLabel(unused)} is not for probe ${word}; it is for ${unused.for.join(', ')}`,
    );
  if (flags.has('json') && flags.has('plain'))
    throw new UsageError('--json and --plain exclude each other; give one of them');
  const last = (name: string): string | undefined => flags.get(name)?.at(-1);
  const path = last('exec') ?? '';
  const json = flags.has('json');
  const pids = last('pid');
  const processes = pids === undefined ? [] : values.pidList('-p/--pid', pids, true);
  switch (word) {
    case 'list':
      none(input, word);
      return { kind: 'probe-list', json };
    case 'del':
      if (input.length === 0) throw new UsageError('probe del needs a name; see ktop probe list');
      return { kind: 'probe-del', names: input };
    case 'funcs':
      return { kind: 'probe-funcs', glob: one(input, word, "a pattern, such as 'tcp_send*'"), path, json };
    case 'vars':
    case 'lines': {
      const database = last('db') ?? '';
      if (database !== '' && path !== '')
        throw new UsageError('--db tells whose functions it has; leave -x/--exec out');
      return { kind: `probe-${word}`, place: one(input, word, 'a function'), path, database, json };
    }
    case 'add':
      return {
        kind: 'probe-add',
        definitions: definitions(input, word),
        path,
        returns: flags.has('ret'),
        name: nameOf(last('name')),
        pids: processes,
      };
    case 'watch': {
      const times = last('count');
      const interval = last('interval');
      const than = last('than');
      if (than !== undefined && !flags.has('lat'))
        throw new UsageError('--than is about latencies; add --lat');
      const screen = terminal && !json && !flags.has('plain');
      if (screen && times !== undefined)
        throw new UsageError('-n/--count is not for the dashboard; add --json or --plain');
      if (flags.has('lat') && flags.has('ret'))
        throw new UsageError('--lat arms entry and return; leave --ret out');
      return {
        kind: 'probe-watch',
        format: json ? 'json' : screen ? 'screen' : 'plain',
        look: lookOfFlags(flags),
        wanted: {
          definitions: definitions(input, word),
          path,
          returns: flags.has('ret'),
          filter: last('filter') ?? '',
          stack: flags.has('stack'),
          pids: processes,
          count: argument('--by', last('by')),
          histogram: argument('--hist', last('hist')),
          latency: flags.has('lat'),
          than_ms: than === undefined ? undefined : values.duration('--than', than, 'ms') / 1e6,
          yes: flags.has('yes'),
          interval_ms:
            interval === undefined ? 1000 : values.wholeNumber('-i/--interval', interval, 100, 3_600_000),
          times:
            times === undefined
              ? Number.POSITIVE_INFINITY
              : values.wholeNumber('-n/--count', times, 1, 1_000_000_000),
          record: last('record'),
        },
      };
    }
  }
  return undefined;
}

/** Each word one definition; where the first has no arguments and what follows look like some, all of it is one. */
function definitions(words: readonly string[], word: string): string[] {
  const [first, second] = words;
  if (first === undefined)
    throw new UsageError(`probe ${word} needs a definition, such as 'do_sys_openat2 filename:string'`);
  const open = !/\s/.test(first);
  const tracefs =
    open &&
    (/^[prfte]\d*:/.test(first) || (/^[prfte]$/.test(first) && second !== undefined) || first === 'sdt');
  const argumentLike = (text: string) => /[=$%]|->|:u?string$|:[sux]\d+$/.test(text) && !/\s/.test(text);
  if (tracefs || (open && words.length > 1 && words.slice(1).every(argumentLike))) return [words.join(' ')];
  return [...words];
}

function argument(option: string, text: string | undefined): string | undefined {
  if (text !== undefined && !/^[A-Za-z_]\w*$/.test(text))
    throw new UsageError(
      `${option}: ${values.quote(text)} is no name of an argument; give one of the probe, such as size`,
    );
  return text;
}

function nameOf(text: string | undefined): string {
  if (text !== undefined && !/^[A-Za-z_]\w{0,59}$/.test(text))
    throw new UsageError(`--name: ${values.quote(text)} is no name for a probe; use letters, digits and _`);
  return text ?? '';
}

function one(input: readonly string[], word: string, what: string): string {
  const [first, more] = input;
  if (first === undefined) throw new UsageError(`probe ${word} needs ${what}`);
  if (more !== undefined)
    throw new UsageError(`unexpected argument ${values.quote(more)}; probe ${word} takes one`);
  return first;
}

function none(input: readonly string[], word: string): void {
  if (input[0] !== undefined)
    throw new UsageError(`unexpected argument ${values.quote(input[0])}; probe ${word} takes none`);
}

/** `ktop probe help`. */
export function probeHelp(): string {
  const lines = PROBE_OPTIONS.map((row) => {
    const short = row.short === undefined ? '    ' : `-${row.short}, `;
    const head = `  ${short}--${row.name}${row.value === undefined ? '' : ` ${row.value}`}`;
    const words = row.for.length === PROBE_COMMANDS.length ? '' : ` (${row.for.join(', ')})`;
    return `${head.padEnd(25)}  ${row.help}${words}`;
  });
  return [
    'ktop probe: events where there are none, in kernel and programs, live',
    '',
    'Usage:',
    '  ktop probe                              the dashboard, on the probes of this kernel',
    '  ktop probe watch DEF… | NAME…           armed while it runs: records, counts, histograms, latencies',
    '  ktop probe add DEF [--name NAME]        armed by whoever wants it, until it is deleted or the next boot',
    '  ktop probe del NAME…                    what was added',
    '  ktop probe list [--json]                all probes of this kernel, whoever made them',
    '  ktop probe funcs GLOB [-x PATH]         functions that can be probed',
    '  ktop probe vars FUNC[:LINE]             arguments, and with debuginfo variables',
    '  ktop probe lines FUNC                   source lines (needs perf and debuginfo)',
    '',
    'Definitions, in quotes:',
    "  'do_sys_openat2 filename:string'                  a function, arguments by name",
    "  'vfs_read file->f_path.dentry->d_name.name:string count'",
    "  'do_sys_openat2%return $retval'                   its return",
    "  'p:myopen do_sys_openat2 file=+0(%si):string'     as tracefs takes it",
    "  '/usr/bin/bash:readline%return +0($retval):string'   a program’s function",
    "  'sdt /usr/bin/python3 python:gc__start'           a marker in a program",
    '  sched:sched_process_exec                          an event that there is',
    '',
    'Options:',
    ...lines,
    '',
    'Exit codes: 0 done, 1 failed, 2 bad usage, 3 not possible on this host, or refused by the kernel.',
    '',
  ].join('\n');
}
