/** A live source that remembers: its last minutes can be gone back to, and all of it can be recorded. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Options } from '../../src/monitors/monitor.ts';
import { RecordingFile } from '../../src/recording/file.ts';
import { snapshotsOf } from '../../src/recording/reading.ts';
import type { Snapshot } from '../../src/sources/snapshot.ts';
import type { Playback, Source, SourceMessage } from '../../src/sources/source.ts';
import { tapSource } from '../../src/sources/tapped.ts';
import { Kernel } from './fixtures/kernel.ts';
import { monitors } from './fixtures/monitors.ts';
import { anySnapshot, dice, scratch } from './fixtures/recordings.ts';

const directory = scratch();
const SECOND: Options = { interval_ms: 1000 };

const random = dice(31);
const seqs = new Map<string, number>();

function tapped(history = true) {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  const kernel = new Kernel();
  const source = tapSource(kernel, { monitors, version: 'test', history });
  const messages: SourceMessage[] = [];
  source.subscribe((message) => messages.push(message));
  seqs.clear();
  /** A second in which every open monitor says something. */
  const tick = (): Snapshot[] => {
    vi.advanceTimersByTime(1000);
    const time = Date.now();
    return [...kernel.open.keys()].map((monitor) => {
      const seq = (seqs.get(monitor) ?? 0) + 1;
      seqs.set(monitor, seq);
      const snapshot = anySnapshot(random, { monitor, seq, time, lost: 0 }, 5);
      kernel.say({ type: 'snapshot', snapshot });
      return snapshot;
    });
  };
  const fresh = () =>
    messages.splice(0).flatMap((message) => (message.type === 'snapshot' ? [name(message.snapshot)] : []));
  open.push(source);
  return { kernel, source, messages, tick, fresh, playback: source.playback as Playback };
}

const open: Source[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(open.splice(0).map((source) => source.close()));
});

const name = ({ monitor, seq }: Snapshot) => `${monitor} ${seq}`;
const turn = () => new Promise((resolve) => setImmediate(resolve));
const upTo = (monitor: string, last: number) =>
  Array.from({ length: last }, (_, index) => `${monitor} ${index + 1}`);

describe('live', () => {
  test('everything passes as it comes, and a listener that is slow is waited for', async () => {
    const { kernel, source, tick, fresh } = tapped();
    source.start('first', SECOND);
    await turn();
    tick();
    tick();
    expect(fresh()).toEqual(['first 1', 'first 2']);
    source.subscribe(() => new Promise(() => {}));
    const [answer] = kernel.say({ type: 'snapshot', snapshot: anySnapshot(random) });
    expect(answer).toBeInstanceOf(Promise);
  });

  test('it is open as far as somebody wants it', async () => {
    const { kernel, source } = tapped();
    source.start('first', SECOND);
    source.start('first', SECOND);
    source.stop('first');
    source.start('kvm-exit', { interval_ms: 500 });
    source.start('kvm-exit', SECOND);
    expect(kernel.calls).toEqual(['start first', 'stop first', 'start kvm-exit', 'start kvm-exit']);
    await source.close();
    expect(kernel.closed).toBe(true);
  });

  test('without a history there is nowhere to go', () => {
    expect(tapped(false).source.playback).toBeUndefined();
  });
});

