/**
 * A live source that remembers: what it says is kept in memory, compressed, and written to a file on request. Whoever
 * listens can go back in time and return; what happens meanwhile is kept and recorded, and shown on the return.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Monitor, Options } from '../monitors/monitor.ts';
import { createFile, FileWriter } from '../recording/file-writer.ts';
import { History } from '../recording/history.ts';
import { Player } from '../recording/player.ts';
import { Recorder } from '../recording/recorder.ts';
import type {
  CommandLine,
  HostInfo,
  Playback,
  Recording,
  RecordingState,
  Source,
  SourceMessage,
} from './source.ts';

type Listener = (message: SourceMessage) => unknown;

export interface TapOptions {
  readonly monitors: readonly Monitor[];
  /** Of ktop; stands in the recording. */
  readonly version: string;
  /** Keep the last minutes in memory, to go back to. */
  readonly history: boolean;
}

/** Closing it closes `live` too. */
export function tapSource(live: Source, options: TapOptions): Source & { readonly recording: Recording } {
  return new TappedSource(live, options);
}

const IDLE: RecordingState = { path: '', bytes: 0, since: 0, snapshots: 0, error: '' };
/** A `recording` message at most so often. */
const SAY_MS = 1000;

class TappedSource implements Source {
  readonly host: HostInfo;
  readonly playback?: Playback;
  readonly recording: Recording;
  readonly still?: boolean;
  readonly commands?: CommandLine;
  readonly #live: Source;
  readonly #recorder: Recorder;
  readonly #player: Player | undefined;
  readonly #listeners = new Set<Listener>();
  /** What is open on the live source; what the listener wants open. */
  readonly #open = new Map<string, Options>();
  readonly #wanted = new Set<string>();
  #place: 'live' | 'past' = 'live';
  /** What the host gives has been asked for and told. */
  #capable = false;
  #file: FileWriter | undefined;
  #state = IDLE;
  #said = 0;
  #ending: Promise<void> = Promise.resolve();
  #unsubscribe: (() => void) | undefined;

