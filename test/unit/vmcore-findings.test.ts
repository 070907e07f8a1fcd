import { describe, expect, test } from 'vitest';
import type { Row } from '../../src/vmcore/commands/rows.ts';
import { findingsOf } from '../../src/vmcore/findings/findings.ts';
import { SECTIONS } from '../../src/vmcore/layout.ts';
import type { CrashFacts } from '../../src/vmcore/report.ts';
import { random } from '../helpers/cluster/random.ts';
import { frames, type ReportParts, report } from '../helpers/report.ts';

const found = (parts: ReportParts) => findingsOf(report(parts));
const ids = (parts: ReportParts): string[] => found(parts).map(({ id }) => id);

test('nothing known, nothing found', () => {
  expect(found({})).toEqual([]);
});

const LOCK = {
  lock: 'alpha',
  kind: 'mutex',
  owner_pid: 7,
  owner: 'left',
  owner_state: 'D',
  owner_at: 'take_second',
  waiters: 1,
  longest_ms: 4000,
  address: '0xffffffffc0001000',
};
const WAIT = {
  pid: 8,
  comm: 'right',
  state: 'D',
  lock: 'alpha',
  owner_pid: 7,
  owner: 'left',
  blocked_ms: 4000,
  address: '0xffffffffc0001000',
};

