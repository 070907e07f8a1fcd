/** What crash says, as it says it (8.0.2 on a 6.1 kernel): read as tables, compared, and put in the place of a report. */
import { describe, expect, test } from 'vitest';
import { numberAt, type Table, textAt } from '../../src/sources/snapshot.ts';
import { findDisagreements, withCrash } from '../../src/vmcore/crash/compare.ts';
import { CrashError } from '../../src/vmcore/crash/crash-error.ts';
import { type Asked, askTables } from '../../src/vmcore/crash/facts.ts';
import { completed, needsFallback, wantsFallback } from '../../src/vmcore/crash/fallback.ts';
import { parseBt, parseLog, parseMod, parsePs } from '../../src/vmcore/crash/sections.ts';
import type { CrashMode } from '../../src/vmcore/crash/session.ts';
import type { Report } from '../../src/vmcore/report.ts';
import { linesOf } from '../../src/vmcore/screen/lines.ts';
import { report } from '../helpers/report.ts';

const CLERK = '0xffff8a1702888000';
const SYS = `      KERNEL: vmlinux  [TAINTED]
    DUMPFILE: vmcore.flat  [PARTIAL DUMP]
        CPUS: 2 [OFFLINE: 1]
      UPTIME: 00:00:06
       TASKS: 3
    NODENAME: warehouse
     RELEASE: 6.1.0-56-cloud-amd64
       PANIC: "Oops: 0000 [#1] PREEMPT SMP NOPTI" (check log for details)
`;
const SET = `    PID: 126
COMMAND: "clerk"
   TASK: ffff8a1702888000  [THREAD_INFO: ffff8a1702888000]
    CPU: 1
  STATE: TASK_RUNNING (PANIC)
`;
const BT = `PID: 0        TASK: ffffffffa561aa40  CPU: 0    COMMAND: "swapper/0"
bt: invalid size request: 0  type: "stack contents"
bt: read of stack at fffffe0000014000 failed

PID: 126      TASK: ffff8a1702888000  CPU: 1    COMMAND: "clerk"
 #0 [ffffcda14045b7d8] panic at ffffffffa45cd21a
 #1 [ffffcda14045b920] asm_exc_page_fault at ffffffffa4800c02
    [exception RIP: weigh_missing+5]
    RIP: ffffffffc0269905  RSP: ffffcda14045b9d8  RFLAGS: 00000246
    RAX: ffffffffc0269b90  RBX: 0000000000000000  RCX: ffffffffc026b4c2
    ORIG_RAX: ffffffffffffffff  CS: 0010  SS: 0018
 #2 [ffffcda14045b9d8] culprit_null at ffffffffc0269b9c [culprit]
#10 [ffffcda14045bf50] entry_SYSCALL_64_after_hwframe at ffffffffa4800126
    RIP: 000000000047b7a0  RSP: 00007ffe71cf6298  RFLAGS: 00000202
    ORIG_RAX: 0000000000000001  CS: 0033  SS: 002b
`;
const PS = `      PID    PPID  CPU       TASK        ST  %MEM      VSZ      RSS  COMM
>       0       0   0  ffffffffa561aa40  RU   0.0        0        0  [swapper/0]
        0       0   1  ffff8a1701270000  RU   0.0        0        0  [swapper/1]
       12       2   0  ffff8a1701280000  ??   0.0        0        0  [rcu [x]]
>     126      -1   1  ffff8a1702888000  RU   0.1     2260       84  two words
`;
const MOD = `     MODULE       NAME               BASE         SIZE  OBJECT FILE
ffffffffc02662c0  qemu_fw_cfg  ffffffffc0263000  20480  (not loaded)  [CONFIG_KALLSYMS]
ffffffffc026d100  culprit      ffffffffc0269000  24576  (not loaded)  [CONFIG_KALLSYMS]
`;
const LOG = `[    6.070001] BUG: kernel NULL pointer dereference, address: 0000000000000018
[    6.070002] Oops: 0000 [#1] PREEMPT SMP NOPTI
[    6.070003] RIP: 0010:weigh_missing+0x5/0x10 [culprit]
[    6.077496] Kernel panic - not syncing: Fatal exception
no time
`;
const ANSWERS: Readonly<Record<string, string>> = {
  sys: SYS,
  set: SET,
  'bt -a': BT,
  ps: PS,
  mod: MOD,
  log: LOG,
};

/** A session that answers so; of what is in `deadly` it dies. */
function session(mode: CrashMode = 'full', deadly: readonly string[] = []): Asked {
  return {
    state: { status: 'ready', mode, startup: 'WARNING: active task not found in PID hash\nelse' },
    start: () => Promise.resolve(),
    run: (command) =>
      deadly.includes(command)
        ? Promise.reject(new CrashError('crash ended by SIGSEGV in the middle of a command'))
        : Promise.resolve({ text: ANSWERS[command] ?? '', ms: 2 }),
  };
}

