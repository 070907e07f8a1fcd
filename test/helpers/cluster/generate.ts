/**
 * Made-up fleets of cores with known causes, the same for the same seed. A kernel of layers (entry, subsystem, driver) with
 * functions that call each other; a bug is a path through it; a core is a bug's path as compilers, entry paths and
 * unwinders change it: inlining, another caller, a cut end, a helper on top, another kind of fault, another way to die.
 */
import type { Features } from '../../../src/vmcore/cluster/features.ts';
import { comparedStack } from '../../../src/vmcore/cluster/frames.ts';
import type { CrashClass } from '../../../src/vmcore/report.ts';
import { type Random, random } from './random.ts';

export interface Fleet {
  readonly cores: readonly Features[];
  /** The stack of the panic itself, machinery on top, as a tool sees it that looks no further. */
  readonly panicStacks: ReadonlyMap<string, readonly string[]>;
  /** Key → cause. */
  readonly truth: ReadonlyMap<string, string>;
}

interface Bug {
  readonly name: string;
  readonly class: CrashClass;
  /** Innermost first, without the entry. */
  readonly path: readonly string[];
  readonly entries: readonly (readonly string[])[];
}

const CLASSES: readonly CrashClass[] = [
  'null-deref',
  'page-fault',
  'gpf',
  'bug',
  'soft-lockup',
  'rcu-stall',
  'hung-task',
];
/** What one bug is seen as beside its own class. */
const TURNS: Partial<Record<CrashClass, readonly CrashClass[]>> = {
  'null-deref': ['page-fault', 'gpf'],
  'page-fault': ['gpf', 'null-deref'],
  gpf: ['page-fault', 'bug'],
  bug: ['gpf'],
  'soft-lockup': ['rcu-stall'],
  'rcu-stall': ['soft-lockup'],
};

const SYSCALL = ['do_syscall_64', 'entry_SYSCALL_64_after_hwframe'];
const ENTRIES: readonly (readonly string[])[] = [
  ['vfs_write', 'ksys_write', ...SYSCALL],
  ['vfs_read', 'ksys_read', ...SYSCALL],
  ['__x64_sys_ioctl', ...SYSCALL],
  ['sock_sendmsg', '__sys_sendto', '__x64_sys_sendto', ...SYSCALL],
  ['do_sys_openat2', '__x64_sys_openat', ...SYSCALL],
  ['__do_sys_finit_module', ...SYSCALL],
  ['process_one_work', 'worker_thread', 'kthread', 'ret_from_fork'],
  ['kthread', 'ret_from_fork'],
  [
    'call_timer_fn',
    'run_timer_softirq',
    '__do_softirq',
    'irq_exit_rcu',
    'sysvec_apic_timer_interrupt',
    'asm_sysvec_apic_timer_interrupt',
    'do_idle',
    'cpu_startup_entry',
    'start_secondary',
  ],
  ['net_rx_action', '__do_softirq', 'do_softirq', '__local_bh_enable_ip'],
  ['task_work_run', 'exit_to_user_mode_loop', ...SYSCALL],
];
const HELPERS = [
  '__list_del_entry_valid',
  'memcpy',
  '_raw_spin_lock',
  'kfree',
  'strlen',
  'copy_from_user',
  'refcount_inc',
  'native_queued_spin_lock_slowpath',
];
const MACHINERY: Partial<Record<CrashClass, readonly string[]>> = {
  'soft-lockup': [
    'panic',
    'watchdog_timer_fn',
    '__hrtimer_run_queues',
    'hrtimer_interrupt',
    '__sysvec_apic_timer_interrupt',
    'sysvec_apic_timer_interrupt',
    'asm_sysvec_apic_timer_interrupt',
  ],
  'rcu-stall': [
    'panic',
    'panic_on_rcu_stall',
    'rcu_sched_clock_irq',
    'update_process_times',
    'tick_sched_timer',
    '__hrtimer_run_queues',
    'hrtimer_interrupt',
    'sysvec_apic_timer_interrupt',
    'asm_sysvec_apic_timer_interrupt',
  ],
  bug: ['panic', 'oops_end', 'do_trap', 'do_error_trap', 'exc_invalid_op', 'asm_exc_invalid_op'],
  gpf: ['panic', 'oops_end', 'die_addr', 'exc_general_protection', 'asm_exc_general_protection'],
};
const FAULT = ['panic', 'oops_end', 'page_fault_oops', 'exc_page_fault', 'asm_exc_page_fault'];
const HUNG = ['panic', 'check_hung_uninterruptible_tasks', 'watchdog', 'kthread', 'ret_from_fork'];
const SYSTEMS = ['ext4', 'xfs', 'tcp', 'nfs', 'blk', 'mm', 'cgroup', 'usb', 'nvme', 'drm', 'btrfs', 'kvm'];
const VERBS = [
  'alloc',
  'free',
  'get',
  'put',
  'init',
  'destroy',
  'commit',
  'flush',
  'lookup',
  'insert',
  'remove',
  'update',
  'submit',
  'complete',
  'attach',
  'detach',
  'begin',
  'end',
  'map',
  'unmap',
  'read',
  'write',
  'lock',
  'walk',
];