describe('locks', () => {
  test('a deadlock is named once, with who waits for what; its owners do not just sleep', () => {
    const waits = [
      { ...WAIT, cycle: 1 },
      {
        ...WAIT,
        pid: 7,
        comm: 'left',
        lock: 'beta',
        owner_pid: 8,
        owner: 'right',
        cycle: 1,
        address: '0xffffffffc0001040',
      },
      // Behind them one, and one behind that; and one who has nothing to do with it.
      { ...WAIT, pid: 10, comm: 'fourth', lock: 'gamma', owner_pid: 9, owner: 'third', address: '0x3' },
      { ...WAIT, pid: 9, comm: 'third' },
      { ...WAIT, pid: 11, comm: 'fifth', lock: 'delta', owner_pid: Number.NaN, owner: '', address: '0x4' },
    ];
    const locks = [
      { ...LOCK, cycle: 1, waiters: 2 },
      { ...LOCK, lock: 'beta', owner_pid: 8, owner: 'right', cycle: 1 },
      { ...LOCK, lock: 'gamma', owner_pid: 9, owner: 'third', address: '0x3' },
    ];
    const [finding, ...rest] = found({ tables: { locks: { locks, waits } } });
    expect(rest).toEqual([]);
    expect(finding).toMatchObject({
      id: 'deadlock',
      severity: 'alarm',
      text: 'deadlock: 2 tasks wait for each other (right 8, left 7); 2 more wait for them',
      evidence: [
        'right 8 waits for alpha, held by left 7, since 4.0 s',
        'left 7 waits for beta, held by right 8, since 4.0 s',
        'third 9 waits for alpha, held by left 7, since 4.0 s',
        'fourth 10 waits for gamma, held by third 9, since 4.0 s',
      ],
    });
  });

  test('of a lock held for reading the owner is a hint, and nothing is claimed that rests on it', () => {
    const locks = [
      { ...LOCK, cycle: 1, kind: 'rwsem', readers: 'readers' },
      { ...LOCK, lock: 'beta', owner_pid: 8, owner: 'right', cycle: 1, address: '0xffffffffc0001040' },
    ];
    const waits = [
      { ...WAIT, cycle: 1 },
      { ...WAIT, pid: 7, comm: 'left', lock: 'beta', owner_pid: 8, cycle: 1, address: '0xffffffffc0001040' },
    ];
    const [circle] = found({ tables: { locks: { locks, waits } } });
    expect(circle).toMatchObject({
      id: 'deadlock',
      severity: 'warning',
      text: 'perhaps a deadlock: 2 tasks wait for each other (right 8, left 7)',
    });
    expect(circle?.evidence.at(-1)).toMatch(
      /^alpha is held for reading: its owner is the last task that took it/,
    );
    const asleep = [{ ...LOCK, kind: 'rwsem', readers: 'readers', owner_state: 'S', owner_at: 'poll' }];
    expect(found({ tables: { locks: { locks: asleep, waits: [WAIT] } } })[0]).toMatchObject({
      severity: 'warning',
      text: 'alpha is held for reading, last taken so by left 7, which sleeps in poll; 1 task waits for it',
    });
  });

  test('an owner asleep, who waits for nobody', () => {
    const locks = [{ ...LOCK, lock: 'cgroup_mutex', owner_state: 'S', owner_at: 'sleep_with_lock' }];
    const [finding] = found({ tables: { locks: { locks, waits: [WAIT] } } });
    expect(finding).toMatchObject({
      id: 'owner-asleep',
      text: 'cgroup_mutex is held by left 7, which sleeps in sleep_with_lock; 1 task waits for it',
      see: { section: 'locks', key: '0xffffffffc0001000' },
    });
    expect(finding?.evidence).toContain('right 8 waits since 4.0 s');
    // It runs; it waits itself; nobody wants the lock; it is not known.
    expect(ids({ tables: { locks: { locks: [{ ...LOCK, owner_state: 'R' }], waits: [WAIT] } } })).toEqual([]);
    expect(ids({ tables: { locks: { locks, waits: [{ ...WAIT, pid: 7 }] } } })).toEqual([]);
    expect(ids({ tables: { locks: { locks: [{ ...LOCK, waiters: 0 }], waits: [] } } })).toEqual([]);
    expect(ids({ tables: { locks: { locks: [{ ...LOCK, owner_pid: Number.NaN }], waits: [] } } })).toEqual(
      [],
    );
    expect(ids({ tables: { locks: { locks: [{ ...LOCK, owner_state: 'Z' }], waits: [WAIT] } } })).toEqual([
      'owner-gone',
    ]);
  });

  test('a frozen filesystem', () => {
    const mounts = [
      { device: '8:1 sda1', type: 'ext4', mounted: '/', frozen: '', waiters: 0 },
      { device: '259:0 nvme0n1', type: 'ext4', mounted: '/mnt', frozen: 'complete', waiters: 2 },
    ];
    expect(found({ tables: { mounts: { mounts } } })).toMatchObject([
      {
        id: 'frozen-fs',
        severity: 'alarm',
        text: 'the ext4 filesystem at /mnt is frozen; 2 tasks wait for it to thaw',
      },
    ]);
    expect(found({ tables: { mounts: { mounts: [{ ...mounts[1], waiters: 0 }] } } })[0]?.severity).toBe(
      'warning',
    );
  });

  test('all CPUs on one lock', () => {
    const spin = [
      'native_queued_spin_lock_slowpath',
      '_raw_spin_lock',
      'wait_for_spindle',
      'culprit_spindle_take',
    ];
    const idle = ['pv_native_safe_halt', 'default_idle', 'do_idle'];
    const stacks = [spin, spin, idle, spin].map((names, cpu) => ({ cpu, frames: names }));
    const [finding] = found({ kernel: { cpus: 4 }, stacks });
    expect(finding).toMatchObject({
      id: 'one-lock',
      text: '3 of 4 CPUs spin for a lock, all in wait_for_spindle',
    });
    expect(finding?.evidence).toEqual([
      'CPU 0 spins in wait_for_spindle',
      'CPU 1 spins in wait_for_spindle',
      'CPU 3 spins in wait_for_spindle',
    ]);
    expect(ids({ kernel: { cpus: 8 }, stacks })).toEqual([]);
    expect(ids({ kernel: { cpus: 1 }, stacks: stacks.slice(0, 1) })).toEqual([]);
  });
});

