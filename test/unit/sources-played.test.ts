/** A file that is read once through, played: its tabs, in time. */
import { expect, test } from 'vitest';
import type { Options } from '../../src/monitors/monitor.ts';
import { playSource } from '../../src/sources/played.ts';
import type { Source, SourceMessage } from '../../src/sources/source.ts';
import { first, monitors } from './fixtures/monitors.ts';
import { sampleSnapshot } from './fixtures/snapshot.ts';

const START = Date.UTC(2026, 10, 20, 17);
const second = { ...first, name: 'second' };
const OPTIONS: Options = { interval_ms: 1000 };

/** What would be a file: it says what it is told to say. */
class FakeFile implements Source {
  readonly host = { host: 'elsewhere', kernel: '4.2.0', cpus: 2, boot_time: START };
  readonly started: string[] = [];
  readonly stopped: string[] = [];
  #tell: (message: SourceMessage) => void = () => {};

  start(monitor: string): void {
    this.started.push(monitor);
  }
  stop(monitor: string): void {
    this.stopped.push(monitor);
  }
  capabilities(): void {}
  subscribe(listener: (message: SourceMessage) => void): () => void {
    this.#tell = listener;
    return () => {};
  }
  async close(): Promise<void> {}

  /** Snapshots of so many seconds from the start, then the end. */
  read(monitor: string, from: number, to: number, ended = true): void {
    for (let n = from; n <= to; n += 1)
      this.#tell({
        type: 'snapshot',
        snapshot: sampleSnapshot({ monitor, seq: n, time: START + n * 1000, mono_ms: n * 1000 }),
      });
    if (ended) this.#tell({ type: 'ended', monitor });
  }
  fail(monitor: string): void {
    this.#tell({ type: 'failed', failure: { monitor, kind: 'host', text: 'not in it' } });
  }
}

const turns = async () => {
  for (let n = 0; n < 4; n += 1) await new Promise((resolve) => setImmediate(resolve));
};

function played() {
  const file = new FakeFile();
  let now = 0;
  const calls: { readonly at: number; readonly call: () => void }[] = [];
  const clock = {
    now: () => now,
    after: (ms: number, call: () => void) => {
      const entry = { at: now + ms, call };
      calls.push(entry);
      return () => void calls.splice(calls.indexOf(entry) >>> 0, 1);
    },
  };
  const pass = async (ms: number) => {
    const end = now + ms;
    await turns();
    for (let next = calls[0]; next !== undefined && next.at <= end; next = calls[0]) {
      calls.shift();
      now = next.at;
      next.call();
      await turns();
    }
    now = end;
    await turns();
  };
  const source = playSource(file, { monitors: [...monitors, second], version: 'test', clock });
  const seen: SourceMessage[] = [];
  source.subscribe((message) => seen.push(message));
  const shown = () =>
    seen.flatMap((message) =>
      message.type === 'snapshot' ? [`${message.snapshot.monitor} ${message.snapshot.seq}`] : [],
    );
  return { file, source, seen, shown, pass };
}

test('it plays from the first picture on, at its own pace, also while it is still being read', async () => {
  const { file, source, shown, pass } = played();
  source.start('first', OPTIONS);
  expect(source.playback.state()).toMatchObject({ place: 'file', end: 0 });
  file.read('first', 1, 3, false);
  await turns();
  expect(shown()).toEqual(['first 1']);
  await pass(1100);
  expect(shown()).toEqual(['first 1', 'first 2']);
  await pass(5000);
  expect(shown().at(-1)).toBe('first 3');
  expect(source.playback.state().playing).toBe(true);
  file.read('first', 4, 5);
  await pass(5000);
  expect(shown().at(-1)).toBe('first 5');
  expect(source.playback.state()).toMatchObject({
    start: START + 1000,
    end: START + 5000,
    at: START + 5000,
    playing: false,
  });
});

test('it is moved about in as a recording is', async () => {
  const { file, source, seen, shown, pass } = played();
  source.start('first', OPTIONS);
  file.read('first', 1, 50);
  await turns();
  source.playback.setPlaying(false);
  source.playback.seek(START + 20_500);
  await turns();
  expect(shown().at(-1)).toBe('first 20');
  source.playback.step('first', 1);
  await turns();
  expect(shown().at(-1)).toBe('first 21');
  source.playback.toEnd();
  await turns();
  expect(shown().at(-1)).toBe('first 50');
  source.playback.step('first', -2);
  await turns();
  expect(shown().at(-1)).toBe('first 48');
  expect(seen.filter(({ type }) => type === 'reset').length).toBeGreaterThanOrEqual(3);
  await pass(10_000);
  expect(shown().at(-1)).toBe('first 48');
});

test('another tab is shown at the same time, once it has been read so far; coming back reads nothing anew', async () => {
  const { file, source, shown } = played();
  source.start('first', OPTIONS);
  file.read('first', 1, 30);
  await turns();
  source.playback.setPlaying(false);
  source.playback.seek(START + 12_000);
  await turns();
  source.stop('first');
  source.start('second', OPTIONS);
  file.read('second', 1, 11, false);
  await turns();
  expect(shown().some((name) => name.startsWith('second'))).toBe(false);
  // Until then time stands where it was.
  file.read('second', 12, 13, false);
  await turns();
  expect(shown().at(-1)).toBe('second 12');
  expect(source.playback.state()).toMatchObject({ at: START + 12_000, playing: false });
  source.stop('second');
  source.start('first', OPTIONS);
  await turns();
  expect(shown().at(-1)).toBe('first 12');
  expect(file.started).toEqual(['first', 'second']);
  source.start('first', { interval_ms: 500 });
  expect(file.started).toEqual(['first', 'second', 'first']);
});

test('what cannot be shown of the file does not move time', async () => {
  const { file, source, seen } = played();
  source.start('first', OPTIONS);
  file.read('first', 1, 30);
  await turns();
  source.playback.setPlaying(false);
  source.playback.seek(START + 12_000);
  await turns();
  source.start('second', OPTIONS);
  file.fail('second');
  await turns();
  expect(seen.filter(({ type }) => type === 'failed')).toHaveLength(1);
  const told = seen.flatMap((message) => (message.type === 'playback' ? [message.playback.at] : []));
  expect(told.at(-1)).toBe(START + 12_000);
  expect(source.playback.state()).toMatchObject({ at: START + 12_000, end: START + 30_000 });
  source.start('second', OPTIONS);
  expect(file.started).toEqual(['first', 'second', 'second']);
});

test('the tapes of the tabs visited last are kept, others are dropped', async () => {
  const { file, source } = played();
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    source.start(name, OPTIONS);
    file.read(name, 1, 2);
  }
  expect(file.stopped).toEqual(['a']);
  source.start('b', OPTIONS);
  source.start('a', OPTIONS);
  expect(file.started).toEqual(['a', 'b', 'c', 'd', 'e', 'a']);
});
