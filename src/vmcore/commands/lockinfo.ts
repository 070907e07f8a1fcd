/** `lockinfo NAME|ADDRESS [TYPE]`: who holds a lock and who waits for it. */

import type { Addr, Ctx, OwnCommand, Struct, Task } from '../core.ts';
import { nameOf, placeOf, tellingFrame } from '../sections/places.ts';
import { listText } from './masks.ts';
import { CommandUsage } from './own-command.ts';
import { type Row, tableOfRows } from './rows.ts';

const KINDS = ['mutex', 'rwsem', 'percpu-rwsem', 'semaphore', 'rtmutex', 'spinlock', 'rwlock'] as const;
type Kind = (typeof KINDS)[number];

export const lockinfo: OwnCommand = {
  name: 'lockinfo',
  summary: 'who holds a lock and who waits: NAME or ADDRESS, and its TYPE where that cannot be told',
  run(ctx, args) {
    const [what, type, extra] = args;
    if (what === undefined)
      throw new CommandUsage('lockinfo needs a lock; give a name such as cgroup_mutex, or an address');
    if (extra !== undefined)
      throw new CommandUsage(`lockinfo takes a lock and a type, not ${extra}; leave it out`);
    const address = addressOf(ctx, what);
    const kind = type === undefined ? kindOf(ctx, what, address) : givenKind(type);
    const found = READERS[kind](ctx, address);
    const name =
      ctx.symbolAt(address)?.offset === 0 ? `${ctx.symbolText(address).replace(/\+0x0\b.*/, '')} ` : '';
    ctx.warn(`${kind} ${name}at ${hex(address)}: ${found.state}`);
    const rows = found.rows.length > 0 ? found.rows : [{ role: 'nobody' }];
    // Those that wait in the order in which they came.
    return tableOfRows(
      rows.map((row, n) => ({ n, ...row })),
      ['n'],
    );
  },
};

interface Found {
  /** `free`, `held`, `held by 3 readers` … */
  readonly state: string;
  readonly rows: readonly Row[];
}

/** The tail of a queued spinlock: CPU + 1 from bit 18 on. */
const TAIL_CPU = 18;

const hex = (address: Addr): string => `0x${BigInt.asUintN(64, address).toString(16)}`;

function addressOf(ctx: Ctx, what: string): Addr {
  if (/^(?:0x)?[\da-f]{9,16}$/i.test(what)) return BigInt(`0x${what.replace(/^0x/i, '')}`);
  const address = ctx.sym(what);
  if (address === undefined)
    throw new CommandUsage(`no symbol ${what} in this kernel; give another name, or an address`);
  return address;
}

function givenKind(type: string): Kind {
  const found = KINDS.find((kind) => kind === type);
  if (found === undefined)
    throw new CommandUsage(`${type} is no type of lock; give one of ${KINDS.join(', ')}`);
  return found;
}

/**
 * BTF does not tell the types of variables. What a lock is shows in its memory: a list of waiters, empty or not, stands at
 * another offset in each type, and is a list only there.
 */
function kindOf(ctx: Ctx, what: string, address: Addr): Kind {
  // First: where a mutex has its waiters it has a list too.
  if (isPercpuRwsem(ctx, address)) return 'percpu-rwsem';
  const fits = (['mutex', 'rwsem', 'semaphore'] as const).filter(
    (kind) => isList(ctx, address, LISTS[kind]) && SENSE[kind](ctx, address),
  );
  const [only, another] = fits;
  if (only !== undefined && another === undefined) return only;
  const value = only === undefined ? ctx.u32(address) : undefined;
  if (value !== undefined && isSpinlock(ctx, value)) return 'spinlock';
  if (value !== undefined && isRwlock(ctx, value)) return 'rwlock';
  throw new CommandUsage(
    `cannot tell what kind of lock ${what} is; give it behind the name: ${KINDS.join(', ')}`,
  );
}

const LISTS = {
  mutex: ['mutex', 'wait_list'],
  rwsem: ['rw_semaphore', 'wait_list'],
  semaphore: ['semaphore', 'wait_list'],
} as const;

