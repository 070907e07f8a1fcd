/** The shipped commands on real cores, against what the guests said before they died. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../../src/output/json.ts';
import { SHIPPED } from '../../src/vmcore/commands/load.ts';
import { panelOf } from '../../src/vmcore/commands/rows.ts';
import { runCommand } from '../../src/vmcore/commands/run.ts';
import { openCore } from '../../src/vmcore/open.ts';
import { ktop } from '../e2e/run-cli.ts';
import type { Core } from './lab/cores.ts';
import { labCores, MAKE_MS } from './read.ts';

let cores: readonly Core[] = [];
beforeAll(async () => {
  cores = await labCores();
}, MAKE_MS);

type Cells = Readonly<Record<string, unknown>>;
interface Answer {
  readonly rows: readonly Cells[];
  readonly notes: readonly string[];
}

const fileOf = ({ truth, directory }: Core): string =>
  join(directory, Object.values(truth.files)[0] as string);

type Ask = (name: string, ...args: string[]) => Promise<Answer>;

/** A core is opened once for all that is asked of it. */
async function asking<T>(core: Core, use: (ask: Ask) => Promise<T>): Promise<T> {
  const open = openCore(fileOf(core), { cache: '' });
  try {
    return await use(async (name, ...args) => {
      const command = SHIPPED.find((candidate) => candidate.name === name);
      const ctx = open.ctx();
      if (command === undefined || ctx === undefined) throw new Error(`${core.truth.name} cannot be asked`);
      const result = await runCommand(command, ctx, args);
      if (result.kind === 'failed') throw new Error(`${core.truth.name}: ${result.text}`);
      return { rows: rows(panelOf(name, result.table), result.table) as Cells[], notes: result.warnings };
    });
  } finally {
    open.close();
  }
}

const ask = (core: Core, name: string, ...args: string[]): Promise<Answer> =>
  asking(core, (one) => one(name, ...args));

describe('lockinfo', () => {
  test('owner and waiters, in their order, of every lock that a guest named', async () => {
    const locked = cores.filter(({ truth }) => truth.locks.some(({ owner }) => owner !== undefined));
    expect(locked.length).toBeGreaterThanOrEqual(6);
    for (const core of locked)
      await asking(core, async (one) => {
        for (const lock of core.truth.locks.filter(({ address }) => address !== ''))
          for (const name of [lock.name, lock.address]) {
            const label = `${core.truth.name} ${lock.name}`;
            const answer = await one('lockinfo', name);
            const pids = (role: string) =>
              answer.rows.filter((row) => row.role === role).map(({ pid }) => pid);
            // A spinlock has neither; who spins is all that can be known.
            if (answer.notes[0]?.startsWith('spinlock')) continue;
            expect(pids('owner'), label).toEqual(lock.owner === undefined ? [] : [lock.owner]);
            expect(pids('waiter').toSorted(), label).toEqual([...lock.waiters].toSorted());
          }
      });
  });

  test('says what is free, and what it cannot tell', async () => {
    const [core] = cores as [Core];
    expect((await ask(core, 'lockinfo', 'uts_sem')).notes).toEqual([
      expect.stringMatching(/^rwsem uts_sem at 0x\w{16}: free$/),
    ]);
    expect((await ask(core, 'lockinfo', 'console_sem')).notes[0]).toMatch(
      /^semaphore console_sem .*: count \d, no owner is kept/,
    );
    expect((await ask(core, 'lockinfo', 'cgroup_threadgroup_rwsem')).notes[0]).toMatch(/^percpu-rwsem /);
    expect((await ask(core, 'lockinfo', 'tasklist_lock', 'rwlock')).notes[0]).toMatch(
      /^rwlock tasklist_lock .*: /,
    );
    await expect(ask(core, 'lockinfo', 'no_such_lock')).rejects.toThrow(
      /no symbol no_such_lock in this kernel; /,
    );
    await expect(ask(core, 'lockinfo')).rejects.toThrow(/needs a lock; /);
    await expect(ask(core, 'lockinfo', 'uts_sem', 'padlock')).rejects.toThrow(/is no type of lock; /);
  });

  test('ktop vmcore FILE lockinfo cgroup_mutex answers who holds it', async () => {
    const core = cores.find(({ truth }) => truth.name === 'cgroup-a') as Core;
    const lock = core.truth.locks[0];
    const result = await ktop(['vmcore', fileOf(core), 'lockinfo', 'cgroup_mutex', '--json']);
    expect(result.code).toBe(0);
    const { command, rows: found, notes } = JSON.parse(result.stdout);
    expect(command).toBe('lockinfo');
    expect(notes[0]).toMatch(/^mutex cgroup_mutex at 0x\w{16}: held, \d waiter/);
    expect(found[0]).toMatchObject({
      role: 'owner',
      pid: lock?.owner,
      comm: 'holder',
      where: 'sleep_with_lock [culprit]',
    });
  });
});

