/** What a log says of a crash: class, line, place, address. Lines as kernels of 5.x and 6.x print them. */
import { expect, test } from 'vitest';
import { readVerdict } from '../../src/vmcore/crash-log.ts';
import type { CrashClass, DmesgEntry } from '../../src/vmcore/report.ts';

const entries = (text: string): DmesgEntry[] =>
  text
    .trim()
    .split('\n')
    .map((line, i) => ({ at_ms: 1000 + i, cpu: 0, pid: 0, tid: 0, comm: '', text: line.trim(), level: 1 }));

const BOOT = `
  Linux version 6.1.0 (gcc 12)
  Command line: panic=0 nmi_watchdog=0 hung_task_panic=1
  random: crng init done
`;
const FATAL = `
  ---[ end trace 0000000000000000 ]---
  Kernel panic - not syncing: Fatal exception
  Kernel Offset: 0x1000000 from 0xffffffff81000000
  ---[ end Kernel panic - not syncing: Fatal exception ]---
`;

interface Case {
  readonly name: string;
  readonly log: string;
  readonly class: CrashClass;
  readonly line: string;
  readonly rip?: string;
  readonly fault_address?: string;
  readonly cpu?: number;
  readonly pid?: number;
}

const CASES: readonly Case[] = [
  {
    name: 'NULL pointer, 6.x',
    log: `BUG: kernel NULL pointer dereference, address: 0000000000000010
      #PF: supervisor read access in kernel mode
      #PF: error_code(0x0000) - not-present page
      PGD 0 P4D 0
      Oops: 0000 [#1] PREEMPT SMP NOPTI
      CPU: 1 PID: 100 Comm: insmod Tainted: G           OE      6.1.0 #1
      RIP: 0010:deref_it.constprop.0+0x5/0x11 [kvic]
      RSP: 0018:ffffb00000017b20 EFLAGS: 00010246
      RIP: 0033:0x47b7a0${FATAL}`,
    class: 'null-deref',
    line: 'BUG: kernel NULL pointer dereference, address: 0000000000000010',
    rip: 'deref_it.constprop.0+0x5/0x11 [kvic]',
    fault_address: '0000000000000010',
  },
  {
    name: 'NULL pointer, 4.x',
    log: `BUG: unable to handle kernel NULL pointer dereference at 0000000000000008
      IP: [<ffffffffc0000010>] bad+0x10/0x20 [mod]
      Oops: 0002 [#1] SMP
      RIP: 0010:[<ffffffffc0000010>]  [<ffffffffc0000010>] bad+0x10/0x20 [mod]${FATAL}`,
    class: 'null-deref',
    line: 'BUG: unable to handle kernel NULL pointer dereference at 0000000000000008',
    rip: 'bad+0x10/0x20 [mod]',
    fault_address: '0000000000000008',
  },
  {
    name: 'jump to nowhere',
    log: `BUG: unable to handle page fault for address: ffffc90012345678
      #PF: supervisor instruction fetch in kernel mode
      Oops: 0010 [#1] PREEMPT SMP
      RIP: 0010:0xffffc90012345678
      Code: Unable to access opcode bytes${FATAL}`,
    class: 'page-fault',
    line: 'BUG: unable to handle page fault for address: ffffc90012345678',
    rip: '0xffffc90012345678',
    fault_address: 'ffffc90012345678',
  },
  {
    name: 'general protection, 6.12',
    log: `Oops: general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b6b6b: 0000 [#1] PREEMPT SMP NOPTI
      RIP: 0010:uaf+0x44/0x50 [kvic]${FATAL}`,
    class: 'gpf',
    line: 'Oops: general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b6b6b',
    rip: 'uaf+0x44/0x50 [kvic]',
    fault_address: '0x6b6b6b6b6b6b6b6b',
  },
  {
    name: 'BUG()',
    log: `------------[ cut here ]------------
      kernel BUG at fs/inode.c:123!
      invalid opcode: 0000 [#1] PREEMPT SMP
      RIP: 0010:iput+0x10/0x200${FATAL}`,
    class: 'bug',
    line: 'kernel BUG at fs/inode.c:123!',
    rip: 'iput+0x10/0x200',
  },
  {
    name: 'list corruption',
    log: `list_del corruption. prev->next should be ffff8e5e97f94b10, but was 0000000000000000. (prev=ffff8e5e97f94b00)
      ------------[ cut here ]------------
      kernel BUG at lib/list_debug.c:62!
      Oops: invalid opcode: 0000 [#1] PREEMPT SMP
      RIP: 0010:__list_del_entry_valid_or_report+0xa7/0xc0${FATAL}`,
    class: 'list-corruption',
    line: 'list_del corruption. prev->next should be ffff8e5e97f94b10, but was 0000000000000000. (prev=ffff8e5e97f94b00)',
    rip: '__list_del_entry_valid_or_report+0xa7/0xc0',
  },
  {
    name: 'stack overflow',
    log: `BUG: TASK stack guard page was hit at 000000008dd7ddb8 (stack is 00000000600ec086..00000000bf4b2800)
      stack guard page: 0000 [#1] PREEMPT SMP
      RIP: 0010:recurse+0x2c/0x70 [kvic]
      CR2: ffffd40c80487f18 CR3: 000000000b2a8000 CR4: 0000000000750ea0
      Kernel panic - not syncing: Fatal exception in interrupt`,
    class: 'stack-overflow',
    line: 'BUG: TASK stack guard page was hit at 000000008dd7ddb8 (stack is 00000000600ec086..00000000bf4b2800)',
    rip: 'recurse+0x2c/0x70 [kvic]',
    // The line has hashes of addresses.
    fault_address: 'ffffd40c80487f18',
  },
  {
    name: 'an oops in init',
    log: `BUG: kernel NULL pointer dereference, address: 0000000000000000
      Oops: 0002 [#1] SMP
      RIP: 0010:do_it+0x1/0x2
      Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009`,
    class: 'null-deref',
    line: 'BUG: kernel NULL pointer dereference, address: 0000000000000000',
    rip: 'do_it+0x1/0x2',
    fault_address: '0000000000000000',
  },
  {
    name: 'init killed',
    log: 'Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100',
    class: 'init-killed',
    line: 'Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100',
  },
  {
    name: 'sysrq',
    log: `sysrq: Trigger a crash
      Kernel panic - not syncing: sysrq triggered crash`,
    class: 'sysrq',
    line: 'Kernel panic - not syncing: sysrq triggered crash',
  },
  {
    name: 'soft lockup, of another CPU than panics',
    log: `watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [spinner:101]
      RIP: 0010:spin_forever+0x2/0x10 [kvic]
      Kernel panic - not syncing: softlockup: hung tasks`,
    class: 'soft-lockup',
    line: 'Kernel panic - not syncing: softlockup: hung tasks',
    cpu: 3,
    rip: 'spin_forever+0x2/0x10 [kvic]',
  },
  {
    name: 'hard lockup',
    log: `NMI watchdog: Watchdog detected hard LOCKUP on cpu 2
      RIP: 0010:irqs_off+0x5/0x10 [kvic]
      Kernel panic - not syncing: Hard LOCKUP`,
    class: 'hard-lockup',
    line: 'Kernel panic - not syncing: Hard LOCKUP',
    cpu: 2,
    rip: 'irqs_off+0x5/0x10 [kvic]',
  },
  {
    name: 'RCU stall',
    log: `rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
      rcu: 	1-....: (5250 ticks this GP) idle=1a2c/1/0x4000000000000000 softirq=100/100 fqs=2400
      rcu: 	(detected by 0, t=5255 jiffies, g=-1000, q=100 ncpus=2)
      Kernel panic - not syncing: RCU Stall`,
    class: 'rcu-stall',
    line: 'Kernel panic - not syncing: RCU Stall',
    cpu: 1,
  },
  {
    name: 'hung task: the first of the round',
    log: `INFO: task ab-one:102 blocked for more than 5 seconds.
      task:ab-one state:D stack:0 pid:102
      INFO: task ab-two:103 blocked for more than 5 seconds.
      Kernel panic - not syncing: hung_task: blocked tasks`,
    class: 'hung-task',
    line: 'Kernel panic - not syncing: hung_task: blocked tasks',
    pid: 102,
  },
  {
    name: 'out of memory',
    log: `eater invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0
      Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled`,
    class: 'oom',
    line: 'Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled',
  },
  {
    name: 'an NMI from outside',
    log: `Uhhuh. NMI received for unknown reason 30 on CPU 0.
      Kernel panic - not syncing: NMI: Not continuing`,
    class: 'nmi',
    line: 'Kernel panic - not syncing: NMI: Not continuing',
  },
  {
    name: 'panic_on_warn',
    log: `WARNING: CPU: 0 PID: 10 at kernel/foo.c:5 foo+0x10/0x20 [mod]
      RIP: 0010:foo+0x10/0x20 [mod]
      Kernel panic - not syncing: kernel: panic_on_warn set ...`,
    class: 'warning',
    line: 'Kernel panic - not syncing: kernel: panic_on_warn set ...',
    rip: 'foo+0x10/0x20 [mod]',
  },
  {
    name: 'no root filesystem',
    log: 'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
    class: 'boot',
    line: 'Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
  },
  {
    name: 'kdump took over: an oops without a panic',
    log: `BUG: kernel NULL pointer dereference, address: 0000000000000000
      Oops: 0002 [#1] SMP
      RIP: 0010:do_it+0x1/0x2`,
    class: 'null-deref',
    line: 'BUG: kernel NULL pointer dereference, address: 0000000000000000',
    rip: 'do_it+0x1/0x2',
    fault_address: '0000000000000000',
  },
  {
    name: 'any other panic',
    log: 'Kernel panic - not syncing: my driver gave up',
    class: 'panic',
    line: 'Kernel panic - not syncing: my driver gave up',
  },
  { name: 'a kernel that lives', log: 'all is well', class: 'live', line: '' },
];

