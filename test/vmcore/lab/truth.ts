/** What is true of a core: said by its guest over the serial port, and known from how it was made. */
import type { CoreFormat, Crash } from './crashes.ts';

export interface TaskTruth {
  readonly pid: number;
  readonly tgid: number;
  readonly ppid: number;
  readonly cpu: number;
  readonly oncpu: boolean;
  /** On a runqueue. */
  readonly onrq: boolean;
  /** `__state`, a mask. */
  readonly state: number;
  readonly kthread: boolean;
  /** Context switches, both kinds. */
  readonly switches: number;
  readonly rss_pages: number;
  readonly comm: string;
  /** The bytes of `comm` up to its NUL, hexadecimal: they need not be UTF-8. */
  readonly comm_hex: string;
  readonly address: string;
}

/** Of a task that slept some time before the crash. */
export interface StackTruth {
  readonly pid: number;
  /** As in TaskTruth: when they are the same there, it has not run since. */
  readonly switches: number;
  /** As /proc/PID/stack has them: without functions of the scheduler, `function+0x1f/0x40` and a module. */
  readonly frames: readonly string[];
}

export interface LockTruth {
  readonly name: string;
  readonly address: string;
  readonly owner?: number;
  /** In the order in which they came. */
  readonly waiters: readonly number[];
}

export interface Truth {
  readonly name: string;
  readonly cause: string;
  readonly class: Crash['class'];
  readonly blame: readonly string[];
  readonly series: string;
  readonly release: string;
  readonly cpus: number;
  readonly memory_mb: number;
  readonly page_levels: 4 | 5;
  /** Where the kernel's text begins. */
  readonly text: string;
  readonly note: boolean;
  /** Dumped by a kernel that took over. */
  readonly kdump: boolean;
  readonly hostile: boolean;
  readonly command_line: string;
  /** The string of panic(). */
  readonly message: string;
  readonly panic: {
    readonly cpu: number;
    readonly pid: number;
    readonly comm: string;
    readonly address: string;
  };
  readonly uptime_ms: number;
  /** Seconds since the epoch, by the guest's clock. */
  readonly wall_s: number;
  /** As in /proc/sys/kernel/tainted. */
  readonly taint: number;
  readonly total_pages: number;
  readonly free_pages: number;
  /** All threads at the moment of the crash, as the kernel counted them; without the idle tasks. */
  readonly task_count: number;
  readonly tasks: readonly TaskTruth[];
  /** Only where the crime took them. */
  readonly stacks: readonly StackTruth[];
  readonly locks: readonly LockTruth[];
  /** Deadlocks: pids, each waiting for the next, the last for the first. */
  readonly cycles: readonly (readonly number[])[];
  readonly cgroups: readonly { readonly path: string; readonly file: string; readonly value: string }[];
  readonly members: readonly { readonly path: string; readonly pid: number }[];
  readonly modules: readonly { readonly name: string; readonly size: number; readonly address: string }[];
  /** What it is mounted on. */
  readonly mounts: readonly { readonly device: string; readonly path: string; readonly type: string }[];
  /** Objects of the slab cache culprit_leak. */
  readonly leaked: number;
  readonly topology: readonly { readonly cpu: number; readonly package: number; readonly core: number }[];
  /** File names in the directory of this truth. */
  readonly files: Readonly<Partial<Record<CoreFormat, string>>>;
}

type Fields = Readonly<Record<string, string>>;

/** `NAME=VALUE NAME=VALUE …` */
const fields = (text: string): Fields =>
  Object.fromEntries([...text.matchAll(/(\w+)=(\S*)/g)].map(([, name, value]) => [name, value]));

class Said {
  readonly #lines: readonly string[];

  constructor(console: string) {
    this.#lines = [...console.matchAll(/^truth: (.*?)\r*$/gm)].map(([, line]) => line ?? '');
  }

  /** What follows the word, of every line that begins with it. */
  all(word: string): string[] {
    return this.#lines
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1));
  }

  one(word: string): string {
    const [first] = this.all(word);
    if (first === undefined) throw new Error(`the guest did not say its ${word}`);
    return first;
  }
}

function number(fields: Fields, name: string, base = 10): number {
  const value = Number.parseInt(fields[name] ?? '', base);
  if (Number.isNaN(value)) throw new Error(`the guest said no ${name}`);
  return value;
}

const text = (hex: string) => Buffer.from(hex, 'hex').toString('utf8');
const address = (hex: string) => `0x${hex.padStart(16, '0')}`;

function readTask(line: string): TaskTruth {
  const said = fields(line);
  return {
    pid: number(said, 'pid'),
    tgid: number(said, 'tgid'),
    ppid: number(said, 'ppid'),
    cpu: number(said, 'cpu'),
    oncpu: number(said, 'oncpu') !== 0,
    onrq: number(said, 'onrq') !== 0,
    state: number(said, 'state', 16),
    kthread: number(said, 'kthread') !== 0,
    switches: number(said, 'switches'),
    rss_pages: number(said, 'rss_pages'),
    comm: text(said.comm ?? ''),
    comm_hex: said.comm ?? '',
    address: address(said.address ?? ''),
  };
}

