/** Reports of real cores against what their guests said, from inside and at the moment of the crash. */
import { beforeAll, describe, expect, test } from 'vitest';
import { CRASHES } from './lab/crashes.ts';
import type { TaskTruth, Truth } from './lab/truth.ts';
import { MAKE_MS, type ReadCore, readLab, rowsOf } from './read.ts';

let read: readonly ReadCore[] = [];
beforeAll(async () => {
  read = await readLab();
}, MAKE_MS);

const PAGE = 4096;
/** Share of the cores in which the function that is to blame is named. */
const BLAME_SHARE = 0.9;

/** For each core what is so, beside what ought to be. */
function compare<T>(actual: (core: ReadCore) => T, wanted: (truth: Truth) => T): void {
  const found = read.map((core) => ({ name: core.truth.name, value: actual(core) }));
  expect(found).toEqual(read.map(({ truth }) => ({ name: truth.name, value: wanted(truth) })));
}

test('the lab has what it must have', () => {
  expect(read.map(({ truth }) => truth.name)).toEqual(CRASHES.map(({ name }) => name));
  expect(new Set(CRASHES.map(({ cause }) => cause)).size).toBeGreaterThanOrEqual(12);
  expect(new Set(read.map(({ truth }) => truth.release)).size).toBe(2);
});

describe('the crash', () => {
  test('CPU and task of the panic', () => {
    compare(
      ({ report: { crash } }) => ({
        cpu: crash.panic_cpu,
        pid: crash.panic_task?.pid,
        task: crash.panic_task?.task,
      }),
      ({ panic }) => ({ cpu: panic.cpu, pid: panic.pid, task: panic.address }),
    );
  });

  test('class', () => {
    compare(
      ({ report }) => report.crash.class,
      (truth) => truth.class,
    );
  });

  test('string of panic()', () => {
    compare(
      ({ report }) => report.crash.panic_string?.trim(),
      ({ message }) => message.trim(),
    );
  });

  test('the address at which a stack overflowed is just below that stack', () => {
    const overflows = read.filter(({ truth }) => truth.cause === 'overflow');
    expect(overflows.length).toBeGreaterThanOrEqual(2);
    for (const { truth, report } of overflows) {
      const [innermost] = report.crash.blame?.stack ?? [];
      const below = BigInt(innermost?.sp ?? 0) - BigInt(`0x${report.crash.fault_address}`);
      expect(below >= 0n && below < 2 * PAGE, `${truth.name} ${report.crash.fault_address}`).toBe(true);
    }
  });

  test('who hangs on a frozen filesystem is said to', () => {
    for (const { truth, report } of read.filter(({ truth }) => truth.cause === 'frozen'))
      expect(report.crash.blame?.reason, truth.name).toMatch(
        /: it waits for the frozen ext4 filesystem at \/mnt /,
      );
  });

  test('what is to blame, of nine in ten', () => {
    const wrong = read
      .filter(({ truth, report }) => !truth.blame.includes(report.crash.blame?.function ?? ''))
      .map(({ truth, report }) => `${truth.name}: ${report.crash.blame?.function}, not ${truth.blame}`);
    expect(wrong.length, wrong.join('; ')).toBeLessThanOrEqual(read.length * (1 - BLAME_SHARE));
  });

  test('everything could be read', () => {
    compare(
      ({ report }) => ({ status: report.status, failures: report.failures }),
      () => ({ status: 'full' as const, failures: [] }),
    );
  });
});

