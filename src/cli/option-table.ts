/** Every option, once: parsing, checking, the help text and the "monitors that use it" error read this table. */
import { DEFAULT_BUDGET_PCT, type Monitor, type OptionName, type Options } from '../monitors/monitor.ts';
import type { ColourWish } from '../ui/terminal/capabilities.ts';
import { THEMES, type ThemeName } from '../ui/terminal/palette.ts';
import type { TokenRow } from './tokens.ts';
import * as values from './values.ts';

const BACKENDS = ['perf', 'tracefs'] as const;
const COLOURS: readonly ColourWish[] = ['auto', 'never', '16', '256', 'true'];

/** All that options can say, before it is known which part is for whom. */
export interface Given extends Partial<Options> {
  readonly count?: number;
  readonly json?: boolean;
  readonly plain?: boolean;
  readonly version?: boolean;
  readonly help?: boolean;
  readonly colour?: ColourWish;
  readonly ascii?: boolean;
  readonly theme?: ThemeName;
  readonly mouse?: boolean;
  readonly record?: string;
  readonly share?: string;
  readonly input?: string;
}

/** What reading a value may depend on. */
export interface ReadContext {
  readonly monitor: Monitor;
  /** CPUs and processes that an option may name; undefined: those of another machine, which are not known yet. */
  readonly online: (() => values.OnlineCpus) | undefined;
}

export interface OptionRow extends TokenRow {
  /** The monitors that name this use it; absent = it is for all. */
  readonly uses?: OptionName;
  readonly repeat?: boolean;
  /** Kept when the dashboard turns to another monitor that uses it. */
  readonly shared?: boolean;
  /** Says how a kernel is watched: nothing to say of one that was recorded. */
  readonly live?: boolean;
  /** May depend on what the monitors make of it. */
  readonly help: string | ((monitors: readonly Monitor[]) => string);
  /** `texts` is empty for an option without value; `option` is how to call it in messages. */
  readonly read: (texts: readonly string[], option: string, context: ReadContext) => Given;
}

const last = (texts: readonly string[]): string => texts[texts.length - 1] ?? '';

const OBJECT_HELP =
  'which field is the address is told by the format, or by /ptr=FIELD/, /ptr=FIELD,size=FIELD/, /filter/ptr=FIELD/ behind it (may be repeated)';