/** None of a line that the crash has cut off. */
function readStack(line: string): StackTruth[] {
  const [pid = '', switches = '', ...words] = line.replaceAll(' [', '|[').split(' ');
  if (words.at(-1) !== 'end') return [];
  const frames = words.slice(0, -1).map((word) => word.replace('|', ' '));
  return [{ pid: number(fields(pid), 'pid'), switches: number(fields(switches), 'switches'), frames }];
}

function readLocks(lines: readonly string[]): LockTruth[] {
  const locks = new Map<string, { name: string; address: string; owner?: number; waiters: number[] }>();
  for (const line of lines) {
    const said = fields(line);
    const name = said.name ?? '';
    const lock = locks.get(name) ?? { name, address: '', waiters: [] };
    if (said.address !== undefined) lock.address = address(said.address);
    locks.set(name, lock);
    if (line.endsWith('owns')) lock.owner = number(said, 'pid');
    else lock.waiters.push(number(said, 'pid'));
  }
  return [...locks.values()];
}

/** Follows from owner to owner. */
function findCycles(locks: readonly LockTruth[]): number[][] {
  const waitsFor = new Map<number, number>();
  for (const { owner, waiters } of locks)
    if (owner !== undefined) for (const waiter of waiters) waitsFor.set(waiter, owner);
  const cycles = new Map<string, number[]>();
  for (const start of waitsFor.keys()) {
    const path: number[] = [];
    for (let at: number | undefined = start; at !== undefined; at = waitsFor.get(at)) {
      if (path.includes(at)) {
        const cycle = path.slice(path.indexOf(at));
        cycles.set([...cycle].sort((a, b) => a - b).join(), cycle);
        break;
      }
      path.push(at);
    }
  }
  return [...cycles.values()];
}

/** Bytes of /proc/vmcore, as the second kernel of a guest with kdump said them. */
export const readVmcoreSize = (console: string) => Number(new Said(console).one('vmcore'));

/** Throws when the guest did not say all of it. */
export function readTruth(crash: Crash, console: string): Omit<Truth, 'files'> {
  const said = new Said(console);
  const [panicLine, message = ''] = said.one('panic').split(' message=');
  const [panic, kernel, memory] = [
    fields(panicLine ?? ''),
    fields(said.one('kernel')),
    fields(said.one('memory')),
  ];
  const locks = readLocks(said.all('lock'));
  const tasks = said.all('task').map(readTask);
  const task_count = Number(said.one('tasks'));
  if (tasks.length !== task_count)
    throw new Error(`${task_count} tasks, of which the guest named ${tasks.length}`);
  return {
    name: crash.name,
    cause: crash.cause,
    class: crash.class,
    blame: crash.blame,
    series: crash.series,
    release: kernel.release ?? '',
    cpus: number(kernel, 'cpus'),
    memory_mb: crash.memory_mb,
    page_levels: crash.cpu.includes('la57=on') ? 5 : 4,
    text: address(said.one('text')),
    note: crash.note,
    kdump: crash.kdump,
    hostile: crash.hostile,
    command_line: said.one('command_line'),
    message,
    panic: {
      cpu: number(panic, 'cpu'),
      pid: number(panic, 'pid'),
      comm: text(panic.comm ?? ''),
      address: address(panic.address ?? ''),
    },
    uptime_ms: number(kernel, 'uptime_ms'),
    wall_s: number(kernel, 'wall_s'),
    taint: number(kernel, 'taint', 16),
    total_pages: number(memory, 'total_pages'),
    free_pages: number(memory, 'free_pages'),
    task_count,
    tasks,
    stacks: said.all('stack').flatMap(readStack),
    locks,
    cycles: findCycles(locks),
    cgroups: said.all('cgroup').map((line) => {
      const [path = '', file = '', ...value] = line.split(' ');
      return { path: `/${path}`, file, value: value.join(' ') };
    }),
    members: said.all('member').map((line) => ({
      path: `/${line.split(' ')[0]}`,
      pid: number(fields(line), 'pid'),
    })),
    modules: said.all('module').map((line) => {
      const [name = '', size = '', , , , at = ''] = line.split(' ');
      return { name, size: Number(size), address: at };
    }),
    mounts: said.all('mount').map((line) => {
      const [device = '', path = '', type = ''] = line.split(' ');
      return { device, path, type };
    }),
    leaked: number(fields(said.one('leaked')), 'objects'),
    topology: said.all('cpu').map((line) => ({
      cpu: Number(line.split(' ')[0]),
      package: number(fields(line), 'package'),
      core: number(fields(line), 'core'),
    })),
  };
}
