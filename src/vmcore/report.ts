/**
 * What is known of one vmcore: the contract between the readers (native, crash) and everything that shows, stores
 * or compares it. Types only. Every text in it comes from the core and is untrusted: sanitise before drawing.
 *
 * Unknown is `undefined`, NaN in a column of numbers, `''` in a column of text; a dash on screen, never a guess.
 * Addresses are texts, `0x` and 16 hexadecimal digits. Times of the kernel are milliseconds since its boot.
 */
import type { LogEntry, Table } from '../sources/snapshot.ts';

/** Raised when the meaning of a member changes, or one goes. New members do not raise it. */
export const REPORT_SCHEMA = 1;

export type Backend = 'native' | 'crash';

/** Always written, whatever failed: what failed and why is in `failures`. */
export interface Report {
  readonly schema: typeof REPORT_SCHEMA;
  /** How far the reader came; `header`: no memory could be read; `none`: it is not a core at all. */
  readonly status: 'full' | 'partial' | 'log' | 'header' | 'none';
  readonly file: FileFacts;
  readonly kernel: KernelFacts;
  readonly crash: CrashFacts;
  /** Most severe first. */
  readonly findings: readonly Finding[];
  readonly sections: Partial<Readonly<Record<SectionName, Section>>>;
  readonly failures: readonly Failure[];
  /** Time to make it, wall clock, and what of it was spent where. */
  readonly ms: number;
  readonly timings: Readonly<Record<string, number>>;
}

/** One sentence: what could not be done; why. */
export interface Failure {
  /** `file`, `vmcoreinfo`, `memory`, `symbols`, `types`, `unwind`, `log`, or the name of a section. */
  readonly stage: string;
  readonly text: string;
}

export interface FileFacts {
  readonly path: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly mtime: number;
  /** For keys of an index; `''` where unknown. */
  readonly device: string;
  readonly inode: string;
  readonly format: 'elf' | 'kdump' | 'flattened kdump' | 'flattened elf' | 'unknown';
  /** Who made it: `/proc/vmcore` and makedumpfile, or QEMU. */
  readonly shape: 'proc-vmcore' | 'qemu' | 'unknown';
  readonly compression: 'none' | 'zlib' | 'lzo' | 'snappy' | 'zstd' | 'mixed' | 'unknown';
  /** The file ends before what it promises. */
  readonly truncated: boolean;
  /** Pages of memory in it; undefined where it is not told. */
  readonly pages?: number;
  readonly memory_bytes?: number;
}

export interface KernelFacts {
  readonly release?: string;
  /** The whole banner, `Linux version …`. */
  readonly version?: string;
  /** Lower-case hexadecimal. */
  readonly build_id?: string;
  readonly machine?: string;
  readonly hostname?: string;
  readonly command_line?: string;
  /** Possible CPUs. */
  readonly cpus?: number;
  readonly cpus_online?: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly boot_time?: number;
  /** Wall clock of the dump. */
  readonly crash_time?: number;
  readonly uptime_s?: number;
  readonly load?: readonly [number, number, number];
  readonly memory_bytes?: number;
  readonly tasks?: number;
  readonly page_size: number;
  /** 4 or 5 */
  readonly page_levels?: number;
  /** Hexadecimal with `0x`; `0x0` without KASLR. */
  readonly kaslr_offset?: string;
  readonly phys_base?: string;
  /** Letters as in `/proc/sys/kernel/tainted`, and what they say. */
  readonly taint?: string;
  readonly taint_flags: readonly string[];
}

export type CrashClass =
  | 'null-deref'
  | 'page-fault'
  | 'gpf'
  | 'bug'
  | 'list-corruption'
  | 'stack-overflow'
  | 'double-fault'
  | 'divide-error'
  | 'invalid-opcode'
  | 'kasan'
  | 'ubsan'
  | 'warning'
  | 'soft-lockup'
  | 'hard-lockup'
  | 'nmi'
  | 'rcu-stall'
  | 'hung-task'
  | 'oom'
  | 'sysrq'
  | 'init-killed'
  | 'machine-check'
  | 'scheduling'
  | 'boot'
  /** panic() called for another reason. */
  | 'panic'
  /** The kernel was running: a dump from outside. */
  | 'live'
  | 'unknown';

