/**
 * A source that is read once through, as a perf.data file is, made one to move about in: what it says is kept in memory
 * as a recording, a tape for each monitor, and played from there.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Monitor, Options } from '../monitors/monitor.ts';
import type { Chunk } from '../recording/chunk.ts';
import { History } from '../recording/history.ts';
import { type PlayClock, Player } from '../recording/player.ts';
import { Recorder } from '../recording/recorder.ts';
import type { Timeline } from '../recording/timeline.ts';
import type { Snapshot } from './snapshot.ts';
import type { HostInfo, Playback, PlaybackState, Source, SourceMessage } from './source.ts';

type Listener = (message: SourceMessage) => unknown;

export interface PlayedOptions {
  readonly monitors: readonly Monitor[];
  /** Of ktop. */
  readonly version: string;
  /** What playing is paced by; default: the monotonic clock. */
  readonly clock?: PlayClock;
}

/** Tapes kept: those of the tabs visited last. */
const MOST_TAPES = 4;
/** Chunks kept unpacked, of each tape. */
const MOST_CHUNKS = 4;
const NOWHERE: PlaybackState = {
  start: 0,
  end: 0,
  at: 0,
  speed: 1,
  playing: false,
  place: 'file',
  marks: [],
  damage: [],
};

/** Closing it closes `file` too. */
export function playSource(file: Source, options: PlayedOptions): Source & { readonly playback: Playback } {
  return new PlayedSource(file, options);
}

class PlayedSource implements Source {
  readonly host: HostInfo;
  readonly playback: Playback;
  readonly #file: Source;
  readonly #options: PlayedOptions;
  readonly #listeners = new Set<Listener>();
  /** The one visited last comes last. */
  readonly #tapes = new Map<string, Tape>();
  #shown: Tape | undefined;
  /** Where the tapes shown before have been: what cannot be shown of the file has no time of its own. */
  #before = NOWHERE;
  #unsubscribe: (() => void) | undefined;

  constructor(file: Source, options: PlayedOptions) {
    this.host = file.host;
    this.#file = file;
    this.#options = options;
    this.playback = {
      state: () => this.#state(),
      seek: (time) => this.#shown?.player.seek(time),
      step: (monitor, by) => this.#shown?.player.step(monitor, by),
      setSpeed: (speed) => this.#shown?.player.setSpeed(speed),
      setPlaying: (playing) => this.#shown?.player.setPlaying(playing),
      toEnd: () => this.#shown?.player.toEnd(),
    };
  }

  /** Goes on where the monitor shown before has been. */
  start(monitor: string, options: Options): void {
    this.#listen();
    const before = this.#state();
    this.#before = before;
    this.#shown?.leave();
    let tape = this.#tapes.get(monitor);
    if (tape === undefined || !isDeepStrictEqual(tape.options, options)) {
      tape?.close();
      const fresh: Tape = new Tape(monitor, options, this.host, this.#options, (message) => {
        if (this.#shown !== fresh) return;
        this.#tell(message.type === 'playback' ? { ...message, playback: this.#state() } : message);
      });
      tape = fresh;
      this.#file.start(monitor, options);
    }
    this.#tapes.delete(monitor);
    this.#tapes.set(monitor, tape);
    this.#forget();
    this.#shown = tape;
    if (before.end === 0) tape.play(Number.NEGATIVE_INFINITY, 1, true);
    else tape.play(before.at, before.speed, before.playing);
  }

  /** What is being read of it is read to its end: it may be visited again. */
  stop(monitor: string): void {
    this.#tapes.get(monitor)?.player.leave(monitor);
  }

  capabilities(): void {
    this.#listen();
    this.#file.capabilities();
  }

  subscribe(listener: Listener): () => void {
    this.#listen();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    for (const tape of this.#tapes.values()) tape.close();
    await this.#file.close();
    this.#unsubscribe?.();
  }

