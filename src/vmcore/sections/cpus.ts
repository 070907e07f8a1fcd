/** Sections about CPUs: what each did, its runqueue, its current task, its hardware, its TLB. */
import type { Struct, Task } from '../core.ts';
import { hex } from '../kernel/unwind.ts';
import type { Backtrace, Frame } from '../report.ts';
import { folded, isIdlePlace, type Place, placeOf, tellingFrame } from './places.ts';
import type { Scene } from './scene.ts';
import type { Made, Row } from './table.ts';

const MOST_WAITING = 12;
const IF = 0x200n;

export function cpus(scene: Scene): Made {
  const { kernel } = scene;
  const panic = kernel.panicCpu();
  const stacks: Backtrace[] = [];
  const rows = kernel.cpus.map((cpu): Row => {
    const task = scene.current(cpu);
    const trace = scene.trace(cpu);
    if (trace !== undefined) stacks.push({ ...trace, cpu });
    const place = trace === undefined ? undefined : placeOf(trace);
    const frames = place?.frames ?? [];
    const count = kernel.preemptCount(cpu);
    return {
      cpu,
      state: cpuState(cpu === panic, task, place?.user ?? false, frames),
      stopped: place?.stopped ?? '',
      pid: task?.pid,
      comm: task?.comm,
      task: task === undefined ? '' : hex(task.addr),
      function: place?.user === true ? '' : (tellingFrame(frames)?.function ?? ''),
      context: contextOf(frames),
      ...depths(count, place?.stopped ?? ''),
      irqs: irqsOff(scene, cpu, trace, place?.stopped ?? '') ? 'off' : '',
      stack: folded(frames),
    };
  });
  return { tables: { cpus: rows }, stacks };
}

function cpuState(
  panicked: boolean,
  task: Task | undefined,
  user: boolean,
  frames: readonly Frame[],
): string {
  if (panicked) return 'panic';
  if (task === undefined) return 'unknown';
  if (user) return 'user';
  if (frames.length === 0) return 'unknown';
  return task.idle && isIdlePlace(frames) ? 'idle' : 'running';
}

/** The innermost of irq, nmi and softirq, by the functions on the stack. */
function contextOf(frames: readonly Frame[]): string {
  if (frames.length === 0) return '';
  const after = (at: number) => frames[at]?.kind ?? 'normal';
  for (let at = 0; at < frames.length; at++) {
    if (at > 0 && after(at) === 'nmi') return 'nmi';
    if (at > 0 && after(at) === 'irq') {
      const inside = frames
        .slice(0, at)
        .some(({ function: name }) => /^(__do_softirq|handle_softirqs)$/.test(name));
      return inside ? 'softirq' : 'irq';
    }
  }
  return frames.some(({ function: name }) => /^(__do_softirq|handle_softirqs)$/.test(name))
    ? 'softirq'
    : 'task';
}

/** Fields of preempt_count, as they were before it was stopped; its top bit is an inverted flag. */
function depths(count: number | undefined, stopped: Place['stopped']): Row {
  if (count === undefined) return {};
  // What stopped the CPU has counted itself: an NMI in both fields.
  const own = stopped === '' ? 0 : 1;
  return {
    preempt: count & 0xff,
    softirq: (count >>> 8) & 0xff,
    hardirq: Math.max(0, ((count >>> 16) & 0xf) - own),
    nmi: Math.max(0, ((count >>> 20) & 0xf) - (stopped === 'nmi' ? own : 0)),
  };
}

/** Interrupts were off where the CPU was: it took an NMI to stop it, or it was not stopped and has them off. */
export function irqsOff(scene: Scene, cpu: number, trace: Backtrace | undefined, stopped: string): boolean {
  if (cpu === scene.kernel.panicCpu() || trace === undefined) return false;
  if (stopped === 'nmi') return flagsAtNmi(scene, cpu, trace) === false;
  if (stopped !== '') return false;
  const flags = scene.kernel.registers(cpu)?.rflags;
  return flags !== undefined && (flags & IF) === 0n && trace.frames.length > 0;
}

/** Whether interrupts were on where the NMI came. */
function flagsAtNmi(scene: Scene, cpu: number, trace: Backtrace): boolean | undefined {
  const task = scene.current(cpu);
  const found =
    task === undefined
      ? undefined
      : scene.kernel.interruptions(task).find(({ frame }) => trace.frames[frame]?.kind === 'nmi');
  return found === undefined ? undefined : (found.flags & IF) !== 0n;
}

export function runqueues(scene: Scene): Made {
  const { kernel } = scene;
  const clocks = kernel.cpus.map((cpu) => scene.rq(cpu)?.num('clock') ?? Number.NaN);
  const latest = Math.max(...clocks.filter((clock) => clock < 2 ** 60));
  const runnable = new Map<number, Task[]>();
  for (const task of kernel.tasks()) {
    if (task.idle || task.struct.num('on_rq') !== 1 || kernel.runsOn(task) !== undefined) continue;
    const list = runnable.get(task.cpu) ?? [];
    list.push(task);
    runnable.set(task.cpu, list);
  }
  const rows = kernel.cpus.map((cpu): Row => {
    const rq = scene.rq(cpu);
    if (rq === undefined) return { cpu };
    const task = scene.current(cpu);
    const clock = rq.num('clock');
    const waiting = (runnable.get(cpu) ?? [])
      .map((one) => ({ one, ms: scene.waitMs(one) }))
      .sort((a, b) => (Number.isNaN(b.ms) ? 0 : b.ms) - (Number.isNaN(a.ms) ? 0 : a.ms));
    const names = waiting.slice(0, MOST_WAITING).map(({ one }) => `${one.comm}:${one.pid}`);
    return {
      cpu,
      running: rq.num('nr_running'),
      cfs: first(rq, 'cfs.h_nr_queued', 'cfs.h_nr_running'),
      rt: rq.num('rt.rt_nr_running'),
      dl: rq.num('dl.dl_nr_running'),
      blocked: signed(scene, rq, 'nr_uninterruptible'),
      iowait: rq.num('nr_iowait.counter'),
      load: rq.num('cfs.avg.load_avg'),
      util: rq.num('cfs.avg.util_avg'),
      pid: task?.pid,
      comm: task?.comm,
      switch_ms: task === undefined ? undefined : scene.onCpuMs(task),
      skew_ms: (latest - clock) / 1e6,
      switches: rq.num('nr_switches'),
      waiting:
        names.join(' ') + (waiting.length > MOST_WAITING ? ` and ${waiting.length - MOST_WAITING} more` : ''),
      clock_s: clock / 1e9,
    };
  });
  return { tables: { runqueues: rows } };
}