describe('the kernel', () => {
  test('release, CPUs, page tables, place, taint', () => {
    compare(
      ({ report: { kernel } }) => ({
        release: kernel.release,
        cpus: kernel.cpus,
        levels: kernel.page_levels,
        command_line: kernel.command_line,
        offset: Number(kernel.kaslr_offset),
        taint: kernel.taint_flags.length,
      }),
      (truth) => ({
        release: truth.release,
        cpus: truth.cpus,
        levels: truth.page_levels,
        command_line: truth.command_line,
        // Where the linker put it.
        offset: Number(BigInt(truth.text) - 0xffffffff81000000n),
        taint: truth.taint.toString(2).replaceAll('0', '').length,
      }),
    );
  });

  test('five levels of page tables and no KASLR are among them', () => {
    expect(read.some(({ report }) => report.kernel.page_levels === 5)).toBe(true);
    expect(read.some(({ report }) => report.kernel.kaslr_offset === '0x0')).toBe(true);
  });

  test('uptime and time of the crash, as its clocks said', () => {
    for (const { truth, report } of read) {
      // The tick may have been seconds before, on a CPU that spins with interrupts off.
      expect(Math.abs((report.kernel.uptime_s ?? 0) * 1000 - truth.uptime_ms), truth.name).toBeLessThan(
        60_000,
      );
      expect(Math.abs((report.kernel.crash_time ?? 0) - truth.wall_s * 1000), truth.name).toBeLessThan(
        60_000,
      );
    }
  });

  test('modules, where they are and how large', () => {
    compare(
      ({ report }) =>
        rowsOf(report, 'modules')
          .map(({ module, size, address }) => ({ name: module, size, address }))
          .sort((a, b) => String(a.name).localeCompare(String(b.name))),
      ({ modules }) => modules.toSorted((a, b) => a.name.localeCompare(b.name)),
    );
  });

  test('packages and cores of the CPUs', () => {
    compare(
      ({ report }) =>
        rowsOf(report, 'cpuinfo').map(({ cpu, package: socket, core }) => ({ cpu, package: socket, core })),
      ({ topology }) => topology.toSorted((a, b) => a.cpu - b.cpu),
    );
  });

  test('what is mounted', () => {
    for (const { truth, report } of read) {
      const mounted = rowsOf(report, 'mounts').map(({ type }) => type);
      for (const { type } of truth.mounts) expect(mounted, truth.name).toContain(type);
    }
  });
});

/** As ps has it, from `__state`. */
function letter({ state, oncpu }: TaskTruth): string {
  if (state === 0 || oncpu) return 'R';
  if ((state & 0x402) === 0x402) return 'I';
  if (state & 2) return 'D';
  if (state & 1) return 'S';
  if (state & 4) return 'T';
  if (state & 0x40) return 'P';
  // Has ended, and nobody has asked how yet: else it would be on no list.
  if (state & 0x80) return 'Z';
  // On its way to a run queue.
  if (state & 0x200) return 'W';
  return `0x${state.toString(16)}`;
}

describe('tasks', () => {
  test('as many as the kernel counted', () => {
    compare(
      ({ report }) => report.kernel.tasks,
      ({ task_count }) => task_count,
    );
  });

  test('each of them: ids, parent, CPU, state, address', () => {
    compare(
      ({ report }) =>
        rowsOf(report, 'tasks')
          .filter(({ pid }) => pid !== 0)
          .map(({ pid, tgid, ppid, cpu, state, task }) => ({ pid, tgid, ppid, cpu, state, task }))
          .sort((a, b) => Number(a.pid) - Number(b.pid)),
      ({ tasks }) =>
        tasks
          .map((task) => ({
            pid: task.pid,
            tgid: task.tgid,
            ppid: task.ppid,
            cpu: task.cpu,
            state: letter(task),
            task: task.address,
          }))
          .sort((a, b) => a.pid - b.pid),
    );
  });

  test('resident memory of each', () => {
    for (const { truth, report } of read) {
      const rss = new Map(rowsOf(report, 'tasks').map((row) => [row.pid, row.rss]));
      for (const { pid, rss_pages, kthread } of truth.tasks) {
        if (kthread || rss_pages === 0) continue;
        // Counters per CPU are not summed up, neither there nor here.
        const difference = Math.abs(Number(rss.get(pid)) / PAGE - rss_pages);
        expect(difference, `${truth.name} ${pid}`).toBeLessThanOrEqual(64 * truth.cpus);
      }
    }
  });

  test('uninterruptible sleepers, by the counters of the runqueues', () => {
    for (const { truth, report } of read) {
      // Tasks that slept on one CPU and woke on another leave a negative one behind: only the sum counts.
      const counted = rowsOf(report, 'runqueues').reduce((sum, { blocked }) => sum + Number(blocked), 0);
      const asleep = truth.tasks.filter((task) => letter(task) === 'D' && !task.onrq);
      expect(counted, truth.name).toBe(asleep.length);
    }
    const some = read.flatMap(({ report }) =>
      rowsOf(report, 'runqueues').map(({ blocked }) => Number(blocked)),
    );
    expect(some.some((blocked) => blocked < 0)).toBe(true);
  });

  test('what each CPU was at', () => {
    for (const { truth, report } of read) {
      const current = new Map(rowsOf(report, 'cpus').map((row) => [row.cpu, row.pid]));
      for (const { pid, cpu } of truth.tasks.filter(({ oncpu }) => oncpu))
        expect(current.get(cpu), truth.name).toBe(pid);
    }
  });
});

