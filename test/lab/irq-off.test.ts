/**
 * irq-off against a module that keeps interrupts off for a known time, and against the kernel's own trace of the
 * ticks. The guest's emulation has hiccups of its own, during which no CPU of it runs: they are in the trace, too.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { number, type Picture, type Row } from '../helpers/ktop.ts';
import type { Outcome } from './guest.ts';
import { fileOf, picturesOf, runKtopGuest } from './guest-ktop.ts';
import { findKernels } from './kernels.ts';
import { buildModule } from './module.ts';
import { parseOffs } from './module-log.ts';
import { dropped, parseTrace } from './trace-text.ts';

const LIMIT_US = 20_000;
/** A tick at every tenth of the limit: a silence is known to half of that. */
const PERIOD_US = LIMIT_US / 10;
const SHORT = [5, 5, 5, 5, 5, 5];
const LONG = [50, 50, 50, 50, 500, 500];

const off = (cpu: number, ms: number) =>
  `taskset ${1 << cpu} sh -c 'echo irq ${ms} >/proc/irqoff'; sleep 0.3`;

const SCRIPT = `
insmod ./irqoff.ko || exit 8
witness timer/hrtimer_expire_entry
witness_on
start irq irq-off -L ${LIMIT_US} -g -i 500
${[0, 1].flatMap((cpu) => [...SHORT, ...LONG].map((ms) => off(cpu, ms))).join('\n')}
finish
witness_off ticks
grep perf_swevent_hrtimer /out/ticks.trace >/out/perf.trace
rm /out/ticks.trace
`;

interface Hit {
  readonly cpu: number;
  readonly us: number;
  readonly entry: Row;
}

const hitsOf = (pictures: readonly Picture[]): Hit[] =>
  pictures
    .flatMap(({ log = [] }) => log)
    .map((entry) => ({
      cpu: number(entry, 'cpu'),
      us: Number(/([\d.]+) us/.exec(String(entry.text))?.[1]),
      entry,
    }));

describe.each(findKernels())('irq-off on $release', (kernel) => {
  let outcome: Outcome;
  let hits: Hit[] = [];

  beforeAll(async () => {
    const files = { 'irqoff.ko': buildModule(kernel) };
    outcome = await runKtopGuest({ kernel, files, script: SCRIPT });
    hits = hitsOf(picturesOf(outcome, 'irq'));
  }, 420_000);

  const truths = (cpu: number) =>
    parseOffs(fileOf(outcome, 'dmesg')).filter((each) => each.what === 'irq' && each.cpu === cpu);

  /** Hits that ended where the module lets interrupts in again. */
  const ours = (cpu: number) =>
    hits.filter((hit) => hit.cpu === cpu && JSON.stringify(hit.entry.stack).includes('irqoff_spin'));

  test.each([0, 1])('CPU %i: every silence over the limit is a hit, its length within 10 %', (cpu) => {
    // Within half a tick of the limit either is right.
    const long = truths(cpu)
      .filter(({ us }) => us > LIMIT_US + PERIOD_US / 2)
      .sort((a, b) => b.us - a.us);
    expect(long.length).toBeGreaterThanOrEqual(LONG.length);
    const left = ours(cpu);
    let close = 0;
    for (const { us } of long) {
      // The closest of those that are not too short: when the emulator stands still around it, it is longer.
      const fits = left.filter((hit) => hit.us >= us - PERIOD_US / 2 - us / 100).sort((a, b) => a.us - b.us);
      const hit = fits[0];
      if (hit === undefined) throw new Error(`no hit for ${us} us; reported: ${left.map((each) => each.us)}`);
      left.splice(left.indexOf(hit), 1);
      expect(hit.entry.text).toMatch(/^interrupts off/);
      if (hit.us - us <= Math.max(PERIOD_US / 2, us / 10)) close += 1;
    }
    // That the others were no longer than the ticks say is for the next test.
    expect(close / long.length).toBeGreaterThanOrEqual(2 / 3);
    // A short one is a hit only when the emulator stood still around it: rare, and the next test has the ticks.
    expect(truths(cpu).filter(({ us }) => us < LIMIT_US / 2).length).toBeGreaterThanOrEqual(1);
    expect(left.length).toBeLessThanOrEqual(1);
  });

  test('hits are the gaps between ticks in the kernel’s own trace, all of them and no others', () => {
    expect(dropped(fileOf(outcome, 'ticks.stats'))).toBe(0);
    const last = new Map<number, number>();
    const gaps: { cpu: number; us: number }[] = [];
    for (const { cpu, time } of parseTrace(fileOf(outcome, 'perf.trace'))) {
      gaps.push({ cpu, us: (time - (last.get(cpu) ?? time)) * 1e6 });
      last.set(cpu, time);
    }
    expect(gaps.length).toBeGreaterThan(1000);
    for (const cpu of [0, 1]) {
      const silent = gaps.filter((gap) => gap.cpu === cpu).map(({ us }) => us - PERIOD_US / 2);
      const told = hits.filter((hit) => hit.cpu === cpu).map(({ us }) => us);
      // Two clocks: they run apart, and an emulated CPU may stop between the readings.
      const same = (a: number, b: number) => Math.abs(a - b) <= 1000 + b / 100;
      for (const us of told)
        expect(
          silent.some((each) => same(us, each)),
          `told ${us} us`,
        ).toBe(true);
      for (const us of silent.filter((each) => each > LIMIT_US * 1.06))
        expect(
          told.some((each) => same(each, us)),
          `not told: ${us} us`,
        ).toBe(true);
    }
    expect(hits.every(({ us }) => us > LIMIT_US)).toBe(true);
  });

  test('the table has the counts and the worst', () => {
    const rows = picturesOf(outcome, 'irq').at(-1)?.rows ?? [];
    for (const cpu of [0, 1]) {
      const row = rows.find((each) => each.cpu === cpu) ?? {};
      const all = hits.filter((hit) => hit.cpu === cpu);
      expect(row).toMatchObject({ count: all.length, preempted: 0, steal_us: 0, kind: 'irq-off' });
      expect(Math.abs(number(row, 'max_us') - Math.max(...all.map(({ us }) => us)))).toBeLessThan(1);
    }
  });
});