/** `200` of cpu.weight, `20000 100000` of cpu.max … as cgroupinfo has them. */
const VALUES: Readonly<Record<string, (value: string) => Cells>> = {
  'cpu.weight': (value) => ({ weight: Number(value) }),
  'cpu.max': (value) => {
    const [quota, period] = value.split(' ').map(Number) as [number, number];
    return { quota_ms: String(quota / 1000), period_ms: period / 1000 };
  },
  'cpuset.cpus': (value) => ({ cpus: value }),
  'cpuset.mems': (value) => ({ mems: value }),
  'memory.max': (value) => ({ max_kb: String(Number(value) / 1024) }),
  'memory.high': (value) => ({ high_kb: String(Number(value) / 1024) }),
  'pids.max': (value) => ({ pids_max: value }),
};

test('cgroupinfo: the tree and its limits, on both kernels', async () => {
  for (const name of ['sysrq-a', 'sysrq-b', 'cgroup-a', 'cgroup-b']) {
    const core = cores.find(({ truth }) => truth.name === name) as Core;
    const { rows: tree } = await ask(core, 'cgroupinfo');
    expect(core.truth.cgroups.length).toBeGreaterThan(5);
    for (const { path, file, value } of core.truth.cgroups) {
      const expected = VALUES[file]?.(value);
      if (expected === undefined) throw new Error(`${file} is not compared`);
      expect(
        tree.find((row) => row.path === path),
        `${name} ${path} ${file}`,
      ).toMatchObject(expected);
    }
    for (const { path } of core.truth.members) {
      const count = core.truth.members.filter((member) => member.path === path).length;
      expect(Number(tree.find((row) => row.path === path)?.tasks), `${name} ${path}`).toBeGreaterThanOrEqual(
        count,
      );
    }
    // No task is in two groups, none in no group.
    const all = tree.reduce((sum, row) => sum + Number(row.tasks), 0);
    expect(all, name).toBe(core.truth.task_count);
    const { rows: shop } = await ask(core, 'cgroupinfo', '/shop');
    expect(shop.map(({ path }) => path)).toEqual(['/shop', '/shop/store', '/shop/till']);
  }
});

test('cpuinfo: the layout of the cores; -t: whose address space each CPU had', async () => {
  for (const core of cores) {
    const { truth } = core;
    const [{ rows: layout }, { rows: tlb }] = await asking(
      core,
      async (one) => [await one('cpuinfo', '-i'), await one('cpuinfo', '-t')] as const,
    );
    expect(layout.map(({ cpu }) => cpu)).toEqual([...Array(truth.cpus).keys()]);
    for (const { cpu, package: pkg, core: number } of truth.topology)
      expect(layout[cpu], truth.name).toMatchObject({ cpu, package: pkg, core: number });
    expect(tlb).toHaveLength(truth.cpus);
    for (const row of tlb) expect(row.loaded_mm, truth.name).toMatch(/^0x\w{16}$/);
    const panicked = truth.tasks.find(({ pid }) => pid === truth.panic.pid);
    // A task of a user's on the CPU has its own address space there.
    if (panicked?.kthread === false && panicked.pid === panicked.tgid)
      expect(tlb[truth.panic.cpu]?.owner, truth.name).toMatch(new RegExp(` (?:${panicked.pid})$`));
  }
});
