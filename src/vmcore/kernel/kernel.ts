/** An open core's kernel: everything that sections and own commands ask for, behind `Ctx`. */
import type { Addr, Ctx, MemberInfo, Struct, SymbolAt, Task } from '../core.ts';
import { CoreError } from '../file/bytes.ts';
import type { CoreFile } from '../file/core-file.ts';
import { parseNotes, type Registers } from '../file/notes.ts';
import type { Backtrace, KernelFacts } from '../report.ts';
import type { Booted } from './boot.ts';
import { Btf } from './btf.ts';
import { type BuildAnswers, loadAnswers, saveAnswers } from './cache.ts';
import { MOST_NODES, walkHlist, walkList, walkTree, walkXarray } from './containers.ts';
import { KernelNames } from './kernel-names.ts';
import type { Mem } from './mem.ts';
import { type LoadedModule, readModules } from './modules.ts';
import { Orc } from './orc.ts';
import { StructView } from './struct.ts';
import { Symbols } from './symbols.ts';
import { readTasks, type TaskTable } from './tasks.ts';
import { Types } from './types.ts';
import { hex, type Interruption, type Start, type Unwound, unwind } from './unwind.ts';
import { type OutsideKernel, placeOutside } from './vmlinux.ts';

const MOST_READ = 16 * 2 ** 20;
const LONGEST_BTF = 64 * 2 ** 20;
const MOST_CPUS = 8192;
const KEXEC = /^(?:__crash_kexec|crash_kexec|crash_setup_regs|machine_crash_shutdown)/;
const KEXEC_CALLER =
  /^(?:v?panic|__crash_kexec|crash_kexec|oops_end|nmi_panic|die|sysrq_handle_crash)(?:\.|$)/;
/** More than the frame of crash_kexec, with its registers, takes. */
const KEXEC_FRAME = 1024n;

export class Kernel implements Ctx {
  readonly file: CoreFile;
  readonly booted: Booted;
  readonly mem: Mem;
  readonly types: Types;
  readonly symbols: Symbols;
  readonly modules: readonly LoadedModule[];
  readonly modulesDamaged: boolean;
  readonly version: readonly [number, number, number];
  readonly cpus: readonly number[];
  readonly cpusOnline: readonly number[];
  readonly warnings: string[] = [];
  facts: KernelFacts;
  #tasks: TaskTable | undefined;
  #byPid = new Map<number, Task>();
  #byAddress = new Map<Addr, Task>();
  #running: Map<Addr, number> | undefined;
  #orc: Orc | undefined;
  readonly #backtraces = new Map<Addr, Backtrace>();
  readonly #interruptions = new Map<Addr, readonly Interruption[]>();
  readonly #percpuOffsets = new Map<number, Addr | undefined>();
  readonly #cache: string;
  readonly #outside: OutsideKernel | undefined;
  readonly #names: KernelNames;
  #crash: ((command: string) => Promise<string>) | undefined;

