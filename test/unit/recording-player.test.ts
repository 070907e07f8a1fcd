/** Moving in time: a recording is played, sought in and stepped through; wherever one gets to, it looks as it did then. */
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Monitor } from '../../src/monitors/monitor.ts';
import type { PlayClock } from '../../src/recording/player.ts';
import { openRecording, type ReplayOptions } from '../../src/sources/recording.ts';
import type { Snapshot } from '../../src/sources/snapshot.ts';
import type { Playback, Source, SourceMessage } from '../../src/sources/source.ts';
import { Store } from '../../src/ui/store.ts';
import { monitors } from './fixtures/monitors.ts';
import { HOST, type Made, makeRecording, START, scratch } from './fixtures/recordings.ts';

const directory = scratch();
const path = join(directory, 'played.ktop');
/** 200 snapshots, two a second, of two monitors in turn; a chunk every 7 s. */
let made: Made;

beforeAll(async () => {
  made = await makeRecording(path, { count: 200, rows: 4, chunk: { ms: 7000, bytes: 1 << 20 } });
});

/** Time that passes when told to. */
class Hands implements PlayClock {
  #now = 0;
  readonly #calls: { readonly at: number; readonly call: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, call: () => void): () => void {
    const entry = { at: this.#now + ms, call };
    this.#calls.push(entry);
    return () => {
      const index = this.#calls.indexOf(entry);
      if (index >= 0) this.#calls.splice(index, 1);
    };
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await turn();
      const next = this.#calls.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#calls.splice(this.#calls.indexOf(next), 1);
      this.#now = next.at;
      next.call();
    }
    this.#now = end;
    await turn();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

interface Player {
  readonly source: Source;
  readonly playback: Playback;
  readonly clock: Hands;
  readonly messages: SourceMessage[];
  /** Snapshots since the last look, as `monitor seq`. */
  readonly fresh: () => string[];
}

const open: Source[] = [];

function play(options: ReplayOptions = {}): Player {
  const clock = new Hands();
  const source = openRecording(path, { ...options, clock });
  open.push(source);
  const messages: SourceMessage[] = [];
  source.subscribe((message) => messages.push(message));
  let seen = 0;
  const fresh = () => {
    const all = messages
      .slice(seen)
      .flatMap((message) => (message.type === 'snapshot' ? [name(message.snapshot)] : []));
    seen = messages.length;
    return all;
  };
  return { source, playback: source.playback as Playback, clock, messages, fresh };
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((source) => source.close()));
});

const name = ({ monitor, seq }: Snapshot) => `${monitor} ${seq}`;
const types = (messages: readonly SourceMessage[]) => messages.map(({ type }) => type);

