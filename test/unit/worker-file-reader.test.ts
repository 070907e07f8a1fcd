/** The reader of a perf.data file: what it asks of the addon, and what it says. */
import { expect, test } from 'vitest';
import type { Monitor, Plan } from '../../src/monitors/monitor.ts';
import type { Addon, NativeSnapshot } from '../../src/worker/addon.ts';
import { FileReader } from '../../src/worker/file-reader.ts';
import type { FromReader, InputFacts, ToReader } from '../../src/worker/protocol.ts';
import { first } from './fixtures/monitors.ts';
import { sampleSnapshot } from './fixtures/snapshot.ts';

const FACTS: InputFacts = {
  host: 'elsewhere',
  kernel: '4.2.0',
  cpus: 2,
  command: 'perf record -a',
  tracepoints: ['sys:a', 'sys:b', 'sys:a'],
  frequency: 99.5,
  since_boot: true,
  wall_offset_ms: 1_000_000,
  damage: [],
};
const anything: Monitor = {
  ...first,
  name: 'anything',
  any_events: true,
  plan: ({ events = [{ name: 'sys:default' }], frequency = 0 }): Plan => ({
    events: events.map(({ name }, i) => ({ id: `e${i}`, names: [name] })),
    operators: [],
    sampler: { frequency },
  }),
};

/** A file of so many intervals. */
class FakeFile {
  readonly opened: Plan[] = [];
  readonly closed: number[] = [];
  readonly said: FromReader[] = [];
  readonly #left = new Map<number, number>();
  readonly reader: FileReader;

  constructor(intervals: number, changes: Partial<Addon> = {}) {
    const addon = {
      input: () => FACTS,
      inputCheck: () => ({ ok: true, backend: 'perf.data', missing: [], why: '' }),
      inputOpen: (plan: Plan) => {
        this.opened.push(plan);
        this.#left.set(this.opened.length, intervals);
        return this.opened.length;
      },
      inputNext: (handle: number) => {
        const left = (this.#left.get(handle) ?? 0) - 1;
        this.#left.set(handle, left);
        const { monitor: _m, seq: _s, time: _t, ...native } = sampleSnapshot();
        const snapshot: NativeSnapshot = { ...native, mono_ms: 1000 * (intervals - left) };
        return { snapshot, ended: left === 0 };
      },
      inputClose: (handle: number) => this.closed.push(handle),
      ...changes,
    } as unknown as Addon;
    this.reader = new FileReader(
      () => addon,
      [first, anything],
      'a.data',
      (message) => this.said.push(message),
    );
  }

  tell(...messages: ToReader[]): void {
    for (const message of messages) this.reader.handle(message);
  }

  reads() {
    return this.said.flatMap((message) => (message.type === 'read' ? [message] : []));
  }
}

const start = (monitor: string, run: number): ToReader => ({
  type: 'start',
  monitor,
  options: { interval_ms: 1000 },
  run,
});
const taken = (monitor: string, run: number): ToReader => ({ type: 'taken', monitor, run });

test('it says first what the file is, or why it cannot be opened', () => {
  expect(new FakeFile(1).said).toEqual([{ type: 'input', facts: FACTS }]);
  const broken = new FakeFile(1, {
    input: () => {
      throw new Error('cannot read a.data: it is empty');
    },
  });
  expect(broken.said).toEqual([
    {
      type: 'failed',
      failure: { monitor: '', kind: 'internal', text: 'cannot read a.data: it is empty' },
    },
  ]);
  broken.tell(start('first', 1));
  expect(broken.said).toHaveLength(1);
});

test('the next part is read when the last has been taken, up to the end', () => {
  const file = new FakeFile(2);
  file.tell(start('first', 7));
  expect(file.reads()).toHaveLength(1);
  file.tell(taken('first', 7));
  expect(file.reads()).toHaveLength(2);
  expect(file.closed).toEqual([]);
  file.tell(taken('first', 7));
  const [one, two, end] = file.reads();
  expect([one?.snapshot?.seq, two?.snapshot?.seq, end?.snapshot]).toEqual([1, 2, undefined]);
  expect(one?.snapshot?.time).toBe(1_001_000);
  expect(one?.snapshot?.tables.twice).toBeDefined();
  expect(file.closed).toEqual([1]);
  file.tell(taken('first', 7));
  expect(file.reads()).toHaveLength(3);
});

test('what was taken of a start before does not make the new one go on', () => {
  const file = new FakeFile(5);
  file.tell(start('first', 1), start('first', 2));
  expect(file.closed).toEqual([1]);
  file.tell(taken('first', 1));
  expect(file.reads().map(({ run }) => run)).toEqual([1, 2]);
  file.tell(taken('first', 2));
  expect(file.reads().map(({ run, snapshot }) => [run, snapshot?.seq])).toEqual([
    [1, 1],
    [2, 1],
    [2, 2],
  ]);
  file.tell({ type: 'close' });
  expect(file.closed).toEqual([1, 2]);
  expect(file.said.at(-1)).toEqual({ type: 'closed' });
});

test('a long way through the file lets messages in', async () => {
  let calls = 0;
  const file = new FakeFile(1, {
    inputNext: () => {
      calls += 1;
      return undefined;
    },
  });
  file.tell(start('first', 1));
  for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toBeGreaterThan(2);
  file.tell({ type: 'stop', monitor: 'first' });
  await new Promise((resolve) => setImmediate(resolve));
  const before = calls;
  await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toBe(before);
  expect(file.closed).toEqual([1]);
});

test('any event will do: all there are, at the rate they were sampled', () => {
  const file = new FakeFile(1);
  file.tell(start('anything', 1));
  expect(file.opened[0]?.events.map(({ names }) => names[0])).toEqual(['sys:a', 'sys:b']);
  expect(file.opened[0]?.sampler?.frequency).toBe(99.5);
  file.tell({
    type: 'start',
    monitor: 'anything',
    options: { interval_ms: 1000, events: [{ name: 'sys:c' }] },
  });
  expect(file.opened[1]?.events.map(({ names }) => names[0])).toEqual(['sys:c']);
});

test('failures are those of the monitor, with their kind', () => {
  const file = new FakeFile(1, {
    inputOpen: () => {
      throw Object.assign(new Error('a.data has no sys:a'), { kind: 'host' });
    },
  });
  file.tell(start('first', 1), start('nobody', 2));
  expect(file.said.slice(1)).toEqual([
    { type: 'failed', failure: { monitor: 'first', kind: 'host', text: 'a.data has no sys:a' } },
    { type: 'failed', failure: { monitor: 'nobody', kind: 'usage', text: 'no monitor "nobody"' } },
  ]);
});

test('capabilities are those of the file', () => {
  const file = new FakeFile(1);
  file.tell({ type: 'capabilities' });
  const last = file.said.at(-1);
  expect(last?.type === 'capabilities' && last.capabilities.map(({ state }) => state)).toEqual([
    'yes',
    'yes',
  ]);
});
