/** `ktop recipe …`: argv → one command about probe recipes. */
import type { Look } from '../ui/terminal/capabilities.ts';
import { readFlags } from './flags.ts';
import { LOOK_ROWS, lookOfFlags } from './look.ts';
import { suggestion } from './nearest.ts';
import { OPTIONS, type OptionRow } from './option-table.ts';
import { optionLabel, type TokenRow } from './tokens.ts';
import { UsageError } from './usage-error.ts';
import * as values from './values.ts';

/** Where debug information is looked for. */
export interface DebugFiles {
  readonly vmlinux: string | undefined;
  readonly modules: readonly string[];
  readonly source: string;
  readonly programs: readonly string[];
  readonly debuginfod: boolean;
}

export interface UseWanted {
  readonly file: string;
  /** Ids; empty = all. */
  readonly only: readonly string[];
  readonly filter: string;
  readonly stack: boolean;
  readonly pids: readonly number[];
  /** In place of the views that the recipe asks for. */
  readonly view: 'recipe' | 'list';
  readonly count: string | undefined;
  readonly histogram: string | undefined;
  readonly yes: boolean;
  readonly interval_ms: number;
  readonly times: number;
  readonly record: string | undefined;
}

export type RecipeCommand =
  | {
      readonly kind: 'recipe-make';
      readonly queries: readonly string[];
      readonly output: string;
      readonly files: DebugFiles;
      readonly types_only: boolean;
      readonly filter: string;
      readonly histogram: string | undefined;
      readonly count: string | undefined;
      readonly note: string;
      /** 0: no test. */
      readonly test_ms: number;
      readonly yes: boolean;
      readonly json: boolean;
    }
  | {
      readonly kind: 'recipe-use';
      readonly wanted: UseWanted;
      readonly format: 'json' | 'plain' | 'screen';
      readonly look: Look;
    }
  | {
      readonly kind: 'recipe-show';
      readonly file: string;
      readonly pids: readonly number[];
      readonly json: boolean;
    }
  | {
      readonly kind: 'recipe-db-make';
      readonly glob: string;
      readonly output: string;
      readonly files: DebugFiles;
      readonly lines: boolean;
      readonly vars: boolean;
      readonly most: number;
    }
  | { readonly kind: 'recipe-db'; readonly file: string; readonly place: string; readonly json: boolean }
  | { readonly kind: 'recipe-help' };

export const RECIPE_COMMANDS = ['make', 'use', 'show', 'db', 'help'] as const;
type Word = (typeof RECIPE_COMMANDS)[number];

interface RecipeOption extends TokenRow {
  readonly help: string;
  readonly for: readonly Word[];
}

function of(name: string, ...words: readonly Word[]): RecipeOption {
  const { help, ...row } = OPTIONS.find((each) => each.name === name) as OptionRow;
  return { ...row, help: String(help), for: words };
}

