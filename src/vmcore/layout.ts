/**
 * What each section of a report shows: its panels with their columns. One declaration for the reader that fills the
 * tables, the screen, text, JSON and the documentation.
 */
import type { ColumnSpec, LogPanel, TablePanel } from '../monitors/monitor.ts';
import type { SectionName } from './report.ts';

export interface SectionLayout {
  readonly name: SectionName;
  /** As a tab, at most 12 characters. */
  readonly title: string;
  /** The question it answers. */
  readonly summary: string;
  readonly panels: readonly (TablePanel | LogPanel)[];
}

type Extra = Partial<Omit<ColumnSpec, 'id' | 'title' | 'help' | 'format'>>;

const column =
  (format: ColumnSpec['format'], defaults: Extra = {}) =>
  (id: string, title: string, help: string, extra: Extra = {}): ColumnSpec => ({
    id,
    title,
    help,
    format,
    ...defaults,
    ...extra,
  });
const text = column('text');
const int = column('int');
const num = column('number', { decimals: 0 });
const ms = column('ms');
const bytes = column('bytes');
const seconds = column('seconds', { decimals: 3 });

const CPU = int('cpu', 'CPU', 'number of the CPU');
const PID = int('pid', 'PID', 'thread id; 0 = the idle task');
const COMM = text('comm', 'COMM', 'name of the task', { min: 8, max: 20 });
/** For drill-down: not drawn. */
const TASK = text('task', 'TASK', 'address of the task_struct', { hidden: 'screen' });
const ADDRESS = text('address', 'ADDRESS', 'address in kernel memory', { priority: 6, min: 18, max: 18 });

function table(
  name: string,
  title: string,
  columns: readonly ColumnSpec[],
  sort: string,
  options: { readonly down?: boolean; readonly empty?: string; readonly tree?: TablePanel['tree'] } = {},
): TablePanel {
  return {
    kind: 'table',
    id: name,
    title,
    table: name,
    columns,
    sort: { column: sort, descending: options.down ?? false },
    empty: options.empty ?? 'nothing to be read',
    ...(options.tree === undefined ? {} : { tree: options.tree }),
  };
}

