/** trace against programs that know what they did, perf stat, and the text of a trace instance of the kernel's own. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ktop as runKtop } from '../e2e/run-cli.ts';
import { type Picture, sum, watch } from '../helpers/ktop.ts';
import { perfStat } from '../helpers/oracle.ts';
import { type Traced, traceInstance } from '../helpers/trace-instance.ts';
import { runLoad } from '../helpers/workload.ts';

interface Ops {
  readonly ops: number;
}

const GETPPID = 'syscalls:sys_enter_getppid';

const logOf = (pictures: readonly Picture[]) => pictures.flatMap(({ log = [] }) => log);

describe('trace: counts', () => {
  // Others may call getppid, too: the test allows what perf stat counts beyond the program's own.
  test.each([
    ['all', [], 0],
    ['--filter', ['--filter', 'comm=="w-storm"'], 0],
    ['a filter behind the event', [], 1],
  ] as const)('%s: the program’s own number', { timeout: 60_000 }, async (_, args, behind) => {
    const event = behind === 1 ? `${GETPPID}/comm=="w-storm"/` : GETPPID;
    const outer = await perfStat([GETPPID]);
    const run = await watch(['trace', '-e', event, '-i', '500', '-m', '2048', ...args], () =>
      runLoad<Ops>('storm', ['getppid', 0.05]),
    );
    const most = (await outer.stop()).get(GETPPID) ?? 0;
    const got = sum(run.pictures, 'count', (row) => row.event === GETPPID);
    for (const picture of run.pictures) expect(picture).toMatchObject({ lost: 0, unseen: 0 });
    expect(run.load.ops).toBeGreaterThan(500);
    expect(got).toBeGreaterThanOrEqual(run.load.ops);
    expect(got).toBeLessThanOrEqual(most);
    if (args.length > 0 || behind === 1) expect(got).toBe(run.load.ops);
  });

  test('a filter that nothing passes lets nothing pass', { timeout: 30_000 }, async () => {
    const { pictures } = await watch(
      ['trace', '-e', GETPPID, '--filter', 'comm=="nobody"', '-i', '300'],
      () => runLoad<Ops>('storm', ['getppid', 0.05]),
    );
    expect(logOf(pictures)).toEqual([]);
    expect(sum(pictures, 'count')).toBe(0);
  });
});

/** Numbers, flags, symbols of functions, enumerations, strings, addresses: each as the kernel prints it. */
const MINE = 'comm=="w-receiver"||comm=="w-fault"';
const EVENTS = [
  'signal:signal_generate',
  'signal:signal_deliver',
  'sched:sched_switch',
  'sched:sched_wakeup',
  'sched:sched_process_fork',
  'sched:sched_process_exit',
  'task:task_rename',
  'kmem:kmalloc',
  'kmem:kmem_cache_alloc',
  'kmem:mm_page_alloc',
  'kmem:mm_page_free',
  'timer:hrtimer_start',
  'timer:hrtimer_init',
  'timer:hrtimer_setup',
  'timer:itimer_state',
  'exceptions:page_fault_user',
  'syscalls:sys_enter_kill',
  'syscalls:sys_enter_rt_sigqueueinfo',
  'syscalls:sys_exit_wait4',
  'workqueue:workqueue_queue_work',
  'irq:softirq_raise',
  'tlb:tlb_flush',
  'rseq:rseq_update',
  'writeback:writeback_dirty_inode',
  'mmap:vm_unmapped_area',
  'cgroup:cgroup_attach_task',
  'ipi:ipi_send_cpu',
];

/** What cannot be the same: the kernel scrambles pointers; only it knows how long a function is, where the pages are. */
const alike = (text: string): string =>
  text
    .replace(/\b(ptr|hrtimer|page)=(0x[0-9a-f]+|[0-9a-f]{16}|pfn=\d+)/g, '$1=POINTER')
    .replace(/(\+0x[0-9a-f]+)\/0x[0-9a-f]+/g, '$1');

describe('trace: text', () => {
  let ours = new Map<string, string[]>();
  let theirs = new Map<string, string[]>();
  let tested: string[] = [];

  const byEvent = (lines: Iterable<readonly [string, string]>) => {
    const map = new Map<string, string[]>();
    for (const [event, text] of lines) map.set(event, [...(map.get(event) ?? []), text]);
    for (const texts of map.values()) texts.sort();
    return map;
  };

  beforeAll(async () => {
    // Addresses are hidden otherwise; the witness shows them.
    process.env.KTOP_POINTERS = '1';
    const { existsSync } = await import('node:fs');
    tested = EVENTS.filter((event) => existsSync(`/sys/kernel/tracing/events/${event.replace(':', '/')}`));
    let traced: Traced[] = [];
    const args = ['trace', ...tested.flatMap((event) => ['-e', event]), '--filter', MINE];
    const { pictures } = await watch(
      [...args, '-i', '100', '-m', '512', '--backend', 'tracefs'],
      async () => {
        const witness = traceInstance(tested.map((event) => ({ event, filter: MINE })));
        await runLoad('signals', [4, 2, 2]);
        traced = witness.stop();
      },
    );
    for (const { notes = [] } of pictures) expect(notes.join()).not.toMatch(/the last \d+ of/);
    ours = byEvent(
      logOf(pictures).map((entry) => {
        const [, event = '', text = ''] = /^([\w-]+:\w+): ?(.*)$/s.exec(String(entry.text)) ?? [];
        return [event, text] as const;
      }),
    );
    theirs = byEvent(
      traced.map(
        ({ event, text }) => [tested.find((name) => name.endsWith(`:${event}`)) ?? event, text] as const,
      ),
    );
  }, 60_000);

  afterAll(() => {
    delete process.env.KTOP_POINTERS;
  });

  test('many kinds of events came', () => {
    expect([...theirs.keys()].length).toBeGreaterThanOrEqual(14);
  });

  test.each(EVENTS)('%s as the kernel prints it', (event) => {
    expect(ours.get(event)?.map(alike).sort()).toEqual(theirs.get(event)?.map(alike).sort());
  });
});

describe('trace: what the kernel refuses', () => {
  test.each([
    ['an unknown field', ['-e', 'sched:sched_switch', '--filter', 'prev_pdi==1'], 2, /prev_pid/],
    ['a filter behind the event', ['-e', 'sched:sched_wakeup/success==1/'], 2, /its fields: .*target_cpu/],
    ['a broken filter', ['-e', 'sched:sched_switch', '--filter', 'prev_pid=='], 2, /Invalid argument/],
    ['an unknown event', ['-e', 'sched:sched_swich'], 3, /sched:sched_swich/],
    ['an unknown system', ['-e', 'shed:sched_switch'], 3, /shed:sched_switch/],
  ] as const)('%s: one line, exit code', async (_, args, code, text) => {
    const result = await runKtop(['trace', ...args, '--json', '-n', '1']);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^ktop: [^\n]*\n$/);
    expect(result.stderr).toMatch(text);
  });
});
