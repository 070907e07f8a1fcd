/** Moving through a time line: what has been shown, what comes next, what leads up to a position. */
import type { Mark, Playback, PlaybackState, SourceMessage } from '../sources/source.ts';
import type { Line } from './chunk.ts';
import { isBefore, lastKnown, leadUp, type Place, type Position } from './lead.ts';
import { messageOf } from './reading.ts';
import { stepFrom } from './steps.ts';
import { chunkAt, type Timeline } from './timeline.ts';

const SLOWEST = 0.1;
const FASTEST = 100;
/** Longest time spent on playing before other things get a turn. */
const SLICE_MS = 25;
/** Shortest and longest wait while playing. */
const TURN_MS = 33;
const IDLE_MS = 1000;
/** Shown up to now, whatever comes. */
const NOW: Position = { chunk: Number.POSITIVE_INFINITY, line: 0 };

/** What playing is paced by. Milliseconds. */
export interface PlayClock {
  now(): number;
  /** Calls back once after so long; returns what undoes it. */
  after(ms: number, call: () => void): () => void;
}

const STEADY: PlayClock = {
  now: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

export interface PlayerOptions {
  /** Default: the monotonic clock. */
  readonly clock?: PlayClock;
  readonly timeline: Timeline;
  readonly tell: (message: SourceMessage) => void;
  readonly place: () => PlaybackState['place'];
  /** While playing, everything there is has been shown. Returns whether there will be more by itself. */
  readonly caughtUp: () => boolean;
}

export class Player implements Playback {
  readonly #timeline: Timeline;
  readonly #options: PlayerOptions;
  readonly #wanted = new Set<string>();
  /** Up to where a monitor has been shown since the last reset. */
  readonly #shown = new Map<string, Position>();
  #position: Position;
  /** On the time line. */
  #at = 0;
  #speed = 1;
  #playing = false;
  /** When the clock stood at `#at`, on the monotonic clock. */
  #since = 0;
  #stopTimer: () => void = () => {};
  readonly #clock: PlayClock;
  /** What is to be done in the next turn; a jump makes what was asked before void. */
  #tasks: (() => void)[] = [];
  #scheduled: NodeJS.Immediate | undefined;
  #marks: { readonly of: string; readonly marks: readonly Mark[] } = { of: '', marks: [] };

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? STEADY;
    this.#timeline = options.timeline;
    this.#position = { chunk: this.#timeline.first, line: 0 };
    this.#at = this.#start;
  }

  get #start(): number {
    const { first, end } = this.#timeline;
    return end > first ? this.#timeline.span(first).from : 0;
  }

  get #end(): number {
    const { first, end } = this.#timeline;
    return end > first ? this.#timeline.span(end - 1).to : 0;
  }

  state(): PlaybackState {
    const place = this.#options.place();
    const at = place === 'live' ? this.#end : Math.max(this.#start, Math.min(this.#now(), this.#end));
    return {
      start: this.#start,
      end: this.#end,
      at,
      speed: this.#speed,
      playing: place === 'live' || this.#playing,
      place,
      marks: this.#allMarks(),
      damage: this.#timeline.damage.map(({ text }) => text),
    };
  }

  /** Shows a monitor from now on, beginning with what leads up to the position. */
  want(monitor: string): void {
    this.#wanted.add(monitor);
    if (this.isCurrent(monitor)) return;
    this.#do(() => {
      if (!this.#wanted.has(monitor)) return;
      if (this.#options.place() !== 'live') return this.#lead(monitor);
      this.#position = this.#last();
      this.#lead(monitor);
      this.#shown.set(monitor, NOW);
    });
  }

  leave(monitor: string): void {
    this.#wanted.delete(monitor);
  }

  // -------------------------------------------------------------- now

  /** Whether a monitor has been shown up to now: what it says now may be shown as it comes. */
  isCurrent(monitor: string): boolean {
    return this.#shown.get(monitor) === NOW;
  }

  /** Stands still at now; what comes from now on is not shown as it comes. */
  leaveNow(): void {
    this.#tasks = [];
    this.#playing = false;
    this.#position = this.#last();
    this.#at = this.#end;
    this.#since = this.#clock.now();
    for (const [monitor, shown] of this.#shown) if (shown === NOW) this.#shown.set(monitor, this.#position);
  }

  /** Shows what leads up to now and stays there; `place` is to say so already when `arrive` has been called. */
  toNow(arrive: () => void): void {
    this.#tasks = [];
    this.#do(() => {
      arrive();
      this.#stopClock();
      this.#playing = false;
      this.#jump(this.#last(), this.#end);
      this.stayNow();
    });
  }

  /** What has been shown up to the position has been shown up to now: the position is there. */
  stayNow(): void {
    this.#playing = false;
    this.#stopClock();
    for (const monitor of this.#wanted) this.#shown.set(monitor, NOW);
    for (const [monitor, shown] of this.#shown) if (shown !== NOW) this.#shown.delete(monitor);
  }

  #last(): Position {
    const { first, end } = this.#timeline;
    if (end === first) return { chunk: first, line: 0 };
    return { chunk: end - 1, line: this.#timeline.chunk(end - 1)?.lines.length ?? 0 };
  }

  // -------------------------------------------------------------- commands

  seek(time: number): void {
    this.#tasks = [];
    this.#do(() => this.#jump(this.#positionAt(time), Math.max(this.#start, Math.min(time, this.#end))));
  }

  step(monitor: string, by: number): void {
    this.#do(() => {
      this.#stopClock();
      this.#playing = false;
      const target = by === 0 ? undefined : stepFrom(this.#timeline, this.#position, monitor, by);
      if (target === undefined) return this.#tellState();
      const near = by > 0 && target.chunk - this.#position.chunk <= 1;
      if (!near) return this.#jump(target, this.#timeOf(target));
      this.#showUpTo(target);
      this.#at = this.#timeOf(target);
      this.#tellState();
    });
  }

  setSpeed(speed: number): void {
    this.#at = this.#now();
    this.#since = this.#clock.now();
    this.#speed = Math.max(SLOWEST, Math.min(Number.isFinite(speed) ? speed : 1, FASTEST));
    this.#do(() => this.#tellState());
    if (this.#playing) this.#play();
  }

  setPlaying(playing: boolean): void {
    this.#at = this.#now();
    this.#since = this.#clock.now();
    this.#playing = playing;
    if (!playing) this.#stopClock();
    this.#do(() => {
      if (this.#playing) this.#play();
      this.#tellState();
    });
  }

  toEnd(): void {
    this.seek(this.#end);
  }

  close(): void {
    this.#tasks = [];
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    this.#playing = false;
    this.#stopClock();
  }

  #do(task: () => void): void {
    this.#tasks.push(task);
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      for (let next = this.#tasks.shift(); next !== undefined; next = this.#tasks.shift()) next();
    });
  }

  #tellState(): void {
    this.#options.tell({ type: 'playback', playback: this.state() });
  }

  /** Where the clock stands; it does not run past the end. */
  #now(): number {
    if (!this.#playing) return this.#at;
    return Math.min(this.#at + (this.#clock.now() - this.#since) * this.#speed, this.#end);
  }

  #stopClock(): void {
    this.#stopTimer();
    this.#stopTimer = () => {};
  }

  // -------------------------------------------------------------- jumping

  #positionAt(time: number): Position {
    const chunk = chunkAt(this.#timeline, time);
    return { chunk, line: this.#timeline.chunk(chunk)?.upTo(time) ?? 0 };
  }

  #jump(to: Position, at: number): void {
    this.#position = to;
    this.#at = at;
    this.#since = this.#clock.now();
    this.#shown.clear();
    this.#options.tell({ type: 'reset' });
    const load = lastKnown(this.#timeline, 'load', to);
    if (load !== undefined) this.#options.tell(load);
    for (const monitor of this.#wanted) this.#lead(monitor);
    this.#tellState();
    if (this.#playing) this.#play();
  }

  #lead(monitor: string): void {
    const shown = this.#shown.get(monitor);
    if (shown !== undefined && !isBefore(shown, this.#position)) return;
    for (const message of leadUp(this.#timeline, monitor, this.#position, shown)) this.#options.tell(message);
    this.#shown.set(monitor, this.#position);
  }

  #timeOf({ chunk, line }: Position): number {
    return this.#timeline.chunk(chunk)?.lines[line - 1]?.time ?? this.#at;
  }

  // -------------------------------------------------------------- going on

  *#onwards(): Generator<Place> {
    const timeline = this.#timeline;
    let { chunk: number, line } = this.#position;
    // Of a history the oldest chunks go while somebody looks at them.
    if (number < timeline.first) [number, line] = [timeline.first, 0];
    for (; number < timeline.end; number += 1, line = 0) {
      const chunk = timeline.chunk(number);
      if (chunk === undefined) continue;
      for (; line < chunk.lines.length; line += 1)
        yield { chunk: number, line, in: chunk, what: chunk.lines[line] as Line };
    }
  }

  #showUpTo(target: Position): void {
    for (const place of this.#onwards()) {
      if (!isBefore(place, target)) break;
      this.#show(place);
    }
  }

  #show(place: Place): void {
    const { kind, monitor } = place.what;
    this.#position = { chunk: place.chunk, line: place.line + 1 };
    if (monitor !== '' && !this.#wanted.has(monitor)) return;
    if (monitor !== '') this.#shown.set(monitor, this.#position);
    // It repeats what has been shown.
    if (kind === 'key') return;
    const message = messageOf(place.in, place.what);
    if (message !== undefined) this.#options.tell(message);
  }

  /** Shows what is due, and comes back for what is not. */
  #play(): void {
    this.#stopClock();
    const began = this.#clock.now();
    const due = this.#now();
    let wait = TURN_MS;
    let over = true;
    for (const place of this.#onwards()) {
      const { time } = place.what;
      if (time > due) {
        wait = Math.max(TURN_MS, Math.min((time - due) / this.#speed, IDLE_MS));
        over = false;
        break;
      }
      this.#show(place);
      if (this.#clock.now() - began > SLICE_MS) {
        // Slower than asked for rather than deaf: the clock waits for what is shown.
        [this.#at, this.#since, over] = [time, this.#clock.now(), false];
        break;
      }
    }
    if (over && due >= this.#end && !this.#options.caughtUp()) {
      this.#at = this.#end;
      this.#playing = false;
    }
    this.#tellState();
    if (this.#playing) this.#stopTimer = this.#clock.after(wait, () => this.#play());
  }

  #allMarks(): readonly Mark[] {
    const { first, end, damage } = this.#timeline;
    const newest = end > first ? this.#timeline.span(end - 1).marks.length : 0;
    const of = [first, end, newest, damage.length].join();
    if (of !== this.#marks.of) {
      const found: Mark[] = damage.map(({ time, text }) => ({ time, kind: 'damage', monitor: '', text }));
      for (let number = first; number < end; number += 1) found.push(...this.#timeline.span(number).marks);
      this.#marks = { of, marks: found.sort((a, b) => a.time - b.time) };
    }
    return this.#marks.marks;
  }
}