/** `n` cores of about `bugs` causes, few of them common, most of them rare (Zipf). */
export function fleet(n: number, { seed = 1, bugs = 300 } = {}): Fleet {
  const dice = random(seed);
  const causes = makeBugs(dice, bugs);
  const shares = causes.map((_, i) => 1 / (i + 1));
  const sum = shares.reduce((a, b) => a + b, 0);
  const cores: Features[] = [];
  const truth = new Map<string, string>();
  const panicStacks = new Map<string, readonly string[]>();
  for (let i = 0; i < n; i += 1) {
    const bug = chosen(causes, shares, dice.next() * sum);
    const key = `core-${i}`;
    const { stack, seen } = mutate(dice, bug);
    truth.set(key, bug.name);
    panicStacks.set(key, panicStack(seen, stack));
    cores.push(featuresOf(key, seen, stack, dice));
  }
  return { cores, truth, panicStacks };
}

/** The cause in whose share `at` falls. */
function chosen(causes: readonly Bug[], shares: readonly number[], at: number): Bug {
  let left = at;
  const found = causes.find((_, i) => {
    left -= shares[i] as number;
    return left < 0;
  });
  return (found ?? causes[0]) as Bug;
}

function featuresOf(key: string, seen: CrashClass, stack: readonly string[], dice: Random): Features {
  const { frames, folded } = comparedStack(stack);
  const traits = {
    release: dice.pick(['6.1.0-1', '6.1.0-9', '6.12.5']),
    comm: dice.pick(['sshd', 'kworker/0:1', 'qemu', 'java']),
  };
  return { key, class: seen, stack: frames, folded, traits };
}

/** Of a hung task the panic is that of khungtaskd, whoever hangs. */
function panicStack(seen: CrashClass, stack: readonly string[]): readonly string[] {
  if (seen === 'hung-task') return HUNG;
  return [...(MACHINERY[seen] ?? FAULT), ...stack];
}

/**
 * Each subsystem has layers of functions, few outside and more inside. A bug is in a function of one of them, and is reached
 * by one path; other bugs share parts of it, some all but the innermost function.
 */
function makeBugs(dice: Random, count: number): Bug[] {
  const layers = SYSTEMS.map((system) =>
    Array.from({ length: 6 }, (_, layer) =>
      Array.from(
        { length: 2 + layer * 2 },
        (_, i) => `${system}_${VERBS[(layer * 7 + i) % VERBS.length]}_${layer}${i}`,
      ),
    ),
  );
  const used = new Set<string>();
  const bugs: Bug[] = [];
  while (bugs.length < count) {
    const [system, other] = [dice.pick(layers), dice.pick(layers)];
    const outer = system.slice(0, 2 + dice.below(5)).map((names) => dice.pick(names));
    const lent = dice.chance(0.3) ? [dice.pick(other[5] as string[])] : [];
    const path = [...lent, ...outer.reverse()];
    // Two bugs with the same path would be one to anybody.
    if (used.has(path.join())) continue;
    used.add(path.join());
    const entries = [dice.pick(ENTRIES), dice.pick(ENTRIES), dice.pick(ENTRIES)];
    bugs.push({ name: `bug-${bugs.length}`, class: dice.pick(CLASSES), path, entries });
  }
  return bugs;
}

function mutate(dice: Random, bug: Bug): { stack: string[]; seen: CrashClass } {
  let path = [...bug.path];
  // Inlined by this compiler.
  if (path.length > 2 && dice.chance(0.3)) path.splice(1 + dice.below(path.length - 1), 1);
  // Not inlined, or a wrapper of this version.
  if (dice.chance(0.15)) path.splice(1 + dice.below(path.length), 0, `__${dice.pick(path)}`);
  path = path.map((name) =>
    dice.chance(0.1) ? `${name}${dice.pick(['.isra.0', '.constprop.0', '.part.0', '.cold'])}` : name,
  );
  if (dice.chance(0.2)) path.unshift(dice.pick(HELPERS));
  // Mostly the same way in; sometimes another.
  const entry = dice.chance(0.75) ? (bug.entries[0] as readonly string[]) : dice.pick(bug.entries);
  let stack = [...path, ...entry];
  if (dice.chance(0.1)) stack = stack.slice(0, 2 + dice.below(stack.length - 2));
  const turns = TURNS[bug.class];
  const seen = turns !== undefined && dice.chance(0.15) ? dice.pick(turns) : bug.class;
  return { stack, seen };
}