/** What stands before the list makes sense: locks that lie side by side would else look like others that span both. */
const SENSE: Readonly<Record<keyof typeof LISTS, (ctx: Ctx, address: Addr) => boolean>> = {
  mutex: (ctx, address) => isOwner(ctx, ctx.struct('mutex', address).big('owner.counter')),
  rwsem: (ctx, address) => {
    const owner = ctx.struct('rw_semaphore', address).big('owner.counter');
    // The last reader stays named when it has gone.
    const read = owner !== undefined && (owner & READER_OWNED) !== 0n;
    return isOwner(ctx, owner) || (read && BigInt.asUintN(64, owner) >= KERNEL);
  },
  // How many may still have it.
  semaphore: (ctx, address) => ctx.struct('semaphore', address).num('count') < MOST_COUNT,
};
const MOST_COUNT = 2 ** 24;
/** Addresses of the kernel's half. */
const KERNEL = 0xff00_0000_0000_0000n;

/** Nobody, or a task. */
function isOwner(ctx: Ctx, owner: bigint | undefined): boolean {
  if (owner === undefined) return false;
  const task = withoutFlags(owner);
  return task === 0n || ctx.taskAt(task) !== undefined;
}

/** A list_head whose neighbours point back at it. */
function isList(ctx: Ctx, lock: Addr, [type, member]: readonly [string, string]): boolean {
  const offset = ctx.member(type, member)?.offset;
  if (offset === undefined) return false;
  const head = lock + BigInt(offset);
  const [next, prev] = [ctx.u64(head), ctx.u64(head + 8n)];
  if (next === undefined || prev === undefined) return false;
  return ctx.u64(next + 8n) === head && ctx.u64(prev) === head;
}

/** Two wait queues, and a counter of every CPU. */
function isPercpuRwsem(ctx: Ctx, address: Addr): boolean {
  const type = 'percpu_rw_semaphore';
  const lists = ['waiters.head', 'rss.gp_wait.head'] as const;
  if (!lists.every((member) => isList(ctx, address, [type, member]))) return false;
  const sem = ctx.struct(type, address);
  const counter = sem.ptr('read_count');
  // An offset into the areas of the CPUs, no address of the kernel.
  if (counter === undefined || counter === 0n || counter >= 1n << 63n) return false;
  if (!(sem.num('rss.gp_state') <= GP_STATES)) return false;
  return ctx.cpus.every((cpu) => {
    const at = ctx.percpu(counter, cpu);
    return at !== undefined && ctx.i32(at) !== undefined;
  });
}

/** Highest state of a grace period that a percpu-rwsem waits for. */
const GP_STATES = 4;

/** Locked byte, pending byte, and which CPU is last in the queue. */
const isSpinlock = (ctx: Ctx, value: number): boolean =>
  (value & 0xff) <= 1 && ((value >>> 8) & 0xff) <= 1 && value >>> TAIL_CPU <= ctx.cpus.length;

/** 0xff when written, a bit for waiting writers, then the number of readers. */
const isRwlock = (ctx: Ctx, value: number): boolean =>
  (value & 0xff) === 0xff ? value >>> 9 === 0 : (value & 0xff) === 0 && value >>> 9 <= ctx.cpus.length;

const READERS: Readonly<Record<Kind, (ctx: Ctx, address: Addr) => Found>> = {
  mutex: readMutex,
  rwsem: readRwsem,
  'percpu-rwsem': readPercpuRwsem,
  semaphore: readSemaphore,
  rtmutex: readRtmutex,
  spinlock: readSpinlock,
  rwlock: readRwlock,
};

/** Low bits of an owner word are flags: waiters, handoff, pickup; of a rwsem reader-owned and no spinning. */
const FLAGS = 7n;
/** The counter of an atomic is signed, an address is not. */
const withoutFlags = (owner: bigint): Addr => BigInt.asUintN(64, owner) & ~FLAGS;

