/**
 * The contract of a monitor: which events to open, how to reduce them, which panels show the result.
 * A monitor is data. The functions in it are pure: options in, plan out; tables in, tables out.
 */
import type { Column, Histogram, LogEntry, Snapshot, Table, TextColumn } from '../sources/snapshot.ts';

export { numberAt, textAt, textColumn } from '../sources/snapshot.ts';
export type { Column, Histogram, LogEntry, Table, TextColumn };

// ---------------------------------------------------------------- options

/** Options after parsing; units in the names. Absent = not given. */
export interface Options {
  readonly cpus?: readonly number[];
  readonly pids?: readonly number[];
  readonly interval_ms: number;
  readonly mmap_pages?: number;
  /** --than of monitors that measure time, twice; of those that measure shares, `than_pct`. */
  readonly than_ms?: number;
  readonly than_us?: number;
  readonly than_pct?: number;
  readonly latency_us?: number;
  readonly percpu?: boolean;
  readonly callgraph?: boolean;
  readonly sleeping?: boolean;
  readonly uninterruptible?: boolean;
  /** A glob on names of tasks, or a kernel filter (`Monitor.kernel_filter`). */
  readonly filter?: string;
  /** Events to watch, in the order given. */
  readonly events?: readonly EventChoice[];
  /** Field that tells which events belong together. */
  readonly key?: string;
  readonly alloc?: readonly ObjectChoice[];
  readonly free?: readonly ObjectChoice[];
  readonly age_ms?: number;
  readonly frequency?: number;
  readonly precise?: boolean;
  readonly exclude_user?: boolean;
  readonly exclude_kernel?: boolean;
  readonly exclude_guest?: boolean;
  /** Guests only. */
  readonly guest?: boolean;
  /** A sample at every so many events; 0 = none. */
  readonly trigger?: number;
  /** Make the thing to be found, to see that it is found. */
  readonly test?: boolean;
  readonly syscalls?: boolean;
  /** Probes to arm, looked up already. */
  readonly probes?: ProbeChoices;
  /** Functions to watch: globs, `:mod:NAME`. */
  readonly functions?: readonly string[];
  /** Only what these functions call. */
  readonly subtrees?: readonly string[];
  /** Calls no deeper than this. */
  readonly depth?: number;
  /** Every function there is. */
  readonly all?: boolean;
  /** Somebody has agreed to what it costs. */
  readonly yes?: boolean;
  /** What calls nothing in one line. */
  readonly collapse?: boolean;
  /** A program to run and watch, with its arguments; `command_quiet`: what it says goes to a file. */
  readonly command?: readonly string[];
  readonly command_quiet?: boolean;
  readonly backend?: 'perf' | 'tracefs';
  /** What watching may cost, in % of one CPU, before load is shed; 0 = whatever it costs. Default: `DEFAULT_BUDGET_PCT`. */
  readonly budget_pct?: number;
  /** Totals at the end instead of what happens. */
  readonly summary?: boolean;
  /** The process of `pids` was started by ktop, and stands still until the monitor is open: it begins with its exec. */
  readonly launched?: boolean;
}

/** One event of -e: `sys:name`, and the kernel filter written behind it. */
export interface EventChoice {
  readonly name: string;
  readonly filter?: string;
}

/** What `ktop probe watch` shows, and what it makes of the records. */
export interface ProbeChoices {
  readonly list: readonly ProbeChoice[];
  /** Counted by this: an argument, or comm, pid, tid, cpu, stack. */
  readonly count?: string;
  /** log2 histogram of this argument. */
  readonly histogram?: string;
  /** From each entry to its return. */
  readonly latency?: boolean;
  /** Other probes of this kernel are left out. */
  readonly only?: boolean;
  /**
   * Too many to be recorded: hits are counted in the kernel, and nothing else is known. How many snapshots in a row it
   * would not have been.
   */
  readonly lean?: number;
}

