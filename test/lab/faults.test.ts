/**
 * What a kernel does to a program that watches it, in a guest: a CPU goes and comes back, the clock is set, process
 * numbers come round again, tracefs is taken away. Each ends as docs/faults.md says.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row, sum } from '../helpers/ktop.ts';
import { workload } from '../helpers/workload.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { findKernels } from './kernels.ts';

const WATCHED = ['signal', 'oncpu', 'percpu-stat', 'cpu-util', 'hist'] as const;
const DAY_S = 86_400;
/** Process numbers of the guest; 301 is the least the kernel takes. */
const MOST_PID = 450;
const FORKS = 600;

/** One ktop for each, all at once; `each NAME` waits for so many further pictures of all. */
const SCRIPT = `
begin() {
  names="$names $1"
  file=$1
  shift
  node /job/dist/ktop.mjs "$@" --json >/out/$file.json 2>/out/$file.err &
  echo $! >/tmp/$file.pid
}
each() {
  for file in $names; do
    want=$(($(wc -l </out/$file.json) + $1))
    until [ "$(wc -l </out/$file.json)" -ge "$want" ]; do
      kill -0 "$(cat /tmp/$file.pid)" || { echo "$file ended: $(cat /out/$file.err)" >&2; exit 9; }
      sleep 0.1
    done
  done
}
done_with() {
  each 2
  for file in $names; do kill -INT "$(cat /tmp/$file.pid)"; done
  wait
  names=
}
counts() {
  for file in $names; do wc -l </out/$file.json; done | tr '\\n' ' ' >/out/$1
}

echo "# hotplug $(cat /proc/uptime)" >&2
begin signal signal --backend perf
begin oncpu oncpu
begin percpu-stat percpu-stat --syscalls
begin cpu-util cpu-util
begin hist hist raw_syscalls:sys_enter id -f comm=dd
each 1
taskset 2 dd if=/dev/zero of=/dev/null bs=1 count=1000 2>/dev/null
each 2
counts before
echo 0 >/sys/devices/system/cpu/cpu1/online || exit 7
each 3
counts gone
echo 1 >/sys/devices/system/cpu/cpu1/online || exit 7
each 2
counts back
taskset 2 ./signals 20 5 5 </dev/null >/out/signals.load
taskset 2 dd if=/dev/zero of=/dev/null bs=1 count=1000 2>/dev/null
each 1
done_with

echo "# clock $(cat /proc/uptime)" >&2
begin clock-state task-state -i 500 --than 100ms -S
begin clock-signal signal -i 500
each 1
./waits sleep 3 400 </dev/null >/out/sleep.load &
sleep 0.6
date -s "@$(($(date +%s) + ${DAY_S}))" >/dev/null
wait $!
./signals 5 5 5 </dev/null >/dev/null
date +%s >/out/now
done_with

echo "# pids $(cat /proc/uptime)" >&2
echo ${MOST_PID} >/proc/sys/kernel/pid_max
begin pids-execs execs -i 500
begin pids-state task-state -i 500 --than 50ms -S --filter w-sleep
each 1
perf stat -a -x , -o /out/pids.stat -e sched:sched_process_exec -- ./execs ${FORKS} </dev/null >/out/execs.load
for i in 1 2 3 4; do
  for j in 1 2 3; do ./waits sleep 1 120 </dev/null; done >>/out/pids.load
  ./execs 110 </dev/null >/dev/null
done
done_with
echo 32768 >/proc/sys/kernel/pid_max

echo "# tracefs $(cat /proc/uptime)" >&2
begin away-state task-state -i 500 --than 100ms -S --backend tracefs
begin away-signal signal -i 500 --backend perf
each 1
umount -l /sys/kernel/tracing
./waits sleep 3 150 </dev/null >/out/away.load
./signals 7 5 5 </dev/null >/out/away-signals.load
each 1
done_with
node /job/dist/ktop.mjs signal --json -n 1 >/out/again.json 2>/out/again.err
echo $? >/out/again
ls /sys/kernel/tracing/instances >/out/instances
`;