export interface CrashFacts {
  readonly class: CrashClass;
  /** The line of the log that says it, without its time; `''` = none found. */
  readonly panic_line: string;
  /** The string given to panic(), without `Kernel panic - not syncing: `. */
  readonly panic_string?: string;
  /** Index in the log of section `dmesg` where the trouble begins: the first line of the oops or stall. */
  readonly log_index?: number;
  readonly panic_cpu?: number;
  readonly panic_task?: TaskRef;
  /** The task that is the cause as far as is known: the owner of the lock, the spinner, the allocator. */
  readonly culprit?: TaskRef;
  /** Why that one, in a sentence. */
  readonly culprit_reason?: string;
  readonly blame?: Blame;
  /** Where the CPU was when it went wrong, of an oops: `function+0x1f/0x40 [module]`. */
  readonly rip?: string;
  /** The address that was touched, of a fault. */
  readonly fault_address?: string;
  /** Of the panic CPU, the handling of the panic included; innermost first. */
  readonly panic_stack: readonly Frame[];
}

/** What is to blame and how it was chosen; the stack is what clustering compares. */
export interface Blame {
  /** A function; or what ate the memory: `slab:CACHE`, `anon:COMM`; or the class itself (`sysrq`). */
  readonly function: string;
  readonly module?: string;
  readonly reason: string;
  /** Which stack was taken: below the exception, of the lock's owner … */
  readonly from: string;
  readonly stack: readonly Frame[];
  readonly task?: TaskRef;
}

export interface TaskRef {
  /** Address of its task_struct. */
  readonly task: string;
  readonly pid: number;
  readonly comm: string;
  readonly cpu?: number;
}

export type FrameKind = 'normal' | 'exception' | 'irq' | 'nmi' | 'user';

/** One frame; `function` is the symbol, or the address where there is none. */
export interface Frame {
  readonly ip: string;
  /** Stack pointer. */
  readonly sp?: string;
  readonly function: string;
  readonly offset?: number;
  readonly size?: number;
  readonly module?: string;
  /** `exception`, `irq`, `nmi`: interrupted here; the frames before it are those of the handler. */
  readonly kind: FrameKind;
}

/** Innermost frame first. */
export interface Backtrace extends TaskRef {
  readonly state: string;
  readonly frames: readonly Frame[];
  /** Every frame comes from unwind tables and the end was reached. Else `stopped` says why it ends. */
  readonly exact: boolean;
  readonly stopped: string;
  /** Registers where they were saved, hexadecimal. */
  readonly registers?: Readonly<Record<string, string>>;
}

export interface Finding {
  /** Stable name of the rule: `deadlock`, `owner-asleep`, `frozen-fs` … */
  readonly id: string;
  readonly severity: 'alarm' | 'warning' | 'notice';
  /** One sentence. */
  readonly text: string;
  /** What it rests on, a line each. */
  readonly evidence: readonly string[];
  /** Where to look: a section, and the key of a row there. */
  readonly see?: { readonly section: SectionName; readonly key?: string };
}

export type SectionName =
  | 'cpus'
  | 'runqueues'
  | 'cfs_rq'
  | 'current'
  | 'tasks'
  | 'backtraces'
  | 'locks'
  | 'cgroups'
  | 'memory'
  | 'slab'
  | 'cpuinfo'
  | 'tlb'
  | 'modules'
  | 'mounts'
  | 'dmesg';

/** One topic. The columns of the tables are declared in layout.ts, the same for both backends. */
export interface Section {
  readonly backend: Backend;
  readonly ms: number;
  /** What the reader of the figures must know, a sentence each: cut lists, members this kernel has not. */
  readonly warnings: readonly string[];
  readonly tables: Readonly<Record<string, Table>>;
  readonly logs: Readonly<Record<string, readonly DmesgEntry[]>>;
  /** Sections `cpus` and `backtraces`. */
  readonly stacks?: readonly Backtrace[];
  /** What the other backend says otherwise, where both were asked. */
  readonly disagreements?: readonly Disagreement[];
}

/** A line of the kernel's log; `at_ms` since boot. */
export interface DmesgEntry extends LogEntry {
  /** 0 (emergency) to 7 (debug). */
  readonly level: number;
  /** A program wrote it (/dev/kmsg): the kernel did not say so. */
  readonly foreign?: true;
}

export interface Disagreement {
  /** `tasks`, `cpus.3.pid` … */
  readonly what: string;
  readonly native: string;
  readonly crash: string;
}