const cells = (table: Table | undefined, ...ids: string[]): unknown[][] =>
  Array.from({ length: table?.length ?? 0 }, (_, row) =>
    ids.map((id) => {
      const column = table?.columns[id];
      return column instanceof Float64Array ? numberAt(column, row) : textAt(column, row);
    }),
  );

describe('what it prints', () => {
  test('ps', () => {
    expect(
      parsePs(PS).map(({ pid, ppid, cpu, state, comm, rss, oncpu }) => [
        pid,
        ppid,
        cpu,
        state,
        comm,
        rss,
        oncpu,
      ]),
    ).toEqual([
      [0, 0, 0, 'R', 'swapper/0', 0, 1],
      [0, 0, 1, 'R', 'swapper/1', 0, 0],
      [12, 2, 0, '??', 'rcu [x]', 0, 0],
      [126, undefined, 1, 'R', 'two words', 86_016, 1],
    ]);
  });

  test('bt -a: the exception among the frames, registers of user space not', () => {
    const [idle, clerk, more] = parseBt(BT);
    expect(more).toBeUndefined();
    expect(idle).toMatchObject({ pid: 0, cpu: 0, comm: 'swapper/0', frames: [] });
    expect(clerk).toMatchObject({ pid: 126, cpu: 1, task: CLERK });
    expect(clerk?.frames.map(({ function: name, kind, module }) => [name, kind, module])).toEqual([
      ['panic', 'normal', undefined],
      ['asm_exc_page_fault', 'normal', undefined],
      ['weigh_missing', 'exception', undefined],
      ['culprit_null', 'normal', 'culprit'],
      ['entry_SYSCALL_64_after_hwframe', 'normal', undefined],
    ]);
    expect(clerk?.frames[2]).toMatchObject({ ip: '0xffffffffc0269905', offset: 5 });
  });

  test('mod and log', () => {
    expect(parseMod(MOD)).toEqual([
      { module: 'qemu_fw_cfg', size: 20_480, address: '0xffffffffc0263000' },
      { module: 'culprit', size: 24_576, address: '0xffffffffc0269000' },
    ]);
    expect(parseLog(LOG).map(({ at_ms, text }) => [at_ms, text.slice(0, 10)])).toEqual([
      [6070.001, 'BUG: kerne'],
      [6070.002, 'Oops: 0000'],
      [6070.003, 'RIP: 0010:'],
      [6077.496, 'Kernel pan'],
    ]);
  });

  test('lines, with spaces for tabs', () => {
    expect(linesOf('a\tb\n\t\tc\n12345678\tx\n')).toEqual([
      'a       b',
      `${' '.repeat(16)}c`,
      '12345678        x',
      '',
    ]);
  });

  test('nothing of it', () => {
    for (const text of ['', 'bt: cannot determine', '\n\n#0 [x] y']) {
      expect([parsePs(text), parseBt(text), parseMod(text), parseLog(text)]).toEqual([[], [], [], []]);
    }
  });
});

describe('beside the native reader', () => {
  const native = report({
    kernel: { tasks: 4, cpus: 2 },
    crash: { panic_cpu: 1, panic_task: { task: CLERK, pid: 126, comm: 'two words' } },
    tables: {
      cpus: {
        cpus: [
          { cpu: 0, pid: 0, task: '0xffffffffa561aa40' },
          { cpu: 1, pid: 127, task: CLERK },
        ],
      },
      tasks: {
        tasks: [
          { task: '0xffffffffa561aa40', pid: 0, comm: 'swapper/0', state: 'R', cpu: 0, ppid: 0 },
          { task: '0xffff8a1701270000', pid: 0, comm: 'swapper/1', state: 'R', cpu: 1, ppid: 1 },
          { task: '0xffff8a1701280000', pid: 12, comm: 'rcu [x]', state: 'I', cpu: 0, ppid: 2 },
          { task: CLERK, pid: 126, comm: 'two words', state: 'D', cpu: 1, ppid: 1 },
          { task: '0xffff8a1709990000', pid: 1, comm: 'init', state: 'S', cpu: 1, ppid: 0 },
        ],
      },
      modules: {
        modules: [
          { module: 'culprit', size: 24_576, address: '0xffffffffc0269000' },
          { module: 'qemu_fw_cfg', size: 16_384, address: '0xffffffffc0263000' },
          { module: 'own', size: 4096, address: '0xffffffffc0163000' },
        ],
      },
    },
  });

  test('all that both say is compared, both values are kept; what one does not know is no difference', async () => {
    const said = await askTables(session());
    expect(findDisagreements(native, said)).toEqual([
      ['tasks', { what: 'tasks', native: '4', crash: '1' }],
      ['tasks', { what: 'tasks that it has alone', native: '1', crash: '-' }],
      ['tasks', { what: 'state of task 126', native: 'D', crash: 'R' }],
      ['modules', { what: 'modules that it has alone', native: 'own', crash: '-' }],
      ['modules', { what: 'size of module qemu_fw_cfg', native: '16384', crash: '20480' }],
      ['cpus', { what: 'pid of CPU 1', native: '127', crash: '126' }],
    ]);
    const { sections } = withCrash(native, said);
    expect(sections.tasks?.disagreements).toHaveLength(3);
    expect(sections.cpus?.warnings).toEqual(['crash: WARNING: active task not found in PID hash']);
  });

  test('the same is no disagreement', async () => {
    const said = await askTables(session());
    const same = report({
      kernel: { tasks: 1, cpus: 2 },
      tables: { modules: { modules: parseMod(MOD) as never }, tasks: { tasks: parsePs(PS) as never } },
    });
    expect(findDisagreements(same, said)).toEqual([]);
  });

  test('many are counted', async () => {
    const said = await askTables(session());
    const tasks = Array.from({ length: 100 }, (_, i) => ({ task: `0x${i}`, pid: 1000 + i, cpu: 0 }));
    const other = {
      ...said,
      tables: { modules: [], tasks: tasks.map((task) => ({ ...task, cpu: 1 })) },
    };
    const found = findDisagreements(report({ tables: { tasks: { tasks } } }), other);
    expect(found).toHaveLength(21);
    expect(found.at(-1)?.[1]).toEqual({ what: 'more of these', native: '80', crash: '80' });
    const none = findDisagreements(report({ tables: { tasks: { tasks } } }), {
      ...said,
      tables: { modules: [], tasks: [] },
    });
    expect(none[0]?.[1].native).toMatch(/^1000 1001 .* 1019 … \(100\)$/);
  });
});