function readMutex(ctx: Ctx, address: Addr): Found {
  const lock = ctx.struct('mutex', address);
  const owner = lock.big('owner.counter');
  const waiters = waitersOf(ctx, lock, 'mutex_waiter', () => '');
  const holder = owner === undefined ? undefined : withoutFlags(owner);
  return {
    state:
      holder === undefined
        ? 'owner not readable'
        : `${holder === 0n ? 'free' : 'held'}${counted(waiters.length)}`,
    rows: [...ownerRows(ctx, holder, ''), ...waiters],
  };
}

const WRITER = 1n;
const READER_SHIFT = 8n;
const READER_OWNED = 1n;

function readRwsem(ctx: Ctx, address: Addr): Found {
  const lock = ctx.struct('rw_semaphore', address);
  const count = lock.big('count.counter');
  const owner = lock.big('owner.counter');
  const modes = new Map(
    [...(ctx.enumeration('rwsem_waiter_type') ?? [])].map(([name, value]) => [value, name]),
  );
  const waiters = waitersOf(ctx, lock, 'rwsem_waiter', (waiter) =>
    /READ/.test(modes.get(waiter.num('type')) ?? '') ? 'read' : 'write',
  );
  if (count === undefined || owner === undefined) return { state: 'not readable', rows: waiters };
  const writing = (count & WRITER) !== 0n;
  const readers = BigInt.asUintN(64, count) >> READER_SHIFT;
  const holder = withoutFlags(owner);
  if (!writing && readers === 0n) return { state: `free${counted(waiters.length)}`, rows: waiters };
  if (writing)
    return {
      state: `held for writing${counted(waiters.length)}`,
      rows: [...ownerRows(ctx, holder, 'write'), ...waiters],
    };
  // The kernel remembers one reader only, and not always one that still reads.
  const last =
    (owner & READER_OWNED) !== 0n && holder !== 0n ? ownerRows(ctx, holder, 'read', 'last reader') : [];
  return {
    state: `held by ${readers} reader${readers === 1n ? '' : 's'}${counted(waiters.length)}`,
    rows: [...last, ...waiters],
  };
}

function readPercpuRwsem(ctx: Ctx, address: Addr): Found {
  const lock = ctx.struct('percpu_rw_semaphore', address);
  const counter = lock.ptr('read_count');
  const counts = ctx.cpus.map((cpu) => {
    const at = counter === undefined ? undefined : ctx.percpu(counter, cpu);
    return at === undefined ? Number.NaN : (ctx.i32(at) ?? Number.NaN);
  });
  const readers = counts.reduce((a, b) => a + b, 0);
  const blocked = lock.num('block.counter') !== 0;
  const writer = lock.ptr('writer.task');
  const head = lock.addressOf('waiters.head');
  const queued: Row[] = [];
  if (head !== undefined)
    for (const entry of ctx.list(head, 'wait_queue_entry', 'entry')) {
      // 1 = WQ_FLAG_EXCLUSIVE: it wants to write. Its task is given until it is woken.
      const task = entry.ptr('private');
      const exclusive = entry.num('flags') & 1;
      queued.push(taskRow(ctx, 'waiter', task, exclusive === 1 ? 'write' : 'read'));
    }
  const state = blocked
    ? writer !== undefined && writer !== 0n
      ? `wanted by a writer, ${readers} readers left`
      : 'held for writing, or about to be'
    : readers > 0
      ? `held by ${readers} reader${readers === 1 ? '' : 's'}`
      : 'free';
  const pending = writer === undefined || writer === 0n ? [] : [taskRow(ctx, 'writer', writer, 'write')];
  return { state: `${state}${counted(queued.length)}`, rows: [...pending, ...queued] };
}

function readSemaphore(ctx: Ctx, address: Addr): Found {
  const lock = ctx.struct('semaphore', address);
  const waiters = waitersOf(ctx, lock, 'semaphore_waiter', () => '');
  return {
    // It has no owner: nobody knows who took what is missing.
    state: `count ${lock.num('count')}, no owner is kept${counted(waiters.length)}`,
    rows: waiters,
  };
}

