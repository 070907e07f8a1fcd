/**
 * Who waits for which lock, and who holds it, without debugging information.
 *
 * A waiter's node lies on its own stack: {list_head; task_struct *}. So in the stack of a sleeping task a word that is
 * the task itself, 16 bytes behind two pointers that link back, is such a node. The list leads through the nodes of
 * other waiters to one that is on no stack: the head, inside the lock. The functions on the stack tell which kind it is.
 */
import type { Addr, Task } from '../core.ts';
import { walkList } from '../kernel/containers.ts';
import { slabObject } from './memory.ts';
import type { Scene } from './scene.ts';
import { findSpinners } from './spinners.ts';
import { filesystems } from './system.ts';

export type LockKind = 'mutex' | 'rwsem' | 'semaphore' | 'percpu-rwsem' | 'spinlock';

export interface Wait {
  readonly task: Task;
  readonly how: 'exclusive' | 'read' | 'write' | '';
  readonly blocked_ms: number;
}

export interface Lock {
  readonly address: Addr;
  readonly name: string;
  readonly kind: LockKind;
  /** Of a reader-held rwsem the last reader that took it, as the kernel notes it: a hint. */
  readonly owner: Task | undefined;
  readonly readers: boolean;
  /** In the order of the queue. */
  readonly waits: readonly Wait[];
  /** Number of the deadlock it is part of, 1 …; 0 = none. */
  cycle: number;
}

/** Number of the deadlock that a task is part of; undefined = none. */
export const cycleOf = (table: LockTable, task: Task): number | undefined => {
  const at = table.cycles.findIndex((cycle) => cycle.some(({ addr }) => addr === task.addr));
  return at < 0 ? undefined : at + 1;
};

export interface LockTable {
  readonly locks: readonly Lock[];
  /** What each waiting task waits for. */
  readonly byTask: ReadonlyMap<Addr, Lock>;
  /** Tasks of each deadlock, in order: each waits for the next, the last for the first. */
  readonly cycles: readonly (readonly Task[])[];
  /** Tasks in a lock's slow path whose lock was not found. */
  readonly unresolved: readonly Task[];
}

const MOST_WAITERS = 100_000;
const LOWEST = 0x8000000000000000n;
/** A waiter's node is in one of the first frames, not deep in the stack. */
const SEARCHED = 1024;

const PATHS: readonly (readonly [RegExp, LockKind, Wait['how']])[] = [
  [/^(?:__)?(?:ww_)?mutex_lock|^__mutex_lock/, 'mutex', 'exclusive'],
  [/^rwsem_down_read|^down_read|^__down_read/, 'rwsem', 'read'],
  [/^rwsem_down_write|^down_write|^__down_write/, 'rwsem', 'write'],
  [
    /^__down(?:_common|_interruptible|_killable|_timeout)?$|^down(?:_interruptible|_killable|_timeout)?$/,
    'semaphore',
    'exclusive',
  ],
];
const LINKS: Readonly<Record<'mutex' | 'rwsem' | 'semaphore', readonly [string, string]>> = {
  mutex: ['mutex', 'wait_list'],
  rwsem: ['rw_semaphore', 'wait_list'],
  semaphore: ['semaphore', 'wait_list'],
};

interface Found {
  readonly address: Addr;
  readonly kind: LockKind;
}

export function findLocks(scene: Scene): LockTable {
  const { kernel } = scene;
  const stacks = new Stacks(scene);
  const locks = new Map<Addr, { kind: LockKind; waiters: Map<Addr, Wait>; order: Addr[] }>();
  const unresolved: Task[] = [];
  for (const task of kernel.tasks()) {
    if (task.state === 'R' || task.state === '' || task.idle) continue;
    const path = slowPath(scene, task);
    if (path === undefined) continue;
    const [kind, how] = path;
    const found =
      kind === 'percpu-rwsem' ? percpuLock(scene, task, stacks) : lockOf(scene, task, kind, stacks);
    if (found === undefined) {
      unresolved.push(task);
      continue;
    }
    const lock = locks.get(found.address) ?? { kind: found.kind, waiters: new Map(), order: found.queue };
    lock.waiters.set(task.addr, { task, how, blocked_ms: scene.blockedMs(task) });
    locks.set(found.address, lock);
  }
  for (const { task, lock: address, ms } of findSpinners(scene)) {
    const lock = locks.get(address) ?? { kind: 'spinlock' as const, waiters: new Map(), order: [] };
    lock.waiters.set(task.addr, { task, how: 'exclusive', blocked_ms: ms });
    locks.set(address, lock);
  }
  const list: Lock[] = [...locks].map(([address, { kind, waiters, order }]) => {
    const place = new Map(order.map((task, index) => [task, index]));
    // Of some in the queue nothing but where they are is known.
    for (const address of order) {
      const task = waiters.has(address) ? undefined : scene.kernel.taskAt(address);
      if (task !== undefined) waiters.set(address, { task, how: '', blocked_ms: scene.blockedMs(task) });
    }
    const rank = (wait: Wait) => place.get(wait.task.addr) ?? order.length;
    return {
      address,
      kind,
      name: lockName(scene, address),
      ...ownerOf(scene, address, kind),
      waits: [...waiters.values()].sort((a, b) => rank(a) - rank(b)),
      cycle: 0,
    };
  });
  nameSpinOwner(scene, list);
  list.sort((a, b) => b.waits.length - a.waits.length || (a.address < b.address ? -1 : 1));
  const byTask = new Map(list.flatMap((lock) => lock.waits.map(({ task }) => [task.addr, lock] as const)));
  return { locks: list, byTask, cycles: findCycles(byTask), unresolved };
}