export const RECIPE_OPTIONS: readonly RecipeOption[] = [
  { name: 'output', short: 'o', value: 'FILE', for: ['make', 'db'], help: 'write it to this new file' },
  {
    name: 'vmlinux',
    value: 'FILE',
    for: ['make', 'db'],
    help: 'unstripped kernel (default: that of this kernel, where installed)',
  },
  {
    name: 'module-debug',
    value: 'FILE',
    for: ['make', 'db'],
    help: 'module with debug information; may be repeated',
  },
  { name: 'src', value: 'DIR', for: ['make', 'db'], help: 'sources: the directory that holds fs, net …' },
  {
    name: 'exec',
    short: 'x',
    value: 'PATH',
    for: ['make', 'db'],
    help: 'functions of this program or library with debug information; may be repeated',
  },
  {
    name: 'btf',
    for: ['make'],
    help: 'by the types of this kernel only: entries and returns; fits other kernels too',
  },
  {
    name: 'debuginfod',
    for: ['make', 'db'],
    help: 'fetch debug information from the servers of DEBUGINFOD_URLS',
  },
  { name: 'filter', value: 'FILTER', for: ['make', 'use'], help: "in the kernel: 'len > 100'" },
  { name: 'hist', value: 'ARG', for: ['make', 'use'], help: 'show it as a log2 histogram of this argument' },
  {
    name: 'by',
    value: 'ARG',
    for: ['make', 'use'],
    help: 'show it counted by an argument, or by comm, pid, tid, cpu, stack',
  },
  { name: 'list', for: ['use'], help: 'show records, whatever the recipe asks for' },
  { name: 'note', value: 'TEXT', for: ['make'], help: 'what it is for, kept with it' },
  {
    name: 'test',
    value: 'SECONDS',
    for: ['make'],
    help: 'arm it here for so long and count hits: this kernel must be the one',
  },
  { name: 'only', value: 'ID', for: ['use'], help: 'this probe of the recipe only; may be repeated' },
  { name: 'lines', for: ['db'], help: 'source lines that can be probed' },
  { name: 'vars', for: ['db'], help: 'variables at the entry; with --lines, at each line' },
  { name: 'most', value: 'N', for: ['db'], help: 'at most so many functions, up to 5000 (default 200)' },
  {
    name: 'yes',
    short: 'y',
    for: ['make', 'use'],
    help: 'take many places, arm what fires very often, without asking',
  },
  {
    name: 'pid',
    short: 'p',
    value: 'LIST',
    for: ['use', 'show'],
    help: 'these processes; programs as the first one sees them',
  },
  { name: 'stack', short: 'g', for: ['use'], help: 'the call chain of each record' },
  { name: 'json', for: ['make', 'use', 'show', 'db'], help: 'JSON on stdout' },
  { name: 'plain', for: ['use', 'show', 'db'], help: 'text on stdout' },
  of('count', 'use'),
  of('interval', 'use'),
  of('record', 'use'),
  ...LOOK_ROWS.map(({ name }) => of(name, 'use')),
  { name: 'help', short: 'h', for: RECIPE_COMMANDS, help: 'this text' },
];

/** The words after `recipe`. Throws a UsageError. */
export function parseRecipeCommand(argv: readonly string[], terminal: boolean): RecipeCommand {
  if (argv.length === 0 || argv[0] === '--help' || argv[0] === '-h') return { kind: 'recipe-help' };
  const word = RECIPE_COMMANDS.find((each) => each === argv[0]);
  if (word === undefined) {
    const guess = suggestion(argv[0] ?? '', RECIPE_COMMANDS);
    throw new UsageError(
      `no recipe command ${values.quote(argv[0] ?? '')}${guess}${guess === '' ? ';' : ''} use ${RECIPE_COMMANDS.join(', ')}`,
    );
  }
  const { input, flags } = readFlags(argv.slice(1), RECIPE_OPTIONS);
  if (flags.has('help') || word === 'help') return { kind: 'recipe-help' };
  const unused = RECIPE_OPTIONS.find((row) => flags.has(row.name) && !row.for.includes(word));
  if (unused !== undefined)
    throw new UsageError(
      `${optionLabel(unused)} is not for recipe ${word}; it is for ${unused.for.join(', ')}`,
    );
  if (flags.has('json') && flags.has('plain'))
    throw new UsageError('--json and --plain exclude each other; give one of them');
  const given: Given = { input, flags, last: (name) => flags.get(name)?.at(-1) };
  if (word === 'make') return makeOf(given);
  if (word === 'use') return usingOf(given, terminal);
  if (word === 'show')
    return {
      kind: 'recipe-show',
      file: one(input, word, 'a recipe file'),
      pids: pidsOf(given),
      json: flags.has('json'),
    };
  return dbOf(given);
}

interface Given {
  readonly input: readonly string[];
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly last: (name: string) => string | undefined;
}

const pidsOf = ({ last }: Given): readonly number[] => {
  const pids = last('pid');
  return pids === undefined ? [] : values.pidList('-p/--pid', pids, true);
};

