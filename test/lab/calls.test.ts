/**
 * calls on kernels that trace functions: 6.12 in an instance of its own, 6.1 by the one global tracer. The witness is the
 * kernel's `function` tracer in another instance, over the same run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command } from '../helpers/command.ts';
import { number, type Picture } from '../helpers/ktop.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { copyModule, findKernels } from './kernels.ts';

const SCRIPT = `
cd /sys/kernel/tracing || exit 9
echo 1408 >buffer_size_kb
state() {
	for file in current_tracer tracing_on trace_clock set_ftrace_filter set_ftrace_pid set_ftrace_notrace_pid \\
		set_graph_function max_graph_depth tracing_thresh buffer_size_kb buffer_percent options/function-fork \\
		options/overwrite options/record-cmd options/markers; do
		echo "$file: $(cat /sys/kernel/tracing/$file)"
	done
	ls -d /sys/kernel/tracing/instances/ktop_* /tmp/ktop-tracing.* /dev/shm/ktop-tracing.* 2>/dev/null
}
same() {
	for wait in $(seq 150); do state >"/out/$1"; cmp -s /out/before "/out/$1" && return; sleep 0.1; done
}
calls() { name=$1; shift; node /job/dist/ktop.mjs calls "$@" >"/out/$name.json" 2>"/out/$name.err"; echo $? >"/out/$name.exit"; }
state >/out/before
cd /job || exit 9
insmod ./loop.ko || exit 8
mkdir /tmp/ext3
mount -t ext3 -o loop ./ext3.img /tmp/ext3 || exit 8
ls -l /tmp/ext3 >/dev/null
mkdir /sys/kernel/tracing/instances/witness
cd /sys/kernel/tracing/instances/witness || exit 9
echo 20000 >buffer_size_kb
echo 'ext4_*' >set_ftrace_filter
echo function >current_tracer
cd /job || exit 9
calls ls 'ext3_*' --json -i 500 -- ls -l /tmp/ext3 
cat /sys/kernel/tracing/instances/witness/trace >/out/witness
echo nop >/sys/kernel/tracing/instances/witness/current_tracer
rmdir /sys/kernel/tracing/instances/witness
same after-ls
calls plain 'ext4_*' --plain --collapse -- sh -c 'cat /tmp/ext3/a; exit 3'
calls deep -g __x64_sys_getdents64 --depth 2 --json -i 500 -- ls /tmp/ext3
calls slow 'vfs_*' --than 1 --json -i 500 -- ls -l /tmp/ext3
same after-options
calls none no_such_function_xyz --json -n 1
node /job/dist/ktop.mjs calls 'ext4_*' --json -i 300 >/out/kill.json 2>/out/kill.err &
ktop=$!
until [ -s /out/kill.json ]; do kill -0 $ktop || exit 9; sleep 0.1; done
ls /tmp/ext3 >/dev/null
state >/out/during
kill -9 $ktop
same after-kill
echo vfs_open >/sys/kernel/tracing/set_ftrace_filter
echo function >/sys/kernel/tracing/current_tracer
state >/out/foreign-before
calls foreign 'ext4_*' --json -i 500 -- ls /tmp/ext3
state >/out/foreign-after
cat /proc/uptime >/out/uptime
`;

interface Step {
  readonly since: number;
  readonly tid: number;
  readonly comm: string;
  readonly depth: number;
  readonly arrow: string;
  readonly name: string;
}

/** Lines of the tree of all pictures. */
const linesOf = (pictures: readonly Picture[]): string[] =>
  pictures.flatMap(({ log = [] }) => log.map(({ text }) => String(text)));

function stepsOf(lines: readonly string[]): Step[] {
  return lines.map((line) => {
    const match = /^ *(\d+) (.+)\((\d+)\): ( *)(->|<-|<>) (\S+)/.exec(line);
    if (match === null) throw new Error(`no line of a tree: ${line}`);
    const [, since, comm = '', tid, indent = '', arrow = '', name = ''] = match;
    return { since: Number(since), tid: Number(tid), comm, depth: indent.length, arrow, name };
  });
}