/** A probe that is armed while it is watched, or an event that there is. */
export interface ProbeChoice {
  /** Its event's name: a C identifier, and unique. */
  readonly name: string;
  readonly probe?: ProbeSpec;
  /** `sys:name`, without `probe`. */
  readonly event?: string;
  /** Where, for the eye. */
  readonly place: string;
  readonly fields: readonly string[];
  /** manual, btf, usdt, kept, event, recipe. */
  readonly source: string;
  /** As it was typed, where it was by names of arguments. */
  readonly query?: string;
  /** Arguments that are shown as IPv4 addresses or ports in network order. */
  readonly display?: Readonly<Record<string, 'ip' | 'port'>>;
  /** The module that is waited for. */
  readonly waits?: string;
  /** Nothing is armed before that is loaded and its build is known to be right. */
  readonly held?: boolean;
  /** Kernel filter. */
  readonly filter?: string;
  readonly stack?: boolean;
  /** Disarmed for now. */
  readonly off?: boolean;
  /** With `latency`: what ends that which this begins. */
  readonly end?: ProbeSpec;
}

/** One event of --alloc or --free, and which expressions over its fields say which object it is about and how big it is. */
export interface ObjectChoice extends EventChoice {
  readonly ptr?: string;
  readonly size?: string;
}

/** On one of the CPUs asked for; undefined: there is nothing to choose. */
export function onCpus({ cpus }: { readonly cpus?: readonly number[] | undefined }): Expr | undefined {
  return cpus === undefined ? undefined : `oneof($cpu, ${cpus.join(', ')})`;
}

/**
 * A kernel filter for a glob on a name. What means something else to the kernel is said in other words: a quote would end
 * the text, `!` in front deny it, and a digit there make it plain text. Where both kinds of quotes are in it, more may pass.
 */
export function nameFilter(field: string, glob: string): string {
  const quote = glob.includes('"') ? "'" : '"';
  const inside = glob.replaceAll(quote, '?').replace(/^!/, '\\!').replace(/^\d/, '[$&]');
  return `${field}~${quote}${inside}${quote}`;
}

/** Names of the options a monitor uses; any other one given is a usage error that names the monitors that do. */
export type OptionName =
  | 'cpu'
  | 'pid'
  | 'mmap-pages'
  | 'than'
  | 'percpu'
  | 'call-graph'
  | 'S'
  | 'D'
  | 'filter'
  | 'alloc'
  | 'free'
  | 'age'
  | 'freq'
  | 'latency'
  | 'event'
  | 'key'
  | 'precise'
  | 'exclude-user'
  | 'exclude-kernel'
  | 'exclude-guest'
  | 'guest'
  | 'trigger'
  | 'test'
  | 'syscalls'
  | 'summary'
  | 'subtree'
  | 'depth'
  | 'all'
  | 'collapse'
  | 'yes';

// ---------------------------------------------------------------- plan (native)

/**
 * An expression over the fields of an event's format: integers, C operators (?: || && | ^ & == != < <= > >= << >> + - * / % ! ~),
 * names of fields, and
 *   $tid $pid $cpu $time $comm $irq   thread, process, CPU, ns, name, 1 when the task was interrupted (irq, softirq, NMI)
 *   $compat                           1 when the task makes 32-bit system calls
 *   $who                              the thread, or what interrupted it: -1 a hard interrupt, -2 a softirq, -3 an NMI
 *   $ppid $pcomm $uid                 of the process: parent, its name, real user (-1 = not known)
 *   ip(field)                         the text of an address: 4 or 16 bytes, or a sockaddr with its port
 *   field[2]                          an element of an array
 *   has(field, "R")                   1 when the text field contains the string
 *   $followed                         1 when the task is one of those that `follow` follows
 *   recall(memo, key)                 what `remember` last stored under key, else 0
 *   num(field)                        leading decimal number of a text field
 *   ksym("name")                      address of a kernel function
 *   maybe(field)                      the field, 0 where the event has no such field
 *   given(field)                      1 where the event has such a field, else 0
 *   oneof(x, 1, 2, …)                 1 when x is one of these numbers
 *   first(a, b, …)                    the first that is not 0
 *   "text"                            the text itself
 * Text fields yield interned strings.
 * As a key a suffix says how it is shown: `dev:device`, `call_site:ksym`, `exit_reason:symbol`, `recall(m, k):text`,
 * `args[0]:hex`, `$who:task` (name and thread), `id:NAME` by the plan's `names`; `$stack` is the event's call chain, `$argv` (of `track` only) the
 * arguments of the program that has just begun, quoted as a shell would take them.
 */
export type Expr = string;