describe('the past', () => {
  test('is stepped into, and left by going to the end, where nothing is missing', async () => {
    const { kernel, source, tick, fresh, messages, playback } = tapped();
    source.start('first', SECOND);
    await turn();
    for (let second = 0; second < 5; second += 1) tick();
    expect(playback.state()).toMatchObject({ place: 'live', playing: true });
    fresh();
    playback.step('first', -2);
    await turn();
    expect(messages[0]).toEqual({ type: 'reset' });
    expect(fresh()).toEqual(upTo('first', 3));
    expect(playback.state()).toMatchObject({ place: 'past', playing: false });
    // What happens meanwhile is kept.
    tick();
    kernel.say({ type: 'notice', text: 'something' });
    expect(messages).toEqual([{ type: 'notice', text: 'something' }]);
    playback.step('first', 1);
    await turn();
    expect(fresh()).toEqual(['first 4']);
    playback.toEnd();
    await turn();
    expect(messages.at(-1)).toMatchObject({ type: 'playback', playback: { place: 'live' } });
    expect(fresh()).toEqual(upTo('first', 6));
    tick();
    expect(fresh()).toEqual(['first 7']);
  });

  test('has only one way forward from now: to wait', async () => {
    const { source, tick, playback, messages } = tapped();
    source.start('first', SECOND);
    await turn();
    tick();
    messages.length = 0;
    playback.step('first', 1);
    playback.setPlaying(true);
    playback.toEnd();
    playback.seek(Date.now() + 1e6);
    await turn();
    expect(playback.state().place).toBe('live');
    expect(messages).toEqual([]);
  });

  test('can be held on to, sought in, and played until it is now', async () => {
    const { source, tick, playback, fresh } = tapped();
    source.start('first', SECOND);
    await turn();
    const all = Array.from({ length: 10 }, () => tick()[0] as Snapshot);
    fresh();
    playback.seek((all[3] as Snapshot).time);
    await turn();
    expect(fresh()).toEqual(upTo('first', 4));
    expect(playback.state()).toMatchObject({ place: 'past', at: Math.floor((all[3] as Snapshot).time) });
    playback.setSpeed(100);
    playback.setPlaying(true);
    while (playback.state().place === 'past') {
      vi.advanceTimersByTime(1);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    tick();
    expect(fresh()).toEqual(upTo('first', 11).slice(4));
  });

  test('monitors that were open stay so, and the tab one turns to is open on the return', async () => {
    const { kernel, source, tick, playback, fresh } = tapped();
    source.start('first', SECOND);
    await turn();
    tick();
    tick();
    playback.step('first', -1);
    source.stop('first');
    source.start('kvm-exit', SECOND);
    await turn();
    expect([...kernel.open.keys()]).toEqual(['first', 'kvm-exit']);
    tick();
    fresh();
    playback.toEnd();
    await turn();
    expect([...kernel.open.keys()]).toEqual(['kvm-exit']);
    expect(fresh()).toEqual(['kvm-exit 1']);
    // Back on the first tab: what led up to now, also what happened in the past's time.
    source.start('first', SECOND);
    await turn();
    expect(fresh()).toEqual(upTo('first', 3));
    tick();
    expect(fresh().toSorted()).toEqual(['first 4', 'kvm-exit 2']);
  });

  test('is what was kept, however many chunks ago', async () => {
    const { source, tick, playback, fresh } = tapped();
    source.start('first', SECOND);
    await turn();
    for (let second = 0; second < 100; second += 1) {
      tick();
      if (second % 9 === 0) await turn();
    }
    fresh();
    playback.step('first', -90);
    await turn();
    expect(fresh()).toEqual(upTo('first', 10));
    playback.step('first', -1000);
    await turn();
    expect(fresh()).toEqual(['first 1']);
    playback.toEnd();
    await turn();
    expect(fresh()).toEqual(upTo('first', 100));
  });
});

describe('recording', () => {
  test('writes what every monitor says that was open, also of tabs that were left', async () => {
    const { kernel, source, tick, messages } = tapped();
    const path = join(directory, 'tabs.ktop');
    source.start('first', SECOND);
    await turn();
    tick();
    source.recording.start(path);
    const seen = [...tick(), ...tick()];
    source.stop('first');
    source.start('kvm-exit', SECOND);
    await turn();
    expect([...kernel.open.keys()]).toEqual(['first', 'kvm-exit']);
    seen.push(...tick(), ...tick());
    expect(source.recording.state()).toMatchObject({ path, snapshots: 6, error: '' });
    messages.length = 0;
    await source.recording.stop();
    expect([...kernel.open.keys()]).toEqual(['kvm-exit']);
    await turn();
    expect(messages.at(-1)).toMatchObject({
      type: 'recording',
      recording: { path: '', error: '', snapshots: 6 },
    });
    tick();
    const file = new RecordingFile(path);
    expect([...snapshotsOf(file)]).toEqual(seen);
    expect(file.damage).toEqual([]);
    expect(source.recording.state().bytes).toBe(readFileSync(path).length);
    file.close();
  });

  test('goes on while one looks at the past, and after it into another file', async () => {
    const { source, tick, playback } = tapped();
    source.start('first', SECOND);
    await turn();
    tick();
    tick();
    const seen: Snapshot[][] = [];
    for (const round of [0, 1]) {
      source.recording.start(join(directory, `round-${round}.ktop`));
      const these = [...tick(), ...tick()];
      playback.step('first', -2);
      await turn();
      these.push(...tick());
      playback.toEnd();
      await turn();
      these.push(...tick());
      seen.push(these);
      await source.recording.stop();
    }
    for (const round of [0, 1]) {
      const file = new RecordingFile(join(directory, `round-${round}.ktop`));
      expect([...snapshotsOf(file)]).toEqual(seen[round]);
      file.close();
    }
  });

  test('is ended by closing the source', async () => {
    const { source, tick } = tapped(false);
    const path = join(directory, 'closed.ktop');
    source.start('first', SECOND);
    source.recording.start(path);
    const seen = [...tick(), ...tick()];
    await source.close();
    const file = new RecordingFile(path);
    expect([...snapshotsOf(file)]).toEqual(seen);
    expect(file.damage).toEqual([]);
    file.close();
  });

  test('cannot begin where there is something, or twice', async () => {
    const { source } = tapped();
    const path = join(directory, 'there.ktop');
    writeFileSync(path, 'mine');
    expect(() => source.recording.start(path)).toThrow(`${path} is there already`);
    expect(source.recording.state().path).toBe('');
    expect(readFileSync(path, 'utf8')).toBe('mine');
    source.recording.start(`${path}2`);
    expect(() => source.recording.start(`${path}3`)).toThrow(`already recording to ${path}2`);
    await Promise.all([source.recording.stop(), source.recording.stop()]);
  });

  test('a second at most is on its way to the file', async () => {
    const { source, tick } = tapped();
    const path = join(directory, 'soon.ktop');
    source.start('first', SECOND);
    source.recording.start(path);
    const seen = [...tick(), ...tick()];
    await vi.waitFor(
      () => {
        const file = new RecordingFile(path);
        expect([...snapshotsOf(file)]).toEqual(seen);
        file.close();
      },
      { timeout: 10_000, interval: 20 },
    );
    await source.recording.stop();
  });
});