function slowPath(scene: Scene, task: Task): readonly [LockKind, Wait['how']] | undefined {
  const { frames } = scene.kernel.backtrace(task);
  for (const { function: name } of frames.slice(0, 8)) {
    if (/^percpu_rwsem_wait|^__percpu_down_read|^percpu_down_write/.test(name))
      return ['percpu-rwsem', name.startsWith('percpu_down_write') ? 'write' : 'read'];
    for (const [pattern, kind, how] of PATHS) if (pattern.test(name)) return [kind, how];
  }
  return undefined;
}

/** Stacks of all tasks, to tell nodes of waiters from heads of lists. */
class Stacks {
  readonly #bases: readonly Addr[];
  readonly #size: bigint;

  constructor(scene: Scene) {
    const { kernel } = scene;
    this.#bases = kernel
      .tasks()
      .map(({ struct }) => struct.ptr('stack') ?? 0n)
      .filter((base) => base > 0n)
      .sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    this.#size = threadSize(kernel);
  }

  get size(): number {
    return Number(this.#size);
  }

  holds(address: Addr): boolean {
    let low = 0;
    let high = this.#bases.length - 1;
    if (high < 0) return false;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#bases[middle] as Addr) <= address) low = middle;
      else high = middle - 1;
    }
    const base = this.#bases[low] as Addr;
    return address >= base && address < base + this.#size;
  }
}

/** THREAD_SIZE is in no type: 16 KiB, 32 with KASAN. */
function threadSize(kernel: Scene['kernel']): bigint {
  const union = kernel.sizeOf('thread_union');
  return union === undefined || union < 8192 || union > 131_072 ? 16_384n : BigInt(union);
}

function lockOf(
  scene: Scene,
  task: Task,
  kind: LockKind,
  stacks: Stacks,
): (Found & { queue: Addr[] }) | undefined {
  if (kind !== 'mutex' && kind !== 'rwsem' && kind !== 'semaphore') return undefined;
  const { mem, types } = scene.kernel;
  const [type, member] = LINKS[kind];
  const link = types.offset(type, member);
  const sp = task.struct.ptr('thread.sp');
  const base = task.struct.ptr('stack');
  if (link === undefined || sp === undefined || base === undefined) return undefined;
  const end = base + BigInt(stacks.size);
  if (sp < base || sp >= end) return undefined;
  const bytes = mem.view(sp, Math.min(Number(end - sp), SEARCHED * 8));
  if (bytes === undefined) return undefined;
  for (let at = 16; at + 8 <= bytes.length; at += 8) {
    if (bytes.readBigUInt64LE(at) !== task.addr) continue;
    const node = sp + BigInt(at - 16);
    const next = bytes.readBigUInt64LE(at - 16);
    const prev = bytes.readBigUInt64LE(at - 8);
    if (next < LOWEST || prev < LOWEST || mem.u64(next + 8n) !== node || mem.u64(prev) !== node) continue;
    // All of the list, seen from this node; the head is on no stack.
    const head = headOf(scene, node, 16n, stacks);
    if (head === undefined) continue;
    const queue = walkList(mem, head, MOST_WAITERS).nodes.map((place) => mem.u64(place + 16n) ?? 0n);
    return { address: head - BigInt(link), kind, queue };
  }
  return undefined;
}

/** Of the list through a waiter's node the one that is no waiter's: on no stack, nor leading to a task. */
function headOf({ kernel }: Scene, node: Addr, toTask: bigint, stacks: Stacks): Addr | undefined {
  const { nodes, end } = walkList(kernel.mem, node, MOST_WAITERS);
  if (end !== 'complete') return undefined;
  const heads = nodes.filter((place) => !stacks.holds(place));
  // Stacks of tasks that are not in the file are not known; their nodes still lead to them.
  const sure =
    heads.length === 1
      ? heads
      : heads.filter((place) => kernel.taskAt(kernel.u64(place + toTask) ?? 0n) === undefined);
  return sure.length === 1 ? sure[0] : undefined;
}

