import { describe, expect, test } from 'vitest';
import { Clusters } from '../../src/vmcore/cluster/clusters.ts';
import { bCubed, pairwise } from '../../src/vmcore/cluster/evaluate.ts';
import { explain, sentence } from '../../src/vmcore/cluster/explain.ts';
import {
  type Features,
  featuresOf,
  uptimeBucket,
  withoutNumbers,
} from '../../src/vmcore/cluster/features.ts';
import { comparedStack, foldRecursion, isTelling, normaliseFrame } from '../../src/vmcore/cluster/frames.ts';
import { stackFromLog } from '../../src/vmcore/cluster/log-stack.ts';
import { alignment, distance, Vocabulary } from '../../src/vmcore/cluster/model.ts';
import { Pins } from '../../src/vmcore/cluster/pins.ts';
import { relatedGroups } from '../../src/vmcore/cluster/related.ts';
import type { CrashClass } from '../../src/vmcore/report.ts';
import { editDistance, editDistanceClusters } from '../helpers/cluster/baseline.ts';
import { fleet } from '../helpers/cluster/generate.ts';
import { report } from '../helpers/report.ts';

const SYSCALL = ['do_syscall_64', 'entry_SYSCALL_64_after_hwframe'];
const PATH = ['ext4_mb_free', 'ext4_free_blocks', 'ext4_ext_truncate', 'ext4_truncate', 'ext4_setattr'];

function core(key: string, stack: readonly string[], more: Partial<Features> = {}): Features {
  return { key, class: 'null-deref', stack, folded: 0, traits: {}, ...more };
}

