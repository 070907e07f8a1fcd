/** Load shedding against loads that count their own doing: said, scaled, nothing invented, and over when the load is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ktop as runKtop } from '../e2e/run-cli.ts';
import { number, type Picture, type Row, startKtop, sum, watch } from '../helpers/ktop.ts';
import { bpftrace } from '../helpers/oracle.ts';
import { runLoad, startLoad } from '../helpers/workload.ts';
import { accounted } from './accounting.ts';

interface Ops {
  readonly ops: number;
  readonly seconds: number;
}

const SHARE = /only 10 % of the time is watched/;
/** Two events a call, 100 to 140 ns each: two to three times this budget, and next to nothing. */
const BUDGET = ['--budget', '2'];
const MUCH_PER_S = 200_000;
const LITTLE_PER_S = 10_000;

const notes = ({ notes: all = [] }: Picture): string => all.join('\n');
const scaled = (picture: Picture): number => (picture.scaled as number | undefined) ?? 1;

describe('syscalls within its budget', () => {
  test.each([['tracefs'], ['perf']] as const)(
    '%s: exact while it is little, scaled while it is much, exact again',
    { timeout: 90_000 },
    async (backend) => {
      // A filter by name, so that what else this machine does costs nothing.
      const args = ['syscalls', '--filter', 'w-paced', '-i', '500', '--backend', backend, ...BUDGET];
      const ktop = await startKtop(args);
      try {
        const calls = (from: readonly Picture[]) => sum(from, 'calls', ({ call }) => call === 'getppid');
        const little = await runLoad<Ops>('storm', ['getppid', 2, '-', LITTLE_PER_S]);
        await ktop.more(2);
        expect(ktop.pictures.filter((picture) => 'scaled' in picture)).toEqual([]);
        expect(calls(ktop.pictures)).toBe(little.ops);

        const before = ktop.pictures.length;
        const much = await runLoad<Ops>('storm', ['getppid', 6, '-', MUCH_PER_S]);
        await ktop.more(2);
        const storm = ktop.pictures.slice(before);
        const thin = storm.filter((picture) => SHARE.test(notes(picture)));
        // It begins within a second or two, and is said with each picture.
        expect(thin.length).toBeGreaterThanOrEqual(6);
        for (const picture of thin.slice(1)) {
          expect(scaled(picture)).toBeGreaterThan(0.03);
          expect(scaled(picture)).toBeLessThan(0.3);
          expect(notes(picture)).toMatch(/the budget is 2 %/);
        }
        expect(ktop.errors).toMatch(/^ktop: syscalls: only 10 % of the time is watched/m);
        // Windows of 20 ms are a sample of a load that others make uneven.
        expect(much.ops).toBeGreaterThan(0.3 * MUCH_PER_S * much.seconds);
        expect(calls(storm) / much.ops).toBeGreaterThan(0.75);
        expect(calls(storm) / much.ops).toBeLessThan(1.25);
        // No call of this load takes as long as a pause, though each pause begins within some.
        const longest = storm.flatMap(({ rows }) => rows).filter(({ call }) => call === 'getppid');
        for (const row of longest) expect(number(row, 'max_us')).toBeLessThan(100_000);

        // Calm for long enough: all of it again, which is said once.
        const deadline = performance.now() + 30_000;
        while (performance.now() < deadline && !ktop.errors.includes('watching all of it again'))
          await ktop.more(1);
        expect(ktop.errors).toMatch(/^ktop: syscalls: watching all of it again$/m);
        await ktop.more(2);
        const after = ktop.pictures.length;
        const again = await runLoad<Ops>('storm', ['getppid', 1, '-', LITTLE_PER_S]);
        await ktop.more(2);
        const calm = ktop.pictures.slice(after);
        expect(calm.filter((picture) => 'scaled' in picture || SHARE.test(notes(picture)))).toEqual([]);
        expect(calls(calm)).toBe(again.ops);
      } finally {
        await ktop.kill();
      }
    },
  );

  test('--budget off: all of it, whatever it costs', { timeout: 60_000 }, async () => {
    const args = ['syscalls', '--filter', 'w-paced', '-i', '500', '--budget', 'off'];
    const { pictures, load } = await watch(args, () =>
      runLoad<Ops>('storm', ['getppid', 3, '-', MUCH_PER_S]),
    );
    expect(pictures.filter((picture) => 'scaled' in picture)).toEqual([]);
    const lost = pictures.reduce((all, picture) => all + picture.lost, 0);
    const got = sum(pictures, 'calls', ({ call }) => call === 'getppid');
    if (lost === 0) expect(got).toBe(load.ops);
    else expect(got).toBeGreaterThan(load.ops - lost);
  });

  test('--plain and a recording say the same', { timeout: 60_000 }, async () => {
    const work = mkdtempSync(join(tmpdir(), 'ktop-shed-'));
    const file = join(work, 'storm.ktop');
    const load = startLoad<Ops>('storm', ['getppid', 5, '-', MUCH_PER_S]);
    const args = ['syscalls', '--filter', 'w-paced', '-i', '500', '--budget', '1', '--record', file];
    const plain = await runKtop([...args, '--plain', '-n', '8']);
    await (await load.said).release();
    const replayed = await runKtop(['replay', file]);
    rmSync(work, { recursive: true });
    for (const { stdout, code } of [plain, replayed]) {
      expect(code).toBe(0);
      expect(stdout).toMatch(/watched \d+(\.\d)? %/);
      expect(stdout).toMatch(/^note: only 10 % of the time is watched/m);
      expect(stdout).toMatch(/w-paced +getppid +~\d+/);
    }
  });
});