  #listen(): void {
    this.#unsubscribe ??= this.#file.subscribe((message) => this.#receive(message));
  }

  #receive(message: SourceMessage): void {
    if (message.type === 'snapshot') this.#tapes.get(message.snapshot.monitor)?.take(message.snapshot);
    else if (message.type === 'ended') this.#tapes.get(message.monitor)?.end();
    else {
      // What has failed is tried anew when it is started again.
      if (message.type === 'failed') this.#tapes.delete(message.failure.monitor);
      this.#tell(message);
    }
  }

  #state(): PlaybackState {
    const state = this.#shown?.player.state();
    return state === undefined || state.end === 0 ? this.#before : state;
  }

  #forget(): void {
    for (const [name, tape] of this.#tapes) {
      if (this.#tapes.size <= MOST_TAPES) break;
      tape.close();
      this.#tapes.delete(name);
      this.#file.stop(name);
    }
  }

  #tell(message: SourceMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}

/** What has been read of one monitor, and where it is shown. */
class Tape {
  readonly options: Options;
  readonly player: Player;
  readonly #monitor: string;
  readonly #recorder: Recorder;
  readonly #history = new History();
  #at = 0;
  #ended = false;
  /** Where to go once so much has been read. */
  #goal: { readonly time: number; readonly playing: boolean } | undefined;

  constructor(
    monitor: string,
    options: Options,
    host: HostInfo,
    { monitors, version, clock: pace }: PlayedOptions,
    tell: (message: SourceMessage) => void,
  ) {
    this.options = options;
    this.#monitor = monitor;
    const keep = this.#history.keep.bind(this.#history);
    // Time goes on with what is read.
    const clock = () => this.#at;
    const clocks = { wall: clock, steady: clock };
    this.#recorder = new Recorder({ host, version, monitors, keep, clocks });
    this.#history.follow(this.#recorder);
    this.player = new Player({
      timeline: new Unpacked(this.#history),
      tell,
      place: () => 'file',
      caughtUp: () => !this.#ended,
      ...(pace === undefined ? {} : { clock: pace }),
    });
  }

  take(snapshot: Snapshot): void {
    this.#at = Math.max(this.#at, Math.floor(snapshot.time));
    this.#recorder.take({ type: 'snapshot', snapshot });
    this.#arrive();
  }

  end(): void {
    this.#ended = true;
    this.#arrive();
  }

  /** Shows it from `time` on, as soon as that has been read. */
  play(time: number, speed: number, playing: boolean): void {
    this.player.want(this.#monitor);
    this.player.setSpeed(speed);
    this.#goal = { time, playing };
    this.#arrive();
  }

  leave(): void {
    this.#goal = undefined;
    this.player.setPlaying(false);
    this.player.leave(this.#monitor);
  }

  close(): void {
    this.#goal = undefined;
    this.player.close();
  }

  #arrive(): void {
    if (this.#goal === undefined || this.#at === 0 || (this.#at < this.#goal.time && !this.#ended)) return;
    const { time, playing } = this.#goal;
    this.#goal = undefined;
    const { start } = this.player.state();
    this.player.seek(Math.max(start, time));
    this.player.setPlaying(playing);
  }
}

/** A history whose chunks are not unpacked again and again while they are played. */
class Unpacked implements Timeline {
  readonly #history: History;
  readonly #chunks = new Map<number, Chunk>();

  constructor(history: History) {
    this.#history = history;
  }

  get first(): number {
    return this.#history.first;
  }

  get end(): number {
    return this.#history.end;
  }

  get damage(): Timeline['damage'] {
    if (this.first === 0) return [];
    const time = this.span(this.first).from;
    return [
      { time, text: 'what came before does not fit into memory; a longer interval (-i) keeps all of it' },
    ];
  }

  span(number: number): ReturnType<Timeline['span']> {
    return this.#history.span(number);
  }

  chunk(number: number): Chunk | undefined {
    const known = this.#chunks.get(number);
    if (known !== undefined) return known;
    const chunk = this.#history.chunk(number);
    // The last one grows.
    if (chunk === undefined || number === this.end - 1) return chunk;
    this.#chunks.set(number, chunk);
    for (const oldest of this.#chunks.keys()) {
      if (this.#chunks.size <= MOST_CHUNKS) break;
      this.#chunks.delete(oldest);
    }
    return chunk;
  }
}