export interface EventSpec {
  /** How the operators refer to it. */
  readonly id: string;
  /**
   * `sys:name`; of several the first that this kernel has. Empty with a `probe`. With a `*` in it: each event of the system
   * that matches, its clauses for each of them (`calls` only; live only).
   */
  readonly names: readonly string[];
  /** Armed while the monitor is open; the event's fields are its arguments, its name is the id. */
  readonly probe?: ProbeSpec;
  /**
   * Made of texts that system calls are given, copied by the kernel at the call: number of the call → a letter for each
   * argument, 's' = text. Its fields: call, index (of the argument), late, text.
   */
  readonly texts?: Readonly<Record<number, string>>;
  /** Kernel filter, as written to a perf event. */
  readonly filter?: string;
  /** Take the kernel call chain with each event. */
  readonly stack?: boolean;
  /**
   * Take so many bytes of the task's user stack with each event, for `$argv`: of an exec they are its arguments, exactly. Not
   * from a tracefs instance. At most 60 KiB; what the kernel puts between pointers and texts may be 8 KiB.
   */
  readonly user_stack?: number;
  /** The monitor works without it; this says what is missing then, as a note. */
  readonly optional?: string;
  /** Left out first when watching costs too much; this says what is missing then ('' = nothing to speak of). */
  readonly secondary?: string;
  /** A narrower kernel filter for then: see `ShedSpec.sample`. */
  readonly sample?: string;
}

/**
 * What may be left out when watching costs more than the budget, in this order: `secondary` events and call chains; what
 * the events' `sample` filters do not let pass; most of the time; everything.
 */
export interface ShedSpec {
  /**
   * `duty`: watched for a share of the time, what adds up is scaled (columns with `sum`); state that would span a pause is
   * dropped. `off`: part of the time would tell nothing, so it is not watched for a while. `never`: every event counts.
   */
  readonly last: 'duty' | 'off' | 'never';
  /** Half a sentence: what figures lack that are of a share of the time; of `never` why nothing may be left out. */
  readonly lacks?: string;
  /** Call chains stay: they are what it is about. */
  readonly keeps_stacks?: true;
  /** The share that the `sample` filters let pass, and half a sentence that says so. */
  readonly sample?: { readonly share: number; readonly says: string };
}

/** A place in the kernel or a program where an event is made. Refused by the kernel: a usage error with its reason. */
export interface ProbeSpec {
  readonly kind: 'kprobe' | 'kretprobe' | 'uprobe' | 'uretprobe' | 'fprobe' | 'tprobe' | 'eprobe';
  /** Place and arguments, as tracefs takes them: `do_sys_openat2 file=+0(%si):ustring`, `/bin/bash:0xc6c20`. */
  readonly definition: string;
  /** Further places of the same event: an inlined function is in several. Same names and types of arguments. */
  readonly also?: readonly string[];
  /** Slots of a return probe, at least. */
  readonly slots?: number;
}

/** What one event does to an operator. `as` is the part it plays there. */
export interface Clause {
  /** Id of an event, or `@clock` for the sampler's samples ($tid, $pid, $cpu, $comm, $user, $stack). */
  readonly event: string;
  /** Only when this kernel lacks that (optional) event. */
  readonly unless?: string;
  readonly as?:
    | 'start'
    | 'end'
    | 'cancel'
    | 'between'
    | 'alloc'
    | 'free'
    | 'defer'
    | 'switch'
    | 'enter'
    | 'exit'
    | 'whole'
    | 'event'
    | 'wakeup'
    | 'wake'
    | 'set'
    | 'seen';
  readonly where?: Expr;
  /** Identity of the row (`count`), of the pair, of the object. Column name → expression. */
  readonly key?: Readonly<Record<string, Expr>>;
  /**
   * `count`: added per event, column → expression. Others: named inputs of the operator. `outstanding`: `ptr`, by default
   * the field that by its type or name is the object’s address; `size`; `site`. `histogram`: the one value; its name is the unit.
   */
  readonly add?: Readonly<Record<string, Expr>>;
  /**
   * `pair`, on a start: instead of the operator's `group`; on an end: more columns, for `tables`. `track`: the row's values
   * from now on. Its tables have also begun_ns, age_ns (until it ended), ended, replaced (by a start of the same key) and
   * at_least (it had begun before).
   */
  readonly group?: Readonly<Record<string, Expr>>;
}

