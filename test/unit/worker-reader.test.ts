import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Addon } from '../../src/worker/addon.ts';
import type { FromReader } from '../../src/worker/protocol.ts';
import { Reader } from '../../src/worker/reader.ts';
import { monitors } from './fixtures/monitors.ts';

interface Fake extends Addon {
  readonly state: { readonly open: Map<number, unknown>; finished(): boolean };
}
const fake = createRequire(import.meta.url)('./fixtures/fake-addon.cjs') as Fake;

let posted: FromReader[] = [];
let reader: Reader;
const snapshots = () => posted.flatMap((message) => (message.type === 'snapshot' ? [message.snapshot] : []));
const taken = () => reader.handle({ type: 'taken', monitor: 'first' });

function make(first_ms?: number): Reader {
  const settings = first_ms === undefined ? { load: false } : { load: false, first_ms };
  return new Reader(
    () => fake,
    monitors,
    settings,
    (message) => posted.push(message),
  );
}

beforeEach(() => {
  vi.useFakeTimers();
  posted = [];
  reader = make();
});

afterEach(() => {
  reader.handle({ type: 'close' });
  vi.useRealTimers();
  expect(fake.state.open.size).toBe(0);
});

test('a snapshot per interval, numbered, with derived tables', () => {
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100 } });
  for (let n = 0; n < 3; n += 1) {
    vi.advanceTimersByTime(100);
    taken();
  }
  expect(snapshots().map(({ seq, monitor }) => [seq, monitor])).toEqual([
    [1, 'first'],
    [2, 'first'],
    [3, 'first'],
  ]);
  expect(snapshots()[2]?.tables.twice?.columns.twice).toEqual(Float64Array.of(6, 60));
});

test('nothing is taken before the interval is over, unless a first paint is wanted', () => {
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 1000 } });
  vi.advanceTimersByTime(999);
  expect(snapshots()).toHaveLength(0);
  reader.handle({ type: 'stop', monitor: 'first' });

  reader = make(250);
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 1000 } });
  vi.advanceTimersByTime(250);
  expect(snapshots()).toHaveLength(1);
  taken();
  vi.advanceTimersByTime(999);
  expect(snapshots()).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(snapshots()).toHaveLength(2);
});

test('a receiver that is slow gets the next one when it is ready, not two', () => {
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100 } });
  vi.advanceTimersByTime(1000);
  expect(snapshots()).toHaveLength(1);
  taken();
  expect(snapshots()).toHaveLength(2);
  taken();
  expect(snapshots()).toHaveLength(2);
});

test('a new interval keeps the monitor open; new options open it anew', () => {
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 1000 } });
  const [handle] = fake.state.open.keys();
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100 } });
  expect([...fake.state.open.keys()]).toEqual([handle]);
  vi.advanceTimersByTime(100);
  expect(snapshots()).toHaveLength(1);
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100, filter: 'x' } });
  expect(fake.state.open.size).toBe(1);
  expect([...fake.state.open.keys()]).not.toEqual([handle]);
});

test('stopped means silent and closed', () => {
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100 } });
  reader.handle({ type: 'stop', monitor: 'first' });
  vi.advanceTimersByTime(1000);
  expect(posted).toEqual([]);
  expect(fake.state.open.size).toBe(0);
});

test.each([
  ['host', 'host', /no such event/],
  ['usage', 'usage', /no field x/],
  ['internal', 'internal', /a bug/],
])('an addon that fails with %s fails the monitor', (filter, kind, text) => {
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100, filter } });
  expect(posted).toEqual([
    { type: 'failed', failure: { monitor: 'first', kind, text: expect.stringMatching(text) } },
  ]);
});

test('a snapshot that fails closes the monitor', () => {
  reader.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100, filter: 'snapshot-fails' } });
  vi.advanceTimersByTime(500);
  expect(posted.filter(({ type }) => type === 'failed')).toHaveLength(1);
});

test('an unknown monitor is a usage failure; an addon that does not load an internal one', () => {
  reader.handle({ type: 'start', monitor: 'none', options: { interval_ms: 100 } });
  expect(posted).toMatchObject([{ failure: { monitor: 'none', kind: 'usage' } }]);
  posted = [];
  const broken = new Reader(
    () => {
      throw new Error('no file');
    },
    monitors,
    { load: false },
    (message) => posted.push(message),
  );
  broken.handle({ type: 'start', monitor: 'first', options: { interval_ms: 100 } });
  broken.handle({ type: 'capabilities' });
  expect(posted).toMatchObject([
    { failure: { kind: 'internal', text: 'no file' } },
    { capabilities: [{ state: 'no', why: 'no file' }, { state: 'no' }] },
  ]);
});

test('capabilities, one per monitor, with what each needs', () => {
  reader.handle({ type: 'capabilities' });
  expect(posted).toMatchObject([
    {
      type: 'capabilities',
      capabilities: [
        { monitor: 'first', state: 'yes', needs: ['fake:event|fake:older'], backend: 'fake' },
        { monitor: 'kvm-exit', state: 'yes' },
      ],
    },
  ]);
});