export const SECTIONS: readonly SectionLayout[] = [
  {
    name: 'cpus',
    title: 'CPUs',
    summary: 'what each CPU was doing',
    panels: [
      table(
        'cpus',
        'CPUs',
        [
          CPU,
          text(
            'state',
            'STATE',
            'panic, running (in the kernel), user, idle, offline, unknown (left no registers)',
          ),
          text('stopped', 'STOPPED', 'how it was stopped: by an interrupt, by an NMI, or not at all', {
            priority: 4,
          }),
          PID,
          COMM,
          text('function', 'FUNCTION', 'where it was, the way of stopping it left out', { min: 12, max: 40 }),
          text('context', 'CONTEXT', 'task, softirq, irq, nmi: by the stack', { priority: 2 }),
          int('hardirq', 'IRQ', 'depth of interrupts, of the preempt count', { priority: 3 }),
          int('softirq', 'SIRQ', 'depth of softirqs and their disabling, of the preempt count', {
            priority: 3,
          }),
          int('nmi', 'NMI', 'depth of NMIs, of the preempt count', { priority: 5 }),
          int('preempt', 'PREEMPT', 'depth of disabled preemption', { priority: 3 }),
          text('irqs', 'IRQS', 'off: interrupts were disabled when it was stopped', { priority: 2 }),
          TASK,
          text('stack', 'STACK', 'functions, innermost first', { min: 16, priority: 1 }),
        ],
        'cpu',
      ),
    ],
  },
  {
    name: 'runqueues',
    title: 'Runqueues',
    summary: 'what waits for each CPU',
    panels: [
      table(
        'runqueues',
        'Runqueues',
        [
          CPU,
          int('running', 'NR', 'runnable tasks, the current one included'),
          int('cfs', 'CFS', 'of them fair', { priority: 2 }),
          int('rt', 'RT', 'of them real-time', { priority: 2 }),
          int('dl', 'DL', 'of them deadline', { priority: 2 }),
          int('blocked', 'UNINT', 'tasks that went to uninterruptible sleep here; the sum over CPUs counts', {
            priority: 4,
          }),
          int('iowait', 'IOWAIT', 'tasks that wait for I/O', { priority: 4 }),
          num('load', 'LOAD', 'load average of the fair class', { priority: 3 }),
          num('util', 'UTIL', 'utilisation of the fair class, 1024 = all of a CPU', { priority: 3 }),
          PID,
          COMM,
          ms('switch_ms', 'SWITCH', 'time since the current task came on the CPU', { decimals: 1 }),
          ms('skew_ms', 'BEHIND', 'how far the clock is behind that of the CPU furthest on', { decimals: 3 }),
          int('switches', 'SWITCHES', 'context switches since boot', { priority: 3 }),
          text('waiting', 'WAITING', 'runnable tasks that do not run, those waiting longest first', {
            min: 10,
            priority: 1,
          }),
          seconds('clock_s', 'CLOCK', 'clock of the runqueue, time since boot', { priority: 5 }),
        ],
        'cpu',
      ),
    ],
  },
  {
    name: 'cfs_rq',
    title: 'cfs_rq',
    summary: 'the fair scheduler, per CPU and group',
    panels: [
      table(
        'cfs_rq',
        'Fair runqueues per CPU and group',
        [
          CPU,
          text('group', 'GROUP', 'path of the cgroup', { min: 10, max: 48 }),
          int('nr', 'NR', 'entities queued'),
          int('h_nr', 'H_NR', 'tasks queued, those of groups below included'),
          ms('min_vruntime_ms', 'VRUNTIME', 'min_vruntime, or zero_vruntime of kernels that have that', {
            decimals: 3,
          }),
          num('load', 'WEIGHT', 'weight of the entities queued, 1024 = nice 0'),
          num('load_avg', 'LOAD', 'load average'),
          num('util_avg', 'UTIL', 'utilisation, 1024 = all of a CPU'),
          num('runnable_avg', 'RUNNABLE', 'average of runnable tasks, 1024 = one', { priority: 3 }),
          int('throttled', 'THROTTLED', '1 = stopped until the quota is renewed'),
          ms('runtime_left_ms', 'LEFT', 'quota left, negative = overrun', { decimals: 3, priority: 2 }),
          text('current', 'CURRENT', 'task of the entity that runs', { priority: 2 }),
          ADDRESS,
        ],
        'cpu',
      ),
    ],
  },
  {
    name: 'current',
    title: 'Current',
    summary: 'what ran, on every CPU',
    panels: [
      table(
        'current',
        'Current tasks',
        [
          CPU,
          PID,
          COMM,
          text('state', 'STATE', 'as in ps'),
          text('policy', 'POLICY', 'scheduling policy'),
          int('prio', 'PRIO', "the kernel's priority, 0 to 99 real-time, 120 = nice 0"),
          ms('oncpu_ms', 'ONCPU', 'time since it came on the CPU'),
          ms('time_ms', 'TIME', 'CPU time in all', { priority: 2 }),
          text('cgroup', 'CGROUP', 'path', { priority: 3 }),
          text('function', 'FUNCTION', 'where it was, the way of stopping it left out'),
          TASK,
        ],
        'cpu',
      ),
    ],
  },
  {
    name: 'tasks',
    title: 'Tasks',
    summary: 'every task, and which are unlike the others',
    panels: [
      table(
        'tasks',
        'Tasks',
        [
          PID,
          int('tgid', 'TGID', 'process id', { priority: 5 }),
          int('ppid', 'PPID', 'process id of the parent', { priority: 5 }),
          int('uid', 'UID', 'effective user id', { priority: 6 }),
          COMM,
          text('state', 'S', 'R S D T t Z X I P, as in ps; on a CPU: R'),
          CPU,
          text('policy', 'POLICY', 'scheduling policy', { priority: 5 }),
          int('prio', 'PRIO', "the kernel's priority, 0 to 99 real-time, 120 = nice 0", { priority: 4 }),
          ms('time_ms', 'TIME', 'CPU time in all', { priority: 3 }),
          ms('oncpu_ms', 'ONCPU', 'of a running task: since it came on the CPU', { priority: 2 }),
          ms('wait_ms', 'WAITS', 'of a runnable task: how long it has not run', { priority: 3 }),
          ms('blocked_ms', 'BLOCKED', 'of a sleeping task: since it stopped running'),
          text('wchan', 'WCHAN', 'function that put it to sleep', { min: 10, max: 32 }),
          text('lock', 'LOCK', 'lock it waits for', { priority: 1, max: 32 }),
          text('cgroup', 'CGROUP', 'path', { priority: 4, max: 32 }),
          bytes('rss', 'RSS', 'resident memory of the process, with its leader', { priority: 2 }),
          text('outlier', 'UNLIKE', 'columns in which it is far from the median of all tasks'),
          TASK,
        ],
        'pid',
      ),
    ],
  },
  {
    name: 'backtraces',
    title: 'Backtraces',
    summary: 'where every task is',
    panels: [
      table(
        'backtraces',
        'Backtraces',
        [
          PID,
          COMM,
          text('state', 'S', 'as in ps'),
          CPU,
          int('depth', 'FRAMES', 'how many', { priority: 3 }),
          int('same', 'SAME', 'tasks with the same stack', { priority: 2 }),
          text('certain', 'CERTAIN', 'yes, or why it ends early or may be wrong', { priority: 4 }),
          TASK,
          text('stack', 'STACK', 'functions, innermost first', { min: 20 }),
        ],
        'pid',
      ),
    ],
  },
  {
    name: 'locks',
    title: 'Locks',
    summary: 'who holds what, and who waits for it',
    panels: [
      table(
        'locks',
        'Locks waited for',
        [
          text('lock', 'LOCK', 'its symbol, or what it is part of', { min: 10, max: 40 }),
          text('kind', 'KIND', 'mutex, rwsem, semaphore, percpu-rwsem, spinlock'),
          int('owner_pid', 'OWNER', 'thread that holds it'),
          text('owner', 'COMM', 'its name'),
          text('owner_state', 'S', 'its state'),
          text('owner_at', 'OWNER AT', 'where it is', { priority: 2, max: 32 }),
          int('waiters', 'WAITERS', 'tasks that wait for it'),
          ms('longest_ms', 'LONGEST', 'longest wait'),
          int('cycle', 'CYCLE', 'number of the deadlock it is part of'),
          text('first', 'FIRST', 'the waiter that came first', { priority: 3 }),
          text('readers', 'HELD FOR', 'of an rwsem: held by readers or a writer', { priority: 4 }),
          ADDRESS,
          text('owner_task', 'OWNER TASK', 'address of the task_struct', { hidden: 'screen' }),
        ],
        'waiters',
        { down: true, empty: 'no task waits for a lock' },
      ),
      table(
        'waits',
        'Who waits for whom',
        [
          PID,
          COMM,
          text('state', 'S', 'as in ps'),
          text('lock', 'LOCK', 'what it waits for'),
          text('kind', 'KIND', 'how: read, write, exclusive'),
          ms('blocked_ms', 'BLOCKED', 'since when'),
          int('owner_pid', 'OWNER', 'thread that holds it'),
          text('owner', 'COMM', 'its name'),
          int('depth', 'DEPTH', 'owners up to one that waits for none; no number in a cycle'),
          int('cycle', 'CYCLE', 'number of the deadlock it is part of'),
          text('address', 'ADDRESS', 'of the lock', { hidden: 'screen' }),
          TASK,
        ],
        'blocked_ms',
        { down: true, empty: 'no task waits for a lock' },
      ),
    ],
  },
  {
    name: 'cgroups',
    title: 'Cgroups',
    summary: 'the control groups and their limits',
    panels: [
      table(
        'cgroups',
        'Control groups',
        [
          text('path', 'PATH', 'in its hierarchy; of cgroup v1 with the controllers before it', {
            min: 12,
            max: 60,
          }),
          int('tasks', 'TASKS', 'threads in it, not below'),
          text('cpus', 'CPUS', 'effective CPUs of cpuset'),
          text('mems', 'MEMS', 'effective memory nodes of cpuset', { priority: 3 }),
          int('weight', 'WEIGHT', 'cpu.weight'),
          ms('quota_ms', 'QUOTA', 'cpu.max, time per period; none = no limit', { decimals: 1 }),
          ms('period_ms', 'PERIOD', 'cpu.max, length of the period', { decimals: 1 }),
          int('throttled', 'THROTTLED', 'periods in which the quota was used up', { priority: 2 }),
          ms('throttled_ms', 'THR TIME', 'time throttled, all CPUs', { priority: 4 }),
          bytes('memory', 'MEMORY', 'memory.current'),
          bytes('memory_max', 'MAX', 'memory.max; none = no limit'),
          bytes('memory_high', 'HIGH', 'memory.high; none = no limit', { priority: 4 }),
          bytes('swap', 'SWAP', 'memory.swap.current', { priority: 5 }),
          int('pids', 'PIDS', 'pids.current', { priority: 2 }),
          int('pids_max', 'PIDS MAX', 'pids.max; none = no limit', { priority: 3 }),
          int('level', 'LEVEL', 'depth, 0 = the root', { priority: 6 }),
          int('id', 'ID', 'number of the cgroup', { priority: 6 }),
          int('parent', 'PARENT', 'number of the one above', { hidden: 'both' }),
          ADDRESS,
        ],
        'path',
        { tree: { id: 'id', parent: 'parent' } },
      ),
    ],
  },
  {
    name: 'memory',
    title: 'Memory',
    summary: 'where the memory is',
    panels: [
      table(
        'memory',
        'Memory',
        [
          text('what', 'WHAT', 'as in /proc/meminfo', { min: 14 }),
          bytes('bytes', 'BYTES', 'how much'),
          column('percent')('share_pct', 'SHARE', 'of all memory'),
        ],
        '',
      ),
      table(
        'zones',
        'Zones',
        [
          int('node', 'NODE', 'NUMA node'),
          text('zone', 'ZONE', 'its name'),
          bytes('free', 'FREE', 'free'),
          bytes('min', 'MIN', 'watermark: below it only those that free memory get any'),
          bytes('low', 'LOW', 'watermark: below it kswapd is woken'),
          bytes('high', 'HIGH', 'watermark: up to it kswapd works', { priority: 2 }),
          bytes('boost', 'BOOST', 'watermarks are raised by so much', { priority: 4 }),
          bytes('managed', 'MANAGED', 'what the page allocator has'),
          bytes('present', 'PRESENT', 'what is there', { priority: 3 }),
          text('state', 'STATE', 'below min, below low, or nothing'),
        ],
        '',
      ),
    ],
  },
  {
    name: 'slab',
    title: 'Slab',
    summary: "the kernel's own allocations",
    panels: [
      table(
        'slab',
        'Slab caches',
        [
          text('cache', 'CACHE', 'name', { min: 10, max: 32 }),
          bytes('bytes', 'BYTES', 'pages it holds'),
          column('percent')('share_pct', 'SHARE', 'of all memory'),
          int('active', 'ACTIVE', 'objects in use; those in per-CPU lists count as used'),
          int('total', 'TOTAL', 'objects there is room for'),
          int('object_size', 'OBJSIZE', 'bytes of an object'),
          int('size', 'SIZE', 'bytes of an object with what is around it', { priority: 3 }),
          int('slabs', 'SLABS', 'slabs', { priority: 2 }),
          int('order', 'ORDER', 'pages of a slab, as a power of two', { priority: 3 }),
          text('reclaimable', 'RECLAIM', 'yes: can be given back under pressure', { priority: 2 }),
          ADDRESS,
        ],
        'bytes',
        { down: true },
      ),
    ],
  },
  {
    name: 'cpuinfo',
    title: 'CPU info',
    summary: 'which CPUs share what',
    panels: [
      table(
        'cpuinfo',
        'CPUs as hardware',
        [
          CPU,
          int('package', 'PACKAGE', 'socket'),
          int('die', 'DIE', 'die within the package'),
          int('core', 'CORE', 'core within the package'),
          int('thread', 'THREAD', 'thread within the core'),
          int('node', 'NODE', 'NUMA node', { priority: 2 }),
          int('llc', 'LLC', 'which last-level cache', { priority: 3 }),
          int('apicid', 'APIC', 'number of its local APIC', { priority: 4 }),
          text('online', 'ONLINE', 'yes, no; after panic() only the CPU that called it', { priority: 3 }),
          text('microcode', 'UCODE', 'revision of the microcode', { priority: 5 }),
          text('model', 'MODEL', 'as the processor names itself', { priority: 2 }),
        ],
        'cpu',
      ),
    ],
  },
  {
    name: 'tlb',
    title: 'TLB',
    summary: 'which address space each CPU has loaded',
    panels: [
      table(
        'tlb',
        'TLB state',
        [
          CPU,
          text('mm', 'MM', 'address of the mm_struct', { min: 18 }),
          int('pid', 'PID', 'process it belongs to'),
          COMM,
          text('lazy', 'LAZY', 'yes: kept while a kernel thread runs'),
          int('asid', 'ASID', 'address-space id of the processor'),
          int('next_asid', 'NEXT', 'the next to be given', { priority: 4 }),
          int('ctx_id', 'CTX', 'number of the address space'),
          int('tlb_gen', 'GEN', 'generation of its TLB on this CPU'),
          int('mm_gen', 'MM GEN', 'generation it should be'),
          text('pending', 'PENDING', 'yes: a flush has not been done here'),
        ],
        'cpu',
      ),
    ],
  },
  {
    name: 'modules',
    title: 'Modules',
    summary: 'what was loaded',
    panels: [
      table(
        'modules',
        'Modules',
        [
          text('module', 'MODULE', 'name', { min: 10 }),
          text('state', 'STATE', 'live, coming, going, unformed'),
          bytes('size', 'SIZE', 'memory it keeps'),
          int('refs', 'REFS', 'users'),
          text('taints', 'TAINTS', 'O out of tree, E unsigned, P proprietary, F forced, C staging', {
            priority: 1,
          }),
          text('version', 'VERSION', 'its own', { priority: 3 }),
          text('used_by', 'USED BY', 'modules that need it'),
          ADDRESS,
        ],
        'module',
        { empty: 'no modules are loaded' },
      ),
    ],
  },
  {
    name: 'mounts',
    title: 'Mounts',
    summary: 'filesystems, and which are frozen',
    panels: [
      table(
        'mounts',
        'Filesystems',
        [
          text('device', 'DEVICE', 'major:minor, and its name'),
          text('type', 'TYPE', 'of the filesystem'),
          text('mounted', 'MOUNTED', 'where, the first of its mounts', { min: 10 }),
          text('read_only', 'RO', 'yes: read-only', { priority: 2 }),
          text('frozen', 'FROZEN', 'how far: write, page fault, fs, complete'),
          int('waiters', 'WAITERS', 'tasks that wait for it to thaw'),
          ADDRESS,
        ],
        // Those that are frozen have a number of waiters.
        'waiters',
        { down: true },
      ),
    ],
  },
  {
    name: 'dmesg',
    title: 'Log',
    summary: 'what the kernel said',
    panels: [{ kind: 'log', id: 'dmesg', title: 'Kernel log', log: 'dmesg', stamp: 'boot', keep: 100_000 }],
  },
];

const byName = new Map(SECTIONS.map((section) => [section.name, section]));

export const layoutOf = (name: SectionName): SectionLayout => byName.get(name) as SectionLayout;

/** Columns of a table, whichever section it is in. */
export function columnsOf(section: SectionName, name: string): readonly ColumnSpec[] {
  const panel = layoutOf(section).panels.find((candidate) => candidate.id === name);
  return panel?.kind === 'table' ? panel.columns : [];
}