/** One table of finished pairs or stays: count, total_ns, min_ns, avg_ns, p50_ns, p95_ns, p99_ns, max_ns and more. */
export interface RollupSpec {
  readonly name: string;
  /** Columns that make a row: of `pair` those of the clauses' `group`, of `state` cpu and tid,
   * of `off` tid, state, stack, waker and waker_stack. */
  readonly by: readonly string[];
  /** Only what has not 0 in this column. */
  readonly only?: string;
}

/** A table of the pairs that have begun and not ended: pid, tid, comm, cpu, the start's columns, age_ns, … */
export interface OpenSpec {
  readonly name: string;
  /** More text columns, from the start event; beside the other suffixes `args[0]:fd` and `args[1]:path`. */
  readonly columns?: Readonly<Record<string, Expr>>;
  /** Only those at least this old, in ns. */
  readonly age_ns?: number;
  /** What the task does now: columns `state`, `wchan`. Live only. */
  readonly task?: boolean;
  /** And its kernel stack: column `stack`. */
  readonly stack?: boolean;
}

export interface OperatorSpec {
  readonly op:
    | 'count'
    | 'pair'
    | 'state'
    | 'off'
    | 'track'
    | 'outstanding'
    | 'sample'
    | 'gap'
    | 'histogram'
    | 'log'
    | 'remember'
    | 'abi'
    | 'follow'
    | 'descriptors'
    | 'calls';
  /** Name of the table, histogram and log it yields; of the memo for `remember`. */
  readonly name: string;
  readonly on: readonly Clause[];
  /** Cleared at each snapshot (default) or kept. */
  readonly keep?: boolean;
  /** `pair`: column(s) that group the latencies; taken from the start event. */
  readonly group?: Readonly<Record<string, Expr>>;
  /** `pair`, `state`: its tables, instead of one of its own name. */
  readonly tables?: readonly RollupSpec[];
  /** `pair`: what is in flight, also what was when we came. Slow ones are logged while they last, too. */
  readonly open?: OpenSpec;
  /** `pair`, `state`: log what took longer, in ns. */
  readonly than_ns?: number;
  /** `pair`: summed per group, from the start event; at most four. */
  readonly sums?: Readonly<Record<string, Expr>>;
  /** `pair`: names of the sums that are multiplied by the latency, in ns. */
  readonly timed?: readonly string[];
  /** `pair`: one histogram per group, labelled by the first group column. */
  readonly histogram_per_group?: boolean;
  /** `sample`: only seconds in which the CPU was busy for this share of `busy_frequency` samples. */
  readonly busy_pct?: number;
  readonly busy_frequency?: number;
  /** `pair`: an expression on the start event; when 0 the latency counts in the table but not in histogram and log. */
  readonly alarm?: Expr;
  /** `pair`: one histogram per CPU. */
  readonly percpu?: boolean;
  /**
   * `state`: what `tables` and histogram are of: stays on a CPU, or waits for one. The tables have also begun, moved (onto
   * another CPU), within_ns of window_ns, open, and now_ns, the age of the oldest open one.
   */
  readonly measure?: 'run' | 'wait';
  /** `state`: only stays on these CPUs: a run or a wait that ends there, a sleep that began there. */
  readonly cpus?: readonly number[];
  /** `state`: measured stays are logged once while they last, too. */
  readonly early?: boolean;
  /** `state`: letters of the states watched, e.g. "SDT"; 'R' = runnable and starved. */
  readonly states?: string;
  /** `state`: of these, states that are no news by themselves: not logged, and listed only for tasks seen entering them. */
  readonly quiet_states?: string;
  /** `pair`, `state`: only this comm (glob) / these pids. */
  readonly comm?: string;
  readonly pids?: readonly number[];
  /** Not what ktop itself does (of `outstanding`: allocates); what interrupted it is not its own. */
  readonly others?: boolean;
  /** `outstanding`: only objects at least this old, in ns. */
  readonly age_ns?: number;
  /** `gap`: distance in ns at which the ticks should come. */
  readonly period_ns?: number;
  /** `remember`: forgotten after, in ns. */
  readonly ttl_ns?: number;
  /** Most rows kept; past it they go to one row "other". */
  readonly cap?: number;
  /**
   * `calls`: what calls nothing in one line. Its clauses `enter` and `exit` a call, tell of a `whole` one that has ended
   * (inputs duration, depth) or of an `event` in one; their one key is the name; `exit` may have the input duration, in ns.
   * With a group column `context` they are only where something happens. Tables: function, calls, total_ns, avg_ns, max_ns,
   * self_ns; NAME_stacks: stack, comm, self_ns.
   */
  readonly leaves?: boolean;
  /** `calls`: not the outermost calls that hold nothing but context. */
  readonly only?: boolean;
  /** Key column holding a process (or thread) id: adds comm, uid, ppid columns, and pid to a thread. */
  readonly process?: string;
  /** `descriptors`: name of the table of calls, one row each, with what their arguments were at the call. */
  readonly lines?: string;
  /** `descriptors`: name of the table of open files that something was done with, and what. */
  readonly files?: string;
  /** `descriptors`: name of the table of openings and lifetimes of `than_ns`, and of work on files of `age_ns`, or more. */
  readonly slow?: string;
}