describe('playing', () => {
  test('the host and the monitors are those that were recorded', () => {
    const { source } = play();
    expect(source.host).toEqual(HOST);
    expect(source.recorded).toEqual([
      { monitor: 'first', options: { interval_ms: 1000 } },
      { monitor: 'kvm-exit', options: { interval_ms: 1000 } },
    ]);
  });

  test('there is something to see at once, then it comes as it came', async () => {
    const { source, clock, fresh, playback } = play();
    source.start('first', { interval_ms: 1000 });
    await clock.pass(0);
    expect(fresh()).toEqual(['first 1']);
    await clock.pass(990);
    expect(fresh()).toEqual([]);
    await clock.pass(60);
    expect(fresh()).toEqual(['first 2']);
    playback.setSpeed(10);
    await clock.pass(1050);
    expect(fresh()).toEqual(Array.from({ length: 10 }, (_, index) => `first ${index + 3}`));
    playback.setPlaying(false);
    await clock.pass(5000);
    expect(fresh()).toEqual([]);
    expect(playback.state()).toMatchObject({ playing: false, speed: 10, place: 'file' });
    playback.setSpeed(0.1);
    playback.setPlaying(true);
    await clock.pass(9000);
    expect(fresh()).toHaveLength(1);
  });

  test('only what is started comes, with what led up to it', async () => {
    const { source, clock, fresh } = play();
    source.start('first', { interval_ms: 1000 });
    await clock.pass(5020);
    expect(new Set(fresh().map((each) => each.split(' ')[0]))).toEqual(new Set(['first']));
    source.start('kvm-exit', { interval_ms: 1000 });
    await clock.pass(0);
    expect(fresh()).toEqual(['kvm-exit 1', 'kvm-exit 2', 'kvm-exit 3', 'kvm-exit 4', 'kvm-exit 5']);
    source.stop('first');
    await clock.pass(2050);
    expect(fresh()).toEqual(['kvm-exit 6', 'kvm-exit 7']);
    // What was missed meanwhile, and no more.
    source.start('first', { interval_ms: 1000 });
    await clock.pass(0);
    expect(fresh()).toEqual(['first 7', 'first 8']);
  });

  test('at the end it stands still', async () => {
    const { source, clock, fresh, playback } = play({ speed: 100 });
    source.start('kvm-exit', { interval_ms: 1000 });
    await clock.pass(2000);
    expect(fresh()).toHaveLength(100);
    const { at, end, playing } = playback.state();
    expect([at, playing]).toEqual([end, false]);
  });

  test('what was not recorded fails with one sentence', async () => {
    const { source, clock, messages } = play();
    source.start('nettop', { interval_ms: 1000 });
    await clock.pass(0);
    expect(messages).toEqual([
      {
        type: 'failed',
        failure: {
          monitor: 'nettop',
          kind: 'host',
          text: 'nettop is not in this recording; recorded were first, kvm-exit',
        },
      },
    ]);
  });

  test('nothing comes after it has been closed', async () => {
    const { source, clock, messages, playback } = play();
    source.start('first', { interval_ms: 1000 });
    playback.seek(START + 5000);
    await source.close();
    await clock.pass(5000);
    expect(messages).toEqual([]);
  });
});

describe('seeking', () => {
  test('begins with a reset and ends with the position', async () => {
    const { source, clock, messages, playback } = play({ playing: false });
    source.start('first', { interval_ms: 1000 });
    await clock.pass(0);
    messages.length = 0;
    playback.seek(START + 10_000);
    expect(messages).toEqual([]);
    await clock.pass(0);
    expect(types(messages)).toEqual(['reset', 'totals', ...Array(10).fill('snapshot'), 'playback']);
    expect(messages.at(-1)).toMatchObject({ playback: { at: START + 10_000, playing: false } });
  });

  test('is clamped to what there is', async () => {
    const { source, clock, playback, fresh } = play({ playing: false });
    source.start('first', { interval_ms: 1000 });
    playback.seek(0);
    await clock.pass(0);
    expect(playback.state().at).toBe(playback.state().start);
    fresh();
    playback.seek(Number.MAX_VALUE);
    await clock.pass(0);
    expect(playback.state().at).toBe(playback.state().end);
    expect(fresh()).toHaveLength(100);
  });

  test('many times at once is seeking once', async () => {
    const { source, clock, messages, playback } = play({ playing: false });
    source.start('first', { interval_ms: 1000 });
    for (let second = 1; second < 50; second += 1) playback.seek(START + second * 1000);
    await clock.pass(0);
    expect(types(messages).filter((type) => type === 'reset')).toHaveLength(1);
    expect(playback.state().at).toBe(START + 49_000);
  });

  test('goes on playing from there', async () => {
    const { source, clock, fresh, playback } = play();
    source.start('first', { interval_ms: 1000 });
    await clock.pass(0);
    playback.seek(START + 50_000);
    await clock.pass(0);
    fresh();
    await clock.pass(2050);
    expect(fresh()).toEqual(['first 51', 'first 52']);
  });

  test('anywhere looks as playing up to there does', async () => {
    const watched: Monitor[] = monitors.map((monitor) => ({
      ...monitor,
      panels: [
        ...monitor.panels,
        { kind: 'log', id: 'slow2', title: 'Slow', log: 'slow', incidents: true },
        { kind: 'line', id: 'line2', title: 'Line', table: 'main', column: 'count', how: 'sum' },
      ],
    }));
    const look = ({ source }: Player) => {
      const store = new Store(watched);
      source.subscribe((message) => store.accept(message, 0));
      for (const { monitor } of source.recorded ?? []) source.start(monitor, { interval_ms: 1000 });
      return () =>
        watched.map(({ name: monitor }) => {
          const { snapshot, history, logs } = store.picture(monitor) ?? {};
          const entries = [...(logs ?? [])].map(([log, kept]) => [
            log,
            kept.map(({ entry, time }) => [entry, time]),
          ]);
          return { monitor, snapshot, history, entries, totals: store.totals(monitor) };
        });
    };
    const straight = play({ playing: false });
    const played = look(straight);
    await straight.clock.pass(0);
    const jumping = play({ playing: false });
    const sought = look(jumping);
    await jumping.clock.pass(0);
    // Two steps of a second each and half a second apart: the monitors in turn.
    for (let count = 2; count < 200; count += 1) {
      straight.playback.step(count % 2 === 0 ? 'kvm-exit' : 'first', 1);
      await straight.clock.pass(0);
      if (count % 7 !== 0) continue;
      jumping.playback.seek(straight.playback.state().at);
      await jumping.clock.pass(0);
      expect(sought(), `after ${count}`).toEqual(played());
    }
  });
});