  constructor(live: Source, { monitors, version, history: remembers }: TapOptions) {
    this.#live = live;
    this.host = live.host;
    if (live.still !== undefined) this.still = live.still;
    if (live.commands !== undefined) this.commands = live.commands;
    const history = remembers ? new History(historyBytes()) : undefined;
    const keep = history === undefined ? {} : { keep: history.keep.bind(history) };
    this.#recorder = new Recorder({ host: live.host, version, monitors, ...keep });
    this.recording = {
      state: () => this.#recordingState(),
      start: (path) => this.#record(path),
      stop: () => this.#stopRecording(),
    };
    if (history === undefined) return;
    history.follow(this.#recorder);
    this.#player = new Player({
      timeline: history,
      // What concerns the source and not its past has been told when it happened.
      tell: (message) => {
        if (message.type !== 'notice' && message.type !== 'capabilities') this.#tell(message);
      },
      place: () => this.#place,
      caughtUp: () => this.#caughtUp(),
    });
    this.playback = this.#travel(this.#player);
  }

  start(monitor: string, options: Options): void {
    this.#listen();
    this.#wanted.add(monitor);
    // One that has been kept open is not disturbed.
    if (!isDeepStrictEqual(this.#open.get(monitor), options)) {
      this.#open.set(monitor, options);
      this.#recorder.opened(monitor, options);
      this.#live.start(monitor, options);
    }
    this.#player?.want(monitor);
  }

  /** Closed on the live source only when nothing else needs it: what is being recorded is recorded whole. */
  stop(monitor: string): void {
    this.#wanted.delete(monitor);
    this.#player?.leave(monitor);
    if (!this.#holds) this.#close(monitor);
  }

  capabilities(): void {
    this.#listen();
    this.#live.capabilities();
  }

  subscribe(listener: Listener): () => void {
    this.#listen();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.#stopRecording();
    this.#player?.close();
    await this.#live.close();
    this.#unsubscribe?.();
  }

  #listen(): void {
    this.#unsubscribe ??= this.#live.subscribe((message) => this.#receive(message));
  }

  #receive(message: SourceMessage): unknown {
    this.#recorder.take(message);
    if (message.type === 'capabilities') this.#capable = true;
    if (message.type === 'failed') this.#open.delete(message.failure.monitor);
    if (message.type === 'snapshot') this.#count();
    const passing = message.type === 'snapshot' || message.type === 'load' || message.type === 'failed';
    if (this.#place === 'past' && passing) return undefined;
    // Open for the recording alone, since the return from the past: what leads up to it comes when it is started.
    const current =
      message.type !== 'snapshot' || this.#player?.isCurrent(message.snapshot.monitor) !== false;
    return current ? this.#tell(message) : undefined;
  }

  /** A promise when a listener returned one: the live source waits for it. */
  #tell(message: SourceMessage): unknown {
    const results = [...this.#listeners].map((listener) => listener(message));
    const pending = results.filter((result) => result instanceof Promise);
    return pending.length === 0 ? undefined : Promise.allSettled(pending);
  }

  // -------------------------------------------------------------- what stays open

  get #holds(): boolean {
    return this.#file !== undefined || this.#place === 'past';
  }

  #close(monitor: string): void {
    if (!this.#open.delete(monitor)) return;
    this.#live.stop(monitor);
    this.#recorder.closed(monitor);
  }

  #release(): void {
    if (this.#holds) return;
    for (const monitor of [...this.#open.keys()]) if (!this.#wanted.has(monitor)) this.#close(monitor);
  }

  // -------------------------------------------------------------- the past

  #travel(player: Player): Playback {
    const leave = () => {
      if (this.#place === 'past') return;
      player.leaveNow();
      this.#place = 'past';
    };
    const toEnd = () => {
      if (this.#place === 'past') player.toNow(() => this.#arrive());
    };
    return {
      state: () => player.state(),
      seek: (time) => {
        if (time >= player.state().end) return toEnd();
        leave();
        player.seek(time);
      },
      step: (monitor, by) => {
        if (this.#place === 'live' && by >= 0) return;
        leave();
        player.step(monitor, by);
      },
      setSpeed: (speed) => player.setSpeed(speed),
      setPlaying: (playing) => {
        if (this.#place === 'live' && playing) return;
        leave();
        player.setPlaying(playing);
      },
      toEnd,
    };
  }

  #arrive(): void {
    this.#place = 'live';
    this.#release();
  }

  /** From the past, at its pace: the next to come is live. */
  #caughtUp(): boolean {
    this.#arrive();
    this.#player?.stayNow();
    return false;
  }

  // -------------------------------------------------------------- the file

  #record(path: string): void {
    if (this.#file !== undefined)
      throw new Error(`already recording to ${this.#state.path}; stop that first`);
    const file = new FileWriter(path, createFile(path), (error) => this.#recordingFailed(file, error));
    this.#listen();
    this.#file = file;
    this.#state = { ...IDLE, path, since: Date.now() };
    this.#recorder.attach(file);
    // They open the recording, and every chunk of it.
    if (!this.#capable) this.#live.capabilities();
    this.#say();
  }

  #recordingState(): RecordingState {
    return this.#file === undefined ? this.#state : { ...this.#state, bytes: this.#file.bytes };
  }

  #count(): void {
    if (this.#file === undefined) return;
    this.#state = { ...this.#state, snapshots: this.#state.snapshots + 1 };
    if (Date.now() - this.#said >= SAY_MS) this.#say();
  }

  #say(): void {
    this.#said = Date.now();
    setImmediate(() => this.#tell({ type: 'recording', recording: this.#recordingState() }));
  }

  #recordingFailed(file: FileWriter, error: string): void {
    if (this.#file !== file) return;
    this.#state = { ...this.#recordingState(), path: '', error };
    this.#file = undefined;
    this.#release();
    this.#say();
    void this.#recorder.detach(file).then(() => file.close());
  }

  #stopRecording(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return this.#ending;
    this.#file = undefined;
    this.#ending = this.#recorder
      .detach(file)
      .then(() => file.close())
      .then((error) => {
        this.#state = { ...this.#state, bytes: file.bytes, path: '', error };
        this.#say();
      });
    this.#release();
    return this.#ending;
  }
}

/** Test hook: KTOP_TEST_HISTORY_BYTES is how much of the past is kept, so that it is soon full. */
function historyBytes(): number | undefined {
  const bytes = Number(process.env.KTOP_TEST_HISTORY_BYTES);
  return bytes > 0 ? bytes : undefined;
}