test.each(CASES)('$name', ({ log, name: _, ...expected }) => {
  const found = readVerdict(entries(BOOT + log));
  expect(found).toMatchObject(expected);
  for (const member of ['rip', 'fault_address', 'cpu', 'pid'] as const)
    if (expected[member] === undefined) expect(found[member], member).toBeUndefined();
  if (expected.line !== '') expect(found.index).toBeGreaterThan(0);
});

test('an oops long before a hang is not its cause', () => {
  const oops = `BUG: kernel NULL pointer dereference, address: 0000000000000000
    Oops: 0002 [#1] SMP
    RIP: 0010:do_it+0x1/0x2`;
  const quiet = Array.from({ length: 300 }, (_, i) => `line ${i}`).join('\n');
  const hang = `INFO: task writer:55 blocked for more than 120 seconds.
    Kernel panic - not syncing: hung_task: blocked tasks`;
  expect(readVerdict(entries(`${oops}\n${quiet}\n${hang}`))).toMatchObject({ class: 'hung-task', pid: 55 });
  expect(readVerdict(entries(`${oops}\n${hang}`)).class).toBe('hung-task');
});

test('of several oopses the one that killed', () => {
  const first = `BUG: kernel NULL pointer dereference, address: 0000000000000000
    Oops: 0002 [#1] SMP
    RIP: 0010:first+0x1/0x2
    ---[ end trace 0000000000000000 ]---`;
  const second = `general protection fault, maybe for address 0xffff8cf7826aac6b: 0000 [#2] PREEMPT SMP
    RIP: 0010:second+0x1/0x2${FATAL}`;
  expect(readVerdict(entries(`${first}\n${second}`))).toMatchObject({ class: 'gpf', rip: 'second+0x1/0x2' });
});

test('what a program wrote to the log is no word of the kernel’s', () => {
  const lies = entries(`Kernel panic - not syncing: says a program
    BUG: kernel NULL pointer dereference, address: 0000000000000bad
    Oops: 0000 [#1] PREEMPT SMP`).map((entry) => ({ ...entry, foreign: true as const }));
  expect(readVerdict(lies)).toMatchObject({ class: 'live', line: '', panic_string: undefined });
  const truth = entries('Kernel panic - not syncing: sysrq triggered crash');
  expect(readVerdict([...lies, ...truth])).toMatchObject({ class: 'sysrq', index: 3 });
});

test('nothing, and nonsense', () => {
  expect(readVerdict([]).class).toBe('live');
  expect(readVerdict(entries('Oops: '.repeat(5))).class).toBe('live');
  expect(readVerdict(entries('Kernel panic - not syncing: ')).class).toBe('panic');
});
