/** watchdog against a module that keeps the scheduler or all interrupts off a CPU, and against the kernel's own log. */
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Row } from '../helpers/ktop.ts';
import { workload } from '../helpers/workload.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { findKernels } from './kernels.ts';
import { buildModule } from './module.ts';
import { parseOffs } from './module-log.ts';

const THRESH_S = 2;
/** The kernel's own arithmetic. */
const PERIOD_MS = (THRESH_S * 1000 * 2) / 5;
const SOFT_MS = THRESH_S * 2000;
const HOG_MS = 4 * THRESH_S * 1000;
const OFF_MS = 2 * THRESH_S * 1000;
const OFFS = 3;
/** Tries for those: the emulator may be kept from going on. */
const MOST_OFFS = 8;
const INTERVAL_MS = 200;
const CPU = 1;
/**
 * The other CPU tells of the one that is silent; one that stands still itself, because the emulator is not run or somebody
 * on it waits for an answer of the silent one, tells of nothing. A beat on it, later than this, says that it did.
 */
const STILL_MS = INTERVAL_MS;

const SCRIPT = `
insmod ./irqoff.ko || exit 8
echo ${THRESH_S} >/proc/sys/kernel/watchdog_thresh
node -p 'Date.now() - Number(process.hrtime.bigint()) / 1e6' >/out/offset
start dog watchdog -i ${INTERVAL_MS}
more 10
taskset ${1 << CPU} sh -c 'echo preempt ${HOG_MS} >/proc/irqoff'
more 10
./beat ${1 - CPU} ${STILL_MS} >/out/beats &
# undisturbed N: interrupts off until the other CPU has gone on through it N times
undisturbed() {
  good=0
  for n in $(seq ${MOST_OFFS}); do
    before=$(wc -l </out/beats)
    taskset ${1 << CPU} sh -c 'echo irq ${OFF_MS} >/proc/irqoff'
    more 10
    [ "$(wc -l </out/beats)" = "$before" ] && good=$((good + 1))
    [ $good -ge $1 ] && return
  done
}
undisturbed ${OFFS}
finish
start samples watchdog -i ${INTERVAL_MS} -g
more 10
undisturbed 1
finish
`;

interface Seen {
  readonly at_ms: number;
  readonly row: Row;
}