export const OPTIONS: readonly OptionRow[] = [
  {
    name: 'json',
    help: 'one JSON object per interval on stdout',
    read: () => ({ json: true }),
  },
  {
    name: 'plain',
    help: 'text, for pipes and logs (the default when stdout is no terminal)',
    read: () => ({ plain: true }),
  },
  {
    name: 'count',
    short: 'n',
    value: 'N',
    help: 'end after N intervals (with --json, --plain)',
    read: (texts, option) => ({ count: values.wholeNumber(option, last(texts), 1, 1e9) }),
  },
  {
    name: 'interval',
    short: 'i',
    value: 'MS',
    shared: true,
    help: 'time between two refreshes in ms, 100 to 3600000 (default 1000)',
    read: (texts, option) => ({ interval_ms: values.wholeNumber(option, last(texts), 100, 3_600_000) }),
  },
  {
    name: 'input',
    value: 'FILE',
    help: 'what perf record has written, instead of this kernel',
    read: (texts, option) => ({ input: values.fileName(option, last(texts)) }),
  },
  {
    name: 'cpu',
    short: 'C',
    uses: 'cpu',
    value: 'LIST',
    shared: true,
    help: 'only these CPUs, such as 0-3,7',
    read: (texts, option, { online }) => ({ cpus: values.cpuList(option, last(texts), online?.()) }),
  },
  {
    name: 'pid',
    short: 'p',
    uses: 'pid',
    value: 'LIST',
    help: 'only these processes',
    read: (texts, option, { online }) => ({
      pids: values.pidList(option, last(texts), online !== undefined),
    }),
  },
  {
    name: 'than',
    uses: 'than',
    value: 'TIME',
    help: thanHelp,
    read: (texts, option, { monitor: { than_unit = 'ms' } }) => {
      if (than_unit === 'percent') return { than_pct: values.percentage(option, last(texts)) };
      const ns = values.duration(option, last(texts), than_unit);
      return { than_ms: ns / 1e6, than_us: ns / 1e3 };
    },
  },
  {
    name: 'filter',
    uses: 'filter',
    value: 'TEXT',
    help: filterHelp,
    read: (texts, option, { monitor: { kernel_filter } }) => ({
      filter: kernel_filter ? values.filterText(option, last(texts)) : values.nameGlob(option, last(texts)),
    }),
  },
  {
    name: 'event',
    short: 'e',
    uses: 'event',
    value: 'LIST',
    repeat: true,
    help: eventHelp,
    read: (texts, option, { monitor: { event_words } }) => ({
      events: texts.flatMap((text) =>
        event_words === undefined
          ? values.eventChoices(option, text)
          : values.wordList(option, text, event_words).map((name) => ({ name })),
      ),
    }),
  },
  {
    name: 'key',
    uses: 'key',
    value: 'FIELD',
    help: 'field whose value tells which events belong together (default $tid)',
    read: (texts, option) => ({ key: values.fieldName(option, last(texts)) }),
  },
  {
    name: 'latency',
    short: 'L',
    uses: 'latency',
    value: 'TIME',
    help: 'report what took at least this long, such as 10ms (bare numbers: us)',
    read: (texts, option, { monitor }) => ({
      latency_us: values.latency(option, last(texts), monitor.least_latency_us ?? 0),
    }),
  },
  {
    name: 'sleeping',
    short: 'S',
    uses: 'S',
    help: 'watch interruptible sleep',
    read: () => ({ sleeping: true }),
  },
  {
    name: 'uninterruptible',
    short: 'D',
    uses: 'D',
    help: 'watch uninterruptible sleep',
    read: () => ({ uninterruptible: true }),
  },
  {
    name: 'call-graph',
    short: 'g',
    uses: 'call-graph',
    help: 'take kernel call chains',
    read: () => ({ callgraph: true }),
  },
  {
    name: 'percpu',
    uses: 'percpu',
    help: 'one histogram per CPU',
    read: () => ({ percpu: true }),
  },
  {
    name: 'alloc',
    uses: 'alloc',
    value: 'EVENT',
    repeat: true,
    help: `event that allocates, as system:name; ${OBJECT_HELP}`,
    read: (texts, option) => ({ alloc: texts.flatMap((text) => values.objectChoices(option, text)) }),
  },
  {
    name: 'free',
    uses: 'free',
    value: 'EVENT',
    repeat: true,
    help: 'event that frees, in the same way (may be repeated)',
    read: (texts, option) => ({ free: texts.flatMap((text) => values.objectChoices(option, text)) }),
  },
  {
    name: 'age',
    uses: 'age',
    value: 'TIME',
    help: 'only what is at least this old, such as 10s (bare numbers: ms)',
    read: (texts, option) => ({ age_ms: values.duration(option, last(texts), 'ms') / 1e6 }),
  },
  {
    name: 'freq',
    short: 'F',
    live: true,
    uses: 'freq',
    value: 'N',
    help: 'samples per second and CPU, 1 to 10000',
    read: (texts, option) => ({ frequency: values.wholeNumber(option, last(texts), 1, 10_000) }),
  },
  {
    name: 'precise',
    uses: 'precise',
    help: 'pay for exact times and places',
    read: () => ({ precise: true }),
  },
  {
    name: 'exclude-user',
    uses: 'exclude-user',
    help: 'leave out what runs in programs',
    read: () => ({ exclude_user: true }),
  },
  {
    name: 'exclude-kernel',
    uses: 'exclude-kernel',
    help: 'leave out what runs in the kernel',
    read: () => ({ exclude_kernel: true }),
  },
  {
    name: 'exclude-guest',
    uses: 'exclude-guest',
    help: 'leave out what runs in guests',
    read: () => ({ exclude_guest: true }),
  },
  {
    name: 'guest',
    short: 'G',
    uses: 'guest',
    help: 'only what runs in guests',
    read: () => ({ guest: true }),
  },
  {
    name: 'trigger',
    short: 'T',
    live: true,
    uses: 'trigger',
    value: 'N',
    help: 'take a sample at every Nth event; 0 = none',
    read: (texts, option) => ({ trigger: values.wholeNumber(option, last(texts), 0, 1e9) }),
  },
  {
    name: 'syscalls',
    uses: 'syscalls',
    help: 'count system calls too',
    read: () => ({ syscalls: true }),
  },
  {
    name: 'summary',
    short: 'c',
    uses: 'summary',
    help: 'count calls, errors and time, and show them at the end',
    read: () => ({ summary: true }),
  },
  {
    name: 'subtree',
    live: true,
    uses: 'subtree',
    value: 'FUNCTION',
    repeat: true,
    help: 'only what this function calls (-g FUNCTION for short; may be repeated)',
    read: (texts, option) => ({ subtrees: texts.map((text) => values.functionName(option, text)) }),
  },
  {
    name: 'depth',
    live: true,
    uses: 'depth',
    value: 'N',
    help: 'calls no deeper than this, 1 to 255',
    read: (texts, option) => ({ depth: values.wholeNumber(option, last(texts), 1, 255) }),
  },
  {
    name: 'all',
    live: true,
    uses: 'all',
    help: 'every function of the kernel: it becomes several times slower meanwhile',
    read: () => ({ all: true }),
  },
  {
    name: 'yes',
    short: 'y',
    live: true,
    uses: 'yes',
    help: 'trace what is called more than 100000 times a second without asking',
    read: () => ({ yes: true }),
  },
  {
    name: 'collapse',
    uses: 'collapse',
    help: 'what calls nothing in one line',
    read: () => ({ collapse: true }),
  },
  {
    name: 'test',
    live: true,
    uses: 'test',
    help: 'cause what the monitor looks for, to see it found',
    read: () => ({ test: true }),
  },
  {
    name: 'mmap-pages',
    short: 'm',
    live: true,
    uses: 'mmap-pages',
    value: 'N',
    shared: true,
    help: 'size of the ring of each CPU in pages, a power of two up to 32768',
    read: (texts, option) => ({ mmap_pages: values.powerOfTwo(option, last(texts), 32_768) }),
  },
  {
    name: 'backend',
    live: true,
    value: 'WHICH',
    shared: true,
    help: 'perf or tracefs: how events are read (default: the better one here)',
    read: (texts, option) => ({ backend: values.choice(option, last(texts), BACKENDS) }),
  },
  {
    name: 'budget',
    live: true,
    value: 'PCT',
    shared: true,
    help: `what watching may cost in % of one CPU before load is shed, or off (default ${DEFAULT_BUDGET_PCT})`,
    read: (texts, option) => ({
      budget_pct: last(texts) === 'off' ? 0 : values.percentage(option, last(texts)),
    }),
  },
  {
    name: 'record',
    live: true,
    value: 'FILE',
    help: 'write all that is seen to a file, for ktop replay',
    read: (texts, option) => ({ record: values.fileName(option, last(texts)) }),
  },
  {
    name: 'share',
    value: 'SOCKET',
    live: true,
    help: 'let others watch with ktop join, each with a tab of their own: a socket for you and root only',
    read: (texts, option) => ({ share: values.fileName(option, last(texts)) }),
  },
  {
    name: 'colour',
    also: ['color'],
    value: 'WHEN',
    help: 'auto, never, 16, 256 or true',
    read: (texts, option) => ({ colour: values.choice(option, last(texts), COLOURS) }),
  },
  { name: 'ascii', help: 'draw with ASCII characters only', read: () => ({ ascii: true }) },
  {
    name: 'theme',
    value: 'WHICH',
    help: `${THEMES.join(' or ')}: which colours stand for good, warning and alarm`,
    read: (texts, option) => ({ theme: values.choice(option, last(texts), THEMES) }),
  },
  {
    name: 'mouse',
    help: 'the wheel moves, a click selects, sorts and opens tabs (key: x); the terminal selects text with Shift then',
    read: () => ({ mouse: true }),
  },
  { name: 'version', short: 'V', help: 'the version of ktop', read: () => ({ version: true }) },
  { name: 'help', short: 'h', help: 'this text', read: () => ({ help: true }) },
];