/** Periodic readings of /proc and /sys, as tables of deltas over the interval. */
export interface PollSpec {
  readonly poll:
    | 'cpu-times'
    | 'process-io'
    | 'net-devices'
    | 'net-counters'
    | 'disk-devices'
    | 'counters'
    | 'kernel-log'
    | 'probes'
    | 'split-lock-test'
    | 'watchdog'
    | 'nfs-mounts';
  readonly name: string;
  /** `counters`: column → `sys:name`, or `sw:context-switches|cpu-migrations|minor-faults|major-faults`, `pmu:cycles-user|cycles-kernel`. */
  readonly events?: Readonly<Record<string, string>>;
  /**
   * `counters`: column → the kernel's filter, '' for none. They begin at one moment then, and the table has `total:` of each
   * column too, since the start.
   */
  readonly filters?: Readonly<Record<string, string>>;
  /** `counters` with filters: not what ktop itself does. */
  readonly others?: boolean;
  /** `kernel-log`: only lines that contain one of these. `net-counters`: only these, as `Tcp:RetransSegs`. */
  readonly match?: readonly string[];
}

/** Samples of what the CPUs run, for clauses on `@clock`. */
export interface SamplerSpec {
  /** Per second and CPU, or … */
  readonly frequency?: number;
  /** A counter of this name instead of clock or cycles, a sample every `trigger` counts; left out where there is none. */
  readonly counter?: 'split-lock';
  readonly trigger?: number;
  /** … every so many ns of the CPU clock. */
  readonly period_ns?: number;
  /** Take a hardware cycle counter where samples of one really arrive; else, and by default, the CPU clock. */
  readonly hardware?: boolean;
  readonly stack?: boolean;
  readonly exclude_user?: boolean;
  readonly exclude_kernel?: boolean;
  readonly exclude_guest?: boolean;
  /** Only guests of this host (hardware counters only). */
  readonly guest_only?: boolean;
  readonly exclude_idle?: boolean;
}

/** Calls of kernel functions by the kernel's own tracer, as the events ftrace:funcgraph_entry and _exit. */
export interface GraphSpec {
  /** Globs, `:mod:NAME`; none: all there are. */
  readonly functions: readonly string[];
  /** Only what these call. */
  readonly subtrees?: readonly string[];
  readonly depth?: number;
  /** Only returns of calls that took longer. */
  readonly than_us?: number;
  /** These processes and what they start; else all but our own. */
  readonly pids?: readonly number[];
}

export interface Plan {
  readonly graph?: GraphSpec;
  /** Run once, and watched from its first step with all that it starts; the monitor ends with it. */
  readonly command?: readonly string[];
  /** What it says goes to a file, not to stderr. */
  readonly command_to_file?: boolean;
  /** Opened where this kernel lets no functions be traced (`graph`). */
  readonly otherwise?: Plan;
  readonly events: readonly EventSpec[];
  readonly operators: readonly OperatorSpec[];
  readonly polls?: readonly PollSpec[];
  readonly sampler?: SamplerSpec;
  readonly cpus?: readonly number[];
  /** Events of all CPUs are taken, operators choose among them: what begins on one CPU may end on another. */
  readonly all_cpus?: boolean;
  readonly mmap_pages?: number;
  /** Every event counts (state machines, outstanding objects): on a host whose perf loses samples, use tracefs from the start. */
  readonly complete?: boolean;
  /** Pictures are wanted also while a CPU has interrupts off: a timer of ours that was set there would not fire. */
  readonly steady?: boolean;
  readonly backend?: 'perf' | 'tracefs';
  /** Absent: every event counts. */
  readonly shed?: ShedSpec;
  /** Given by the reader: % of one CPU, 0 = no bound. */
  readonly budget_pct?: number;
  /** Said with every snapshot, as a sentence each. */
  readonly notes?: readonly string[];
  /** Texts for numbers, for keys shown as `expr:NAME`: name → number → text. */
  readonly names?: Readonly<Record<string, Readonly<Record<number, string>>>>;
}

