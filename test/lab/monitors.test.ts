/**
 * Every monitor on other kernels: event formats drift between versions. In each guest a monitor opens and
 * shows its load, or says in one sentence what is missing. perf loses no samples there, so the perf back-end
 * of task-state is held against `perf script`.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { number, sum } from '../helpers/ktop.ts';
import { workload } from '../helpers/workload.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { findKernels } from './kernels.ts';
import { longWaits } from './perf-script.ts';

const MONITORS = ['nettop', 'disktop', 'cpu-util', 'task-state', 'kvm-exit', 'kmemleak'] as const;

/** Runs `load` under the monitor; status and one-line complaint are kept when it cannot open. */
const observe = (monitor: string, load: string) => `
echo "# ${monitor} $(cat /proc/uptime)" >&2
node /job/dist/ktop.mjs ${monitor} --budget off --json -i 500 -n 4 >/out/${monitor}.json 2>/out/${monitor}.err &
ktop=$!
until [ -s /out/${monitor}.json ] || ! kill -0 $ktop 2>/dev/null; do sleep 0.1; done
{ ${load}; } </dev/null >/out/${monitor}.load
wait $ktop
echo $? >/out/${monitor}.exit
`;

const SCRIPT = `
node /job/dist/ktop.mjs list --json >/out/list.json || exit 7
${observe('nettop', './net tcp 20 10000 2')}
${observe('disktop', './disk direct-write /data 1048576; sleep 1')}
${observe('cpu-util', './burn 0 user 2')}
${observe('task-state', './waits disk 2 300')}
${observe('kvm-exit', 'true')}
sleep 3 | ./objects 3000 3000 0 1 >/out/objects.load &
${observe('kmemleak', 'sleep 1 | ./objects 2000 2000 0 1')}
start hist hist syscalls:sys_exit_read ret -f comm=dd -b '0 1 100 101' -i 500
perf stat -a -x , -o /out/hist.stat -e syscalls:sys_exit_read --filter 'comm == "dd"' \\
  -e syscalls:sys_exit_read --filter 'comm == "dd" && ret == 100' \\
  -- dd if=/dev/zero of=/dev/null bs=100 count=300 2>/dev/null
finish
start opens watch 'do_sys_openat2 file=+0(%si):ustring if comm=cat and file="/job/script"' --count file -i 500
perf stat -o /tmp/none -- cat /job/script /job/script /job/script >/dev/null
finish
perf record -q -a -e sched:sched_switch,sched:sched_wakeup,sched:sched_wakeup_new -o /tmp/perf.data -- sleep 12 &
sleep 1
start perf task-state -i 1000 --backend perf
./waits sleep 4 150 </dev/null >/out/sleep.load
./waits disk 3 300 </dev/null >/out/disk.load
finish
wait
perf script --ns -i /tmp/perf.data -F comm,tid,cpu,time,event,trace 2>/dev/null | grep w- >/out/script
`;