/** Calls by function of one thread, as the kernel's own tracer tells. */
function witnessed(text: string, tid: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^\s*.+-(\d+)\s+\[\d+\].*: (\w+) <-/.exec(line);
    if (match === null || Number(match[1]) !== tid) continue;
    const name = match[2] ?? '';
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  return found;
}

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'ktop-calls-'));
  const image = join(work, 'ext3.img');
  const tree = join(work, 'tree');
  command('mkdir', ['-p', join(tree, 'sub')]);
  for (const name of ['a', 'b', 'sub/c']) command('cp', ['/etc/hostname', join(tree, name)]);
  command('mke2fs', ['-q', '-F', '-t', 'ext3', '-d', tree, image, '4096k']);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe.each(findKernels())('calls on $release', (kernel) => {
  let outcome: Outcome;
  const global = kernel.series === '6.1';

  beforeAll(async () => {
    const modules = join(work, kernel.release);
    copyModule(kernel, 'loop', modules);
    const files = {
      'loop.ko': join(modules, 'lib/modules', kernel.release, 'loop.ko'),
      'ext3.img': join(work, 'ext3.img'),
    };
    outcome = await runKtopGuest({ kernel, files, script: SCRIPT });
  }, 420_000);

  test('ls on ext3: a tree whose every call returns', () => {
    const pictures = picturesOf(outcome, 'ls');
    for (const picture of pictures) expect(picture).toMatchObject({ backend: 'tracefs', lost: 0, unseen: 0 });
    const steps = stepsOf(linesOf(pictures));
    expect(steps.length).toBeGreaterThan(20);
    expect(steps[0]).toMatchObject({ since: 0, depth: 0, arrow: '->' });
    const open = new Map<number, string[]>();
    for (const { tid, depth, arrow, name } of steps) {
      const stack = open.get(tid) ?? [];
      open.set(tid, stack);
      if (arrow === '->') {
        expect(depth).toBe(stack.length);
        stack.push(name);
      } else {
        expect(stack.pop()).toBe(name);
        expect(depth).toBe(stack.length);
      }
    }
    for (const stack of open.values()) expect(stack).toEqual([]);
    expect(new Set(steps.map(({ comm }) => comm))).toContain('ls');
  });

  test('each function as often as the kernel’s own tracer says', () => {
    const pictures = picturesOf(outcome, 'ls');
    const rows = pictures.at(-1)?.rows ?? [];
    const tids = new Set(stepsOf(linesOf(pictures)).map(({ tid }) => tid));
    expect(tids.size).toBe(1);
    const ours = Object.fromEntries(rows.map((row) => [row.function, number(row, 'calls')]));
    const theirs = Object.fromEntries(witnessed(fileOf(outcome, 'witness'), [...tids][0] as number));
    expect(Object.keys(theirs).length).toBeGreaterThan(5);
    expect(ours).toEqual(theirs);
  });

  test('times: self is no more than total, the whole is the sum of its parts', () => {
    const { rows, stacks } = picturesOf(outcome, 'ls').at(-1) as Picture;
    let self = 0;
    for (const row of rows) {
      expect(number(row, 'self_us')).toBeLessThanOrEqual(number(row, 'total_us') + 0.001);
      expect(number(row, 'max_us')).toBeLessThanOrEqual(number(row, 'total_us') + 0.001);
      self += number(row, 'self_us');
    }
    const folded = (stacks as { count: number }[]).reduce((sum, { count }) => sum + count, 0);
    expect(Math.abs(folded - self * 1000)).toBeLessThanOrEqual(rows.length);
  });

  test('what is said: ext3 is ext4, how the command ended, whose tracer it is', () => {
    const notes = (picturesOf(outcome, 'ls').at(-1)?.notes ?? []).join('\n');
    expect(notes).toContain('ext3 is served by ext4');
    expect(notes).toContain('ls ended with exit code 0');
    expect(notes.includes('global tracer is borrowed')).toBe(global);
    expect(fileOf(outcome, 'ls.exit').trim()).toBe('0');
    // The command's own output is not among ours.
    expect(fileOf(outcome, 'ls.err')).toContain('sub');
  });

  test('--plain --collapse: leaves in one line, children of the command among them', () => {
    const text = fileOf(outcome, 'plain.json');
    expect(text).toContain('note: sh ended with exit code 3');
    expect(text).toMatch(/^ *\d+ cat\(\d+\): +<> ext4_\w+ {2}[\d.]+ us$/m);
    expect(text).toMatch(/^ *0 \w+\(\d+\): -> ext4_\w+$/m);
  });

  test('-g and --depth: what one function calls, so deep', () => {
    const steps = stepsOf(linesOf(picturesOf(outcome, 'deep')));
    expect(new Set(steps.filter(({ depth }) => depth === 0).map(({ name }) => name))).toEqual(
      new Set(['__x64_sys_getdents64']),
    );
    expect(Math.max(...steps.map(({ depth }) => depth))).toBe(1);
  });

  test('--than: only calls that took longer', () => {
    const rows = picturesOf(outcome, 'slow').at(-1)?.rows ?? [];
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(number(row, 'avg_us')).toBeGreaterThanOrEqual(1);
  });

  test('no such function is a usage error', () => {
    expect(fileOf(outcome, 'none.exit').trim()).toBe('2');
    expect(fileOf(outcome, 'none.err')).toContain('no function matches "no_such_function_xyz"');
  });

  test('nothing of it is left, whatever its end', () => {
    const before = fileOf(outcome, 'before');
    expect(before).toContain('current_tracer: nop');
    const during = fileOf(outcome, 'during');
    expect(during.includes('current_tracer: function_graph')).toBe(global);
    expect(during.includes('instances/ktop_')).toBe(!global);
    for (const name of ['after-ls', 'after-options', 'after-kill'])
      expect(fileOf(outcome, name), name).toBe(before);
  });

  test('another tool’s tracer stays as it is', () => {
    expect(fileOf(outcome, 'foreign-after')).toBe(fileOf(outcome, 'foreign-before'));
    expect(fileOf(outcome, 'foreign-after')).toContain('current_tracer: function\n');
    expect(fileOf(outcome, 'foreign.exit').trim()).toBe(global ? '3' : '0');
    if (global) expect(fileOf(outcome, 'foreign.err')).toContain('current_tracer is function');
    else expect(picturesOf(outcome, 'foreign').at(-1)?.rows.length).toBeGreaterThan(0);
  });
});