/** About 400,000 events a second. */
export const DEFAULT_BUDGET_PCT = 5;

// ---------------------------------------------------------------- panels

/** How a cell is shown. `bytes` and `ns` scale themselves on screen; JSON carries the plain number. */
export type Format = 'text' | 'int' | 'number' | 'bytes' | 'percent' | 'ms' | 'us' | 'seconds';

export interface ColumnSpec {
  /** Key in JSON; unique in the panel. */
  readonly id: string;
  /** Column of the table; default: `id`. */
  readonly from?: string;
  readonly title: string;
  /** One sentence for the help page, with the unit. */
  readonly help: string;
  readonly format: Format;
  /** Decimals in JSON and on screen (default 0 for int, 1 for number, percent, ms, us, seconds). */
  readonly decimals?: number;
  /** Multiply by this (1/1024 for KB, 1e-6 for ns → ms). */
  readonly scale?: number;
  /** Divide by the measured interval in seconds. */
  readonly rate?: boolean;
  /** It adds up: scaled, and marked with ~, where only a share of what there was has been watched. */
  readonly sum?: true;
  /** Narrowest and widest it may be drawn; the widest text column takes what is left. */
  readonly min?: number;
  readonly max?: number;
  /** 0 = always shown; the highest is dropped first on a narrow screen. Default 0. */
  readonly priority?: number;
  /** At or above: drawn as a warning / an alarm (with a mark, never by colour alone). Unit as shown. */
  readonly warn?: number;
  readonly alarm?: number;
  /** Not in JSON, not drawn, or neither: only there to sort by. */
  readonly hidden?: 'json' | 'screen' | 'both';
  /** Left out altogether where the table has no such column. */
  readonly optional?: boolean;
}

/** A way on from a row: another tab, filtered to the rows that belong to it. */
export interface Link {
  /** Column of this table whose value is carried along. */
  readonly from: string;
  /** Name of the monitor to go to. */
  readonly to: string;
  /** Column of its first table that must have the value; default: `from`. */
  readonly column?: string;
}

export interface TablePanel {
  readonly kind: 'table';
  readonly id: string;
  readonly title: string;
  readonly table: string;
  readonly columns: readonly ColumnSpec[];
  readonly sort: { readonly column: string; readonly descending: boolean };
  /** Can be drawn as a tree: column of the id, column of the parent's id. */
  readonly tree?: { readonly id: string; readonly parent: string };
  /** Said in place of an empty table. */
  readonly empty: string;
  /** Beside those that follow from columns of the same name (pid, tid, cpu …). */
  readonly links?: readonly Link[];
}

/** One stacked bar per row, `segments` from left to right, each a share of `of` (default 100). */
export interface BarsPanel {
  readonly kind: 'bars';
  readonly id: string;
  readonly title: string;
  readonly table: string;
  readonly label: string;
  readonly of?: number;
  readonly segments: readonly {
    readonly column: string;
    readonly title: string;
    /** One ASCII character that stands for the segment, also when there is no colour. */
    readonly mark: string;
    readonly colour: 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan' | 'white' | 'gray';
  }[];
}

export interface HistogramPanel {
  readonly kind: 'histogram';
  readonly id: string;
  readonly title: string;
  readonly histogram: string;
}

/** Last value of `column` summed or averaged over the rows, drawn over time. */
export interface LinePanel {
  readonly kind: 'line';
  readonly id: string;
  readonly title: string;
  readonly table: string;
  readonly column: string;
  readonly how: 'sum' | 'mean' | 'max';
  readonly max?: number;
}