describe('CPUs', () => {
  const cpus = [
    { cpu: 0, state: 'panic', irqs: 'off', function: 'panic', hardirq: 0, comm: 'swapper/0', pid: 0 },
    {
      cpu: 1,
      state: 'running',
      irqs: 'off',
      stopped: 'NMI',
      function: 'turn_deaf',
      hardirq: 0,
      comm: 'clerk',
      pid: 90,
      stack: 'turn_deaf culprit_irqs_off',
    },
    { cpu: 2, state: 'idle', irqs: 'off', function: 'default_idle', hardirq: 0, comm: 'swapper/2', pid: 0 },
  ];
  test('deaf to interrupts, and neither idle nor handling the panic', () => {
    const current = [{ cpu: 1, oncpu_ms: 1200 }];
    expect(
      found({ crash: { class: 'nmi' }, tables: { cpus: { cpus }, current: { current } } }),
    ).toMatchObject([
      {
        id: 'irqs-off',
        severity: 'alarm',
        text: 'CPU 1 ran clerk 90 in turn_deaf with interrupts disabled',
        evidence: ['stopped by: NMI', 'stack: turn_deaf culprit_irqs_off', 'on the CPU for 1.2 s'],
      },
    ]);
  });
  test('a task that keeps its CPU from others', () => {
    const current = [
      {
        cpu: 0,
        pid: 90,
        comm: 'clerk',
        oncpu_ms: 26_000,
        policy: 'OTHER',
        prio: 120,
        function: 'turn_for_ever',
      },
    ];
    const queue = (running: number) => ({
      current: { current },
      runqueues: { runqueues: [{ cpu: 0, running, waiting: 'init 1' }] },
    });
    expect(found({ crash: { class: 'soft-lockup' }, tables: queue(3) })).toMatchObject([
      { id: 'cpu-hog', severity: 'alarm', text: 'clerk 90 kept CPU 0 for 26.0 s while 2 waited' },
    ]);
    expect(ids({ tables: queue(1) })).toEqual([]);
  });
});

describe('memory', () => {
  const slab = (cache: string, share_pct: number, reclaimable = 'no'): Row => ({
    cache,
    share_pct,
    reclaimable,
    bytes: 1e8,
    active: 1000,
    object_size: 1024,
  });
  test('a cache that has eaten the memory and cannot be reclaimed', () => {
    const tables = {
      slab: { slab: [slab('culprit_leak', 70), slab('dentry', 40, 'yes'), slab('kmalloc-64', 3)] },
      memory: { memory: [{ what: 'Slab', bytes: 1e8, share_pct: 71 }] },
    };
    expect(found({ crash: { class: 'oom' }, tables })).toMatchObject([
      {
        id: 'slab-leak',
        severity: 'alarm',
        text: 'the slab cache culprit_leak holds 70 % of all memory and cannot be reclaimed',
        see: { section: 'slab', key: 'culprit_leak' },
      },
    ]);
    const [some] = [slab('culprit_leak', 15)];
    expect(ids({ crash: { class: 'oom' }, tables: { slab: { slab: [some as Row] } } })).toEqual([
      'slab-leak',
    ]);
    expect(ids({ crash: { class: 'bug' }, tables: { slab: { slab: [some as Row] } } })).toEqual([]);
  });
  test('zones below their watermark', () => {
    const zones = [
      { node: 0, zone: 'DMA', state: 'below low', free: 1, min: 2 },
      { node: 0, zone: 'DMA32', state: 'below min', free: 1 << 20, min: 2 << 20 },
    ];
    expect(found({ crash: { class: 'oom' }, tables: { memory: { zones } } })).toMatchObject([
      {
        id: 'no-memory',
        text: 'free memory is below the lowest watermark in DMA32 of node 0',
        evidence: ['DMA32: 1.0 MiB free, minimum 2.0 MiB'],
      },
    ]);
  });
  test('recursion that overflowed the stack', () => {
    const stack = frames([
      ...Array<string>(40).fill('unwrap [culprit]'),
      'culprit_overflow [culprit]',
      'kthread',
    ]);
    const crash: Partial<CrashFacts> = {
      class: 'stack-overflow',
      blame: { function: 'unwrap', reason: '', from: '', stack },
    };
    expect(found({ crash })).toMatchObject([
      {
        id: 'recursion',
        severity: 'alarm',
        text: 'unwrap [culprit] is 40 times on one stack of 42 frames, which overflowed',
      },
    ]);
    expect(found({ crash })[0]?.evidence[0]).toBe('2624 bytes of stack');
    expect(
      ids({
        crash: {
          class: 'stack-overflow',
          blame: { function: 'a', reason: '', from: '', stack: frames(['a', 'b', 'a', 'c']) },
        },
      }),
    ).toEqual([]);
  });
});

