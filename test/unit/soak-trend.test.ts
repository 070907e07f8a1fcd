/** The judge of the soak test: a leak does not pass it, noise does. */
import { expect, test } from 'vitest';
import { trendOf } from '../soak/trend.ts';

/** Numbers below 1, the same in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Ten minutes of a sample a second, 28 a cycle: a sawtooth of garbage, tabs of different size, and a leak, MB per hour. */
function samples(leak: number, seed: number, noise = 8) {
  const next = random(seed);
  return Array.from({ length: 600 }, (_, at) => {
    const hours = at / 3600;
    const garbage = noise * next();
    return { hours, cycle: Math.floor(at / 28), value: 100 + (at % 28) + leak * hours + garbage };
  });
}

const SEEDS = Array.from({ length: 50 }, (_, at) => at + 1);

test('the interval holds the true slope about as often as it says', () => {
  for (const leak of [0, 5, 50]) {
    const held = SEEDS.filter((seed) => {
      const { slope, half } = trendOf(samples(leak, seed));
      return Math.abs(slope - leak) <= half;
    });
    expect(held.length).toBeGreaterThanOrEqual(0.85 * SEEDS.length);
  }
});

test('noise that drifts for cycles on end widens it', () => {
  let drift = 0;
  const next = random(3);
  const drifting = samples(0, 1, 0).map((sample) => {
    if (sample.hours > 0 && next() < 0.05) drift = 10 * (next() - 0.5) + 0.7 * drift;
    return { ...sample, value: sample.value + drift };
  });
  expect(trendOf(drifting).half).toBeGreaterThan(trendOf(samples(0, 1, 0.1)).half * 5);
});

test('a leak past the limit and the width is above it in full', () => {
  for (const seed of SEEDS) {
    const { slope, half } = trendOf(samples(60, seed, 1));
    expect(half).toBeLessThan(15);
    expect(slope - half).toBeGreaterThan(10);
  }
});

test('too few cycles are no trend', () => {
  expect(() => trendOf(samples(0, 1).slice(0, 60))).toThrow(/too few/);
});
