/** Which stack to look at, and which function of it to blame; it depends on how the kernel died. */
import type { Task } from './core.ts';
import type { LogVerdict } from './crash-log.ts';
import type { Backtrace, Blame, CrashClass, CrashFacts, Frame, TaskRef } from './report.ts';
import { irqsOff } from './sections/cpus.ts';
import type { Lock } from './sections/lock-graph.ts';
import { memoryUse, slabCaches } from './sections/memory.ts';
import { frameText, isIdlePlace, mayBeBlamed, placeOf } from './sections/places.ts';
import type { Scene } from './sections/scene.ts';
import { type Filesystem, filesystems } from './sections/system.ts';
import { residentBytes } from './sections/tasks.ts';

/** What compilers add to names of functions they split or specialise. */
const SUFFIX = /(?<=.)\.(?:isra|constprop|part|cold|llvm)\b.*$/;

interface Chosen {
  readonly stack: readonly Frame[];
  /** Which stack this is. */
  readonly from: string;
  readonly task: Task | undefined;
  /** Why this one. */
  readonly reason: string;
  /** Where no function of the stack is meant. */
  readonly name?: string;
}

/** Functions in the handling of an exception that the kernel does not survive. */
const FATAL =
  /^(oops_end|die|die_addr|page_fault_oops|no_context|panic|__die|exc_double_fault|handle_stack_overflow|__warn|exc_general_protection|nmi_panic|__crash_kexec|crash_kexec|make_task_dead|kasan_report|exc_divide_error|do_trap)/;

/** Waiting for an interrupt that another CPU should answer. */
const ANSWERS =
  /^(smp_call_function_\w+|csd_lock_wait|__csd_lock_wait|on_each_cpu\w*|native_flush_tlb_\w+|flush_tlb_\w+|text_poke_\w+|stop_machine\w*|stop_one_cpu)$/;
/** Waiting for something that every CPU must take part in: grace periods, work on every CPU. */
const ALL_CPUS =
  /^(synchronize_rcu\w*|__wait_rcu_gp|wait_rcu_exp_gp|synchronize_rcu_expedited|rcu_barrier\w*|schedule_on_each_cpu|__flush_work\w*|flush_work|stop_machine\w*|stop_cpus|stop_one_cpu|lru_add_drain_all|__lru_add_drain_all)$/;
/** From which a task on a CPU is in the way. */
const LONG_MS = 2000;

const OOPSES: ReadonlySet<CrashClass> = new Set([
  ...([
    'null-deref',
    'page-fault',
    'gpf',
    'bug',
    'list-corruption',
    'stack-overflow',
    'double-fault',
  ] as const),
  ...(['divide-error', 'invalid-opcode', 'kasan', 'ubsan', 'warning'] as const),
]);

/** Everything of CrashFacts that needs more than the log. */
export function findBlame(scene: Scene, verdict: LogVerdict): Partial<CrashFacts> {
  const { kernel } = scene;
  const panicCpu = verdict.class === 'live' ? undefined : kernel.panicCpu();
  const panicTask = panicCpu === undefined ? undefined : scene.current(panicCpu);
  const trace = panicTask === undefined ? undefined : kernel.backtrace(panicTask);
  const chosen = choose(scene, verdict, panicCpu, panicTask, trace);
  const blame = chosen === undefined ? undefined : toBlame(scene, chosen);
  const culprit = chosen?.task;
  return {
    ...(panicCpu === undefined ? {} : { panic_cpu: panicCpu }),
    ...(panicTask === undefined ? {} : { panic_task: { ...scene.ref(panicTask), ...onCpu(panicCpu) } }),
    ...(culprit === undefined ? {} : { culprit: culpritRef(scene, culprit) }),
    ...(chosen === undefined || culprit === undefined ? {} : { culprit_reason: chosen.reason }),
    ...(blame === undefined ? {} : { blame }),
    ...(verdict.rip !== undefined || chosen?.stack[0] === undefined || !OOPSES.has(verdict.class)
      ? {}
      : { rip: frameText(chosen.stack[0]) }),
    panic_stack: trace?.frames ?? [],
  };
}

const onCpu = (cpu: number | undefined) => (cpu === undefined ? {} : { cpu });

/** With its CPU when it ran. */
function culpritRef(scene: Scene, task: Task): TaskRef {
  const { cpu: _last, ...ref } = scene.ref(task);
  return { ...ref, ...onCpu(scene.kernel.runsOn(task)) };
}

