/** What is asked before functions of the whole system are traced. */
import { expect, test } from 'vitest';
import { isBearable } from '../../src/cli/trial.ts';
import { monitors } from '../../src/monitors/index.ts';
import type { Monitor } from '../../src/monitors/monitor.ts';
import type { Source } from '../../src/sources/source.ts';
import { sampleSnapshot } from './fixtures/snapshot.ts';

const calls = monitors.find(({ name }) => name === 'calls') as Monitor;
type Listener = Parameters<Source['subscribe']>[0];

/** A source that has one picture of so many entries and returns in 100 ms. */
function sourceOf(events: number, notes: readonly string[] = []) {
  const done: string[] = [];
  let listener: Listener = () => {};
  const source = {
    subscribe: (each: Listener) => {
      listener = each;
      return () => done.push('unsubscribed');
    },
    start: (monitor: string) =>
      listener({
        type: 'snapshot',
        snapshot: sampleSnapshot({ monitor, events, interval_ms: 100, notes: [...notes] }),
      }),
    stop: (monitor: string) => done.push(`stopped ${monitor}`),
  } as unknown as Source;
  return { source, done };
}

test('more than 100,000 calls a second are not traced unasked', async () => {
  const { source, done } = sourceOf(20_002);
  expect(await isBearable(source, calls, { interval_ms: 1000, functions: ['vfs_*'] })).toBe(false);
  expect(done).toEqual(['unsubscribed', 'stopped calls']);
});

test.each([
  ['as many as may be', 20_000, []],
  ['none', 0, []],
  ['events in their place', 1e6, ['no function calls here, but system calls and events: …']],
])('%s: traced', async (_, events, notes) => {
  const { source } = sourceOf(events, notes);
  expect(await isBearable(source, calls, { interval_ms: 1000, functions: ['vfs_*'] })).toBe(true);
});