test('task-state: no state that lasts as long as nobody looked', { timeout: 60_000 }, async () => {
  const args = ['task-state', '-S', '--than', '50', '-i', '500', '--budget', '1'];
  const { pictures, load } = await watch(args, () => runLoad<Ops>('storm', ['pipe', 5]));
  const thin = pictures.filter((picture) => SHARE.test(notes(picture)));
  expect(thin.length).toBeGreaterThanOrEqual(4);
  expect(load.ops).toBeGreaterThan(20_000);
  // Its two tasks wait for each other some 10 µs at a time, or for a CPU: 180 ms would be a pause.
  const theirs = pictures.flatMap(({ rows }) => rows).filter(({ comm }) => comm === 'w-storm');
  for (const row of theirs.filter(({ count }) => Number(count) > 0))
    expect(number(row, 'max_ms')).toBeLessThan(170);
  // And the sleeps that are seen are counted: at least some of those there were, never more.
  const states = thin.slice(1).flatMap((picture) => picture.states as readonly Row[]);
  const sleeps = states
    .filter(({ state }) => state === 'S')
    .reduce((all, row) => all + number(row, 'count'), 0);
  expect(sleeps).toBeGreaterThan(1000);
  for (const row of states.filter(({ state }) => state === 'S'))
    expect(number(row, 'max_ms')).toBeLessThan(170);
});

test('trace: events are accounted for as far as somebody looked', { timeout: 60_000 }, async () => {
  const event = 'raw_syscalls:sys_enter';
  const filter = 'comm=="w-paced"';
  const args = ['trace', '-e', event, '--filter', filter, '-i', '500', '--budget', '1'];
  const { pictures, load } = await watch(args, () => runLoad<Ops>('storm', ['getppid', 5, '-', MUCH_PER_S]));
  const thin = pictures.filter((picture) => 'scaled' in picture);
  expect(thin.length).toBeGreaterThanOrEqual(4);
  // Never more than there was; what was watched is what the share says, and what is shown is scaled by it.
  expect(accounted(pictures)).toBeLessThan(0.8 * load.ops);
  for (const picture of thin) {
    const shown = sum([picture], 'count');
    const watched = picture.events + picture.lost;
    if (scaled(picture) > 0)
      expect(Math.abs(shown * scaled(picture) - picture.events)).toBeLessThan(0.01 * watched + 10);
  }
});

describe('ktop itself', () => {
  test('is not in what it traces', { timeout: 60_000 }, async () => {
    const ktop = await startKtop(['trace', '-e', 'raw_syscalls:sys_enter', '-i', '200']);
    try {
      // It does make calls.
      const own = await bpftrace(
        `tracepoint:raw_syscalls:sys_enter /pid == ${ktop.pid}/ { @calls = count(); }`,
      );
      await ktop.more(5);
      const made = Number(/@calls: (\d+)/.exec((await own.stop()).join('\n'))?.[1]);
      expect(made).toBeGreaterThan(10);
      const log = ktop.pictures.flatMap(({ log: entries = [] }) => entries);
      expect(log.length).toBeGreaterThan(0);
      expect(log.filter(({ pid }) => pid === ktop.pid)).toEqual([]);
    } finally {
      await ktop.kill();
    }
  });

  // A reader that was woken by what its reading makes would make hundreds of thousands of calls a second.
  test.each([
    [['raw_syscalls:sys_enter', 'raw_syscalls:sys_exit']],
    [['sched:sched_waking', 'sched:sched_switch']],
    [['kmem:kmalloc', 'kmem:kfree']],
  ])('does not feed on %s of its own reader', { timeout: 30_000 }, async (events) => {
    const ktop = await startKtop(['trace', ...events.flatMap((event) => ['-e', event]), '-i', '500']);
    try {
      const own = await bpftrace(
        `tracepoint:raw_syscalls:sys_enter /pid == ${ktop.pid}/ { @calls = count(); }`,
      );
      await ktop.more(3);
      const made = Number(/@calls: (\d+)/.exec((await own.stop()).join('\n'))?.[1]);
      expect(made).toBeGreaterThan(0);
      expect(made).toBeLessThan(50_000);
    } finally {
      await ktop.kill();
    }
  });
});