function thanHelp(monitors: readonly Monitor[]): string {
  const units = new Map<string, string[]>();
  for (const { name, options, than_unit = 'ms' } of monitors)
    if (options.includes('than') && than_unit !== 'ms')
      units.set(than_unit, [...(units.get(than_unit) ?? []), name]);
  const others = [...units].map(
    ([unit, names]) => `; ${unit === 'percent' ? '%' : unit} for ${names.join(', ')}`,
  );
  return `report what took longer, such as 50ms (bare numbers: ms${others.join('')})`;
}

function eventHelp(monitors: readonly Monitor[]): string {
  const words = monitors.filter(({ event_words }) => event_words !== undefined).map(({ name }) => name);
  if (words.length === monitors.length) return 'only these calls, such as openat,read (may be repeated)';
  const events = 'events, as system:name or system:name/filter/ (may be repeated)';
  return words.length === 0 ? events : `${events}; for ${words.join(', ')}: names of calls`;
}

function filterHelp(monitors: readonly Monitor[]): string {
  const kernel = monitors.filter(({ options, kernel_filter }) => kernel_filter && options.includes('filter'));
  const names = 'only tasks whose name matches (* and ? as in file names)';
  if (kernel.length === 0) return names;
  if (kernel.length === monitors.length) return 'only events whose fields satisfy this kernel filter';
  return `${names}; for ${kernel.map(({ name }) => name).join(', ')}: on fields`;
}