describe.each(findKernels())('monitors on $release', (kernel) => {
  let outcome: Outcome;

  beforeAll(async () => {
    const programs = ['net', 'disk', 'burn', 'waits', 'objects'];
    const files = Object.fromEntries(programs.map((name) => [name, workload(name)]));
    outcome = await runKtopGuest({ kernel, modules: ['kvm-amd'], files, script: SCRIPT });
  }, 420_000);

  const load = <T>(name: string) => JSON.parse(fileOf(outcome, `${name}.load`)) as T;

  test('list knows all and what this kernel gives', () => {
    const { monitors } = JSON.parse(fileOf(outcome, 'list.json')) as {
      monitors: { name: string; state: string; why: string }[];
    };
    expect(monitors.map(({ name }) => name)).toEqual(expect.arrayContaining([...MONITORS]));
    for (const { state, why } of monitors) {
      expect(['yes', 'degraded', 'no']).toContain(state);
      if (state !== 'yes') expect(why).not.toBe('');
    }
  });

  test.each(MONITORS)('%s opens, or says in one line what is missing', (name) => {
    const exit = Number(fileOf(outcome, `${name}.exit`));
    if (exit === 0) {
      expect(picturesOf(outcome, name).length).toBe(4);
      for (const picture of picturesOf(outcome, name))
        expect(picture).toMatchObject({ lost: 0, monitor: name });
    } else {
      expect(exit).toBe(3);
      expect(fileOf(outcome, `${name}.err`).trim().split('\n').length).toBe(1);
    }
  });

  test('nettop: bytes exact on this kernel', () => {
    const { client, server, sent } = load<{ client: number; server: number; sent: number }>('nettop');
    const pictures = picturesOf(outcome, 'nettop');
    expect(sent).toBe(200_000);
    expect(sum(pictures, 'recv_kb', (row) => row.pid === server && row.dev === 'lo') * 1024).toBeCloseTo(
      sent,
      -1,
    );
    expect(sum(pictures, 'recv_kb', (row) => row.pid === client)).toBe(0);
  });

  test('cpu-util: the burning CPU is busy', () => {
    const rows = picturesOf(outcome, 'cpu-util').flatMap((picture) => picture.rows);
    expect(
      Math.max(...rows.filter(({ cpu }) => cpu === 0).map((row) => number(row, 'usr_pct'))),
    ).toBeGreaterThan(80);
  });

  test('task-state: D waits found', () => {
    const { tid, waits_ms } = load<{ tid: number; waits_ms: number[] }>('task-state');
    const where = (row: { tid?: unknown; state?: unknown }) => row.tid === tid && row.state === 'D';
    expect(sum(picturesOf(outcome, 'task-state').slice(-1), 'count', where)).toBe(waits_ms.length);
  });

  test('hist: range by range what perf stat counts with the same filters', () => {
    const counted = fileOf(outcome, 'hist.stat')
      .split('\n')
      .filter((line) => /^\d/.test(line))
      .map((line) => Number(line.split(',')[0]));
    const last = picturesOf(outcome, 'hist').at(-1);
    const total = (low: number) => last?.rows.find((row) => row.low === low)?.total;
    expect(counted[1]).toBe(300);
    expect(total(100)).toBe(counted[1]);
    expect(last?.rows.reduce((all, row) => all + number(row, 'total'), 0)).toBe(counted[0]);
  });

  test('watch: a function of the kernel, its argument filtered in the kernel', () => {
    const pictures = picturesOf(outcome, 'opens');
    expect(sum(pictures, 'count')).toBe(3);
    expect(pictures.flatMap(({ rows }) => rows.map(({ file }) => file))).toContain('/job/script');
    expect(pictures[0]?.notes).toContain('filter, all in the kernel: comm=cat and file="/job/script"');
  });

  test('task-state --backend perf: counts equal perf script of the same window', () => {
    const pictures = picturesOf(outcome, 'perf');
    // The table tells of everything since the start.
    const last = pictures.slice(-1);
    for (const picture of pictures) expect(picture).toMatchObject({ backend: 'perf', lost: 0, unseen: 0 });
    const witness = longWaits(fileOf(outcome, 'script'), 100);
    for (const [name, state] of [
      ['sleep', 'S'],
      ['disk', 'D'],
    ] as const) {
      const { tid, waits_ms } = load<{ tid: number; waits_ms: number[] }>(name);
      const seen = witness.filter((stay) => stay.tid === tid && stay.state === state);
      const where = (row: { tid?: unknown; state?: unknown }) => row.tid === tid && row.state === state;
      expect(seen.length).toBe(waits_ms.length);
      expect(sum(last, 'count', where)).toBe(seen.length);
      const all = seen.reduce((total, { ms }) => total + ms, 0);
      expect(Math.abs(sum(last, 'total_ms', where) - all)).toBeLessThanOrEqual(2 * seen.length);
    }
  });
});