describe('in place of the native reader', () => {
  const failures = [{ stage: 'types', text: 'the kernel 5.10 carries no BTF' }];
  const header: Report = { ...report(), status: 'header', failures };

  test('a report as far as crash knows', async () => {
    const made = await completed(header, session());
    expect(made).toMatchObject({
      status: 'partial',
      failures,
      kernel: { release: '6.1.0-56-cloud-amd64', cpus: 2 },
      crash: {
        class: 'null-deref',
        panic_line: expect.stringContaining('NULL pointer'),
        panic_cpu: 1,
        panic_task: { pid: 126, comm: 'clerk', task: CLERK },
        blame: { function: 'weigh_missing' },
      },
    });
    expect(Object.keys(made.sections).sort()).toEqual(['cpus', 'dmesg', 'modules', 'tasks']);
    for (const { backend } of Object.values(made.sections)) expect(backend).toBe('crash');
    expect(cells(made.sections.cpus?.tables.cpus, 'cpu', 'pid', 'state')).toEqual([
      [0, 0, 'unknown'],
      [1, 126, 'panic'],
    ]);
    expect(cells(made.sections.tasks?.tables.tasks, 'pid', 'comm', 'uid').at(-1)).toEqual([
      126,
      'two words',
      Number.NaN,
    ]);
    expect(made.sections.cpus?.stacks?.[1]).toMatchObject({ cpu: 1, exact: false });
    expect(made.sections.tasks?.warnings).toEqual(['crash: WARNING: active task not found in PID hash']);
    expect(made.ms).toBeGreaterThanOrEqual(header.ms);
  });

  test('what the native reader could tell stays', async () => {
    const own: Report = {
      ...report({ log: ['own'], crash: { panic_line: 'own', class: 'oom' } }),
      status: 'log',
      failures,
    };
    const made = await completed(own, session());
    expect(made.sections.dmesg?.backend).toBe('native');
    expect(made.crash).toMatchObject({ panic_line: 'own', class: 'oom', panic_cpu: 1 });
  });

  test('with --minimal: the log', async () => {
    const made = await completed(header, session('minimal'));
    expect(made).toMatchObject({ status: 'log', crash: { class: 'null-deref' } });
    expect(Object.keys(made.sections)).toEqual(['dmesg']);
  });

  test('it dies on the way: what it said before and after is there, and of what it died', async () => {
    const made = await completed(header, session('full', ['bt -a', 'set']));
    expect(made.failures.map(({ stage }) => stage)).toEqual(['types', 'crash', 'cpus']);
    expect(Object.keys(made.sections).sort()).toEqual(['dmesg', 'modules', 'tasks']);
    expect(made.crash.class).toBe('null-deref');
  });

  test('it does not start: said by the one who asks', async () => {
    const dead: Asked = { ...session(), start: () => Promise.reject(new CrashError('no vmlinux')) };
    await expect(completed(header, dead)).rejects.toThrow('no vmlinux');
  });

  test('only where the native reader got nowhere; unasked only for a file that is whole', () => {
    const cut: Report = { ...header, file: { ...header.file, truncated: true } };
    expect([report(), header, cut].map(needsFallback)).toEqual([false, true, true]);
    expect([report(), header, cut].map(wantsFallback)).toEqual([false, true, false]);
  });
});
