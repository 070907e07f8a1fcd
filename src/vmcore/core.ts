/**
 * What a reader of an open core offers: to its own sections, and as `ctx` to own commands. Types only.
 *
 * Nothing here throws and nothing runs away: what is missing or cannot be read is `undefined` (NaN for numbers, `''`
 * for texts), every list ends. Only a programmer's error throws (a list of negative length).
 */
import type { Table } from '../sources/snapshot.ts';
import type { Backtrace, KernelFacts, Report } from './report.ts';

/** A virtual address of the kernel, 0 to 2⁶⁴−1. */
export type Addr = bigint;

/**
 * A struct or union at an address. A path names a member, through embedded and anonymous structs and constant
 * indices: `pid`, `se.cfs_rq`, `rlim[3].rlim_cur`. It does not follow pointers: `deref` does.
 */
export interface Struct {
  readonly type: string;
  readonly addr: Addr;
  /** This kernel's type has such a member. */
  has(path: string): boolean;
  /** Integer, enum, bool or bit field as a number, signed as declared; NaN when missing. Past 2⁵³ use `big`. */
  num(path: string): number;
  big(path: string): bigint | undefined;
  /** Value of a pointer (or unsigned long); 0n is NULL. */
  ptr(path: string): Addr | undefined;
  /** A char array up to its NUL, or the string a `char *` points to, at most 4096 bytes. */
  text(path: string): string;
  /** An embedded struct. */
  at(path: string): Struct | undefined;
  /** The struct a pointer member points to, with the type BTF gives it unless another is named; undefined for NULL. */
  deref(path: string, type?: string): Struct | undefined;
  /** Address of a member. */
  addressOf(path: string): Addr | undefined;
}

export interface MemberInfo {
  /** Bytes from the start of the struct. */
  readonly offset: number;
  /** Bytes; of an array all of it. */
  readonly size: number;
  /** Of a bit field: bits from `offset` and how many; 0 = not a bit field. */
  readonly bit_offset: number;
  readonly bits: number;
  readonly kind: 'int' | 'pointer' | 'struct' | 'array' | 'enum' | 'float' | 'other';
  readonly signed: boolean;
  /** Name of the struct, or what a pointer or array holds; `''` where it has none. */
  readonly type: string;
  /** Of an array: number and size of its elements. */
  readonly count: number;
  readonly element: number;
}

export interface SymbolAt {
  readonly name: string;
  readonly address: Addr;
  /** Bytes from the symbol's start. */
  readonly offset: number;
  /** Up to the next symbol; 0 = not known. */
  readonly size: number;
  readonly module?: string;
}

/** A task as every section uses it. */
export interface Task {
  readonly struct: Struct;
  readonly addr: Addr;
  readonly pid: number;
  readonly tgid: number;
  readonly comm: string;
  readonly cpu: number;
  /** R S D T t X Z P I, as in ps. */
  readonly state: string;
  /** Running on a CPU at the time of the dump. */
  readonly on_cpu: boolean;
  /** The idle task of a CPU. */
  readonly idle: boolean;
  readonly kernel_thread: boolean;
}

export interface Ctx {
  /** What is known so far; grows while sections are made. */
  readonly kernel: KernelFacts;
  /** `6.12.3-x` → [6, 12, 3]. */
  readonly version: readonly [number, number, number];

  // -- symbols
  /** Address of a symbol of the kernel or a module; with `module:name` of that module. */
  sym(name: string): Addr | undefined;
  symbolAt(address: Addr): SymbolAt | undefined;
  /** `name+0x1f/0x40 [module]`, or the address. */
  symbolText(address: Addr): string;

  // -- types
  sizeOf(type: string): number | undefined;
  member(type: string, path: string): MemberInfo | undefined;
  /** Value of an enumerator, such as `cpu_cgrp_id`. */
  enumValue(name: string): number | undefined;
  /** Enumerators of an enum, by name. */
  enumeration(type: string): ReadonlyMap<string, number> | undefined;

  // -- memory
  /** All or nothing; at most 16 MiB. The bytes are the caller's. */
  read(address: Addr, bytes: number): Buffer | undefined;
  u8(address: Addr): number | undefined;
  u16(address: Addr): number | undefined;
  u32(address: Addr): number | undefined;
  i32(address: Addr): number | undefined;
  u64(address: Addr): bigint | undefined;
  /** Up to a NUL or `most` bytes (default 4096). */
  cstring(address: Addr, most?: number): string | undefined;
  /** Of memory by its physical address. */
  readPhysical(address: bigint, bytes: number): Buffer | undefined;
  /** Of a user's address space: `mm` is its mm_struct. */
  readUser(mm: Addr, address: Addr, bytes: number): Buffer | undefined;
  struct(type: string, address: Addr): Struct;

  // -- the kernel's containers; each ends at the first of: its end, a cycle, `most` (default 1,000,000), damage
  /** Entries of the circular list at `head` (a list_head), which are linked through that member. */
  list(head: Addr, type: string, member: string, most?: number): Iterable<Struct>;
  hlist(head: Addr, type: string, member: string, most?: number): Iterable<Struct>;
  /** In order of the tree; `root` is an rb_root. */
  rbtree(root: Addr, type: string, member: string, most?: number): Iterable<Struct>;
  /** Index and entry of an xarray or idr. */
  xarray(root: Addr, most?: number): Iterable<readonly [number, Addr]>;

  // -- CPUs
  /** Possible CPUs, as after panic() hardly one is still online. */
  readonly cpus: readonly number[];
  readonly cpusOnline: readonly number[];
  /** Address of that CPU's copy of a per-CPU symbol, or of a per-CPU pointer. */
  percpu(what: string | Addr, cpu: number): Addr | undefined;

  // -- tasks
  /** All threads, the idle tasks first. */
  tasks(): readonly Task[];
  task(pid: number): Task | undefined;
  taskAt(address: Addr): Task | undefined;
  backtrace(task: Task): Backtrace;

  /** What an own command says beside its table. */
  warn(text: string): void;
  /** Runs a command of `crash` on the same core; rejects with one sentence where that cannot be had. */
  crash(command: string): Promise<string>;
}

/** An own command: what a file in ~/.config/ktop/vmcore/ exports as default. */
export interface OwnCommand {
  readonly name: string;
  readonly summary: string;
  /** Column titles and formats come from the table's column names when it declares none. */
  readonly run: (ctx: Ctx, args: readonly string[]) => Table | Promise<Table>;
}

/**
 * An open core. Made step by step, so that something is to be seen at once: `head` (file, release, panic line, log)
 * needs neither symbols nor types; `report` completes it. Everything runs in the thread that opened it.
 */
export interface OpenCore {
  /** Facts, panic line and log; a few milliseconds. Never throws. */
  head(): Report;
  /** The whole report; calls back after each section. Yields to the event loop between sections. */
  report(onProgress?: (report: Report) => void, signal?: AbortSignal): Promise<Report>;
  /** For own commands and look-ups; undefined when neither symbols nor types could be read, see `failures`. */
  ctx(): Ctx | undefined;
  /** What `ctx().crash` does from now on. */
  setCrash(run: (command: string) => Promise<string>): void;
  close(): void;
}

export interface OpenOptions {
  /** Directory of the build-id cache; `''` = none. Default: ktop/vmcore in the user's cache directory. */
  readonly cache?: string;
  /**
   * A vmlinux (with or without DWARF) or System.map to take symbols and BTF from where the core has none; or a directory
   * with some. Default: what is installed for its build-id.
   */
  readonly vmlinux?: string;
  /** Where debug packages are installed. Default: /usr/lib/debug. */
  readonly debug?: string;
}
