/** `ktop vmcore …`: argv → one command about cores. */
import { availableParallelism } from 'node:os';
import type { Look } from '../ui/terminal/capabilities.ts';
import { readFlags } from './flags.ts';
import { LOOK_ROWS, lookOfFlags } from './look.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';
import { optionLabel, type TokenRow } from './tokens.ts';
import { UsageError } from './usage-error.ts';
import * as values from './values.ts';

export type VmcoreFormat = 'json' | 'plain';

export type VmcoreCommand =
  | {
      /** The dashboard on one core. */
      readonly kind: 'vmcore-screen';
      readonly file: string;
      readonly vmlinux: string | undefined;
      /** File to record to. */
      readonly record: string | undefined;
      readonly look: Look;
    }
  | {
      /** All that is known of one core. */
      readonly kind: 'vmcore-report';
      readonly file: string;
      readonly vmlinux: string | undefined;
      readonly format: VmcoreFormat;
    }
  | {
      /** An own command on one core. */
      readonly kind: 'vmcore-command';
      readonly file: string;
      readonly vmlinux: string | undefined;
      /** Its name, or the file it is in. */
      readonly name: string | undefined;
      readonly source: string | undefined;
      readonly args: readonly string[];
      readonly format: VmcoreFormat;
    }
  | {
      readonly kind: 'vmcore-batch';
      readonly directory: string;
      readonly out: string | undefined;
      readonly workers: number;
      readonly timeout_ms: number;
      readonly again: boolean;
      readonly vmlinux: string | undefined;
      readonly format: VmcoreFormat;
    }
  | {
      /** Questions to, and decisions about, what a batch has found. */
      readonly kind: 'vmcore-fleet';
      readonly directory: string;
      readonly out: string | undefined;
      readonly action: FleetAction;
      readonly format: VmcoreFormat;
    };

export type FleetAction =
  | { readonly what: 'clusters' }
  /** On the screen, with all the other questions and decisions. */
  | { readonly what: 'screen' }
  | { readonly what: 'members'; readonly cluster: string }
  | { readonly what: 'similar'; readonly core: string }
  | { readonly what: 'diff'; readonly cores: readonly [string, string] }
  | { readonly what: 'merge'; readonly clusters: readonly [string, string] }
  | { readonly what: 'split'; readonly cores: readonly string[] };

interface VmcoreOption extends TokenRow {
  readonly help: string;
  /** What it is for: without `-d`, with it, where cores are read, or everything. */
  readonly for: 'core' | 'batch' | 'fleet' | 'read' | 'all';
}

/** An option that means the same elsewhere. */
function of(name: string, what: VmcoreOption['for']): VmcoreOption {
  const { help, ...row } = OPTIONS.find((each) => each.name === name) as OptionRow;
  return { ...row, help: String(help), for: what };
}

export const VMCORE_OPTIONS: readonly VmcoreOption[] = [
  { name: 'json', for: 'all', help: 'JSON on stdout' },
  { name: 'plain', for: 'all', help: 'text on stdout' },
  {
    name: 'vmlinux',
    value: 'FILE',
    for: 'read',
    help: 'vmlinux or System.map of that kernel, or a directory with some: for crash, and where a core has no symbols',
  },
  {
    name: 'command',
    value: 'FILE',
    for: 'core',
    help: 'run the own command in this file; what follows the core are its arguments',
  },
  of('record', 'core'),
  ...LOOK_ROWS.map(({ name }) => of(name, 'core')),
  { name: 'directory', short: 'd', value: 'DIR', for: 'batch', help: 'all cores below a directory' },
  {
    name: 'out',
    short: 'o',
    value: 'DIR',
    for: 'batch',
    help: 'where reports, index and clusters go (default: beside the cores)',
  },
  {
    name: 'jobs',
    short: 'j',
    value: 'N',
    for: 'batch',
    help: 'cores read at a time (default: number of CPUs)',
  },
  { name: 'timeout', value: 'TIME', for: 'batch', help: 'longest time for one core (default 20s)' },
  { name: 'again', for: 'batch', help: 'read again what has been read, cluster anew; decisions stay' },
  { name: 'clusters', for: 'fleet', help: 'the clusters found so far' },
  { name: 'screen', for: 'fleet', help: 'the clusters and their cores as a dashboard' },
  { name: 'members', value: 'CLUSTER', for: 'fleet', help: 'cores of a cluster, and why each is there' },
  { name: 'similar', value: 'CORE', for: 'fleet', help: 'cores like this one' },
  { name: 'diff', value: 'CORE,CORE', for: 'fleet', help: 'two cores side by side' },
  {
    name: 'merge',
    value: 'CLUSTER,CLUSTER',
    for: 'fleet',
    help: 'decide that two clusters are the same bug',
  },
  {
    name: 'split',
    value: 'CORE[,CORE]',
    for: 'fleet',
    help: 'decide that these cores are another bug than the rest of their cluster',
  },
  { name: 'help', short: 'h', for: 'all', help: 'this text' },
];