describe('frames', () => {
  test.each([
    ['ext4_free_blocks+0x1f/0x40', 'ext4_free_blocks'],
    ['ext4_free_blocks.isra.0+0x1f/0x40 [ext4]', 'ext4_free_blocks [ext4]'],
    [' ? foo.constprop.0.cold+0x1/0x2 [bar 0123456789abcdef]', 'foo [bar]'],
    ['__x64_sys_write', 'sys_write'],
    ['ksys_write', 'sys_write'],
    ['__do_sys_finit_module', 'sys_finit_module'],
    ['walk.llvm.1234567890', 'walk'],
    ['', ''],
  ])('%j is %j', (text, frame) => expect(normaliseFrame(text)).toBe(frame));

  test('machinery goes, but not a module that has a function of that name', () => {
    const { frames } = comparedStack([
      'panic',
      'oops_end',
      'watchdog [mydrv]',
      'probe [mydrv]',
      'ffffffffc0401000',
      'kthread',
    ]);
    expect(frames).toEqual(['watchdog [mydrv]', 'probe [mydrv]', 'kthread']);
  });

  test('recursion becomes one turn of it, with a count', () => {
    const walk = comparedStack([...Array<string>(40).fill('deeprec_walk+0x10/0x40'), 'deeprec_start']);
    expect(walk).toEqual({ frames: ['deeprec_walk', 'deeprec_start'], folded: 39 });
    const mutual = [...Array.from({ length: 5 }, () => ['a', 'b', 'c']).flat(), 'd'];
    expect(foldRecursion(mutual)).toEqual({ frames: ['a', 'b', 'c', 'd'], folded: 12 });
    // Twice round is no proof, and what is not repeated stays.
    expect(foldRecursion(['a', 'b', 'a', 'b', 'c']).frames).toEqual(['a', 'b', 'a', 'b', 'c']);
  });

  test('who may be blamed', () => {
    expect(['ext4_free_blocks', 'schedule', 'panic', 'memcpy'].map(isTelling)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('the stack in the log', () => {
  const OOPS = [
    'usb 1-1: new device',
    'BUG: kernel NULL pointer dereference, address: 0000000000000018',
    'Modules linked in: culprit(OE) qemu_fw_cfg',
    'RIP: 0010:weigh_missing+0x5/0x10 [culprit]',
    'RSP: 0018:ffffce26004839c8 EFLAGS: 00000246',
    'Call Trace:',
    ' <TASK>',
    ' culprit_null+0xc/0x20 [culprit 0123abcd]',
    ' ? exit_to_user_mode_prepare+0x44/0x240',
    ' proc_reg_write+0x53/0xa0',
    ' ksys_write.constprop.0+0x6b/0xf0',
    'RIP: 0033:0x47b7a0',
    ' not_any_more+0x1/0x2',
  ];
  test('instruction and trace, without what is doubted, up to the end', () => {
    expect(stackFromLog(OOPS, 1)).toEqual([
      'weigh_missing+0x5/0x10 [culprit]',
      'culprit_null+0xc/0x20 [culprit 0123abcd]',
      'proc_reg_write+0x53/0xa0',
      'ksys_write.constprop.0+0x6b/0xf0',
    ]);
    expect(comparedStack(stackFromLog(OOPS, 1)).frames).toEqual([
      'weigh_missing [culprit]',
      'culprit_null [culprit]',
      'proc_reg_write',
      'sys_write',
    ]);
  });

  test('only of the first task that hangs; nothing where only idling is to be seen', () => {
    const hung = [
      'INFO: task a:1 blocked',
      'Call Trace:',
      ' schedule+0x1/0x2',
      ' wait_a+0x1/0x2',
      'INFO: task b:2 blocked',
      'Call Trace:',
      ' wait_b+0x1/0x2',
    ];
    expect(stackFromLog(hung, 0)).toEqual(['schedule+0x1/0x2', 'wait_a+0x1/0x2']);
    expect(
      stackFromLog(
        ['NMI', 'Call Trace:', ' panic+0x1/0x2', 'RIP: 0010:native_safe_halt+0x1/0x2', ' do_idle+0x1/0x2'],
        0,
      ),
    ).toEqual([]);
    expect(stackFromLog(OOPS, 99)).toEqual([]);
    expect(stackFromLog([], 0)).toEqual([]);
  });

  test('is what a core goes by whose memory cannot be read', () => {
    const made = report({ crash: { class: 'null-deref', log_index: 1 }, log: OOPS });
    expect(featuresOf(made, 'k')).toMatchObject({
      stack: ['weigh_missing [culprit]', 'culprit_null [culprit]', 'proc_reg_write', 'sys_write'],
      traits: { blame: 'weigh_missing', module: 'culprit' },
    });
  });
});

describe('distance', () => {
  const words = new Vocabulary();
  const far = (a: Features, b: Features): number => distance(words, words.prepare(a), words.prepare(b));
  const base = core('a', [...PATH, ...SYSCALL]);

  test('same stack 0, nothing in common 1, the same both ways', () => {
    expect(far(base, core('b', [...PATH, ...SYSCALL]))).toBe(0);
    expect(far(base, core('b', ['tcp_sendmsg', 'sock_sendmsg']))).toBe(1);
    const near = core('b', [...PATH.slice(1), 'notify_change', ...SYSCALL]);
    expect(far(base, near)).toBeCloseTo(far(near, base), 12);
  });

  test('what is near the fault counts more than what is far out, entry hardly at all', () => {
    const top = far(base, core('b', ['other', ...PATH.slice(1), ...SYSCALL]));
    const middle = far(base, core('b', [...PATH.slice(0, 3), 'other', ...PATH.slice(4), ...SYSCALL]));
    const entry = far(base, core('b', [...PATH, 'kthread', 'ret_from_fork']));
    expect(top).toBeGreaterThan(middle);
    expect(middle).toBeGreaterThan(entry);
    expect(entry).toBeLessThan(0.1);
  });

  test('the limit never changes a distance below it', () => {
    const { cores } = fleet(60, { seed: 7 });
    const vocabulary = new Vocabulary();
    const prepared = cores.map((one) => vocabulary.prepare(one));
    for (const one of prepared)
      for (const other of prepared) {
        const exact = distance(vocabulary, one, other);
        const limited = distance(vocabulary, one, other, 0.4);
        if (exact <= 0.4) expect(limited).toBe(exact);
        else expect(limited).toBeGreaterThan(0.4);
      }
  });

  test('the alignment is what the distance is made of', () => {
    const { cores } = fleet(40, { seed: 3 });
    const vocabulary = new Vocabulary();
    const prepared = cores.map((one) => vocabulary.prepare({ ...one, class: 'bug' }));
    for (const one of prepared)
      for (const other of prepared) {
        const steps = alignment(vocabulary, one, other);
        const alone = steps.filter((step) => step.in !== 'both').reduce((sum, { share }) => sum + share, 0);
        const whole = distance(vocabulary, one, other);
        // The rest is the distance of places between paired frames.
        expect(alone).toBeLessThanOrEqual(whole + 1e-9);
        expect(steps.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
        expect(steps.filter((step) => step.in !== 'b')).toHaveLength(one.frames.length);
        expect(steps.filter((step) => step.in !== 'a')).toHaveLength(other.frames.length);
      }
  });

  test.each<[CrashClass, CrashClass, boolean]>([
    ['null-deref', 'gpf', true],
    ['page-fault', 'kasan', true],
    ['soft-lockup', 'rcu-stall', true],
    ['null-deref', 'soft-lockup', false],
    ['hung-task', 'oom', false],
  ])('the same stack as %s and %s: the same bug %s', (one, two, same) => {
    const d = far(core('a', PATH, { class: one }), core('b', PATH, { class: two }));
    expect(d).toBe(same ? 0 : 0.5);
  });

  test('a signature decides whatever the stacks', () => {
    const slab = core('a', PATH, { class: 'oom', signature: 'slab:leaky' });
    expect(far(slab, core('b', ['other'], { class: 'oom', signature: 'slab:leaky' }))).toBe(0);
    expect(far(slab, core('b', PATH, { class: 'oom', signature: 'anon' }))).toBe(1);
  });

  test('two cores without a stack are not the same', () => {
    expect(far(core('a', []), core('b', PATH))).toBe(1);
  });
});

describe('clusters', () => {
  const near = (key: string): Features => core(key, [...PATH, 'kthread']);

  test('one joins the nearest, says why, and is not added twice', () => {
    const clusters = new Clusters();
    expect(clusters.add(core('a', [...PATH, ...SYSCALL]))).toMatchObject({ cluster: 1, reason: 'founder' });
    expect(clusters.add(core('b', [...PATH, ...SYSCALL]))).toMatchObject({
      cluster: 1,
      reason: 'exact',
      nearest: 'a',
    });
    expect(clusters.add(near('c'))).toMatchObject({ cluster: 1, reason: 'near', nearest: 'a' });
    expect(clusters.add(core('d', ['tcp_sendmsg']))).toMatchObject({ cluster: 2, reason: 'founder' });
    expect(clusters.add(core('d', PATH)).cluster).toBe(2);
    expect(clusters.membersOf(1)).toEqual(['a', 'b', 'c']);
    expect(clusters.size).toBe(4);
  });

  test('restored as it was, it goes on with the same numbers', () => {
    const { cores } = fleet(400, { seed: 5 });
    const whole = new Clusters();
    for (const one of cores) whole.add(one);
    const first = new Clusters();
    for (const one of cores.slice(0, 300)) first.add(one);
    const second = new Clusters();
    for (const one of cores.slice(0, 300)) second.restore(one, first.member(one.key) as never);
    second.next = first.next;
    for (const one of cores.slice(300)) second.add(one);
    for (const { key } of cores) expect(second.member(key)?.cluster).toBe(whole.member(key)?.cluster);
  });

  test('merged by the user: remembered when everything is clustered anew, in any order', () => {
    const [a, b, other] = [
      core('a', PATH),
      core('b', ['tcp_sendmsg', 'sock_sendmsg']),
      core('c', ['xfs_free']),
    ];
    const clusters = new Clusters();
    for (const one of [a, b, other]) clusters.add(one);
    expect(clusters.merge(1, 2)).toBe(true);
    expect(clusters.membersOf(1)).toEqual(['a', 'b']);
    expect(clusters.membersOf(2)).toEqual([]);
    // What is like either of the two belongs there from now on.
    expect(clusters.add(core('d', ['tcp_sendmsg', 'sock_sendmsg'])).cluster).toBe(1);
    const pins = new Pins(JSON.parse(JSON.stringify(clusters.pins)));
    const anew = new Clusters({}, pins);
    for (const one of [other, b, a]) anew.add(one);
    expect(anew.member('a')?.cluster).toBe(anew.member('b')?.cluster);
    expect(anew.member('c')?.cluster).not.toBe(anew.member('b')?.cluster);
    expect(clusters.merge(1, 99)).toBe(false);
  });

  test('split by the user: kept apart though the stacks are the same', () => {
    const clusters = new Clusters();
    for (const key of ['a', 'b', 'c', 'd']) clusters.add(core(key, PATH));
    expect(clusters.split(['c', 'd'])).toBe(2);
    expect(clusters.membersOf(1)).toEqual(['a', 'b']);
    expect(clusters.membersOf(2)).toEqual(['c', 'd']);
    const anew = new Clusters({}, new Pins(JSON.parse(JSON.stringify(clusters.pins))));
    for (const key of ['a', 'c', 'd']) anew.add(core(key, PATH));
    expect(anew.member('c')?.cluster).toBe(anew.member('d')?.cluster);
    expect(anew.member('a')?.cluster).not.toBe(anew.member('c')?.cluster);
    // Neither all of a cluster nor cores of two can be split off.
    expect(clusters.split(['a', 'b'])).toBeUndefined();
    expect(clusters.split(['a', 'c'])).toBeUndefined();
  });

  test('the last decision holds', () => {
    const clusters = new Clusters();
    for (const key of ['a', 'b', 'c']) clusters.add(core(key, PATH));
    clusters.split(['c']);
    clusters.merge(1, 2);
    expect(clusters.pins.barred('c').size).toBe(0);
    expect(clusters.membersOf(1)).toEqual(['a', 'b', 'c']);
    clusters.split(['c']);
    expect(clusters.pins.tied('c').size).toBe(0);
    expect(clusters.member('c')?.cluster).not.toBe(1);
  });

  test('similar: nearest first, of a core that need not be a member', () => {
    const clusters = new Clusters();
    clusters.add(core('same', PATH));
    clusters.add(core('near', [...PATH.slice(1), 'x']));
    clusters.add(core('far', ['tcp_sendmsg']));
    expect(clusters.similar(core('new', PATH)).map(({ key }) => key)).toEqual(['same', 'near']);
  });

  test('related: bugs that share most but not all of their way', () => {
    const clusters = new Clusters();
    clusters.add(core('a', ['one_thing', 'one_step', ...PATH.slice(0, 4)]));
    clusters.add(core('b', ['another_thing', 'another_step', ...PATH.slice(0, 4)]));
    clusters.add(core('c', ['tcp_sendmsg', 'sock_sendmsg']));
    expect(clusters.ids()).toEqual([1, 2, 3]);
    expect(relatedGroups(clusters)).toEqual([[1, 2]]);
    expect(relatedGroups(clusters, 0.1)).toEqual([]);
  });

  test('explained', () => {
    const a = core('a', ['ext4_mb_free', ...PATH.slice(1), 'sys_write', ...SYSCALL], {
      traits: { release: '6.1', lock: 'inode_lock' },
    });
    const b = core('b', ['memcpy', ...PATH.slice(0, 4), 'sys_ioctl', ...SYSCALL], {
      class: 'gpf',
      traits: { release: '6.12', lock: 'inode_lock' },
    });
    const text = sentence(explain(new Vocabulary(), a, b));
    expect(text).toMatch(
      /^same because classes null-deref and gpf are of one family, shared frames ext4_mb_free ← /,
    );
    expect(text).toContain('lock inode_lock');
    expect(text).toContain('; differs in frames (ext4_setattr / memcpy)');
    expect(text).toContain('entry (sys_write / sys_ioctl)');
    expect(text).toContain('kernel (6.1 / 6.12)');
  });
});

describe('on made-up fleets, where the causes are known', () => {
  const shown = fleet(400, { seed: 11, bugs: 80 });
  const clusters = new Clusters();
  for (const one of shown.cores) clusters.add(one);
  const found = new Map(shown.cores.map(({ key }) => [key, clusters.member(key)?.cluster as number]));

  test('B-cubed F above .88, and .15 above the edit distance of panic stacks', () => {
    const ours = bCubed(shown.truth, found);
    const theirs = bCubed(shown.truth, editDistanceClusters(shown.panicStacks));
    expect(ours.f).toBeGreaterThan(0.88);
    expect(ours.precision).toBeGreaterThan(0.97);
    expect(ours.f - theirs.f).toBeGreaterThan(0.15);
  });

  test('the order of arrival changes little', () => {
    const backwards = new Clusters();
    for (const one of [...shown.cores].reverse()) backwards.add(one);
    const other = new Map(shown.cores.map(({ key }) => [key, backwards.member(key)?.cluster as number]));
    expect(bCubed(found, other).f).toBeGreaterThan(0.9);
  });
});

describe('figures of merit', () => {
  const truth = new Map([
    ['a', 'x'],
    ['b', 'x'],
    ['c', 'y'],
    ['d', 'y'],
  ]);
  test('perfect, all in one, all alone', () => {
    expect(bCubed(truth, truth)).toEqual({ precision: 1, recall: 1, f: 1 });
    expect(bCubed(truth, new Map([...truth.keys()].map((key) => [key, 0])))).toMatchObject({
      precision: 0.5,
      recall: 1,
    });
    expect(bCubed(truth, new Map([...truth.keys()].map((key) => [key, key])))).toMatchObject({
      precision: 1,
      recall: 0.5,
    });
  });
  test('by hand: {a b c} {d}', () => {
    const found = new Map([
      ['a', 1],
      ['b', 1],
      ['c', 1],
      ['d', 2],
    ]);
    // precision (2/3 + 2/3 + 1/3 + 1) / 4, recall (1 + 1 + 1/2 + 1/2) / 4
    expect(bCubed(truth, found)).toMatchObject({ precision: 2 / 3, recall: 0.75 });
    // one true pair of three made, of two to be made
    expect(pairwise(truth, found)).toMatchObject({ precision: 1 / 3, recall: 0.5, f: 0.4 });
    expect(bCubed(truth, found, new Set(['d']))).toMatchObject({ precision: 1, recall: 0.5 });
  });
  test('edit distance: insert, remove, replace, swap', () => {
    const d = (a: string, b: string): number => editDistance([...a], [...b]) * Math.max(a.length, b.length);
    expect([
      d('abc', 'abc'),
      d('abc', 'abxc'),
      d('abc', 'ac'),
      d('abc', 'axc'),
      d('abc', 'acb'),
      d('', 'ab'),
    ]).toEqual([0, 1, 1, 1, 1, 2]);
  });
});

test('texts without what changes from one crash to the next', () => {
  expect(withoutNumbers('CPU#3 stuck for 26s! [kworker/1:2:77] at 0xffffffffc0401234')).toBe(
    'CPU## stuck for #s! [kworker/#:#:#] at #',
  );
  expect([30, 90, 7200, 1e5, 1e7, Number.NaN].map(uptimeBucket)).toEqual([
    '<1m',
    '<1h',
    '<1d',
    '<1w',
    'more',
    '',
  ]);
});