function filesOf({ flags, last }: Given): DebugFiles {
  return {
    vmlinux: last('vmlinux'),
    modules: flags.get('module-debug') ?? [],
    source: last('src') ?? '',
    programs: flags.get('exec') ?? [],
    debuginfod: flags.has('debuginfod'),
  };
}

function viewOf({ last, flags }: Given): { count: string | undefined; histogram: string | undefined } {
  const count = argument('--by', last('by'));
  const histogram = argument('--hist', last('hist'));
  if (flags.has('list') && (count ?? histogram) !== undefined)
    throw new UsageError('--list shows records; leave --hist and --by out');
  return { count, histogram };
}

function makeOf(given: Given): RecipeCommand {
  const { input, flags, last } = given;
  const output = last('output');
  if (input.length === 0)
    throw new UsageError("recipe make needs a query, such as 'tcp_should_autocork size_goal skb->len'");
  if (output === undefined) throw new UsageError('recipe make needs a file to write; give -o NAME.ktprobe');
  const files = filesOf(given);
  if (flags.has('btf') && (files.vmlinux ?? files.modules[0] ?? files.programs[0]) !== undefined)
    throw new UsageError(
      '--btf takes the types of this kernel; leave --vmlinux, --module-debug and -x/--exec out',
    );
  const test = last('test');
  return {
    kind: 'recipe-make',
    queries: queriesOf(input),
    output: values.fileName('-o/--output', output),
    files,
    types_only: flags.has('btf'),
    filter: last('filter') ?? '',
    ...viewOf(given),
    note: last('note') ?? '',
    test_ms: test === undefined ? 0 : values.duration('--test', test, 's') / 1e6,
    yes: flags.has('yes'),
    json: flags.has('json'),
  };
}

/** Each word one query; where the first has no arguments and what follows look like some, all of it is one. */
function queriesOf(words: readonly string[]): readonly string[] {
  const [first = '', ...rest] = words;
  const argumentLike = (text: string) => /[=$]|->|:u?string$|:[sux]\d+$/.test(text) && !/\s/.test(text);
  return !/\s/.test(first) && rest.length > 0 && rest.every(argumentLike) ? [words.join(' ')] : words;
}

