/**
 * Probes in kernels that have them: entry and return, arguments by name from the kernel's own types, what the kernel
 * refuses in its words, and what it would take without a word.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row } from '../helpers/ktop.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { findKernels } from './kernels.ts';
import type { Answers, Asked, Told } from './probe-driver.ts';

/** What is refused, a filter, and what is said. */
const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ['p:x no_such_function_xyz', '', /Invalid probed address or symbol; see ktop probe funcs/],
  ['p:x vfs_read+1', '', /not (?:an )?instruction boundary; the offset lies inside an instruction/],
  ['p:x vfs_read y=%nothing', '', /Invalid register name; registers are/],
  ['p:x vfs_read y=$retval', '', /\$retval is not available on probe; /],
  ['r:x vfs_read+40 y=$retval', '', /Retprobe address must be an? function entry; /],
  ['p:x vfs_read y=$nonsense', '', /Invalid \S+.*; /],
  ['p:x vfs_read y=%di:string', '', /String accepts only memory argument; /],
  ['p:x exc_int3', '', /Failed to register probe event; exc_int3 may not be probed/],
  ['exc_int3', '', /exc_int3 is on the kernel's blacklist of kprobes/],
  ['vfs_read+999999', '', /is past the end of vfs_read, which has \d+ bytes/],
  ['p:x vfs_read+999999', '', /is past the end of vfs_read, which has \d+ bytes/],
  ['vfs_read nothing', '', /vfs_read has no argument nothing; it has file, buf, count, pos/],
  ['vfs_read count', 'nothing == 1', /refuses the filter: /],
];

const QUESTION: Asked = {
  tried: REFUSED.map(([definition, filter]) => [definition, filter] as const),
  kept: ['p:r1 hrtimer_nanosleep', 'p:r1 vfs_read x=%di', 'p:r1 vfs_write', 'q=vfs_write count'],
  parameters: ['vfs_read', 'do_sys_openat2'],
};

const SCRIPT = `
say() { echo "$(cut -d' ' -f1 /proc/uptime) $*" >&2; }
echo hello >/tmp/first-name; echo hello >/tmp/second-name
mount -t debugfs debugfs /sys/kernel/debug
say driver
node /job/driver.mjs /job/question.json /out/answers.json || exit 6

say names
start names probe watch 'vfs_read file->f_path.dentry->d_name.name:string count' -i 500 --filter 'name == "first-name"' --by name -y
# Not cat: that of busybox sends, and reads nothing.
for i in 1 2 3 4 5; do for file in first second; do dd if=/tmp/$file-name of=/dev/null 2>/dev/null; done; done
finish

say opens
start opens probe watch 'do_sys_open filename:string' 'ret=do_sys_openat2%return $retval' 'long=hrtimer_nanosleep%return' 'p:later nosuchmodule:some_function' -i 500 -y
for i in $(seq 40); do sleep 2 & done; sleep 3
cat /tmp/first-name >/dev/null
cat /tmp/not-there 2>/dev/null
finish

say latency
start latency probe watch hrtimer_nanosleep --lat -i 500 -y
sleep 0.3; sleep 0.3; sleep 0.3
finish

say few
# With one slot only, the kernel misses most of them.
echo 'r1:few/few hrtimer_nanosleep' >>/sys/kernel/tracing/kprobe_events || exit 9
mkdir /sys/kernel/tracing/instances/few
echo 1 >/sys/kernel/tracing/instances/few/events/few/few/enable
start few probe -i 500
for i in $(seq 40); do sleep 1 & done; sleep 2.5
finish
echo 0 >/sys/kernel/tracing/instances/few/events/few/few/enable
rmdir /sys/kernel/tracing/instances/few
echo '-:few/few' >>/sys/kernel/tracing/kprobe_events

if grep -q 'f\\[:' /sys/kernel/tracing/README; then
say fprobe
start fprobe probe watch 'do_sys_openat2%return fd=$retval filename:string' -i 500 -y
cat /tmp/first-name >/dev/null
finish
fi
cat /sys/kernel/tracing/kprobe_events /sys/kernel/tracing/dynamic_events >/out/left
say end
`;

