/** watchdog on this kernel: every CPU is well, at the kernel's own cadence. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { number, startKtop } from '../helpers/ktop.ts';
import { cpuTimes } from '../helpers/oracle.ts';

const INTERVAL_MS = 500;

describe('watchdog', () => {
  test('every CPU is ok within two rounds; touches come every 2/5 of the threshold', {
    timeout: 60_000,
  }, async () => {
    const thresh_s = Number(readFileSync('/proc/sys/kernel/watchdog_thresh', 'utf8'));
    const period_ms = (thresh_s * 2000) / 5;
    const ktop = await startKtop(['watchdog', '-i', String(INTERVAL_MS)]);
    try {
      await ktop.more(Math.ceil((4.5 * period_ms) / INTERVAL_MS), 30_000);
    } finally {
      await ktop.kill();
    }
    const cpus = [...cpuTimes().keys()];
    const first = ktop.pictures.findIndex(({ rows }) => rows.every(({ state }) => state === 'ok'));
    expect(first).toBeGreaterThanOrEqual(0);
    expect((first + 1) * INTERVAL_MS).toBeLessThanOrEqual(9000);
    for (const { rows } of ktop.pictures.slice(first)) {
      expect(rows.map(({ cpu }) => cpu).sort()).toEqual(cpus);
      for (const row of rows) {
        expect(row).toMatchObject({ state: 'ok', limit_ms: thresh_s * 2000 });
        expect(number(row, 'touch_age_ms')).toBeLessThanOrEqual(period_ms + thresh_s * 100);
        expect(number(row, 'timer_age_ms')).toBeLessThanOrEqual(period_ms + 300);
        expect(number(row, 'left_ms')).toBeCloseTo(thresh_s * 2000 - number(row, 'touch_age_ms'), 0);
      }
    }
    for (const { rows } of ktop.pictures.slice(0, first))
      for (const row of rows) expect(['waiting', 'ok']).toContain(row.state);
    const ages = ktop.pictures
      .slice(first)
      .flatMap(({ rows }) => rows.map((row) => number(row, 'touch_age_ms')));
    expect(ages.sort((a, b) => a - b)[Math.floor(ages.length * 0.9)]).toBeLessThanOrEqual(period_ms + 300);
    for (const cpu of cpus) {
      // The moment of the last timer, as each picture tells it: it moves in steps of the period.
      const fired = ktop.pictures.slice(first).map(({ time, rows }) => {
        const row = rows.find((each) => each.cpu === cpu) ?? {};
        return Date.parse(time) - number(row, 'timer_age_ms');
      });
      const steps = fired
        .slice(1)
        .map((at, i) => at - (fired[i] ?? 0))
        .filter((step) => step > 50);
      expect(steps.length).toBeGreaterThanOrEqual(1);
      for (const step of steps) expect(Math.abs(step - period_ms)).toBeLessThan(150);
    }
  });

  test('-C: only that CPU', { timeout: 30_000 }, async () => {
    const ktop = await startKtop(['watchdog', '-C', '1', '-i', '300']);
    await ktop.kill();
    expect(ktop.pictures[0]?.rows.map(({ cpu }) => cpu)).toEqual([1]);
  });
});
