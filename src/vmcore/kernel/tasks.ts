/** All tasks: the idle ones, then the list of processes with their threads, then what only the table of pids knows. */
import type { Addr, Task } from '../core.ts';
import { walkList, walkXarray } from './containers.ts';
import type { Mem } from './mem.ts';
import { StructView } from './struct.ts';
import type { Types } from './types.ts';

export interface TaskSource {
  readonly mem: Mem;
  readonly types: Types;
  readonly sym: (name: string) => Addr | undefined;
  readonly percpu: (what: string, cpu: number) => Addr | undefined;
  readonly cpus: readonly number[];
}

/** One bit each of task_struct.__state, and of exit_state. */
const EXIT_DEAD = 0x10;
const EXIT_ZOMBIE = 0x20;
const NOLOAD = 0x400;
const STATES: readonly (readonly [number, string])[] = [
  [0x1, 'S'],
  [0x2, 'D'],
  [0x4, 'T'],
  [0x8, 't'],
  [0x40, 'P'],
  [0x80, 'X'],
  [0x200, 'W'],
  [0x800, 'N'],
];
const PF_KTHREAD = 0x200000;
const MOST_TASKS = 4_194_304;

export interface TaskTable {
  readonly tasks: readonly Task[];
  readonly warnings: readonly string[];
}

export function readTasks(source: TaskSource): TaskTable {
  const { mem, types } = source;
  const warnings: string[] = [];
  const seen = new Set<Addr>();
  const tasks: Task[] = [];
  const stateAt = types.member('task_struct', '__state') === undefined ? 'state' : '__state';
  const cpuAt = types.member('task_struct', 'thread_info.cpu') === undefined ? 'cpu' : 'thread_info.cpu';
  let unreadable = 0;
  /** `pid`: as the table of pids has it, for a task whose own memory is not in the file. */
  const add = (addr: Addr, idle: boolean, pid?: number): Task | undefined => {
    if (seen.has(addr)) return undefined;
    const struct = new StructView(mem, types, 'task_struct', addr);
    const flags = struct.num('flags');
    const own = struct.num('pid');
    if (Number.isNaN(own)) {
      if (pid === undefined) return undefined;
      unreadable += 1;
    }
    seen.add(addr);
    const task: Task = {
      struct,
      addr,
      pid: Number.isNaN(own) ? (pid ?? 0) : own,
      tgid: struct.num('tgid'),
      comm: struct.text('comm'),
      cpu: struct.num(cpuAt),
      state: stateLetter(struct.num(stateAt), struct.num('exit_state')),
      on_cpu: struct.num('on_cpu') === 1,
      idle,
      kernel_thread: (flags & PF_KTHREAD) !== 0,
    };
    tasks.push(task);
    return task;
  };

  for (const cpu of source.cpus) {
    const rq = source.percpu('runqueues', cpu);
    const idleAt = types.offset('rq', 'idle');
    const idle = rq === undefined || idleAt === undefined ? undefined : mem.u64(rq + BigInt(idleAt));
    if (idle !== undefined && idle !== 0n) add(idle, true);
  }
  const first = source.sym('init_task');
  const link = types.offset('task_struct', 'tasks');
  const node = types.offset('task_struct', 'thread_node');
  if (first !== undefined && link !== undefined) {
    const leaders = walkList(mem, first + BigInt(link), MOST_TASKS);
    for (const place of leaders.nodes) {
      const leader = add(place - BigInt(link), false);
      const head = leader?.struct.deref('signal')?.addressOf('thread_head');
      if (head === undefined || node === undefined) continue;
      for (const thread of walkList(mem, head, MOST_TASKS).nodes) add(thread - BigInt(node), false);
    }
    const what = {
      damaged: 'is damaged',
      missing: 'leads to memory that is not in the file',
      cut: 'is too long',
    };
    if (leaders.end !== 'complete')
      warnings.push(
        `the list of tasks ${what[leaders.end]} after ${leaders.nodes.length} processes; the rest comes from the table of pids`,
      );
  }
  const before = tasks.length;
  for (const [pid, task] of byPid(source)) add(task, false, pid);
  if (tasks.length > before && before > 0 && warnings.length === 0)
    warnings.push(`${tasks.length - before} tasks are in the table of pids only, not in the list of tasks`);
  if (unreadable > 0)
    warnings.push(`of ${unreadable} tasks only the pid is known: their memory is not in the file`);
  return { tasks, warnings };
}

/** Tasks by the table of pids of the first pid namespace. */
function* byPid({ mem, types, sym }: TaskSource): Iterable<readonly [number, Addr]> {
  const namespace = sym('init_pid_ns');
  const idr = types.offset('pid_namespace', 'idr');
  const lists = types.member('pid', 'tasks');
  const links = types.member('task_struct', 'pid_links');
  if (namespace === undefined || idr === undefined || lists === undefined || links === undefined) return;
  const root = types.offset('idr', 'idr_rt') ?? 0;
  for (const [number, pid] of walkXarray(mem, types, namespace + BigInt(idr + root), MOST_TASKS)) {
    // Of a pid that only a group or session still has there is no task.
    const link = mem.u64(pid + BigInt(lists.offset));
    if (link !== undefined && link !== 0n) yield [number, link - BigInt(links.offset)];
  }
}

export function stateLetter(state: number, exit: number): string {
  if ((exit & EXIT_ZOMBIE) !== 0) return 'Z';
  if ((exit & EXIT_DEAD) !== 0) return 'X';
  if (Number.isNaN(state)) return '';
  if ((state & 0x2) !== 0 && (state & NOLOAD) !== 0) return 'I';
  return STATES.find(([bit]) => (state & bit) !== 0)?.[1] ?? 'R';
}