describe.each(findKernels())('probes on $release', (kernel) => {
  let outcome: Outcome;

  let answers: Answers;

  beforeAll(async () => {
    const work = mkdtempSync(join(tmpdir(), 'probe-'));
    const question = join(work, 'question.json');
    writeFileSync(question, JSON.stringify(QUESTION));
    const driver = join(work, 'driver.mjs');
    await build({
      entryPoints: [fileURLToPath(new URL('probe-driver.ts', import.meta.url))],
      outfile: driver,
      bundle: true,
      format: 'esm',
      platform: 'node',
    });
    const files = { 'question.json': question, 'driver.mjs': driver };
    outcome = await runKtopGuest({ kernel, files, script: SCRIPT });
    answers = JSON.parse(fileOf(outcome, 'answers.json')) as Answers;
    rmSync(work, { recursive: true });
  }, 420_000);

  const last = (name: string): Picture => {
    const picture = picturesOf(outcome, name).at(-1);
    if (picture === undefined) throw new Error(`no picture of ${name}`);
    return picture;
  };
  const records = (name: string): readonly Row[] => picturesOf(outcome, name).flatMap(({ log = [] }) => log);
  const rowOf = (name: string, probe: string): Row => {
    const row = last(name).rows.find((each) => each.name === probe);
    if (row === undefined) throw new Error(`${name} has no row ${probe}`);
    return row;
  };

  test('members by name are fetched and filtered in the kernel', () => {
    expect(rowOf('names', 'vfs_read')).toMatchObject({ kind: 'kprobe', source: 'btf', args: 'name count' });
    const counts = last('names').counts as readonly Row[];
    // dd reads twice: what there is, and that there is no more.
    expect(counts).toEqual([{ probe: 'vfs_read', value: 'first-name', count: 10 }]);
    expect(number(rowOf('names', 'vfs_read'), 'hits')).toBeGreaterThanOrEqual(20);
  });

  test('what tutorials name is inlined; what does its work is probed, and the return besides', () => {
    expect(fileOf(outcome, 'opens.err')).toContain('do_sys_open is inlined where it is called');
    const texts = records('opens').map(({ text }) => String(text));
    expect(
      texts.some((text) =>
        /^probe:do_sys_openat2: \(do_sys_openat2\+0x[04]\/?.*\) filename="\/tmp\/first-name"$/.test(text),
      ),
    ).toBe(true);
    expect(texts.some((text) => /^probe:ret: \(do_sys_openat2\S* <- .*\) ret=-2$/.test(text))).toBe(true);
  });

  test('forty that sleep at once: none is missed, for there are slots enough (A11)', () => {
    const row = rowOf('opens', 'long');
    expect(row).toMatchObject({ kind: 'kretprobe', missed: 0 });
    expect(number(row, 'hits')).toBeGreaterThanOrEqual(40);
  });

  test('where somebody has made one with a single slot, the missed ones are shown (A11)', () => {
    const row = rowOf('few', 'few');
    expect(row).toMatchObject({ kind: 'kretprobe', source: 'few' });
    const states = picturesOf(outcome, 'few').flatMap(({ rows }) => rows.map(({ state }) => state));
    expect(states).toContain('armed');
    expect(number(row, 'missed')).toBeGreaterThanOrEqual(20);
  });

  test('from entry to return', () => {
    const [row] = last('latency').latency as readonly Row[];
    expect(number(row as Row, 'calls')).toBeGreaterThanOrEqual(3);
    expect(number(row as Row, 'max_us')).toBeGreaterThan(290_000);
  });

  test('a module that is not there is waited for', () => {
    expect(rowOf('opens', 'later')).toMatchObject({ state: 'pending', hits: 0 });
    expect(fileOf(outcome, 'opens.err')).toContain(
      'module nosuchmodule is not loaded: the probe waits for it',
    );
  });

  test('one that stays is there until it is deleted; another of its name must have the same arguments', () => {
    const [first, differs, same, other] = answers.kept;
    expect(first?.text).toBe('');
    expect(differs?.text).toMatch(/type or name is different|there is such a probe with other arguments/);
    expect(same?.text).toBe('');
    expect(other?.text).toBe('');
    expect(answers.events).toMatch(/^p:ktop_keep\/r1 hrtimer_nanosleep$/m);
    expect(answers.events).toMatch(/^p:ktop_keep\/r1 vfs_write$/m);
    expect(answers.events).toMatch(/^p:ktop_keep\/q vfs_write count=%dx:x64$/m);
    expect(answers.names.map((names) => [...names].sort())).toEqual([['q', 'r1'], []]);
  });

  test.each(REFUSED.map(([words, filter, said], i) => [words, filter, said, i] as const))(
    'refused: %s %s',
    (_, _filter, said, i) => {
      const { text, lines } = answers.tried[i] as Told;
      expect(text).toMatch(said);
      // The caret stands below what is at fault: within the line above it.
      const caret = lines.findIndex((line) => /^ *\^$/.test(line));
      if (caret > 0)
        expect((lines[caret] as string).length).toBeLessThanOrEqual((lines[caret - 1] as string).length);
    },
  );

  test('the caret is below the register', () => {
    const { lines } = answers.tried[2] as Told;
    expect((lines[0] as string).slice((lines[1] as string).indexOf('^'))).toBe('%nothing');
  });

  test('arguments of functions, from the types of that kernel', () => {
    const [read, open] = answers.parameters as readonly { variables: Row[]; returns: string }[];
    const fetched = (rows: readonly Row[] = []) => rows.map(({ name, fetch }) => `${name}=${fetch}`);
    expect(fetched(read?.variables)).toEqual(['file=%di:x64', 'buf=%si:x64', 'count=%dx:x64', 'pos=%cx:x64']);
    expect(fetched(open?.variables)).toEqual(['dfd=%di:s32', 'filename=%si:x64', 'how=%dx:x64']);
  });

  test('function probes, where the kernel has them: name and result in one record', () => {
    if (!outcome.files.has('fprobe.json')) {
      expect(kernel.series).toBe('6.1');
      return;
    }
    const texts = records('fprobe').map(({ text }) => String(text));
    expect(texts.some((text) => /fd=(?:0x)?3 filename="\/tmp\/first-name"$/.test(text))).toBe(true);
    expect(rowOf('fprobe', 'do_sys_openat2__return')).toMatchObject({ kind: 'fprobe', state: 'armed' });
    expect(number(rowOf('fprobe', 'do_sys_openat2__return'), 'hits')).toBeGreaterThan(0);
  });

  test('nothing of ours is left', () => {
    expect(fileOf(outcome, 'left')).not.toContain('ktop_');
  });
});