describe('pointers', () => {
  const oops = (
    registers: string,
    first = 'general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b6b83: 0000 [#1] PREEMPT SMP',
  ) => ({
    log: [
      'before',
      first,
      'RIP: 0010:weigh_next_of_freed+0x4/0x10 [culprit]',
      registers,
      'RIP: 0033:0x7f1122334455',
      'RAX: 6b6b6b6b6b6b6b6b',
      '---[ end trace ]---',
    ],
    crash: { class: 'gpf', log_index: 1, panic_line: first } as Partial<CrashFacts>,
  });

  test('memory that was freed', () => {
    const [finding] = found(oops('RAX: 6b6b6b6b6b6b6b6b RBX: 0000000000000001 RCX: ffff888003c0a000'));
    expect(finding).toMatchObject({
      id: 'poison',
      severity: 'alarm',
      text: 'fault address 0x6b6b6b6b6b6b6b83 is poison: memory of a slab object that was freed',
    });
    expect(finding?.evidence).toEqual([
      'fault address = 0x6b6b6b6b6b6b6b83: POISON_FREE: memory of a slab object that was freed',
      'RAX = 0x6b6b6b6b6b6b6b6b: POISON_FREE: memory of a slab object that was freed',
    ]);
  });

  test.each([
    ['dead000000000100', /taken off its list/],
    ['dead000000000122', /taken off its list/],
    ['5a5a5a5a5a5a5a5a', /never written/],
    ['aaaaaaaaaaaaaaaa', /page that was freed/],
  ])('poison %s', (value, means) => {
    const text = `general protection fault, probably for non-canonical address 0x${value}: 0000 [#1]`;
    expect(found(oops(`RDX: ${value}`, text))[0]?.text).toMatch(means);
  });

  test('registers of the system call below are not those of the kernel', () => {
    const text = 'general protection fault, probably for non-canonical address 0x1234567812345678: 0000 [#1]';
    expect(ids(oops('RAX: 0000000000000000', text))).toEqual([]);
    // Poison is text to those who do not know it: kkkkkkkk.
    expect(ids(oops('RAX: 6b6b6b6b6b6b6b6b'))).toEqual(['poison']);
  });

  const fault = (fault_address: string, registers = 'RAX: 0000000000000000') => ({
    ...oops(registers, `BUG: unable to handle page fault for address: ${fault_address}`),
    crash: {
      class: 'page-fault',
      log_index: 1,
      panic_line: 'BUG: unable to handle page fault',
      fault_address,
    } as Partial<CrashFacts>,
  });
  const tasks = Array.from({ length: 12 }, (_, i) => ({
    pid: i,
    comm: 'task',
    task: `0x${(0xffff8f1881200000n + BigInt(i) * 0x4000n).toString(16)}`,
  }));

  test('one bit of a good pointer, which another register holds', () => {
    const [finding] = found(fault('0xffff9f1882a6a018', 'RAX: ffff9f1882a6a000 RDI: ffff8f1882a6a000'));
    expect(finding).toMatchObject({ id: 'bit-flip', severity: 'warning' });
    expect(finding?.text).toMatch(/^RAX 0xffff9f1882a6a000 is RDI 0xffff8f1882a6a000 with bit 44 changed: /);
  });

  test('one bit beside the memory there is', () => {
    const parts = {
      ...fault('0xffff9f1882a6a018'),
      kernel: { memory_bytes: 256 * 2 ** 20 },
      tables: { tasks: { tasks } },
    };
    const [finding] = found(parts);
    expect(finding?.text).toMatch(/0xffff8f1882a6a018, with bit 44 changed/);
    // Where the address is memory, and where no single bit leads there.
    expect(ids({ ...parts, ...fault('0xffff8f1882a6a018') })).toEqual([]);
    expect(ids({ ...parts, ...fault('0xffff1f1882a6a018') })).toEqual([]);
    expect(ids({ ...parts, ...fault('0x0000000000000018') })).toEqual([]);
  });

  test('neighbours in memory are no bit flip', () => {
    expect(ids(fault('0xffff8f1882a6b018', 'RAX: ffff8f1882a6b000 RDI: ffff8f1882a6a000'))).toEqual([]);
  });

  test('an error code taken for a pointer', () => {
    expect(found(fault('0xfffffffffffffff4'))).toMatchObject([
      { id: 'error-pointer', text: 'an error code was used as a pointer: fault address is -12' },
    ]);
    expect(found(fault('0xffffffffffffffff', 'RAX: fffffffffffffff4'))).toMatchObject([
      { id: 'error-pointer', text: 'an error code was used as a pointer: RAX is -12' },
    ]);
    // Low addresses are members behind NULL, whatever error code some register holds.
    expect(ids(fault('0x0000000000000000', 'RAX: ffffffffffffffff'))).toEqual([]);
  });

  test('text where a pointer should be', () => {
    const value = Buffer.from('/bin/sh ').readBigUInt64LE().toString(16);
    const text = `general protection fault, probably for non-canonical address 0x${value}: 0000 [#1]`;
    expect(found(oops(`RAX: ${value}`, text))).toMatchObject([
      { id: 'text-pointer', text: 'fault address holds text, "/bin/sh ", where a pointer should be' },
    ]);
  });

  test('a crash that is not by an address has no bad pointers', () => {
    const parts = oops('RAX: 6b6b6b6b6b6b6b6b');
    expect(ids({ ...parts, crash: { ...parts.crash, class: 'hung-task' } })).toEqual([]);
  });
});