describe('steps', () => {
  test('go from snapshot to snapshot, forwards and backwards, over the edges of chunks', async () => {
    const { source, clock, fresh, playback } = play({ playing: false });
    source.start('first', { interval_ms: 1000 });
    await clock.pass(0);
    expect(fresh()).toEqual(['first 1']);
    for (let seq = 2; seq < 30; seq += 1) {
      playback.step('first', 1);
      await clock.pass(0);
      expect(fresh()).toEqual([`first ${seq}`]);
    }
    for (let seq = 28; seq > 0; seq -= 1) {
      playback.step('first', -1);
      await clock.pass(0);
      expect(fresh().at(-1)).toBe(`first ${seq}`);
    }
    playback.step('first', -1);
    await clock.pass(0);
    expect(fresh().at(-1)).toBe('first 1');
  });

  test.each([
    [5, 'first 6'],
    [50, 'first 51'],
    [98, 'first 99'],
    [1000, 'first 100'],
  ])('by %i', async (by, expected) => {
    const { source, clock, fresh, playback } = play({ playing: false });
    source.start('first', { interval_ms: 1000 });
    await clock.pass(0);
    playback.step('first', by);
    await clock.pass(0);
    expect(fresh().at(-1)).toBe(expected);
    playback.step('first', -by);
    await clock.pass(0);
    expect(fresh().at(-1)).toBe('first 1');
  });

  test('stop playing', async () => {
    const { source, clock, fresh, playback } = play();
    source.start('first', { interval_ms: 1000 });
    await clock.pass(0);
    playback.step('first', 1);
    await clock.pass(0);
    expect(playback.state().playing).toBe(false);
    fresh();
    await clock.pass(5000);
    expect(fresh()).toEqual([]);
  });

  test('by the snapshots of another monitor show all that is wanted on the way', async () => {
    const { source, clock, fresh, playback } = play({ playing: false });
    source.start('first', { interval_ms: 1000 });
    source.start('kvm-exit', { interval_ms: 1000 });
    await clock.pass(0);
    fresh();
    playback.step('kvm-exit', 2);
    await clock.pass(0);
    expect(fresh()).toEqual(['kvm-exit 1', 'first 2', 'kvm-exit 2']);
    playback.step('unknown', 1);
    await clock.pass(0);
    expect(fresh()).toEqual([]);
  });
});

test('marks are where something was lost', () => {
  const { playback } = play();
  const losing = new Set<string>();
  const expected = made.snapshots.flatMap(({ monitor, lost, time }) => {
    const begins = lost > 0 && !losing.has(monitor);
    if (lost > 0) losing.add(monitor);
    else losing.delete(monitor);
    return begins ? [{ time: Math.floor(time), kind: 'loss', monitor, text: `${lost} events lost` }] : [];
  });
  expect(expected.length).toBeGreaterThan(5);
  expect(playback.state().marks).toEqual(expected);
});
