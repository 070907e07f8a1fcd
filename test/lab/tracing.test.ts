/**
 * What only kernels with all of tracing have: event probes, whose records perf never delivers; arguments by name in modules;
 * histograms of probes, against the kernel's own hist triggers; and what the doctor says of such kernels.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row } from '../helpers/ktop.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { copyModule, findKernels } from './kernels.ts';

const SCRIPT = `
ktop() { node /job/dist/ktop.mjs "$@"; }
state() {
	cd /sys/kernel/tracing
	for file in current_tracer tracing_on set_ftrace_filter set_ftrace_pid set_ftrace_notrace_pid dynamic_events synthetic_events; do
		echo "$file: $(cat $file)"
	done
	ls instances
	cd /job
}
state >/out/before
ktop doctor --json >/out/doctor.json || exit 8
# What was borrowed is put back at the latest when ktop's guardian sees it gone.
for wait in $(seq 100); do state >/out/after; cmp -s /out/before /out/after && break; sleep 0.1; done
echo vfs_open >/sys/kernel/tracing/set_ftrace_filter
echo function >/sys/kernel/tracing/current_tracer
ktop doctor --json >/out/foreign.json || exit 8
cat /sys/kernel/tracing/current_tracer /sys/kernel/tracing/set_ftrace_filter >/out/foreign
echo nop >/sys/kernel/tracing/current_tracer
echo >/sys/kernel/tracing/set_ftrace_filter

echo hello >/tmp/first-name
start eprobe probe watch 'e:opened syscalls.sys_enter_openat file=+0($filename):ustring flags=$flags:x32' -i 500 --by file -y
for i in 1 2 3 4 5; do cat /tmp/first-name >/dev/null; done
finish

ktop probe add 'e:op syscalls.sys_enter_openat flags=$flags:u32' 'rd=vfs_read count=%dx:u64' >/out/added || exit 8
start wide probe watch 'r500:wide hrtimer_nanosleep' -i 500 -y
cat /sys/kernel/tracing/kprobe_events >/out/wide
finish
witness sched/sched_process_fork
echo 'hist:keys=count if comm == "dd"' >/sys/kernel/tracing/instances/witness/events/ktop_keep/rd/trigger || exit 7
echo 1 >/sys/kernel/tracing/instances/witness/tracing_on
start hist hist ktop_keep:rd count -f comm=dd -b '0 100 101 700 701' -i 500
dd if=/dev/zero of=/dev/null bs=100 count=70 2>/dev/null
dd if=/dev/zero of=/dev/null bs=700 count=30 2>/dev/null
finish
cat /sys/kernel/tracing/instances/witness/events/ktop_keep/rd/hist >/out/hist.kernel
echo '!hist:keys=count if comm == "dd"' >/sys/kernel/tracing/instances/witness/events/ktop_keep/rd/trigger
start derived hist ktop_keep:op flags -f comm=cat -b '0 1' -i 500
for i in 1 2 3 4 5; do cat /tmp/first-name >/dev/null; done
finish
ktop trace -e ktop_keep:op --backend perf --json -n 1 -i 200 >/out/refused 2>/out/refused.err
echo $? >/out/refused.exit
rmdir /sys/kernel/tracing/instances/witness
ktop probe del op rd || exit 8

ktop calls vfs_fsync --json -n 1 -i 300 >/out/rare.json 2>/out/rare.err
echo $? >/out/rare.exit

insmod ./loop.ko || exit 8
dd if=/dev/zero of=/tmp/image bs=64k count=16 2>/dev/null
losetup /dev/loop3 /tmp/image || exit 8
ktop probe vars loop:loop_process_work --json >/out/vars.json 2>/out/vars.err
start module probe watch 'loop:loop_process_work lo->lo_number' -i 500 --by lo_number -y
dd if=/dev/loop3 of=/dev/null bs=64k count=16 2>/dev/null
finish
losetup -d /dev/loop3
cat /sys/kernel/tracing/dynamic_events >/out/left
`;

/** What both kernels of Debian have; the newer one has more. */
const BOTH = {
  tracefs: 'yes',
  instance: 'yes',
  'function-tracer': 'yes',
  'function-graph': 'yes',
  'user-text-filter': 'yes',
  'event-pid': 'yes',
  'hist-trigger': 'yes',
  'synthetic-event': 'yes',
  'function-profiler': 'no',
  'syscall-events': 'yes',
  kprobe: 'yes',
  kretprobe: 'yes',
  uprobe: 'yes',
  eprobe: 'yes',
  types: 'yes',
  'kernel-symbols': 'yes',
  perf: 'yes',
  'cpu-clock': 'yes',
  'loss-counts': 'yes',
  'not-locked-down': 'yes',
  'process-io': 'yes',
  'perf-tool': 'yes',
  debuginfo: 'no',
};
const SINCE_612 = ['graph-instance', 'fprobe', 'tprobe', 'named-arguments'];

