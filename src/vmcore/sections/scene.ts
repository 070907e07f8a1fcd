/** What several sections need of a core: the time of the dump, cgroups by name, where CPUs were, who waits for what. */
import type { Addr, Struct, Task } from '../core.ts';
import type { KernelLog } from '../kernel/dmesg.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { hex } from '../kernel/unwind.ts';
import type { Backtrace, TaskRef } from '../report.ts';
import { findLocks, type LockTable } from './lock-graph.ts';
import { type Place, placeOf } from './places.ts';

const DEEPEST_CGROUP = 256;
const POLICIES = ['normal', 'fifo', 'rr', 'batch', 'iso', 'idle', 'deadline', 'ext'];

export class Scene {
  readonly kernel: Kernel;
  readonly log: KernelLog;
  readonly #paths = new Map<Addr, string>();
  readonly #current = new Map<number, Task | undefined>();
  #locks: LockTable | undefined;
  #now: number | undefined;
  #wchan: { readonly start: Addr; readonly end: Addr } | undefined;

  constructor(kernel: Kernel, log: KernelLog) {
    this.kernel = kernel;
    this.log = log;
  }

  rq(cpu: number): Struct | undefined {
    const address = this.kernel.percpu('runqueues', cpu);
    return address === undefined ? undefined : this.kernel.struct('rq', address);
  }

  /** The latest time that is known, ns of the scheduler's clock (which is that of the log). */
  get nowNs(): number {
    if (this.#now === undefined) {
      const clocks = this.kernel.cpus.map((cpu) => this.rq(cpu)?.num('clock') ?? 0);
      const log = this.log.entries.at(-1)?.at_ms ?? 0;
      // A damaged clock must not put the end of the world far into the future.
      const sane = clocks.filter((clock) => clock >= 0 && clock < 2 ** 60);
      this.#now = Math.max(log * 1e6, ...sane, 0);
    }
    return this.#now;
  }

  current(cpu: number): Task | undefined {
    if (!this.#current.has(cpu)) this.#current.set(cpu, this.kernel.currentTask(cpu));
    return this.#current.get(cpu);
  }

  trace(cpu: number): Backtrace | undefined {
    const task = this.current(cpu);
    return task === undefined ? undefined : this.kernel.backtrace(task);
  }

  place(cpu: number): Place | undefined {
    const trace = this.trace(cpu);
    return trace === undefined ? undefined : placeOf(trace);
  }

  ref(task: Task): TaskRef {
    return { task: hex(task.addr), pid: task.pid, comm: task.comm, cpu: task.cpu };
  }

  policy(task: Task): string {
    const number = task.struct.num('policy');
    return Number.isNaN(number) ? '' : (POLICIES[number] ?? String(number));
  }

  /** Since the task came on its CPU, ms. */
  onCpuMs(task: Task): number {
    return this.#since(task.struct.num('sched_info.last_arrival'));
  }

  /** Since a task that sleeps stopped running, ms. */
  blockedMs(task: Task): number {
    const { struct } = task;
    // The fair class notes when it last accounted for the task, which is when it went to sleep.
    const stopped = struct.num('se.exec_start');
    return this.#since(stopped > 0 ? stopped : struct.num('sched_info.last_arrival'));
  }

  /** Of a runnable task, since it was queued, ms. */
  waitMs(task: Task): number {
    const queued = task.struct.num('sched_info.last_queued');
    return queued > 0 ? this.#since(queued) : Number.NaN;
  }

  #since(ns: number): number {
    return ns > 0 ? Math.max(0, this.nowNs - ns) / 1e6 : Number.NaN;
  }

  /** First function of a sleeping task that is not the scheduler's or a lock's. */
  wchan(task: Task): string {
    this.#wchan ??= {
      start: this.kernel.sym('__sched_text_start') ?? 0n,
      end: this.kernel.sym('__sched_text_end') ?? 0n,
    };
    const { start, end } = this.#wchan;
    const frame = this.kernel.backtrace(task).frames.find(({ ip }) => {
      const at = BigInt(ip);
      return (at < start || at >= end) && !/^(__switch_to|__schedule|schedule)/.test(this.#nameAt(at));
    });
    return frame?.function ?? '';
  }

  #nameAt(ip: Addr): string {
    return this.kernel.symbolAt(ip - 1n)?.name ?? '';
  }

  get locks(): LockTable {
    this.#locks ??= findLocks(this);
    return this.#locks;
  }

  /** Path in the default hierarchy. */
  cgroupOf(task: Task): string {
    const group = task.struct.deref('cgroups')?.deref('dfl_cgrp', 'cgroup');
    return group === undefined ? '' : this.cgroupPath(group);
  }

  cgroupPath(group: Struct): string {
    const known = this.#paths.get(group.addr);
    if (known !== undefined) return known;
    const names: string[] = [];
    let node = group.deref('kn', 'kernfs_node');
    for (let depth = 0; node !== undefined && depth < DEEPEST_CGROUP; depth++) {
      const above = node.deref(node.has('parent') ? 'parent' : '__parent', 'kernfs_node');
      if (above !== undefined) names.unshift(node.text('name'));
      node = above;
    }
    const path = `/${names.join('/')}`;
    this.#paths.set(group.addr, path);
    return path;
  }
}