/** The first of these members that this kernel has. */
export function first(struct: Struct, ...paths: readonly string[]): number {
  for (const path of paths) if (struct.has(path)) return struct.num(path);
  return Number.NaN;
}

/** Counters that are unsigned and wrap, of 32 or 64 bits: tasks may wake on another CPU than they slept on. */
function signed({ kernel }: Scene, struct: Struct, path: string): number {
  const value = struct.big(path);
  const bits = (kernel.member(struct.type, path)?.size ?? 8) * 8;
  return value === undefined ? Number.NaN : Number(BigInt.asIntN(bits, value));
}

export function current(scene: Scene): Made {
  const rows = scene.kernel.cpus.map((cpu): Row => {
    const task = scene.current(cpu);
    if (task === undefined) return { cpu };
    const place = scene.place(cpu);
    return {
      cpu,
      pid: task.pid,
      comm: task.comm,
      state: task.state,
      policy: scene.policy(task),
      prio: task.struct.num('prio'),
      oncpu_ms: scene.onCpuMs(task),
      time_ms: task.struct.num('se.sum_exec_runtime') / 1e6,
      cgroup: scene.cgroupOf(task),
      function: place === undefined || place.user ? '' : (tellingFrame(place.frames)?.function ?? ''),
      task: hex(task.addr),
    };
  });
  return { tables: { current: rows } };
}

export function cpuinfo(scene: Scene): Made {
  const { kernel } = scene;
  const threads = new Map<string, number>();
  const online = new Set(kernel.cpusOnline);
  const rows = kernel.cpus.map((cpu): Row => {
    const address = kernel.percpu('cpu_info', cpu);
    if (address === undefined) return { cpu };
    const info = kernel.struct('cpuinfo_x86', address);
    const found = {
      package: first(info, 'topo.pkg_id', 'phys_proc_id'),
      die: first(info, 'topo.die_id', 'cpu_die_id'),
      core: first(info, 'topo.core_id', 'cpu_core_id'),
    };
    const key = `${found.package} ${found.core}`;
    const thread = threads.get(key) ?? 0;
    threads.set(key, thread + 1);
    const llc = kernel.percpu('cpu_llc_id', cpu);
    const node = kernel.percpu('numa_node', cpu);
    return {
      cpu,
      ...found,
      thread,
      node: node === undefined ? undefined : kernel.i32(node),
      llc: info.has('topo.llc_id')
        ? info.num('topo.llc_id')
        : llc === undefined
          ? undefined
          : kernel.u16(llc),
      apicid: first(info, 'topo.apicid', 'apicid'),
      online: online.has(cpu) ? 'yes' : 'no',
      microcode: Number.isNaN(info.num('microcode')) ? '' : `0x${info.num('microcode').toString(16)}`,
      model: info.text('x86_model_id').trim(),
    };
  });
  return { tables: { cpuinfo: rows } };
}

export function tlb(scene: Scene): Made {
  const { kernel } = scene;
  const rows = kernel.cpus.map((cpu): Row => {
    const address = kernel.percpu('cpu_tlbstate', cpu);
    if (address === undefined) return { cpu };
    const state = kernel.struct('tlb_state', address);
    const shared = kernel.percpu('cpu_tlbstate_shared', cpu);
    const lazy =
      shared !== undefined && kernel.member('tlb_state_shared', 'is_lazy') !== undefined
        ? kernel.struct('tlb_state_shared', shared).num('is_lazy')
        : state.num('is_lazy');
    const asid = state.num('loaded_mm_asid');
    const loaded = state.ptr('loaded_mm') ?? 0n;
    const known = Number.isInteger(asid) && asid >= 0 && asid < 64;
    // 1 stands for "being switched".
    const mm = loaded > 1n ? kernel.struct('mm_struct', loaded) : undefined;
    const ctx = known ? state.num(`ctxs[${asid}].ctx_id`) : Number.NaN;
    const gen = known ? state.num(`ctxs[${asid}].tlb_gen`) : Number.NaN;
    const mmGen = mm?.num('context.tlb_gen.counter') ?? Number.NaN;
    const sameSpace = mm !== undefined && mm.num('context.ctx_id') === ctx;
    const owner = mm?.ptr('owner');
    const task = owner === undefined || owner === 0n ? undefined : kernel.taskAt(owner);
    return {
      cpu,
      mm: loaded === 1n ? 'switching' : hex(loaded),
      pid: task?.tgid,
      comm: task?.comm ?? (loaded === kernel.sym('init_mm') ? 'init_mm' : ''),
      lazy: lazy === 1 ? 'yes' : '',
      asid,
      next_asid: state.num('next_asid'),
      ctx_id: ctx,
      tlb_gen: gen,
      mm_gen: mmGen,
      pending: sameSpace && gen < mmGen ? 'yes' : '',
    };
  });
  return { tables: { tlb: rows } };
}