describe('groups', () => {
  /** Column of the table and its value, by file of the group. */
  const READ: Readonly<Record<string, (value: string) => Readonly<Record<string, string | number>>>> = {
    'cpu.weight': (value) => ({ weight: Number(value) }),
    'memory.max': (value) => ({ memory_max: Number(value) }),
    'memory.high': (value) => ({ memory_high: Number(value) }),
    'pids.max': (value) => ({ pids_max: Number(value) }),
    'cpuset.cpus': (value) => ({ cpus: value }),
    'cpuset.mems': (value) => ({ mems: value }),
    'cpu.max': (value) => ({
      quota_ms: Number(value.split(' ')[0]) / 1000,
      period_ms: Number(value.split(' ')[1]) / 1000,
    }),
  };

  test('every value that was set', () => {
    for (const { truth, report } of read) {
      const groups = new Map(rowsOf(report, 'cgroups').map((row) => [row.path, row]));
      expect(truth.cgroups.length).toBeGreaterThanOrEqual(9);
      for (const { path, file, value } of truth.cgroups)
        expect(groups.get(path), `${truth.name} ${path} ${file}`).toMatchObject(
          READ[file]?.(value) ?? { file },
        );
    }
  });

  test('who is in which', () => {
    for (const { truth, report } of read) {
      const groupOf = new Map(rowsOf(report, 'tasks').map((row) => [row.pid, row.cgroup]));
      for (const { path, pid } of truth.members) expect(groupOf.get(pid), `${truth.name} ${pid}`).toBe(path);
    }
  });
});

test('objects of a slab cache that leaks', () => {
  const leaks = read.filter(({ truth }) => truth.leaked > 0);
  expect(leaks.length).toBeGreaterThanOrEqual(2);
  for (const { truth, report } of leaks) {
    const cache = rowsOf(report, 'slab').find((row) => row.cache === 'culprit_leak');
    const active = Number(cache?.active);
    // What is free in the slabs of a CPU counts as used.
    expect(active, truth.name).toBeGreaterThanOrEqual(truth.leaked);
    expect(active, truth.name).toBeLessThan(truth.leaked * 1.01 + 1000);
  }
});

describe('locks', () => {
  const locked = () => read.filter(({ truth }) => truth.locks.some(({ name }) => name !== 'culprit_spindle'));

  test('each with the owner and the waiters that it had', () => {
    expect(locked().length).toBeGreaterThanOrEqual(8);
    for (const { truth, report } of locked()) {
      const locks = rowsOf(report, 'locks');
      const waits = rowsOf(report, 'locks', 'waits');
      for (const lock of truth.locks) {
        const label = `${truth.name} ${lock.name}`;
        const row = locks.find(({ address }) => address === lock.address);
        expect(row, label).toMatchObject({ owner_pid: lock.owner, waiters: lock.waiters.length });
        expect(String(row?.lock).split(' ')[0], label).toBe(lock.name);
        const waiting = waits.filter(({ address }) => address === lock.address).map(({ pid }) => Number(pid));
        expect(waiting.toSorted(), label).toEqual(lock.waiters.toSorted());
      }
    }
  });

  test('every deadlock, and no other', () => {
    expect(read.filter(({ truth }) => truth.cycles.length > 0).length).toBeGreaterThanOrEqual(4);
    compare(
      ({ report }) =>
        rowsOf(report, 'locks', 'waits')
          .filter(({ cycle }) => Number(cycle) > 0)
          .map(({ pid }) => Number(pid))
          .sort(),
      ({ cycles }) => cycles.flat().sort(),
    );
  });
});
