/** task-state against programs that time their own waits, and against bpftrace, which saw every switch. */
import { spawn } from 'node:child_process';
import { beforeAll, describe, expect, test } from 'vitest';
import { command } from '../helpers/command.ts';
import { type Cell, number, type Picture, type Row, startKtop, sum, watch } from '../helpers/ktop.ts';
import { perfStat } from '../helpers/oracle.ts';
import { runLoad, sleep, startLoad } from '../helpers/workload.ts';
import { accounted, eventsOf, total } from './accounting.ts';
import { type Stay, witnessWaits } from './waits-witness.ts';

interface Truth {
  readonly tid: number;
  readonly comm: string;
  readonly waits_ms: readonly number[];
}

const THAN_MS = 100;
const WITHIN_MS = 5;

const LOADS = {
  S: ['sleep', 4, 150],
  D: ['disk', 3, 300],
  T: ['stop', 2, 250],
  R: ['starve', 300, 1],
} as const;

/** How long each wait of LOADS is. */
const ASKED_MS = { S: 150, D: 300, T: 250, R: 300 } as const;

type State = keyof typeof LOADS;

/** The table tells of everything since the start: the last picture has it all. */
const last = (pictures: readonly Picture[]) => pictures.slice(-1);

const is = (tid: number, state: string) => (row: Row) => row.tid === tid && row.state === state;

const worst = (pictures: readonly Picture[], where: (row: Row) => boolean) =>
  Math.max(...pictures.flatMap(({ rows }) => rows.filter(where).map((row) => number(row, 'max_ms'))));

/** The kernel gives a starved task some time now and then: again until it was starved for as long as asked. */
async function load(state: State, args: readonly (string | number)[]): Promise<Truth> {
  for (let tries = 1; ; tries++) {
    const truth = await runLoad<Truth>('waits', args);
    if (tries === 5 || truth.waits_ms.every((ms) => ms >= ASKED_MS[state])) return truth;
  }
}