const DEFAULT_TIMEOUT_MS = 20_000;
const MOST_JOBS = 256;

type Flags = ReadonlyMap<string, readonly string[]>;

/** The words after `vmcore`; `terminal`: stdout is one. Undefined where help is asked for. */
export function parseVmcore(argv: readonly string[], terminal: boolean): VmcoreCommand | undefined {
  const batch = argv.some((token) => /^(?:-d|--directory(?:=|$))/.test(token));
  // Behind the core stand an own command and its own options.
  const { input, flags } = readFlags(
    early(argv, batch),
    VMCORE_OPTIONS,
    batch ? undefined : wordsBefore(argv),
  );
  if (flags.has('help')) return undefined;
  if (flags.has('json') && flags.has('plain'))
    throw new UsageError('--json and --plain exclude each other; give one of them');
  const format: VmcoreFormat = flags.has('json') ? 'json' : 'plain';
  const screen = terminal && !flags.has('json') && !flags.has('plain');
  refuse(
    flags,
    flags.has('directory') ? ['core'] : ['batch', 'fleet'],
    flags.has('directory') ? 'with -d' : 'without -d DIR',
  );
  return flags.has('directory') ? parseFleet(input, flags, format) : parseCore(input, flags, format, screen);
}

/** ktop's own wherever they stand. */
const EVERYWHERE = /^--(?:json|plain|(?:vmlinux|command)(?:=.*)?)$/s;
const WITH_VALUE = /^--(?:vmlinux|command)$/;

/** Those first, as what stands behind a command is the command's. */
function early(argv: readonly string[], batch: boolean): readonly string[] {
  if (batch) return argv;
  const [ours, rest]: [string[], string[]] = [[], []];
  for (let at = 0; at < argv.length; at += 1) {
    const token = argv[at] as string;
    const taken = EVERYWHERE.test(token) ? (WITH_VALUE.test(token) ? 2 : 1) : 0;
    (taken > 0 ? ours : rest).push(...argv.slice(at, at + Math.max(1, taken)));
    at += Math.max(0, taken - 1);
  }
  return [...ours, ...rest];
}

/** The core and the command are ktop's; with --command the core alone. */
const wordsBefore = (argv: readonly string[]): number =>
  argv.some((token) => /^--command(?:=|$)/.test(token)) ? 1 : 2;

function refuse(flags: Flags, kinds: readonly VmcoreOption['for'][], when: string): void {
  const wrong = VMCORE_OPTIONS.find((row) => flags.has(row.name) && kinds.includes(row.for));
  if (wrong !== undefined) throw new UsageError(`${optionLabel(wrong)} is of no use ${when}; leave it out`);
}

function parseCore(
  input: readonly string[],
  flags: Flags,
  format: VmcoreFormat,
  screen: boolean,
): VmcoreCommand {
  const [file, ...rest] = input;
  if (file === undefined) throw new UsageError('vmcore needs a core; give a file, or a directory with -d');
  const source = last(flags, 'command');
  const [name, ...args] = source === undefined ? rest : ['', ...rest];
  const vmlinux = last(flags, 'vmlinux');
  if (source === undefined && !name) {
    if (!screen) return { kind: 'vmcore-report', file, vmlinux, format };
    const record = last(flags, 'record');
    return { kind: 'vmcore-screen', file, vmlinux, record, look: lookOfFlags(flags) };
  }
  return { kind: 'vmcore-command', file, vmlinux, name: name || undefined, source, args, format };
}