  /**
   * Throws a CoreError when the kernel has no symbols or no types to be read. `cache`: directory of what is known of
   * builds; `''` = none. `outside`: for what the core itself lacks.
   */
  constructor(file: CoreFile, booted: Booted, facts: KernelFacts, cache: string, outside?: OutsideKernel) {
    this.file = file;
    this.booted = booted;
    this.mem = booted.mem;
    this.facts = facts;
    this.version = parseVersion(booted.uts.release);
    this.#cache = cache;
    const known = booted.info.buildId === undefined ? undefined : loadAnswers(cache, booted.info.buildId);
    this.#outside = outside;
    const names = openNames(booted, known, outside);
    this.#names = names;
    this.types = new Types(() => this.#loadTypes(names), names.isFresh ? undefined : known?.types);
    if (!this.types.usable)
      throw new CoreError('types', 'the BTF of the kernel has no task_struct: it is damaged');
    this.symbols = new Symbols(names, this.mem, this.types);
    const { modules, damaged } = readModules(this.mem, this.types, this.symbols.find('modules'));
    this.modules = modules;
    this.modulesDamaged = damaged;
    this.symbols.setModules(modules);
    const possible = this.#mask('__cpu_possible_mask');
    // Damaged: those that left registers.
    this.cpus = possible.length > 0 ? possible : [...file.notes.prstatus.keys()];
    this.cpusOnline = this.#mask('__cpu_online_mask');
  }

  get kernel(): KernelFacts {
    return this.facts;
  }

  setCrash(run: (command: string) => Promise<string>): void {
    this.#crash = run;
  }

  /** Keeps what was found out about this build for the next core of it. */
  save(): void {
    const id = this.booted.info.buildId;
    if (id === undefined || !(this.#names.changed || this.types.changed)) return;
    if (!this.#names.isTrusty || !this.types.isTrusty) return;
    saveAnswers(this.#cache, id, { names: this.#names.answers(), types: this.types.answers() });
    this.#names.changed = false;
    this.types.changed = false;
  }

  // ---------------------------------------------------------------- symbols and types

  sym(name: string): Addr | undefined {
    return this.symbols.find(name);
  }

  symbolAt(address: Addr): SymbolAt | undefined {
    return this.symbols.at(address);
  }

  symbolText(address: Addr): string {
    const symbol = this.symbols.at(address);
    if (symbol === undefined) return hex(address);
    const size = symbol.size > 0 ? `/0x${symbol.size.toString(16)}` : '';
    const module = symbol.module === undefined ? '' : ` [${symbol.module}]`;
    return `${symbol.name}+0x${symbol.offset.toString(16)}${size}${module}`;
  }

  sizeOf(type: string): number | undefined {
    return this.types.sizeOf(type);
  }

  member(type: string, path: string): MemberInfo | undefined {
    return this.types.member(type, path);
  }

  enumValue(name: string): number | undefined {
    return this.types.enumValue(name);
  }

  enumeration(type: string): ReadonlyMap<string, number> | undefined {
    return this.types.enumeration(type);
  }

  // ---------------------------------------------------------------- memory

  read(address: Addr, bytes: number): Buffer | undefined {
    return bytes <= MOST_READ ? this.mem.read(address, bytes) : undefined;
  }

  u8(address: Addr): number | undefined {
    return this.mem.u8(address);
  }

  u16(address: Addr): number | undefined {
    return this.mem.u16(address);
  }

  u32(address: Addr): number | undefined {
    return this.mem.u32(address);
  }

  i32(address: Addr): number | undefined {
    return this.mem.i32(address);
  }

  u64(address: Addr): bigint | undefined {
    return this.mem.u64(address);
  }

  cstring(address: Addr, most?: number): string | undefined {
    return this.mem.cstring(address, most);
  }

  readPhysical(address: bigint, bytes: number): Buffer | undefined {
    return bytes <= MOST_READ ? this.mem.physical(Number(address), bytes) : undefined;
  }

  readUser(mm: Addr, address: Addr, bytes: number): Buffer | undefined {
    const top = this.struct('mm_struct', mm).ptr('pgd');
    const root = top === undefined ? undefined : this.mem.virtualToPhysical(top);
    return root === undefined || bytes > MOST_READ ? undefined : this.mem.user(root, address, bytes);
  }

  struct(type: string, address: Addr): StructView {
    return new StructView(this.mem, this.types, type, address);
  }

  /** Of a symbol. */
  structOf(type: string, symbol: string): StructView | undefined {
    const address = this.sym(symbol);
    return address === undefined ? undefined : this.struct(type, address);
  }

  // ---------------------------------------------------------------- containers

  *list(head: Addr, type: string, member: string, most = MOST_NODES): Iterable<Struct> {
    yield* this.#containers(walkList(this.mem, head, most).nodes, type, member);
  }

  *hlist(head: Addr, type: string, member: string, most = MOST_NODES): Iterable<Struct> {
    yield* this.#containers(walkHlist(this.mem, head, most).nodes, type, member);
  }

  *rbtree(root: Addr, type: string, member: string, most = MOST_NODES): Iterable<Struct> {
    yield* this.#containers(walkTree(this.mem, root, most).nodes, type, member);
  }

  xarray(root: Addr, most = MOST_NODES): Iterable<readonly [number, Addr]> {
    return walkXarray(this.mem, this.types, root, most);
  }

  *#containers(nodes: readonly Addr[], type: string, member: string): Iterable<StructView> {
    const offset = this.types.offset(type, member);
    if (offset === undefined) return;
    for (const node of nodes) yield this.struct(type, node - BigInt(offset));
  }

  // ---------------------------------------------------------------- CPUs

  percpu(what: string | Addr, cpu: number): Addr | undefined {
    const base = typeof what === 'string' ? this.sym(what) : what;
    const offset = this.#percpuOffset(cpu);
    return base === undefined || offset === undefined ? undefined : BigInt.asUintN(64, base + offset);
  }

  #percpuOffset(cpu: number): Addr | undefined {
    if (!this.#percpuOffsets.has(cpu)) {
      const table = this.sym('__per_cpu_offset');
      const known = table !== undefined && this.cpus.includes(cpu);
      const offset = known ? this.mem.u64(table + BigInt(cpu * 8)) : undefined;
      this.#percpuOffsets.set(cpu, offset);
    }
    return this.#percpuOffsets.get(cpu);
  }

  #mask(symbol: string): number[] {
    const address = this.sym(symbol);
    const limit = this.#word('nr_cpu_ids') ?? 64;
    if (address === undefined || limit > MOST_CPUS) return [];
    const bytes = this.mem.read(address, Math.ceil(limit / 64) * 8);
    if (bytes === undefined) return [];
    return Array.from({ length: limit }, (_, cpu) => cpu).filter(
      (cpu) => (((bytes[cpu >> 3] as number) >> (cpu & 7)) & 1) === 1,
    );
  }

  #word(symbol: string): number | undefined {
    const address = this.sym(symbol);
    return address === undefined ? undefined : this.mem.u32(address);
  }

  /** The task a CPU runs; 6.2 to 6.14 keep it in pcpu_hot. */
  currentTask(cpu: number): Task | undefined {
    const hot = this.percpu('pcpu_hot', cpu);
    const pointer =
      hot === undefined
        ? this.#pointerAt(this.percpu('current_task', cpu))
        : this.struct('pcpu_hot', hot).ptr('current_task');
    const rq = this.percpu('runqueues', cpu);
    return (
      (pointer === undefined ? undefined : this.taskAt(pointer)) ??
      (rq === undefined ? undefined : this.taskAt(this.struct('rq', rq).ptr('curr') ?? 0n))
    );
  }

  preemptCount(cpu: number): number | undefined {
    const hot = this.percpu('pcpu_hot', cpu);
    if (hot !== undefined) return orUndefined(this.struct('pcpu_hot', hot).num('preempt_count'));
    const own = this.percpu('__preempt_count', cpu);
    return own === undefined ? undefined : this.mem.i32(own);
  }

  /** The CPU that called panic(); undefined when none did. */
  panicCpu(): number | undefined {
    for (const name of ['panic_cpu', 'crashing_cpu']) {
      const address = this.sym(name);
      const cpu = address === undefined ? undefined : this.mem.i32(address);
      if (cpu !== undefined && this.cpus.includes(cpu)) return cpu;
    }
    return undefined;
  }

  /** As left in the notes of the file, or by the dying kernel in memory. */
  registers(cpu: number): Registers | undefined {
    const { qemu, prstatus } = this.file.notes;
    if (qemu.length > 0) return qemu[cpu]?.registers ?? prstatus[cpu]?.registers;
    const pointer = this.sym('crash_notes');
    const notes = pointer === undefined ? undefined : this.mem.u64(pointer);
    const place = notes === undefined || notes === 0n ? undefined : this.percpu(notes, cpu);
    const bytes = place === undefined ? undefined : this.mem.read(place, 512);
    const own = bytes === undefined ? undefined : parseNotes(bytes).prstatus[0]?.registers;
    // A file made from outside has a note for every CPU, in order.
    return own ?? (prstatus.length === this.cpus.length ? prstatus[cpu]?.registers : undefined);
  }

  // ---------------------------------------------------------------- tasks

  tasks(): readonly Task[] {
    return this.taskTable().tasks;
  }

  taskTable(): TaskTable {
    if (this.#tasks === undefined) {
      this.#tasks = readTasks({
        mem: this.mem,
        types: this.types,
        sym: (name) => this.sym(name),
        percpu: (what, cpu) => this.percpu(what, cpu),
        cpus: this.cpus,
      });
      for (const task of this.#tasks.tasks) {
        this.#byAddress.set(task.addr, task);
        if (!task.idle) this.#byPid.set(task.pid, task);
      }
    }
    return this.#tasks;
  }

  task(pid: number): Task | undefined {
    this.tasks();
    return this.#byPid.get(pid);
  }

  taskAt(address: Addr): Task | undefined {
    this.tasks();
    return this.#byAddress.get(address);
  }

  backtrace(task: Task): Backtrace {
    let trace = this.#backtraces.get(task.addr);
    if (trace === undefined) {
      trace = this.#unwind(task);
      this.#backtraces.set(task.addr, trace);
    }
    return trace;
  }

  /** The unwind tables; `usable` tells whether this kernel has them. */
  get orc(): Orc {
    this.#orc ??= new Orc(this.mem, this.types, (name) => this.sym(name), this.modules);
    return this.#orc;
  }

  /** The CPU on which the task is current. */
  runsOn(task: Task): number | undefined {
    if (this.#running === undefined) {
      this.#running = new Map();
      for (const cpu of this.cpus.toReversed()) {
        const current = this.currentTask(cpu);
        if (current !== undefined) this.#running.set(current.addr, cpu);
      }
    }
    return this.#running.get(task.addr);
  }

  #unwind(task: Task): Backtrace {
    const running = this.runsOn(task);
    const base = {
      task: hex(task.addr),
      pid: task.pid,
      comm: task.comm,
      cpu: running ?? task.cpu,
      state: task.state,
    };
    const registers = running === undefined ? undefined : this.registers(running);
    if (running !== undefined && registers === undefined)
      return { ...base, frames: [], exact: false, stopped: `CPU ${running} left no registers` };
    const saved =
      registers === undefined
        ? {}
        : {
            registers: Object.fromEntries(
              Object.entries(registers).map(([name, value]) => [name, hex(value)]),
            ),
          };
    if (registers !== undefined && ((registers.cs ?? 0n) & 3n) === 3n)
      return { ...base, ...saved, frames: [], exact: true, stopped: 'user' };
    const start = registers === undefined ? this.#sleepStart(task) : runStart(registers);
    if (start === undefined)
      return { ...base, ...saved, frames: [], exact: false, stopped: 'its stack is not in the file' };
    const { interruptions, ...trace } = this.#follow(start);
    this.#interruptions.set(task.addr, interruptions);
    return { ...base, ...saved, ...trace };
  }

  /** Where frames of the task's backtrace were interrupted, with the registers saved there. */
  interruptions(task: Task): readonly Interruption[] {
    this.backtrace(task);
    return this.#interruptions.get(task.addr) ?? [];
  }

  #follow(start: Start): Unwound {
    const found = unwind(this.mem, this.orc, this.symbols, start);
    const first = found.frames[0];
    if (found.exact || first === undefined || !KEXEC.test(first.function)) return found;
    // The place that kexec noted is somewhere in its function, not where the stack pointer was taken.
    for (let at = start.sp; at < start.sp + KEXEC_FRAME; at += 8n) {
      const ip = this.mem.u64(at);
      const caller = ip === undefined ? undefined : this.symbols.at(ip - 1n)?.name;
      if (ip === undefined || caller === undefined || !KEXEC_CALLER.test(caller)) continue;
      const rest = unwind(this.mem, this.orc, this.symbols, {
        ...start,
        ip,
        sp: at + 8n,
        interrupted: false,
      });
      if (!rest.exact) continue;
      return {
        ...rest,
        frames: [first, ...rest.frames],
        interruptions: rest.interruptions.map((one) => ({ ...one, frame: one.frame + 1 })),
      };
    }
    return found;
  }

  /** Where a task that does not run left the CPU: inactive_task_frame on its stack. */
  #sleepStart(task: Task): Start | undefined {
    const sp = task.struct.ptr('thread.sp');
    const size = this.sizeOf('inactive_task_frame');
    if (sp === undefined || sp === 0n || size === undefined) return undefined;
    const frame = this.struct('inactive_task_frame', sp);
    const ip = frame.ptr('ret_addr');
    const bp = frame.ptr('bp');
    if (ip === undefined || bp === undefined) return undefined;
    // A task that never ran stands at the beginning of a function.
    const fresh = this.symbols.at(ip);
    const interrupted = fresh?.offset === 0 && /^ret_from_fork/.test(fresh.name);
    return { ip, bp, sp: sp + BigInt(size), interrupted };
  }

  #pointerAt(address: Addr | undefined): Addr | undefined {
    return address === undefined ? undefined : this.mem.u64(address);
  }

  // ---------------------------------------------------------------- others

  warn(text: string): void {
    if (this.warnings.length < 1000) this.warnings.push(text);
  }

  crash(command: string): Promise<string> {
    return this.#crash === undefined
      ? Promise.reject(new Error('there is no crash session for this core'))
      : this.#crash(command);
  }

  #loadTypes(names: KernelNames): Btf | undefined {
    try {
      return new Btf(this.#typeBytes(names));
    } catch (error) {
      const outside = this.#outside?.btf;
      if (!(error instanceof CoreError) || outside === undefined) throw error;
      return new Btf(outside);
    }
  }

  #typeBytes(names: KernelNames): Buffer {
    const [start, end] = [names.find('__start_BTF'), names.find('__stop_BTF')];
    if (start === undefined || end === undefined || end <= start || end - start > BigInt(LONGEST_BTF))
      throw new CoreError(
        'types',
        `the kernel ${this.booted.uts.release} carries no BTF (CONFIG_DEBUG_INFO_BTF)`,
      );
    const bytes = this.mem.read(start, Number(end - start));
    if (bytes === undefined) throw new CoreError('types', 'the BTF of the kernel is not in the file');
    return bytes;
  }
}

/** With what is remembered of the build; what does not fit is forgotten. */
function openNames(
  { mem, info }: Booted,
  known: BuildAnswers | undefined,
  outside: OutsideKernel | undefined,
): KernelNames {
  const more = outside === undefined ? undefined : () => placeOutside(outside, info);
  if (known !== undefined) {
    try {
      return new KernelNames(mem, info, known.names, more);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
    }
  }
  return new KernelNames(mem, info, undefined, more);
}

function runStart(registers: Registers): Start | undefined {
  const { rip, rsp, rbp } = registers;
  if (rip === undefined || rsp === undefined || rbp === undefined) return undefined;
  return { ip: rip, sp: rsp, bp: rbp, registers, interrupted: true };
}

function parseVersion(release: string): readonly [number, number, number] {
  const [, major = 0, minor = 0, patch = 0] = (/^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release) ?? []).map(Number);
  return [major, minor, Number.isNaN(patch) ? 0 : patch];
}

const orUndefined = (value: number): number | undefined => (Number.isNaN(value) ? undefined : value);