describe('task-state', () => {
  const truth = {} as Record<State, Truth>;
  let pictures: readonly Picture[] = [];
  let stays: Stay[] = [];

  beforeAll(async () => {
    const witness = await witnessWaits();
    const run = await watch(['task-state', '-i', '500'], async () => {
      for (const [state, args] of Object.entries(LOADS))
        truth[state as State] = await load(state as State, args);
    });
    pictures = run.pictures;
    stays = await witness.stop();
  }, 60_000);

  test.each(['S', 'D', 'T', 'R'] as const)('%s: every wait is found, its length within 5 ms', (state) => {
    const { tid, waits_ms } = truth[state];
    expect(sum(last(pictures), 'count', is(tid, state))).toBe(waits_ms.length);
    // Not shorter than what was asked for; not longer than what passed until the task ran again.
    const [asked, passed] = [ASKED_MS[state] * waits_ms.length, waits_ms.reduce((a, b) => a + b, 0)];
    const total = sum(last(pictures), 'total_ms', is(tid, state));
    expect(total).toBeGreaterThanOrEqual(asked - WITHIN_MS);
    expect(total).toBeLessThanOrEqual(passed + WITHIN_MS);
    const longest = worst(last(pictures), is(tid, state));
    expect(longest).toBeGreaterThanOrEqual(ASKED_MS[state] - WITHIN_MS);
    expect(longest).toBeLessThanOrEqual(Math.max(...waits_ms) + WITHIN_MS);
  });

  test('counts and durations equal those of bpftrace', () => {
    const ours = new Set(Object.values(truth).map(({ tid }) => tid));
    const long = stays.filter(
      ({ tid, state, ms }) => ours.has(tid) && 'SDTR'.includes(state) && ms >= THAN_MS,
    );
    expect(long.length).toBeGreaterThanOrEqual(10);
    const key = (tid: Cell | undefined, state: Cell | undefined) => `${tid} ${state}`;
    const wanted: Record<string, number> = {};
    for (const { tid, state } of long) wanted[key(tid, state)] = (wanted[key(tid, state)] ?? 0) + 1;
    const got: Record<string, number> = {};
    for (const row of last(pictures).flatMap(({ rows }) => rows)) {
      if (wanted[key(row.tid, row.state)] === undefined) continue;
      got[key(row.tid, row.state)] = (got[key(row.tid, row.state)] ?? 0) + number(row, 'count');
    }
    expect(got).toEqual(wanted);
    for (const { tid, state, ms } of long) {
      if (wanted[key(tid, state)] !== 1) continue;
      expect(Math.abs(sum(last(pictures), 'total_ms', is(tid, state)) - ms)).toBeLessThanOrEqual(1);
    }
  });

  test('the log tells each of them, sleeps only when asked for', { timeout: 30_000 }, async () => {
    const told = (from: readonly Picture[], tid: number, state: string) =>
      from
        .flatMap(({ log = [] }) => log)
        .filter((entry) => entry.tid === tid && String(entry.text).includes(` in ${state}`));
    for (const state of ['D', 'T', 'R'] as const) {
      const { tid, comm, waits_ms } = truth[state];
      expect(told(pictures, tid, state).length).toBe(waits_ms.length);
      for (const entry of told(pictures, tid, state)) expect(entry.comm).toBe(comm);
    }
    expect(told(pictures, truth.S.tid, 'S').length).toBe(0);
    const asked = await watch(['task-state', '-S', '-i', '500'], () =>
      runLoad<Truth>('waits', ['sleep', 3, 150]),
    );
    expect(told(asked.pictures, asked.load.tid, 'S').length).toBe(3);
  });

  test('a wait is shown within one refresh and ages while it lasts', { timeout: 30_000 }, async () => {
    const interval_ms = 300;
    const ktop = await startKtop(['task-state', '-D', '-i', String(interval_ms)]);
    try {
      const load = startLoad<Truth>('waits', ['disk', 1, 2000]);
      await ktop.more(6);
      const live = ktop.pictures.map(({ rows }) => rows.find(is(load.pid, 'D'))?.current_ms);
      const ages = live.filter((age) => typeof age === 'number');
      // 2 s hold six refreshes; the first may be taken before the wait is 100 ms old.
      expect(ages.length).toBeGreaterThanOrEqual(4);
      expect(ages[0]).toBeGreaterThanOrEqual(THAN_MS);
      expect(ages[0]).toBeLessThanOrEqual(THAN_MS + interval_ms + 50);
      const shown = ktop.pictures.slice(live.indexOf(ages[0]));
      for (let i = 1; i < ages.length; i++) {
        const step = (ages[i] ?? 0) - (ages[i - 1] ?? 0);
        expect(Math.abs(step - (shown[i]?.interval_ms ?? 0))).toBeLessThanOrEqual(WITHIN_MS);
      }
      expect(ktop.pictures.flatMap(({ rows }) => rows).every((row) => row.state === 'D')).toBe(true);
      await (await load.said).release();
    } finally {
      await ktop.kill();
    }
  });

  test('-C: what begins on these CPUs, whoever ends it from elsewhere', { timeout: 60_000 }, async () => {
    const [times, stopped_ms] = [3, 250];
    const on1 = await watch(['task-state', '-C', '1', '-i', '300'], () =>
      watch(['task-state', '-C', '0', '-i', '300'], async () => {
        const child = spawn('taskset', ['-c', '0', 'sleep', '60']);
        const send = async (signal: string, ms: number) => {
          command('taskset', ['-c', '1', 'kill', signal, String(child.pid)]);
          await sleep(ms);
        };
        await sleep(200);
        for (let i = 0; i < times; i++) {
          await send('-STOP', stopped_ms);
          await send('-CONT', 50);
        }
        child.kill('SIGKILL');
        return child.pid ?? 0;
      }),
    );
    const { pictures: on0, load: tid } = on1.load;
    expect(sum(last(on0), 'count', is(tid, 'T'))).toBe(times);
    expect(sum(last(on0), 'total_ms', is(tid, 'T'))).toBeGreaterThanOrEqual(times * stopped_ms - WITHIN_MS);
    // None of them seems to go on when it is over.
    expect(last(on0).flatMap(({ rows }) => rows.filter(is(tid, 'T')).map((row) => row.current_ms))).toEqual([
      null,
    ]);
    expect(on1.pictures.flatMap(({ rows }) => rows.filter(is(tid, 'T')))).toEqual([]);
  });

  test('--filter and --than leave out the others; -g brings the stack', { timeout: 30_000 }, async () => {
    const args = ['task-state', '-i', '500', '--filter', 'w-disk*', '--than', '200', '-g'];
    const { pictures: some, load } = await watch(args, async () => {
      await runLoad('waits', ['sleep', 2, 250]);
      await runLoad('waits', ['disk', 2, 150]);
      return runLoad<Truth>('waits', ['disk', 2, 250]);
    });
    const rows = some.flatMap((picture) => picture.rows).filter((row) => row.state === 'D');
    expect([...new Set(some.flatMap((picture) => picture.rows).map((row) => row.comm))]).toEqual([
      'w-disksleep',
    ]);
    expect(rows.every((row) => row.tid === load.tid)).toBe(true);
    const told = some.flatMap(({ log = [] }) => log).filter((entry) => String(entry.text).includes(' in D'));
    expect(told.length).toBe(2);
    for (const entry of told) expect(JSON.stringify(entry.stack)).toMatch(/vfork|kernel_clone/);
  });

  test('every event is accounted for', { timeout: 60_000 }, async () => {
    const events = eventsOf('task-state');
    const outer = await perfStat(events);
    const { pictures: all, load } = await watch(['task-state', '-i', '500', '--budget', 'off'], async () => {
      const inner = await perfStat(events);
      await runLoad('storm', ['pipe', 2]);
      return total(await inner.stop());
    });
    const most = total(await outer.stop());
    expect(load).toBeGreaterThan(20_000);
    expect(accounted(all)).toBeGreaterThanOrEqual(load);
    const parts = all.map(({ backend, events: got, lost, late, unseen }) => [
      backend,
      got,
      lost,
      late,
      unseen,
    ]);
    expect(accounted(all), JSON.stringify(parts)).toBeLessThanOrEqual(most);
  });
});