/** Newest last; scrolls back through what the dashboard has kept. */
export interface LogPanel {
  readonly kind: 'log';
  readonly id: string;
  readonly title: string;
  readonly log: string;
  /** Its entries exceeded a threshold: they are kept in the list of incidents across tabs. */
  readonly incidents?: boolean;
  /** What stands before each line: the time of day (default), seconds since boot, or nothing: then the text says it all. */
  readonly stamp?: 'clock' | 'boot' | 'none';
  /** Entries a dashboard keeps (default 5,000). */
  readonly keep?: number;
  /** Its lines are of no task or CPU: no row leads to them. */
  readonly nobodys?: true;
  /** What it says while it has no line. */
  readonly empty?: string;
}

/** Folded stacks as an icicle: widths are shares of `value`. One row of the table is one stack of one `by`. */
export interface StacksPanel {
  readonly kind: 'stacks';
  readonly id: string;
  readonly title: string;
  readonly table: string;
  /** Text column, frames joined by ';', innermost first. */
  readonly stack: string;
  /** Number column. */
  readonly value: string;
  /** Text or number columns the view can be split by (comm, cpu); none = total. */
  readonly by: readonly string[];
}

export type PanelSpec = TablePanel | BarsPanel | HistogramPanel | LinePanel | LogPanel | StacksPanel;

// ---------------------------------------------------------------- monitor

export type ThanUnit = 'ns' | 'us' | 'ms' | 'percent';

export interface Monitor {
  readonly name: string;
  /** Tab title, at most 10 characters. */
  readonly title: string;
  /** One line: the question this tab answers. */
  readonly summary: string;
  readonly options: readonly OptionName[];
  /** What a bare number after --than means (default ms). `percent` takes no other unit. */
  readonly than_unit?: ThanUnit;
  /** --filter is a kernel filter over the fields of the events, not a glob on names of tasks. */
  readonly kernel_filter?: boolean;
  /** Recorded when nobody says what is to be: a question that every host has, answered at a small cost. */
  readonly standard?: true;
  /** -e takes these words instead of events. */
  readonly event_words?: readonly string[];
  /** When events are chosen with -e, it takes at least this many. */
  readonly least_events?: number;
  /** Takes words behind its name (placeholder for the help), as `functions`. */
  readonly words?: string;
  /** `-L`: the shortest it can tell. */
  readonly least_latency_us?: number;
  /** Takes `-- COMMAND`, to run and watch it. */
  readonly command?: true;
  /** Any event will do: of a file that holds events, without -e, all of them. */
  readonly any_events?: boolean;
  readonly plan: (options: Options) => Plan;
  /** Logs made of tables as they were before `derive`, and of logs; they stand beside those there are, or in their place. Pure. */
  readonly logs?: (
    tables: Readonly<Record<string, Table>>,
    options: Options,
    logs?: Readonly<Record<string, readonly LogEntry[]>>,
  ) => Readonly<Record<string, readonly LogEntry[]>>;
  /** `-- COMMAND` starts a program to be watched. */
  readonly takes_command?: true;
  /** What --plain prints: all panels, the lines of the first log alone, or the last picture. Default: all. */
  readonly plain?: (options: Options) => 'all' | 'lines' | 'last';
  /** Tables computed from tables, before anybody sees the snapshot. Pure; the tables it returns are all there are. */
  readonly derive?: (
    tables: Readonly<Record<string, Table>>,
    options: Options,
    interval_ms: number,
  ) => Record<string, Table>;
  /**
   * When what is asked for is more than can be borne, or is not any more: what to go on with, and a sentence that says so.
   * Pure; asked after every snapshot, with the tables as they were before `derive`. For what the kernel can do in another
   * way; else there is `Plan.shed`.
   */
  readonly ease?: (
    measured: Pick<Snapshot, 'events' | 'interval_ms' | 'tables'>,
    options: Options,
  ) => { readonly options: Options; readonly notice?: string } | undefined;
  /** A sentence to show when all is well but there is nothing to see. */
  readonly quiet?: (tables: Readonly<Record<string, Table>>) => string | undefined;
  /** The first table panel is `rows` in JSON, the first histogram `histogram`, the first log `log`; others go by their id. */
  readonly panels: readonly PanelSpec[];
}