/** Its waiters sleep in a wait queue inside the lock; the node is a wait_queue_entry with the task as `private`. */
function percpuLock(scene: Scene, task: Task, stacks: Stacks): (Found & { queue: Addr[] }) | undefined {
  const { mem, types } = scene.kernel;
  const privateAt = types.offset('wait_queue_entry', 'private');
  const entryAt = types.offset('wait_queue_entry', 'entry');
  const headAt = types.offset('percpu_rw_semaphore', 'waiters.head');
  const sp = task.struct.ptr('thread.sp');
  const base = task.struct.ptr('stack');
  if (
    privateAt === undefined ||
    entryAt === undefined ||
    headAt === undefined ||
    sp === undefined ||
    base === undefined
  )
    return undefined;
  const end = base + BigInt(stacks.size);
  if (sp < base || sp >= end) return undefined;
  const bytes = mem.view(sp, Math.min(Number(end - sp), SEARCHED * 8));
  if (bytes === undefined) return undefined;
  for (let at = privateAt; at + 8 <= bytes.length; at += 8) {
    if (bytes.readBigUInt64LE(at) !== task.addr) continue;
    const node = sp + BigInt(at - privateAt + entryAt);
    const delta = BigInt(privateAt - entryAt);
    const head = headOf(scene, node, delta, stacks);
    if (head === undefined) continue;
    const queue = walkList(mem, head, MOST_WAITERS).nodes.map((place) => mem.u64(place + delta) ?? 0n);
    return { address: head - BigInt(headAt), kind: 'percpu-rwsem', queue };
  }
  return undefined;
}

/**
 * A spinlock does not know its owner. Where the log says of a task that it slept with one held, and there is one that
 * CPUs spin for, it is that.
 */
function nameSpinOwner(scene: Scene, locks: Lock[]): void {
  const spun = locks.filter(({ kind }) => kind === 'spinlock');
  const only = spun[0];
  if (only === undefined || spun.length > 1) return;
  const sleepers = scene.log.entries.flatMap(({ text, foreign }) => {
    const pid = foreign ? undefined : /BUG: scheduling while atomic: .*\/(\d+)\/0x/.exec(text)?.[1];
    const task = pid === undefined ? undefined : scene.kernel.task(Number(pid));
    return task === undefined || task.state === 'R' ? [] : [task];
  });
  const last = sleepers.at(-1);
  if (last !== undefined) locks[locks.indexOf(only)] = { ...only, owner: last };
}

/** Flags in the lowest bits of the owner: handoff and pickup of a mutex; reader and nonspinnable of an rwsem. */
function ownerOf(
  { kernel }: Scene,
  address: Addr,
  kind: LockKind,
): { owner: Task | undefined; readers: boolean } {
  const type = kind === 'mutex' ? 'mutex' : kind === 'rwsem' ? 'rw_semaphore' : undefined;
  const none = { owner: undefined, readers: false };
  if (type === undefined) return none;
  const word = kernel.struct(type, address).big('owner.counter') ?? kernel.struct(type, address).big('owner');
  if (word === undefined) return none;
  const value = BigInt.asUintN(64, word);
  return {
    owner: kernel.taskAt(value & ~7n),
    readers: kind === 'rwsem' && (value & 1n) === 1n,
  };
}

/** Its symbol; of one in a filesystem's superblock that; else the kind of object it is in. */
function lockName(scene: Scene, address: Addr): string {
  const symbol = scene.kernel.symbolAt(address);
  if (symbol !== undefined) {
    const offset = symbol.offset === 0 ? '' : `+0x${symbol.offset.toString(16)}`;
    return `${symbol.name}${offset}${symbol.module === undefined ? '' : ` [${symbol.module}]`}`;
  }
  const size = BigInt(scene.kernel.sizeOf('super_block') ?? 0);
  const fs = filesystems(scene).find(({ struct }) => address >= struct.addr && address < struct.addr + size);
  if (fs !== undefined) return `super_block of ${fs.type} ${fs.mounted || fs.id}`;
  const object = slabObject(scene, address);
  return object === undefined
    ? `0x${address.toString(16)}`
    : `${object.cache}+0x${object.offset.toString(16)}`;
}

/** Each task waits for one lock with one owner: follow from task to owner until one comes again. */
function findCycles(byTask: ReadonlyMap<Addr, Lock>): Task[][] {
  const cycles: Task[][] = [];
  const done = new Set<Addr>();
  for (const [start, lock] of byTask) {
    const path: Task[] = [];
    const at = new Map<Addr, number>();
    let task = lock.waits.find((wait) => wait.task.addr === start)?.task;
    while (task !== undefined && !done.has(task.addr)) {
      const before = at.get(task.addr);
      if (before !== undefined) {
        const cycle = path.slice(before);
        cycles.push(cycle);
        for (const member of cycle) {
          const waited = byTask.get(member.addr);
          if (waited !== undefined) waited.cycle = cycles.length;
        }
        break;
      }
      at.set(task.addr, path.length);
      path.push(task);
      task = byTask.get(task.addr)?.owner;
    }
    for (const member of path) done.add(member.addr);
  }
  return cycles;
}