describe.each(findKernels())('watchdog on $release', (kernel) => {
  let outcome: Outcome;
  let seen: Seen[] = [];
  let offset_ms = 0;

  beforeAll(async () => {
    const files = { 'irqoff.ko': buildModule(kernel), beat: workload('beat') };
    outcome = await runKtopGuest({ kernel, files, script: SCRIPT });
    offset_ms = Number(fileOf(outcome, 'offset'));
    seen = picturesOf(outcome, 'dog').flatMap(({ time, rows }) =>
      rows.filter(({ cpu }) => cpu === CPU).map((row) => ({ at_ms: Date.parse(time), row })),
    );
  }, 420_000);

  /** What the module did: from when to when, wall clock. */
  const deed = (what: 'preempt' | 'irq', n = 0) => {
    const found = parseOffs(fileOf(outcome, 'dmesg')).filter((each) => each.what === what)[n];
    if (found === undefined) throw new Error(`the module did no ${what}`);
    const from = found.start_ms + offset_ms;
    return { from, to: from + found.us / 1e3 };
  };

  /** Those of the module's times with interrupts off through which the other CPU went on. */
  const undisturbed = () => {
    const still = fileOf(outcome, 'beats')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { from_ms: number; to_ms: number });
    return parseOffs(fileOf(outcome, 'dmesg'))
      .filter(({ what }) => what === 'irq')
      .map(({ start_ms, us }) => ({ from: start_ms, to: start_ms + us / 1e3 }))
      .filter(({ from, to }) => !still.some(({ from_ms, to_ms }) => from_ms < to && to_ms > from))
      .map(({ from, to }) => ({ from: from + offset_ms, to: to + offset_ms }));
  };

  /**
   * Whether a picture is one of a time with interrupts off. It tells of all that came until it was read, which is a turn of the
   * other CPU (100 ms) or two after its own time: the last ones may know of the end already.
   */
  const isOf = (at_ms: number, { from, to }: { from: number; to: number }) =>
    at_ms > from && at_ms < to - 2 * INTERVAL_MS;

  const states = (from: number, to: number) =>
    seen.filter(({ at_ms }) => at_ms >= from && at_ms <= to).map(({ row }) => String(row.state));

  test('ok before, and the limits are the kernel’s', () => {
    const { from } = deed('preempt');
    const before = seen.filter(({ at_ms }) => at_ms < from);
    expect(before.at(-1)?.row).toMatchObject({ state: 'ok', limit_ms: SOFT_MS });
    for (const { row } of before)
      if (row.state === 'ok') expect(number(row, 'touch_age_ms')).toBeLessThanOrEqual(PERIOD_MS + 200);
  });

  test('a hog is predicted before the kernel finds it', () => {
    const { from, to } = deed('preempt');
    const first = seen.find(({ at_ms, row }) => at_ms > from && row.state === 'WILL: soft lockup');
    expect(first, states(from, to).join()).toBeDefined();
    const dmesg = fileOf(outcome, 'dmesg');
    const found = /\[\s*([\d.]+)\] watchdog: BUG: soft lockup - CPU#(\d)/.exec(dmesg);
    expect(found?.[2]).toBe(String(CPU));
    const kernel_ms = Number(found?.[1]) * 1e3 + offset_ms;
    const ahead = kernel_ms - (first?.at_ms ?? 0);
    // 2/5 of the threshold and the slack after the last touch, against twice the threshold.
    expect(ahead).toBeGreaterThan(1000);
    expect(ahead).toBeLessThan(HOG_MS);
    expect(number(first?.row ?? {}, 'left_ms')).toBeGreaterThan(1000);
    expect(states(from + SOFT_MS + 500, to)).toContain('SOFT LOCKUP');
  });

  test('-g: the samples of the others come on, too', () => {
    const samples = picturesOf(outcome, 'samples');
    const off = undisturbed().at(-1);
    const during = samples.filter(({ time }) => off !== undefined && isOf(Date.parse(time), off));
    expect(during.length).toBeGreaterThanOrEqual(OFF_MS / INTERVAL_MS / 2);
    expect(during.at(-1)?.rows.find(({ cpu }) => cpu === CPU)?.state).toBe('HARD LOCKUP');
    const sampled = new Set(during.flatMap(({ log = [] }) => log.map(({ cpu }) => cpu)));
    expect(sampled).toEqual(new Set([1 - CPU]));
  });

  // Nobody tells of it from there: its timers do not fire, and no NMI does in these guests.
  test.each(Array.from({ length: OFFS }, (_, n) => n))(
    'interrupts off: told by the others while it lasts (%i)',
    (n) => {
      const off = undisturbed()[n];
      expect(off, `the other CPU stood still: ${fileOf(outcome, 'beats')}`).toBeDefined();
      const { from, to } = off ?? { from: 0, to: 0 };
      const during = seen.filter(({ at_ms }) => isOf(at_ms, { from, to }));
      // A picture at every interval, though a part of ktop may have been asleep on that CPU.
      const times = [from, ...during.map(({ at_ms }) => at_ms), to];
      const longest = Math.max(...times.slice(1).map((time, i) => time - (times[i] ?? 0)));
      expect(longest, times.join()).toBeLessThanOrEqual(5 * INTERVAL_MS);
      const states = during.map(({ row }) => String(row.state));
      // Where the last timer fired when the writer was in the kernel already, the stopper did not come on any more.
      expect(states.join()).toMatch(/^(ok,)*(WILL: soft lockup,)*(WILL: hard lockup,)+(HARD LOCKUP,?)+$/);
      for (const { row } of during) {
        const age = number(row, 'timer_age_ms');
        if (age > PERIOD_MS + 200) expect(row.state).not.toBe('ok');
        if (/hard/i.test(String(row.state))) expect(age).toBeGreaterThan(PERIOD_MS + 200);
      }
      const others = picturesOf(outcome, 'dog')
        .filter(({ time }) => isOf(Date.parse(time), { from, to }))
        .flatMap(({ rows }) => rows.filter(({ cpu }) => cpu !== CPU).map(({ state }) => state));
      expect(new Set(others)).toEqual(new Set(['ok']));
      const after = seen.find(({ at_ms }) => at_ms > to + 2 * INTERVAL_MS);
      expect(after?.row.state).toBe('ok');
    },
  );

  test('it is over when it is over', () => {
    const { to } = deed('preempt');
    // A round of the watchdog and a refresh later.
    expect(states(to + PERIOD_MS + 700, to + PERIOD_MS + 1300)).toContain('ok');
    expect(seen.at(-1)?.row.state).toBe('ok');
  });
});