function readRtmutex(ctx: Ctx, address: Addr): Found {
  const lock = ctx.struct('rt_mutex_base', address);
  const owner = lock.ptr('owner');
  const holder = owner === undefined ? undefined : owner & ~1n;
  const root = lock.addressOf('waiters.rb_root');
  const member = ctx.member('rt_mutex_waiter', 'tree.entry') === undefined ? 'tree_entry' : 'tree.entry';
  const rows: Row[] = [];
  if (root !== undefined)
    for (const waiter of ctx.rbtree(root, 'rt_mutex_waiter', member))
      rows.push(taskRow(ctx, 'waiter', waiter.ptr('task'), ''));
  return {
    state:
      holder === undefined
        ? 'owner not readable'
        : `${holder === 0n ? 'free' : 'held'}${counted(rows.length)}`,
    rows: [...ownerRows(ctx, holder, ''), ...rows],
  };
}

function readSpinlock(ctx: Ctx, address: Addr): Found {
  const value = ctx.u32(address);
  if (value === undefined) return { state: 'not readable', rows: [] };
  const tail = value >>> TAIL_CPU;
  const held = (value & 0xff) !== 0;
  const spinning = ctx.tasks().filter((task) => task.on_cpu && isSpinning(ctx, task));
  const rows = spinning.map((task) =>
    taskRow(ctx, task.cpu === tail - 1 ? 'last in queue' : 'spins', task.addr, ''),
  );
  const pending = ((value >>> 8) & 0xff) !== 0 ? ', one CPU pending' : '';
  const queue = tail > 0 ? `, CPU ${tail - 1} last in the queue` : '';
  const others =
    spinning.length > 0
      ? `; CPUs that spin on some lock: ${listText(spinning.map(({ cpu }) => cpu).sort((a, b) => a - b))}`
      : '';
  // All zero is what a free rwlock looks like too.
  const free = value === 0 ? 'free (a rwlock that is free looks the same)' : 'free';
  return { state: `${held ? 'held, by whom is not kept' : free}${pending}${queue}${others}`, rows };
}

function readRwlock(ctx: Ctx, address: Addr): Found {
  const value = ctx.u32(address);
  if (value === undefined) return { state: 'not readable', rows: [] };
  const readers = value >>> 9;
  const held = (value & 0xff) === 0xff ? 'held for writing, by whom is not kept' : '';
  const read = readers > 0 ? `held by ${readers} reader${readers === 1 ? '' : 's'}, by whom is not kept` : '';
  const waiting = (value & 0x100) !== 0 ? ', a writer waits' : '';
  return { state: `${held || read || 'free'}${waiting}`, rows: [] };
}

const isSpinning = (ctx: Ctx, task: Task): boolean =>
  ctx
    .backtrace(task)
    .frames.slice(0, 12)
    .some((frame) => /(?:queued|pv)_spin_lock_slowpath$/.test(frame.function));

const counted = (waiters: number): string =>
  waiters === 0 ? '' : `, ${waiters} waiter${waiters === 1 ? '' : 's'}`;

/** Tasks in the lock's list of waiters, first come first. */
function waitersOf(ctx: Ctx, lock: Struct, type: string, mode: (waiter: Struct) => string): Row[] {
  const head = lock.addressOf('wait_list');
  if (head === undefined) return [];
  return [...ctx.list(head, type, 'list')].map((waiter) =>
    taskRow(ctx, 'waiter', waiter.ptr('task'), mode(waiter)),
  );
}

function ownerRows(ctx: Ctx, holder: Addr | undefined, mode: string, role = 'owner'): Row[] {
  return holder === undefined || holder === 0n ? [] : [taskRow(ctx, role, holder, mode)];
}

function taskRow(ctx: Ctx, role: string, address: Addr | undefined, mode: string): Row {
  const task = address === undefined ? undefined : ctx.taskAt(address);
  return {
    role,
    task: task?.addr ?? address,
    pid: task?.pid,
    comm: task?.comm,
    state: task?.state,
    cpu: task?.cpu,
    mode,
    where: task === undefined ? 'no task is at this address' : where(ctx, task),
  };
}

/** The first function that says what the task is doing; of what stopped its CPU nothing. */
function where(ctx: Ctx, task: Task): string {
  const frame = tellingFrame(placeOf(ctx.backtrace(task)).frames);
  return frame === undefined ? '' : nameOf(frame);
}