describe('faults of a kernel', () => {
  let outcome: Outcome;

  beforeAll(async () => {
    const kernel = findKernels().at(-1);
    if (kernel === undefined) throw new Error('no kernel for a guest');
    const files = Object.fromEntries(['signals', 'waits', 'execs'].map((name) => [name, workload(name)]));
    outcome = await runKtopGuest({ kernel, files, script: SCRIPT, timeout_ms: 400_000 });
  }, 420_000);

  const load = <T>(name: string) => JSON.parse(fileOf(outcome, `${name}.load`)) as T;
  /** Pictures of a monitor taken until, while, and after CPU 1 was away. */
  function parts(name: (typeof WATCHED)[number]) {
    const at = (file: string) => Number(fileOf(outcome, file).trim().split(' ')[WATCHED.indexOf(name)]);
    const pictures = picturesOf(outcome, name);
    return {
      before: pictures.slice(0, at('before')),
      // The first of them may have begun with the CPU there, the last ended with it.
      gone: pictures.slice(at('before') + 1, at('gone')),
      after: pictures.slice(at('back')),
    };
  }
  const rows = (pictures: readonly Picture[]) => pictures.flatMap((picture) => picture.rows);

  test.each(WATCHED)('%s: a CPU that goes is told, one that is back is seen again', (name) => {
    const { gone, after } = parts(name);
    expect(gone.length).toBeGreaterThan(0);
    expect(after.length).toBeGreaterThan(1);
    if (name === 'oncpu' || name === 'signal' || name === 'cpu-util') {
      expect(gone.at(-1)?.notes?.join('\n')).toContain('CPU 1 went offline');
      expect(after.at(-1)?.notes?.join('\n')).toMatch(/CPU 1 came online: (events of all CPUs|seen)/);
    }
    for (const { lost, interval_ms } of [...gone, ...after]) {
      expect(lost).toBe(0);
      expect(interval_ms).toBeGreaterThan(0);
    }
  });

  test('signals sent on the CPU that came back are counted, each once', () => {
    const { sender, receiver } = load<{ sender: number; receiver: number }>('signals');
    const kills = (row: Row) => row.sender === sender && row.receiver === receiver && row.sig === 'USR1';
    expect(sum(picturesOf(outcome, 'signal'), 'count', kills)).toBe(20);
  });

  test('oncpu: nobody ran on the CPU while it was away, dd after', () => {
    const { gone, after } = parts('oncpu');
    expect(rows(gone.slice(1)).filter(({ cpu }) => cpu === 1)).toEqual([]);
    expect(rows(after).filter(({ cpu, comm }) => cpu === 1 && comm === 'dd').length).toBeGreaterThan(0);
  });

  test('percpu-stat and cpu-util: its row goes and comes, and is no sum since the start of the kernel', () => {
    for (const name of ['percpu-stat', 'cpu-util'] as const) {
      const { gone, after } = parts(name);
      expect(rows(gone.slice(1)).filter(({ cpu }) => String(cpu) === '1')).toEqual([]);
      expect(rows(after).filter(({ cpu }) => String(cpu) === '1').length).toBeGreaterThan(0);
    }
    const { after } = parts('percpu-stat');
    const made = rows(after)
      .filter(({ cpu }) => String(cpu) === '1')
      .map((row) => number(row, 'syscalls'));
    expect(Math.max(...made)).toBeGreaterThan(1000);
    expect(made.reduce((all, each) => all + each, 0)).toBeLessThan(100_000);
    for (const row of rows(picturesOf(outcome, 'cpu-util')))
      for (const [key, value] of Object.entries(row))
        if (key.endsWith('_pct')) expect(value ?? 0).toBeLessThanOrEqual(100.1);
  });

  test('hist: what the CPU counted before it went is kept in the totals', () => {
    const { before, after } = parts('hist');
    const total = (picture: Picture | undefined) =>
      (picture?.rows ?? []).reduce((all, row) => all + number(row, 'total'), 0);
    expect(total(before.at(-1))).toBeGreaterThanOrEqual(2000);
    expect(total(after.at(-1)) - total(before.at(-1))).toBeGreaterThanOrEqual(2000);
  });

  test('the clock is set: lengths stay what they were, times follow', () => {
    const { tid, waits_ms } = load<{ tid: number; waits_ms: number[] }>('sleep');
    const states = picturesOf(outcome, 'clock-state');
    const mine = rows(states.slice(-1)).filter((row) => row.tid === tid && row.state === 'S');
    expect(mine.length).toBe(1);
    expect(number(mine[0] as Row, 'max_ms')).toBeLessThan(Math.max(...waits_ms) + 50);
    expect(number(mine[0] as Row, 'max_ms')).toBeGreaterThan(Math.max(...waits_ms) - 50);
    for (const { interval_ms } of states) expect(interval_ms).toBeLessThan(60_000);
    const now = Number(fileOf(outcome, 'now'));
    for (const name of ['clock-state', 'clock-signal']) {
      const times = picturesOf(outcome, name).map(({ time }) => Date.parse(time) / 1000);
      expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(DAY_S - 5);
      expect(Math.abs((times.at(-1) ?? 0) - now)).toBeLessThan(60);
    }
    const entries = picturesOf(outcome, 'clock-signal').at(-1)?.log ?? [];
    expect(entries.length).toBeGreaterThan(0);
    expect(Math.abs(Date.parse(String(entries.at(-1)?.time)) / 1000 - now)).toBeLessThan(60);
  });

  test('process numbers come round: every program has its own row, and only its own time', () => {
    const { children } = load<{ children: [number, number][] }>('execs');
    expect(new Set(children.map(([pid]) => pid)).size).toBeLessThan(FORKS);
    const seen = rows(picturesOf(outcome, 'pids-execs')).filter(({ exit }) => exit !== '' && exit !== 'exec');
    const witnessed = Number(
      fileOf(outcome, 'pids.stat')
        .split('\n')
        .find((line) => /^\d/.test(line))
        ?.split(',')[0],
    );
    expect(witnessed).toBeGreaterThanOrEqual(FORKS);
    const ours = seen.filter(({ parent, args }) => parent === 'execs' && String(args).includes('child'));
    expect(ours.length).toBeGreaterThan(0.95 * FORKS);
    for (const row of seen.filter(({ parent }) => parent === 'execs'))
      expect(number(row, 'age_s')).toBeLessThan(5);
  });

  test('process numbers come round: no wait is joined with that of the one who had the number before', () => {
    const waits = fileOf(outcome, 'pids.load')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { tid: number; waits_ms: number[] });
    // A row is there as long as its task, and may be again when the number has come round.
    const states = rows(picturesOf(outcome, 'pids-state')).filter(
      ({ comm, state }) => comm === 'w-sleep' && state === 'S',
    );
    expect(waits.length).toBe(12);
    const tids = waits.map(({ tid }) => tid);
    expect([...new Set(states.map((row) => row.tid))].sort()).toEqual([...new Set(tids)].sort());
    for (const row of states)
      expect(number(row, 'count')).toBeLessThanOrEqual(tids.filter((tid) => tid === row.tid).length);
    const longest = Math.max(...waits.flatMap(({ waits_ms }) => waits_ms));
    for (const row of states) expect(number(row, 'max_ms')).toBeLessThan(longest + 50);
  });

  test('tracefs is taken away: what is open goes on, and the next ktop mounts it again and says so', () => {
    const { tid, waits_ms } = load<{ tid: number; waits_ms: number[] }>('away');
    const mine = (row: Row) => row.tid === tid && row.state === 'S';
    expect(sum(picturesOf(outcome, 'away-state').slice(-1), 'count', mine)).toBe(waits_ms.length);
    const { sender, receiver } = load<{ sender: number; receiver: number }>('away-signals');
    const kills = (row: Row) => row.sender === sender && row.receiver === receiver && row.sig === 'USR1';
    expect(sum(picturesOf(outcome, 'away-signal'), 'count', kills)).toBe(7);
    expect(fileOf(outcome, 'again').trim()).toBe('0');
    expect(fileOf(outcome, 'again.err')).toContain('tracefs was not mounted; ktop mounted it');
    expect(fileOf(outcome, 'instances').trim()).toBe('');
  });
});