function usingOf(given: Given, terminal: boolean): RecipeCommand {
  const { input, flags, last } = given;
  const times = last('count');
  const interval = last('interval');
  const screen = terminal && !flags.has('json') && !flags.has('plain');
  if (screen && times !== undefined)
    throw new UsageError('-n/--count is not for the dashboard; add --json or --plain');
  return {
    kind: 'recipe-use',
    format: flags.has('json') ? 'json' : screen ? 'screen' : 'plain',
    look: lookOfFlags(flags),
    wanted: {
      file: one(input, 'use', 'a recipe file'),
      only: (flags.get('only') ?? []).flatMap((text) => text.split(',')).filter((id) => id !== ''),
      filter: last('filter') ?? '',
      stack: flags.has('stack'),
      pids: pidsOf(given),
      view: flags.has('list') ? 'list' : 'recipe',
      ...viewOf(given),
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

function dbOf(given: Given): RecipeCommand {
  const { input, flags, last } = given;
  const output = last('output');
  const [first, place = '', more] = input;
  if (output !== undefined) {
    if (!flags.has('lines') && !flags.has('vars'))
      throw new UsageError('recipe db stores --lines, --vars, or both; give one of them');
    if (flags.has('json') || flags.has('plain'))
      throw new UsageError(
        '--json and --plain are for looking into a database; leave -o/--output or them out',
      );
    const most = last('most');
    return {
      kind: 'recipe-db-make',
      glob: one(input, 'db', "a pattern, such as 'tcp_*'"),
      output: values.fileName('-o/--output', output),
      files: filesOf(given),
      lines: flags.has('lines'),
      vars: flags.has('vars'),
      most: most === undefined ? 200 : values.wholeNumber('--most', most, 1, 5000),
    };
  }
  if (first === undefined)
    throw new UsageError(
      "recipe db needs 'GLOB' --lines --vars -o FILE to store, or FILE [FUNC[:LINE]] to look up",
    );
  if (more !== undefined)
    throw new UsageError(`unexpected argument ${values.quote(more)}; write recipe db FILE FUNC`);
  const making = ['lines', 'vars', 'vmlinux', 'module-debug', 'src', 'exec', 'debuginfod', 'most'].find(
    (name) => flags.has(name),
  );
  if (making !== undefined)
    throw new UsageError(
      `--${making} is for storing; give the new file with -o NAME, or leave --${making} out`,
    );
  return { kind: 'recipe-db', file: first, place, json: flags.has('json') };
}

function argument(option: string, text: string | undefined): string | undefined {
  if (text !== undefined && !/^[A-Za-z_]\w*$/.test(text))
    throw new UsageError(
      `${option}: ${values.quote(text)} is no name of an argument; give one of the probe, such as size`,
    );
  return text;
}

function one(input: readonly string[], word: string, what: string): string {
  const [first, more] = input;
  if (first === undefined) throw new UsageError(`recipe ${word} needs ${what}`);
  if (more !== undefined)
    throw new UsageError(`unexpected argument ${values.quote(more)}; recipe ${word} takes one`);
  return first;
}

/** `ktop recipe help`. */
export function recipeHelp(): string {
  const lines = RECIPE_OPTIONS.map((row) => {
    const short = row.short === undefined ? '    ' : `-${row.short}, `;
    const head = `  ${short}--${row.name}${row.value === undefined ? '' : ` ${row.value}`}`;
    const words = row.for.length === RECIPE_COMMANDS.length ? '' : ` (${row.for.join(', ')})`;
    return `${head.padEnd(25)}  ${row.help}${words}`;
  });
  return [
    'ktop recipe: probes made where debug information is, used where it is not',
    '',
    'Usage:',
    "  ktop recipe make -o F.ktprobe 'QUERY'…    look probes up, here; needs perf and debug information, or --btf",
    '  ktop recipe use F.ktprobe [--only ID]     arm and watch them, on a machine with nothing but ktop',
    '  ktop recipe show F.ktprobe [--json]       what is in it; whether it fits here, and why not',
    "  ktop recipe db 'GLOB' --lines --vars -o F  store lines and variables of functions",
    '  ktop recipe db F [FUNC[:LINE]] [--json]   look them up, anywhere',
    '',
    'Queries, in quotes, as for perf probe:',
    "  'tcp_should_autocork size_goal skb->len'  an inlined function, a local variable, a member",
    "  'do_sys_openat2:17 fd tmp->name:string'   variables at a line, counted from its first",
    "  'do_sys_openat2%return $retval'           its return",
    "  'loop:do_req_filebacked rq->__sector'     of a module (--module-debug, where it is not found)",
    "  '/usr/bin/app:serve req->len if len > 99' of a program; a filter for the kernel",
    '',
    'The story, from a message to a histogram:',
    '  1. A server complains of small packets; the sources say who decides: tcp_push in net/ipv4/tcp.c.',
    '  2. What decides is tcp_should_autocork, and it is inlined: no probe can be put on its name.',
    '  3. On a machine with the same kernel and its debug package, look at its lines and variables:',
    '       ktop recipe db tcp_should_autocork --lines --vars --src linux-source-6.1 -o tcp.db',
    '       ktop recipe db tcp.db tcp_should_autocork',
    '  4. Make a recipe of what is interesting there, and see that it is hit:',
    "       ktop recipe make -o cork.ktprobe --hist len --test 5s 'tcp_should_autocork size_goal skb->len'",
    '  5. Take the file to the server, which has no debug package and no compiler:',
    '       ktop recipe show cork.ktprobe; ktop recipe use cork.ktprobe',
    '  6. Sizes come by, as records and as a histogram. On a kernel of another build it is refused.',
    '',
    'Options:',
    ...lines,
    '',
    'Exit codes: 0 done, 1 failed, 2 bad usage, 3 not possible here: another build, no debug information, refused.',
    '',
  ].join('\n');
}