interface Capability {
  readonly name: string;
  readonly state: string;
  readonly why: string;
}

describe.each(findKernels())('tracing on $release', (kernel) => {
  let outcome: Outcome;
  const old = kernel.series === '6.1';

  beforeAll(async () => {
    const work = mkdtempSync(join(tmpdir(), 'ktop-tracing-'));
    copyModule(kernel, 'loop', work);
    const files = { 'loop.ko': join(work, 'lib/modules', kernel.release, 'loop.ko') };
    outcome = await runKtopGuest({ kernel, files, script: SCRIPT });
    rmSync(work, { recursive: true });
  }, 420_000);

  const last = (name: string): Picture => picturesOf(outcome, name).at(-1) as Picture;
  const told = (name: string) =>
    (JSON.parse(fileOf(outcome, `${name}.json`)) as { capabilities: Capability[] }).capabilities;
  const statesOf = (name: string) => Object.fromEntries(told(name).map((each) => [each.name, each.state]));

  test('the doctor finds what these kernels have, and leaves them as they were (A10)', () => {
    const newer = Object.fromEntries(SINCE_612.map((name) => [name, old ? 'no' : 'yes']));
    expect(statesOf('doctor')).toMatchObject({ ...BOTH, ...newer });
    expect(fileOf(outcome, 'after')).toBe(fileOf(outcome, 'before'));
  });

  test('another tool’s tracer is left alone', () => {
    const graph = told('foreign').find(({ name }) => name === 'function-graph');
    expect(graph?.state).toBe(old ? 'no' : 'yes');
    if (old) expect(graph?.why).toContain('in use: current_tracer is function');
    expect(fileOf(outcome, 'foreign')).toMatch(/^function\nvfs_open\n$/);
  });

  test('an event probe: its records come, though perf has none of them', () => {
    const picture = last('eprobe');
    expect(picture).toMatchObject({ backend: 'tracefs + /proc', lost: 0 });
    expect(picture.rows[0]).toMatchObject({
      name: 'opened',
      kind: 'eprobe',
      args: 'file flags',
      state: 'armed',
    });
    const counts = picture.counts as readonly Row[];
    expect(counts).toContainEqual({ probe: 'opened', value: '/tmp/first-name', count: 5 });
    expect(fileOf(outcome, 'refused.exit').trim()).toBe('2');
    expect(fileOf(outcome, 'refused.err')).toContain('leave --backend perf out');
  });

  test('a histogram of an event probe’s field', () => {
    const { rows, backend } = last('derived');
    expect(backend).toBe('tracefs');
    const total = rows.reduce((sum, row) => sum + number(row, 'total'), 0);
    expect(total).toBe(5);
  });

  test('a histogram of a probe’s argument is that of the kernel’s hist trigger', () => {
    const theirs = [...fileOf(outcome, 'hist.kernel').matchAll(/\{ count: +(\d+) \} hitcount: +(\d+)/g)].map(
      ([, value, hits]) => [Number(value), Number(hits)] as const,
    );
    const within = (low: number, high: number) =>
      theirs.reduce((sum, [value, hits]) => sum + (value >= low && value <= high ? hits : 0), 0);
    expect(within(100, 100)).toBe(70);
    expect(within(700, 700)).toBe(30);
    const ours = last('hist').rows.map((row) => [row.low, number(row, 'total')]);
    expect(ours).toEqual([
      [0, within(0, 99)],
      [100, 70],
      [101, within(101, 699)],
      [700, 30],
      [701, within(701, Number.POSITIVE_INFINITY)],
    ]);
  });

  test('slots of a return probe are as many as somebody asks for', () => {
    expect(fileOf(outcome, 'wide')).toMatch(/^r500:ktop_\d+_\d+\/wide hrtimer_nanosleep/m);
  });

  test('what is called rarely is tried and traced, unasked', () => {
    expect(fileOf(outcome, 'rare.exit').trim()).toBe('0');
    expect(fileOf(outcome, 'rare.err')).toBe('');
    expect(last('rare')).toMatchObject({ monitor: 'calls', lost: 0 });
  });

  test('members of a module’s own struct, by name', () => {
    const { variables } = JSON.parse(fileOf(outcome, 'vars.json')) as { variables: Row[] };
    expect(variables.map(({ name, fetch }) => `${name} ${fetch}`)).toContain('lo %dx:x64');
    const picture = last('module');
    expect(picture.rows[0]).toMatchObject({ kind: 'kprobe', source: 'btf', args: 'lo_number' });
    const counts = picture.counts as readonly Row[];
    expect(counts.map(({ value }) => value)).toEqual(['3']);
    expect(number(counts[0] as Row, 'count')).toBeGreaterThan(0);
  });

  test('nothing of ours is left', () => {
    expect(fileOf(outcome, 'left')).not.toContain('ktop_');
  });
});
