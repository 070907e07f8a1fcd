/**
 * kmemleak against a module that allocates and frees in every way there is: who freed it, where, by which call. And with
 * events of the user’s choice, probes among them.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row } from '../helpers/ktop.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { findKernels } from './kernels.ts';
import { buildModule, OBJECTS } from './module.ts';

const N = 10_000;
const GIVEN = 4_000;
const PAGES = 2_000;

/** Everything freed, in one way each. */
const GONE = ['free', 'remote', 'softirq', 'cache', 'cross', 'null'];
const DEEDS = [...GONE.map((what) => `${what} ${N}`), `keep ${N}`, `half ${2 * N}`]
  .map((deed) => `echo ${deed} >/proc/objects || exit 7`)
  .join('\n');

const SCRIPT = `
insmod ./objects.ko || exit 8
own() { grep ktop_ /sys/kernel/tracing/kprobe_events; ls -d /sys/kernel/tracing/instances/ktop_* 2>/dev/null; }
start site kmemleak -i 1000
own >/out/during
${DEEDS}
finish
own >/out/after
start stack kmemleak -i 1000 -g
${DEEDS}
finish
start killed kmemleak -i 200
kill -9 $ktop
for wait in $(seq 100); do own >/out/killed; [ -s /out/killed ] || break; sleep 0.1; done
start pages kmemleak -i 1000 -g --alloc kmem:mm_page_alloc --free kmem:mm_page_free
echo pages ${PAGES} >/proc/objects || exit 7
finish
cd /sys/kernel/tracing || exit 9
echo 'r:kprobes/mytake objects_take $retval' >>kprobe_events || exit 9
echo 'p:kprobes/mygive objects_give $arg1' >>kprobe_events || exit 9
cd /job || exit 9
start probe kmemleak -i 1000 -g --alloc kprobes:mytake --free kprobes:mygive
echo take ${N} >/proc/objects || exit 7
echo give ${GIVEN} >/proc/objects || exit 7
finish
`;

const last = (outcome: Outcome, name: string): Picture => {
  const picture = picturesOf(outcome, name).at(-1);
  if (picture === undefined) throw new Error(`no picture of ${name}`);
  return picture;
};

/** Rows of what the module asked for. */
const ours = ({ rows }: Picture): readonly Row[] =>
  rows.filter(({ site, stack }) => `${site};${stack}`.includes('[objects]'));

/** Nothing is missing. On a busy machine the emulated reader may take most of a CPU, which is said. */
function expectWhole(picture: Picture): void {
  expect(picture).toMatchObject({ lost: 0, unseen: 0 });
  expect((picture.notes ?? []).filter((note) => !note.startsWith('the reader takes too much'))).toEqual([]);
}

describe.each(findKernels())('kmemleak on $release', (kernel) => {
  let outcome: Outcome;

  beforeAll(async () => {
    const files = { 'objects.ko': buildModule(kernel, OBJECTS) };
    outcome = await runKtopGuest({ kernel, files, script: SCRIPT });
  }, 420_000);

  const counts = (name: string, site: string) =>
    Object.fromEntries(
      ours(last(outcome, name))
        .filter((row) => `${row.site};${row.stack}`.includes(site))
        .map((row) => [row.bucket, number(row, 'count')]),
    );

  describe.each(['site', 'stack'])('rolled up by %s', (name) => {
    test('nothing is lost', () => {
      for (const picture of picturesOf(outcome, name)) expectWhole(picture);
    });

    test('the kept ones are outstanding, all of them', () => {
      expect(counts(name, 'objects_keep')).toEqual({ outstanding: N });
      const row = ours(last(outcome, name)).find((each) => JSON.stringify(each).includes('objects_keep'));
      // 24 bytes of heads and 900 of room come out of the cache of 1024.
      expect(row).toMatchObject({ bytes: N * 1024, comms: `sh(${N})`, unseen_frees: 0 });
    });

    test('of those from the same place some are handed to RCU: in a bucket of their own', () => {
      const half = counts(name, 'objects_half');
      expect(half.outstanding).toBe(N);
      // Those whose memory was given to others meanwhile are gone.
      expect(half['rcu/bulk']).toBeGreaterThan(0);
      expect(half['rcu/bulk']).toBeLessThanOrEqual(N);
      expect(Object.keys(half).length).toBe(2);
    });

    test('what was freed is gone: by the task, in an interrupt, on another CPU, through the other call', () => {
      const rest = ours(last(outcome, name)).filter(
        (row) => !/objects_(keep|half)/.test(`${row.site};${row.stack}`),
      );
      expect(rest).toEqual([]);
    });
  });

  test('the probe it needs lives as long as it does, whatever its end', () => {
    expect(fileOf(outcome, 'during')).toMatch(/^p:ktop_\d+_\d+\/kvfree_call_rcu kvfree_call_rcu/m);
    expect(fileOf(outcome, 'during')).toContain('instances/ktop_');
    expect(fileOf(outcome, 'after')).toBe('');
    expect(fileOf(outcome, 'killed')).toBe('');
  });

  test('--alloc and --free with pages: known by their number, their size by its order', () => {
    const rows = last(outcome, 'pages').rows.filter(({ stack }) => String(stack).includes('objects_pages'));
    expect(rows.reduce((n, row) => n + number(row, 'count'), 0)).toBe(PAGES);
    expect(rows.reduce((n, row) => n + number(row, 'bytes'), 0)).toBe(PAGES * 4096);
  });

  test('--alloc and --free with probes: the only argument is the address, the caller that of the return', () => {
    const rows = last(outcome, 'probe').rows;
    expect(rows.length).toBe(1);
    expect(rows[0]).toMatchObject({ count: N - GIVEN, bucket: 'outstanding', comms: `sh(${N - GIVEN})` });
    expect(String(rows[0]?.site)).toMatch(/^objects_write\+0x[0-9a-f]+ \[objects\]$/);
    for (const picture of picturesOf(outcome, 'probe')) expectWhole(picture);
  });
});