test('alarms first; of a kind no more than eight', () => {
  const mounts = Array.from({ length: 30 }, (_, i) => ({
    type: 'xfs',
    mounted: `/m${i}`,
    frozen: 'complete',
    waiters: i === 29 ? 1 : 0,
  }));
  const all = found({
    tables: { mounts: { mounts }, locks: { locks: [{ ...LOCK, owner_state: 'S' }], waits: [] } },
  });
  expect(all[0]?.id).toBe('owner-asleep');
  expect(all).toHaveLength(9);
  expect(all.at(-1)?.evidence.at(-1)).toBe('and 22 more of this kind');
});

test('tables of any content are borne', () => {
  const dice = random(4);
  const values: readonly (() => Row[string])[] = [
    () => Number.NaN,
    () => dice.below(1e6) - 5e5,
    () => '',
    () => 'D',
    () => '0xffff888000000000',
    () => '\u202e\x1b[31m',
    () => undefined,
  ];
  for (let round = 0; round < 200; round += 1) {
    const tables: ReportParts['tables'] = Object.fromEntries(
      SECTIONS.map(({ name, panels }) => [
        name,
        Object.fromEntries(
          panels.flatMap((panel) =>
            panel.kind === 'table'
              ? [
                  [
                    panel.table,
                    Array.from({ length: dice.below(5) }, () =>
                      Object.fromEntries(panel.columns.map(({ id }) => [id, dice.pick(values)()])),
                    ),
                  ],
                ]
              : [],
          ),
        ),
      ]),
    );
    const all = found({
      crash: { class: dice.pick(['oom', 'gpf', 'page-fault', 'nmi']), log_index: 0 },
      tables,
      log: ['RAX: zz', ''],
    });
    for (const { text, evidence } of all)
      expect([text, ...evidence].every((line) => line.length > 0)).toBe(true);
  }
});