function parseFleet(input: readonly string[], flags: Flags, format: VmcoreFormat): VmcoreCommand {
  if (input[0] !== undefined)
    throw new UsageError(
      `unexpected argument ${values.quote(input[0])}; with -d a directory is all that is read`,
    );
  const directory = last(flags, 'directory') ?? '';
  const out = last(flags, 'out');
  const action = parseAction(flags);
  if (action !== undefined) {
    refuse(
      new Map([...flags].filter(([name]) => name !== 'directory' && name !== 'out')),
      ['batch', 'read'],
      'where no core is read',
    );
    return { kind: 'vmcore-fleet', directory, out, action, format };
  }
  const jobs = last(flags, 'jobs');
  const timeout = last(flags, 'timeout');
  return {
    kind: 'vmcore-batch',
    directory,
    out,
    workers:
      jobs === undefined ? availableParallelism() : values.wholeNumber('-j/--jobs', jobs, 1, MOST_JOBS),
    timeout_ms:
      timeout === undefined
        ? DEFAULT_TIMEOUT_MS
        : Math.max(1, values.duration('--timeout', timeout, 's') / 1e6),
    again: flags.has('again'),
    vmlinux: last(flags, 'vmlinux'),
    format,
  };
}

function parseAction(flags: Flags): FleetAction | undefined {
  const given = VMCORE_OPTIONS.filter((row) => row.for === 'fleet' && flags.has(row.name));
  const [first, second] = given;
  if (first === undefined) return undefined;
  if (second !== undefined)
    throw new UsageError(`--${first.name} and --${second.name} exclude each other; give one of them`);
  const value = last(flags, first.name) ?? '';
  switch (first.name) {
    case 'members':
      return { what: 'members', cluster: value };
    case 'similar':
      return { what: 'similar', core: value };
    case 'diff':
      return { what: 'diff', cores: pair('--diff', value, 'cores') };
    case 'merge':
      return { what: 'merge', clusters: pair('--merge', value, 'clusters') };
    case 'split':
      return { what: 'split', cores: value.split(',') };
    case 'screen':
      return { what: 'screen' };
    default:
      return { what: 'clusters' };
  }
}

function pair(option: string, text: string, what: string): readonly [string, string] {
  const [one, two, more] = text.split(',');
  if (!one || !two || more !== undefined)
    throw new UsageError(`${option}: ${values.quote(text)} are not two ${what}; separate them with a comma`);
  return [one, two];
}

const last = (flags: Flags, name: string): string | undefined => flags.get(name)?.at(-1);

/** `ktop vmcore --help`. */
export function vmcoreHelp(): string {
  const lines = VMCORE_OPTIONS.map((row) => {
    const short = row.short === undefined ? '    ' : `-${row.short}, `;
    const head = `  ${short}--${row.name}${row.value === undefined ? '' : ` ${row.value}`}`;
    return `${head.padEnd(34)}  ${row.help}`;
  });
  return [
    'ktop vmcore: post-mortem of crashed kernels',
    '',
    'Usage:',
    '  ktop vmcore FILE                          the dashboard on one core; --json, --plain: the whole report',
    '  ktop vmcore FILE [--json|--plain]         all that is known of one core',
    '  ktop vmcore FILE COMMAND [ARGS]           a table from one core: cpuinfo, lockinfo, cgroupinfo, or your own',
    '  ktop vmcore -d DIR [-o OUT] [-j N]        reports of all cores below a directory, an index, clusters',
    '  ktop vmcore -d DIR --screen               the clusters and their cores as a dashboard',
    '  ktop vmcore -d DIR --clusters | --members C | --similar CORE | --diff A,B',
    '  ktop vmcore -d DIR --merge C,C | --split CORE[,CORE]',
    '',
    'Options:',
    ...lines,
    '',
    'A core is named by its path or its key, a cluster by its name, such as C3.',
    'Own commands: ~/.config/ktop/vmcore/*.ts or *.js; see docs/vmcore-batch.md.',
    '',
  ].join('\n');
}
