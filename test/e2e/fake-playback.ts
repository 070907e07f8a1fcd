/**
 * Moving in time over snapshots that are kept: a recording (`file`), or the history of a source that goes on.
 * As the contract says: answers come later, a jump is a reset with what leads up to it, only what is started comes.
 */
import type { Snapshot } from '../../src/sources/snapshot.ts';
import type { Mark, Playback, PlaybackState, SourceMessage } from '../../src/sources/source.ts';

/** Snapshots of a monitor that lead up to a position. */
const LEAD = 60;
const TICK_MS = 50;

export interface TapeOptions {
  readonly kind: 'file' | 'live';
  readonly marks: readonly Mark[];
  readonly damage: readonly string[];
  /** Of a history: milliseconds that are kept. */
  readonly keep_ms: number;
}

export class Tape implements Playback {
  readonly #options: TapeOptions;
  readonly #emit: (message: SourceMessage) => void;
  readonly #started = new Set<string>();
  /** All monitors, by time. */
  #snapshots: Snapshot[] = [];
  /** How many of them are at or before the position. */
  #played = 0;
  #at = 0;
  #speed = 1;
  #playing: boolean;
  #live: boolean;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TapeOptions, emit: (message: SourceMessage) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#live = options.kind === 'live';
    this.#playing = true;
  }

  /** Keeps a snapshot; of a source that is at now it goes on to who listens. */
  add(snapshot: Snapshot): void {
    this.#snapshots.push(snapshot);
    if (this.#options.kind === 'live') {
      const oldest = snapshot.time - this.#options.keep_ms;
      const gone = this.#snapshots.findIndex(({ time }) => time >= oldest);
      this.#snapshots.splice(0, gone);
      this.#played = Math.max(0, this.#played - gone);
    }
    if (!this.#live) return;
    this.#played = this.#snapshots.length;
    this.#at = snapshot.time;
    this.#emit({ type: 'snapshot', snapshot });
    this.#tell();
  }

  /** A recording that has all its snapshots: at its start, playing. */
  load(snapshots: readonly Snapshot[]): void {
    this.#snapshots = [...snapshots].sort((a, b) => a.time - b.time);
    this.#move(this.#start);
    this.#run();
  }

  start(monitor: string): void {
    this.#started.add(monitor);
    if (this.#live) return;
    setImmediate(() => {
      this.#lead(monitor);
      this.#tell();
    });
  }

  stop(monitor: string): void {
    this.#started.delete(monitor);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  state(): PlaybackState {
    const { kind, marks, damage } = this.#options;
    const end = this.#snapshots.at(-1)?.time ?? 0;
    return {
      start: this.#start,
      end,
      at: this.#live ? end : this.#at,
      speed: this.#speed,
      playing: this.#playing,
      place: kind === 'file' ? 'file' : this.#live ? 'live' : 'past',
      marks,
      damage,
    };
  }

  seek(time: number): void {
    this.#live = false;
    this.#jump(time);
    this.#run();
  }

  step(monitor: string, by: number): void {
    const times = this.#snapshots.filter((snapshot) => snapshot.monitor === monitor).map(({ time }) => time);
    const at = times.findLastIndex((time) => time <= this.#at);
    const time = times[Math.max(0, Math.min(times.length - 1, at + by))];
    if (this.#live) this.#at = this.state().end;
    this.#live = false;
    this.#playing = false;
    if (time !== undefined) this.#jump(time);
    this.#run();
  }

  setSpeed(speed: number): void {
    this.#speed = speed;
    setImmediate(() => this.#tell());
  }

  setPlaying(playing: boolean): void {
    if (this.#live) return;
    this.#playing = playing;
    this.#run();
    setImmediate(() => this.#tell());
  }

  toEnd(): void {
    this.#live = this.#options.kind === 'live';
    this.#playing = this.#live;
    this.#jump(Number.POSITIVE_INFINITY);
    this.#run();
  }

  get #start(): number {
    return this.#snapshots[0]?.time ?? 0;
  }

  #move(time: number): void {
    const { end } = this.state();
    this.#at = Math.max(this.#start, Math.min(end, time));
    this.#played = this.#snapshots.findLastIndex((snapshot) => snapshot.time <= this.#at) + 1;
  }

  #jump(time: number): void {
    this.#move(time);
    setImmediate(() => {
      this.#emit({ type: 'reset' });
      for (const monitor of this.#started) this.#lead(monitor);
      this.#tell();
    });
  }

  #lead(monitor: string): void {
    const before = this.#snapshots.slice(0, this.#played).filter((snapshot) => snapshot.monitor === monitor);
    const shown = before.slice(-LEAD);
    const sum = (of: 'lost' | 'late' | 'unseen') =>
      before.slice(0, -shown.length).reduce((total, snapshot) => total + snapshot[of], 0);
    this.#emit({
      type: 'totals',
      monitor,
      totals: { lost: sum('lost'), late: sum('late'), unseen: sum('unseen') },
    });
    for (const snapshot of shown) this.#emit({ type: 'snapshot', snapshot });
  }

  #run(): void {
    clearInterval(this.#timer);
    if (!this.#playing || this.#live) return;
    let last = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#advance((now - last) * this.#speed);
      last = now;
    }, TICK_MS);
  }

  #advance(by_ms: number): void {
    const before = this.#played;
    const { end } = this.state();
    this.#move(this.#at + by_ms);
    for (const snapshot of this.#snapshots.slice(before, this.#played))
      if (this.#started.has(snapshot.monitor)) this.#emit({ type: 'snapshot', snapshot });
    if (this.#at >= end) {
      if (this.#options.kind === 'live') this.#live = true;
      else this.#playing = false;
      this.#run();
    }
    this.#tell();
  }

  #tell(): void {
    this.#emit({ type: 'playback', playback: this.state() });
  }
}
