/** offcpu against the kernel's own trace of the same tasks, in the same run. */
import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { number, type Picture, type Row, sum, watch } from '../helpers/ktop.ts';
import { traceInstance } from '../helpers/trace-instance.ts';
import { keepBusy, runLoad } from '../helpers/workload.ts';

interface Truth {
  readonly tid: number;
}
interface Wait {
  readonly tid: number;
  readonly state: string;
  readonly ms: number;
  readonly waker: string;
}

const SWITCH = /prev_pid=(\d+) prev_prio=\d+ prev_state=(\S+) ==> next_comm=.* next_pid=(\d+) next_prio/;

/** Every absence of tasks of this name, and who ended it. */
function witness(name: string): () => Wait[] {
  const watched = traceInstance([
    { event: 'sched:sched_switch', filter: `prev_comm=="${name}"||next_comm=="${name}"` },
    { event: 'sched:sched_waking', filter: `comm=="${name}"` },
  ]);
  return () => {
    const away = new Map<
      number,
      { readonly state: string; readonly ms: number; waker: string; woken: number }
    >();
    const waits: Wait[] = [];
    for (const { event, text, ms, comm, tid, flags } of watched.stop()) {
      if (event === 'sched_waking') {
        const open = away.get(Number(/ pid=(\d+) /.exec(text)?.[1]));
        if (open === undefined || open.waker !== '-' || open.state === 'R') continue;
        open.woken = ms;
        const by = flags[2] ?? '';
        open.waker = /[hHzZ]/.test(by) ? '[irq]' : by === 's' ? '[softirq]' : `${comm}/${tid}`;
        continue;
      }
      const [, prev, state = '', next] = SWITCH.exec(text) ?? [];
      const back = away.get(Number(next));
      if (back !== undefined)
        waits.push({ tid: Number(next), state: back.state, ms: ms - back.ms, waker: back.waker });
      away.delete(Number(next));
      // Some hosts hide the switch from an idle task: then it was back when it was woken.
      const hidden = away.get(Number(prev));
      if (hidden !== undefined && hidden.woken > 0 && !/[XZ]/.test(state))
        waits.push({
          tid: Number(prev),
          state: hidden.state,
          ms: hidden.woken - hidden.ms,
          waker: hidden.waker,
        });
      away.set(Number(prev), { state: state[0] ?? '', ms, waker: '-', woken: 0 });
    }
    return waits;
  };
}

const rowsOf = (pictures: readonly Picture[], tid: number) =>
  pictures.flatMap(({ rows }) => rows.filter((row) => row.tid === tid));
const msOf = (waits: readonly Wait[]) => waits.reduce((all, { ms }) => all + ms, 0);

describe('offcpu', () => {
  test('sleeps: as many and as long as the trace has them, ended by the timer', {
    timeout: 60_000,
  }, async () => {
    const idle = keepBusy([0, 1]);
    try {
      const stop = witness('w-sleep');
      const { pictures, load } = await watch(['offcpu', '--filter', 'w-sleep', '-i', '500'], () =>
        runLoad<Truth>('waits', ['sleep', 20, 20]),
      );
      const seen = stop().filter(({ tid }) => tid === load.tid);
      for (const state of ['S', 'R']) {
        const truth = seen.filter((wait) => wait.state === state);
        const of = (row: Row) => row.tid === load.tid && row.state === state;
        expect(sum(pictures, 'count', of), state).toBe(truth.length);
        expect(Math.abs(sum(pictures, 'total_ms', of) - msOf(truth))).toBeLessThan(0.05 * truth.length + 0.1);
      }
      const sleeps = rowsOf(pictures, load.tid).filter(({ reason }) => reason === 'sleep');
      expect(sleeps.reduce((all, row) => all + number(row, 'count'), 0)).toBe(20);
      const ended = sleeps.filter(({ count }) => count !== 0);
      expect(new Set(ended.map(({ waker }) => waker))).toEqual(new Set(['[irq]']));
      for (const { place, stack } of ended) {
        expect(place).toBe('do_nanosleep');
        expect(stack).toMatch(/do_nanosleep\+.*;hrtimer_nanosleep\+/);
      }
    } finally {
      idle();
    }
  });

  test('a wait for another task names that task', { timeout: 60_000 }, async () => {
    const idle = keepBusy([0, 1]);
    try {
      const stop = witness('w-disksleep');
      const { pictures, load } = await watch(['offcpu', '--filter', 'w-disksleep', '-g', '-i', '500'], () =>
        runLoad<Truth>('waits', ['disk', 10, 10]),
      );
      const truth = stop().filter(({ tid, state }) => tid === load.tid && state === 'D');
      const rows = rowsOf(pictures, load.tid).filter(({ state, count }) => state === 'D' && count !== 0);
      const wakers = rows.flatMap((row) => Array(number(row, 'count')).fill(row.waker));
      expect(wakers.sort()).toEqual(truth.map(({ waker }) => waker).sort());
      const vfork = rows.filter(({ reason }) => reason === 'vfork');
      expect(vfork.reduce((all, row) => all + number(row, 'count'), 0)).toBe(10);
      for (const { waker, waker_stack } of vfork) {
        expect(waker).toMatch(/^w-disksleep\/\d+$/);
        expect(waker_stack).toMatch(/complete/);
      }
    } finally {
      idle();
    }
  });

  test('sleep 1 is a second in do_nanosleep, and ages while it lasts', { timeout: 60_000 }, async () => {
    const idle = keepBusy([0, 1]);
    const { pictures, load } = await watch(['offcpu', '--filter', 'sleep', '-i', '400'], async () => {
      const child = spawn('sleep', ['1'], { stdio: 'ignore' });
      await new Promise((resolve) => child.on('close', resolve));
      return child.pid;
    }).finally(idle);
    const rows = rowsOf(pictures, load ?? 0).filter(({ place }) => place === 'do_nanosleep');
    const ended = rows.filter(({ count }) => count === 1);
    expect(ended.length).toBe(1);
    const took = number(ended[0] as Row, 'total_ms');
    expect(took).toBeGreaterThanOrEqual(1000);
    expect(took).toBeLessThan(3000);
    const ages = rows.filter(({ now_ms }) => now_ms !== 0).map((row) => number(row, 'now_ms'));
    expect(ages.length).toBeGreaterThanOrEqual(1);
    expect(ages).toEqual([...ages].sort((a, b) => a - b));
    const reasons = pictures.flatMap(({ reasons: each }) => each as readonly Row[]);
    expect(reasons.filter(({ reason }) => reason === 'sleep').length).toBeGreaterThan(0);
  });

  test('--than logs what took longer, with its call chain', { timeout: 60_000 }, async () => {
    const args = ['offcpu', '--filter', 'w-sleep', '--than', '100', '-i', '500'];
    const idle = keepBusy([0, 1]);
    const { pictures, load } = await watch(args, () => runLoad<Truth>('waits', ['sleep', 2, 150])).finally(
      idle,
    );
    const log = pictures.flatMap((picture) => picture.log ?? []).filter(({ tid }) => tid === load.tid);
    const sleeps = log.filter(({ stack }) => /do_nanosleep/.test(JSON.stringify(stack)));
    expect(sleeps.length).toBe(2);
    for (const { text } of sleeps)
      expect(text).toMatch(/^1[5-9]\d\.\d{3} ms off the CPU in S, woken by \[irq\]$|^[2-9]\d\d\./);
  });
});
