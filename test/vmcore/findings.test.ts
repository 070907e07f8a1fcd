/** What the rules find in real cores: what was made, and not what was not. */
import { beforeAll, describe, expect, test } from 'vitest';
import { MAKE_MS, type ReadCore, readLab } from './read.ts';

let read: readonly ReadCore[] = [];
beforeAll(async () => {
  read = await readLab();
}, MAKE_MS);

/** Rule → the causes in which it must find something; in all others it must not. */
const RULES: Readonly<Record<string, readonly string[]>> = {
  deadlock: ['abba'],
  'owner-asleep': ['spindle', 'cgroup', 'rwsem'],
  'owner-gone': [],
  'frozen-fs': ['frozen'],
  'irqs-off': ['deaf'],
  'slab-leak': ['leak'],
  recursion: ['overflow'],
  poison: ['freed'],
  'bit-flip': ['flipped'],
  'error-pointer': [],
  'text-pointer': [],
};

describe.each(Object.entries(RULES))('%s', (rule, causes) => {
  const foundIn = () =>
    read.filter(({ report }) => report.findings.some(({ id }) => id === rule)).map(({ truth }) => truth.name);

  test('where it was made, and nowhere else', () => {
    const made = read.filter(({ truth }) => causes.includes(truth.cause)).map(({ truth }) => truth.name);
    expect(made.length).toBeGreaterThanOrEqual(causes.length);
    expect(foundIn()).toEqual(made);
  });
});

test('all CPUs on one lock, where more than half of them spin for it', () => {
  const found = read.filter(({ report }) => report.findings.some(({ id }) => id === 'one-lock'));
  expect(found.map(({ truth }) => truth.name)).toEqual(['spindle-b']);
});

test('a deadlock names its tasks and locks', () => {
  for (const { truth, report } of read.filter(({ truth }) => truth.cycles.length > 0)) {
    const [finding] = report.findings;
    expect(finding?.id, truth.name).toBe('deadlock');
    for (const pid of truth.cycles[0] ?? []) expect(finding?.text).toMatch(new RegExp(` ${pid}[,)]`));
    // Those who wait for one of them too are named as well.
    for (const { name, waiters } of truth.locks)
      for (const pid of waiters)
        expect(finding?.evidence.join('\n'), truth.name).toMatch(new RegExp(` ${pid} waits for ${name}\\b`));
  }
});

test('an owner asleep is the one that the guest named', () => {
  for (const { truth, report } of read.filter(({ truth }) => ['cgroup', 'rwsem'].includes(truth.cause))) {
    const finding = report.findings.find(({ id }) => id === 'owner-asleep');
    const [lock] = truth.locks;
    expect(finding?.text, truth.name).toContain(lock?.name);
    expect(finding?.text).toMatch(new RegExp(` ${lock?.owner}, which sleeps in sleep_with_lock`));
  }
});

test('every finding has evidence', () => {
  for (const { report } of read)
    for (const { evidence, text } of report.findings) {
      expect(text.length).toBeGreaterThan(10);
      expect(evidence.length).toBeGreaterThan(0);
    }
});