function choose(
  scene: Scene,
  verdict: LogVerdict,
  panicCpu: number | undefined,
  panicTask: Task | undefined,
  trace: Backtrace | undefined,
): Chosen | undefined {
  const kind = verdict.class;
  if (kind === 'hung-task') return hungTask(scene, verdict);
  if (kind === 'oom') return outOfMemory(scene, trace, panicTask);
  if (kind === 'nmi' || kind === 'hard-lockup') {
    const found = byNmi(scene, verdict, panicCpu);
    if (found !== undefined) return found;
  }
  if (kind === 'rcu-stall' && verdict.cpu !== undefined && verdict.cpu !== panicCpu) {
    const found = ofCpu(scene, verdict.cpu, `CPU ${verdict.cpu}, which the log names as stalled`);
    if (found !== undefined) return found;
  }
  if (panicTask === undefined || trace === undefined) return undefined;
  const base = { task: panicTask, stack: trace.frames };
  if (kind === 'sysrq' || kind === 'init-killed')
    return {
      ...base,
      stack: withoutDying(trace.frames),
      from: 'the task that asked for it',
      reason: kind === 'sysrq' ? 'it asked for the crash' : 'init must not end',
      name: kind,
    };
  if (kind === 'soft-lockup' || kind === 'rcu-stall') {
    // Who waits for an answer of all CPUs is stuck because of the one that does not give it.
    const deaf = waitsFor(trace.frames, ANSWERS) ? deafCpu(scene, panicCpu) : undefined;
    if (deaf !== undefined) return deaf;
    const at = lastIndex(trace.frames, ({ kind: how }) => how === 'irq' || how === 'nmi');
    if (at >= 0)
      return {
        ...base,
        stack: trace.frames.slice(at),
        from: 'below the interrupt in which the watchdog noticed',
        reason: `it did not let CPU ${panicCpu} go`,
      };
  }
  if (kind === 'nmi' || kind === 'hard-lockup') {
    const at = lastIndex(trace.frames, ({ kind: how }) => how === 'nmi');
    if (at >= 0)
      return {
        ...base,
        stack: trace.frames.slice(at),
        from: 'below the NMI',
        reason: 'it was running there',
      };
  }
  if (OOPSES.has(kind)) {
    const at = fatalException(trace.frames);
    if (at >= 0)
      return {
        ...base,
        stack: trace.frames.slice(at),
        from: 'below the exception on the panic CPU',
        reason: 'it was running when the exception came',
      };
    return {
      ...base,
      stack: withoutDying(trace.frames),
      from: 'the panic CPU',
      reason: 'it was running when the exception came',
    };
  }
  return {
    ...base,
    stack: withoutDying(trace.frames),
    from: 'the caller of panic()',
    reason: 'it called panic()',
  };
}

/** Innermost first: without the frames in which the kernel dies. */
function withoutDying(frames: readonly Frame[]): readonly Frame[] {
  const at = lastIndex(frames, ({ function: name, module }) => module === undefined && FATAL.test(name));
  return frames.slice(at + 1);
}

/**
 * The frame that was interrupted by the exception the kernel died of. Outer exceptions may be harmless (a page fault
 * while copying from user space) and inner ones second thoughts (a fault while dying): the outermost whose handling
 * holds a function that does not come back.
 */
function fatalException(frames: readonly Frame[]): number {
  let found = -1;
  let from = 0;
  for (let at = 1; at < frames.length; at++) {
    if (frames[at]?.kind === 'normal') continue;
    const handler = frames.slice(from, at);
    if (frames[at]?.kind === 'exception' && handler.some(({ function: name }) => FATAL.test(name)))
      found = at;
    from = at;
  }
  return found;
}

function lastIndex(frames: readonly Frame[], test: (frame: Frame) => boolean): number {
  for (let at = frames.length - 1; at >= 0; at--) if (test(frames[at] as Frame)) return at;
  return -1;
}

function ofCpu(scene: Scene, cpu: number, from: string): Chosen | undefined {
  const task = scene.current(cpu);
  const place = scene.place(cpu);
  if (task === undefined || place === undefined || place.frames.length === 0) return undefined;
  return { stack: place.frames, from, task, reason: `it ran on CPU ${cpu}, which did not move on` };
}

/** Of an NMI from outside the CPU that took it is as good as any: the one that hangs is another, not idle, interrupts off. */
function byNmi(scene: Scene, verdict: LogVerdict, panicCpu: number | undefined): Chosen | undefined {
  if (verdict.class === 'hard-lockup' && verdict.cpu !== undefined) {
    if (verdict.cpu === panicCpu) return undefined;
    return ofCpu(scene, verdict.cpu, `CPU ${verdict.cpu}, which the watchdog found locked up`);
  }
  const own = panicCpu === undefined ? undefined : scene.trace(panicCpu);
  const candidates = scene.kernel.cpus.flatMap((cpu) => {
    const task = scene.current(cpu);
    const trace = scene.trace(cpu);
    if (task === undefined || trace === undefined) return [];
    const place = cpu === panicCpu ? belowNmi(own) : placeOf(trace);
    if (place.user || place.frames.length === 0 || isIdlePlace(place.frames)) return [];
    const off = cpu === panicCpu ? 0 : irqsOff(scene, cpu, trace, place.stopped) ? 4 : 0;
    const score = off + (cpu === panicCpu ? 0 : 1) + (place.frames.some(mayBeBlamed) ? 1 : 0);
    return [{ cpu, task, place, score, since: scene.onCpuMs(task) || 0, off }];
  });
  candidates.sort((a, b) => b.score - a.score || b.since - a.since);
  const best = candidates[0];
  if (best === undefined) return undefined;
  return {
    stack: best.place.frames,
    from: `CPU ${best.cpu}`,
    task: best.task,
    reason:
      best.off > 0
        ? `it ran on CPU ${best.cpu} with interrupts off`
        : `of the CPUs that did something it ran longest, on CPU ${best.cpu}`,
  };
}

function belowNmi(trace: Backtrace | undefined) {
  const frames = trace?.frames ?? [];
  const at = lastIndex(frames, ({ kind }) => kind === 'nmi');
  return { frames: at < 0 ? [] : frames.slice(at), stopped: '' as const, user: false };
}

/** The owner that most tasks wait for, themselves or through others; a deadlock's members are equal. */
function hungTask(scene: Scene, verdict: LogVerdict): Chosen | undefined {
  const { kernel } = scene;
  const { byTask, cycles } = scene.locks;
  const waiting = new Map<bigint, Set<bigint>>();
  for (const [waiter] of byTask) {
    const seen = new Set<bigint>([waiter]);
    let lock: Lock | undefined = byTask.get(waiter);
    while (lock?.owner !== undefined && !seen.has(lock.owner.addr)) {
      const owner: Task = lock.owner;
      seen.add(owner.addr);
      const those = waiting.get(owner.addr) ?? new Set();
      those.add(waiter);
      waiting.set(owner.addr, those);
      lock = byTask.get(owner.addr);
    }
  }
  const named = verdict.pid === undefined ? undefined : kernel.task(verdict.pid);
  const inCycle = new Set(cycles.flat().map(({ addr }) => addr));
  const roots = [...waiting]
    .map(([addr, tasks]) => ({ task: kernel.taskAt(addr), count: tasks.size, free: !byTask.has(addr) }))
    .filter((root): root is { task: Task; count: number; free: boolean } => root.task !== undefined)
    .filter(({ task, free }) => free || inCycle.has(task.addr))
    // Of equals one that waits for nothing, then the one that was named, then the one that came first.
    .sort(
      (a, b) =>
        b.count - a.count ||
        Number(b.free) - Number(a.free) ||
        Number(b.task === named) - Number(a.task === named) ||
        a.task.pid - b.task.pid,
    );
  const root = roots[0];
  if (root !== undefined) {
    const { task, count } = root;
    const stuck = inCycle.has(task.addr);
    const lock = scene.locks.locks.find(({ owner }) => owner === task);
    const held = lock?.readers === true ? 'was the last to take for reading' : 'holds';
    const wanted = stuck ? byTask.get(task.addr) : undefined;
    return {
      stack: placeOf(kernel.backtrace(task)).frames,
      from: stuck ? 'a task of the deadlock' : 'the owner of the lock',
      task,
      reason: [
        ...(lock === undefined ? [] : [`it ${held} ${lock.name}`]),
        ...(wanted === undefined ? [] : [`waits for ${wanted.name} in a circle`]),
        `${count} ${count === 1 ? 'task waits' : 'tasks wait'} for it`,
      ].join('; '),
    };
  }
  const hung = named ?? longestBlocked(scene);
  if (hung === undefined) return undefined;
  const { frames } = kernel.backtrace(hung);
  if (waitsFor(frames, ALL_CPUS)) {
    const hog = longestRunning(scene);
    if (hog !== undefined) return hog;
  }
  const chosen = named === undefined ? 'it is blocked longest' : 'it is the first that the log names';
  const fs = frozenFor(scene, hung);
  return {
    stack: frames,
    from: 'the task that hangs',
    task: hung,
    reason:
      fs === undefined ? chosen : `it waits for the frozen ${fs.type} filesystem at ${fs.mounted} to thaw`,
  };
}

/** The frozen filesystem that a task waits for: the lock is one of the levels of its freezing. */
function frozenFor(scene: Scene, task: Task): Filesystem | undefined {
  const lock = scene.locks.byTask.get(task.addr);
  const size = BigInt(scene.kernel.sizeOf('super_block') ?? 0);
  if (lock === undefined) return undefined;
  return filesystems(scene).find(
    ({ struct, frozen }) => frozen > 0 && lock.address >= struct.addr && lock.address < struct.addr + size,
  );
}

const waitsFor = (frames: readonly Frame[], pattern: RegExp): boolean =>
  frames.some(({ function: name, module }) => module === undefined && pattern.test(name));

/** The CPU that no interrupt reaches. */
function deafCpu(scene: Scene, panicCpu: number | undefined): Chosen | undefined {
  for (const cpu of scene.kernel.cpus) {
    const trace = scene.trace(cpu);
    if (cpu === panicCpu || trace === undefined) continue;
    const place = placeOf(trace);
    if (place.user || !irqsOff(scene, cpu, trace, place.stopped) || isIdlePlace(place.frames)) continue;
    const found = ofCpu(scene, cpu, `CPU ${cpu}, whose interrupts are off and for which the panic CPU waits`);
    if (found !== undefined) return { ...found, reason: `it ran on CPU ${cpu} with interrupts off` };
  }
  return undefined;
}

/** The task that is in the kernel, on a CPU, for longest: what keeps the others from what they wait for. */
function longestRunning(scene: Scene): Chosen | undefined {
  let best: { cpu: number; ms: number } | undefined;
  for (const cpu of scene.kernel.cpus) {
    const task = scene.current(cpu);
    const place = scene.place(cpu);
    if (task === undefined || task.idle || place === undefined || place.user || place.frames.length === 0)
      continue;
    if (cpu === scene.kernel.panicCpu()) continue;
    const ms = scene.onCpuMs(task);
    if (ms >= LONG_MS && ms > (best?.ms ?? 0)) best = { cpu, ms };
  }
  if (best === undefined) return undefined;
  const found = ofCpu(scene, best.cpu, `CPU ${best.cpu}, which those that hang wait for`);
  return found === undefined
    ? undefined
    : {
        ...found,
        reason: `it has been on CPU ${best.cpu} for ${(best.ms / 1000).toFixed(1)} s, in the kernel`,
      };
}

function longestBlocked(scene: Scene): Task | undefined {
  let best: { task: Task; ms: number } | undefined;
  for (const task of scene.kernel.tasks()) {
    if (task.state !== 'D') continue;
    const ms = scene.blockedMs(task) || 0;
    if (best === undefined || ms > best.ms) best = { task, ms };
  }
  return best?.task;
}

/** Who has the memory, not who asked last. */
function outOfMemory(
  scene: Scene,
  trace: Backtrace | undefined,
  asked: Task | undefined,
): Chosen | undefined {
  const use = memoryUse(scene);
  const stack = withoutDying(trace?.frames ?? []);
  const top = slabCaches(scene)[0];
  const biggest = largestProcess(scene);
  const slab = use.slab_unreclaimable + use.slab_reclaimable;
  const parts = [
    { name: 'slab', bytes: slab },
    { name: 'anon', bytes: use.anon },
    { name: 'shmem', bytes: use.shmem },
  ].sort((a, b) => (b.bytes || 0) - (a.bytes || 0));
  const most = parts[0];
  const share = (bytes: number) => `${((100 * bytes) / use.total).toFixed(0)} % of memory`;
  if (most?.name === 'slab' && top !== undefined)
    return {
      stack,
      from: 'the task that asked for memory last',
      task: undefined,
      reason: `the slab cache ${top.name} holds ${share(top.bytes)}`,
      name: `slab:${top.name}`,
    };
  const task = biggest ?? asked;
  return {
    stack,
    from: 'the task that asked for memory last',
    task,
    reason:
      most?.name === 'shmem'
        ? `shared memory and tmpfs hold ${share(use.shmem)}`
        : `anonymous memory of processes is ${share(use.anon)}, most of it of ${task?.comm ?? '?'}`,
    name: most?.name === 'shmem' ? 'shmem' : `anon:${task?.comm ?? ''}`,
  };
}

function largestProcess(scene: Scene): Task | undefined {
  let best: { task: Task; bytes: number } | undefined;
  for (const task of scene.kernel.tasks()) {
    if (task.kernel_thread || task.pid !== task.tgid) continue;
    const bytes = residentBytes(scene, task.struct) || 0;
    if (best === undefined || bytes > best.bytes) best = { task, bytes };
  }
  return best?.task;
}

function toBlame(scene: Scene, { stack, from, task, reason, name }: Chosen): Blame | undefined {
  const frame = stack.find(mayBeBlamed) ?? stack[0];
  if (frame === undefined && name === undefined) return undefined;
  return {
    function: name ?? (frame?.function ?? '').replace(SUFFIX, ''),
    ...(name === undefined && frame?.module !== undefined ? { module: frame.module } : {}),
    reason: task === undefined ? reason : `${task.comm}:${task.pid}: ${reason}`,
    from,
    stack,
    ...(task === undefined ? {} : { task: culpritRef(scene, task) }),
  };
}
