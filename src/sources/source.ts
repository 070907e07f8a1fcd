/** Where snapshots come from: this kernel, a recording, a perf.data file. The UI cannot tell them apart. */
import type { Options } from '../monitors/monitor.ts';
import type { Snapshot } from './snapshot.ts';

/** What a host gives to one monitor, found by trying. */
export interface Capability {
  readonly monitor: string;
  /** yes = as designed; degraded = works, something is missing; no = cannot run. */
  readonly state: 'yes' | 'degraded' | 'no';
  /** Events and files it wants. */
  readonly needs: readonly string[];
  readonly backend: string;
  /** Why it is degraded or cannot run; empty when `yes`. */
  readonly why: string;
  /** What to do about it; empty when nothing can be done or needs to be. */
  readonly remedy: string;
}

/** One thing that a kernel can be asked for, and what asking has brought. */
export interface Finding {
  readonly name: string;
  /** restricted: it is there, and not for us; degraded: it is there, and not right. */
  readonly state: 'yes' | 'degraded' | 'restricted' | 'no';
  /** Cause where it is not `yes`, and sometimes a fact where it is. */
  readonly why: string;
  /** Monitors and commands that lose something without it. */
  readonly affects: readonly string[];
  /** What to do about it; empty when nothing can be done or needs to be. */
  readonly remedy: string;
}

/** Facts of the header line that do not change. */
export interface HostInfo {
  readonly host: string;
  readonly kernel: string;
  readonly cpus: number;
  /** Milliseconds since the epoch. */
  readonly boot_time: number;
}

/** What the header shows and changes with time. */
export interface HostLoad {
  readonly uptime_s: number;
  readonly load: readonly [number, number, number];
  /** ktop's own cost, all threads: % of one CPU, resident bytes. */
  readonly self_cpu_pct: number;
  readonly self_rss: number;
}

/** Why a monitor could not be opened. `usage`: the options are wrong (exit 2); `host`: not possible here (exit 3). */
export interface Failure {
  readonly monitor: string;
  readonly kind: 'usage' | 'host' | 'internal';
  /** One sentence: the cause, then the remedy. */
  readonly text: string;
}

export type SourceMessage =
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly type: 'load'; readonly load: HostLoad }
  | { readonly type: 'failed'; readonly failure: Failure }
  | { readonly type: 'notice'; readonly text: string }
  | { readonly type: 'capabilities'; readonly capabilities: readonly Capability[] }
  | { readonly type: 'findings'; readonly findings: readonly Finding[] }
  /** There is no more of this monitor: a file that is read through has come to its end. */
  | { readonly type: 'ended'; readonly monitor: string }
  /** The position has jumped: everything kept so far is of another time. What leads up to the new position follows. */
  | { readonly type: 'reset' }
  /** What the monitor had lacked in all before the snapshot that follows; replaces what has been added up so far. */
  | { readonly type: 'totals'; readonly monitor: string; readonly totals: Totals }
  | { readonly type: 'playback'; readonly playback: PlaybackState }
  | { readonly type: 'recording'; readonly recording: RecordingState };

/** What the snapshots of a monitor have lacked in all. */
export interface Totals {
  readonly lost: number;
  readonly late: number;
  readonly unseen: number;
}

/** A monitor that is in a recording. */
export interface Recorded {
  readonly monitor: string;
  /** As it was opened first. Untrusted, checked for types only. */
  readonly options: Options;
}

/** A moment worth returning to: `seek(time)` shows it. Times are wall clock, milliseconds since the epoch. */
export interface Mark {
  readonly time: number;
  readonly kind: 'incident' | 'loss' | 'damage';
  /** `''`: of no monitor in particular. */
  readonly monitor: string;
  /** Untrusted: sanitise before drawing. */
  readonly text: string;
}

/** Where in time a source stands. Times are wall clock, milliseconds since the epoch. */
export interface PlaybackState {
  readonly start: number;
  readonly end: number;
  readonly at: number;
  /** 0.1 to 100; 1 = as it happened. */
  readonly speed: number;
  readonly playing: boolean;
  /** `live`: at now, where new snapshots come from the kernel; `past`: behind now; `file`: there is no now. */
  readonly place: 'live' | 'past' | 'file';
  /** Oldest first. */
  readonly marks: readonly Mark[];
  /** What is missing or damaged, a sentence each. */
  readonly damage: readonly string[];
}

/**
 * Moving in time: a recording, or the bounded history of a live source. Every call is answered by messages, later: never
 * from within the call. Only what is started comes; starting a monitor yields what leads up to the position.
 */
export interface Playback {
  state(): PlaybackState;
  /** To the last snapshots at or before `time`, clamped to what there is. Goes on playing if it did. */
  seek(time: number): void;
  /** By so many snapshots of that monitor, negative = back; leaves `playing` off. */
  step(monitor: string, by: number): void;
  setSpeed(speed: number): void;
  setPlaying(playing: boolean): void;
  /** The newest there is; of a live source: now, and going on. */
  toEnd(): void;
}

export interface RecordingState {
  /** `''`: nothing is being recorded. */
  readonly path: string;
  readonly bytes: number;
  /** Wall clock of its start, milliseconds since the epoch. */
  readonly since: number;
  readonly snapshots: number;
  /** Why it stopped, if not on request: cause; remedy. */
  readonly error: string;
}

/** Writing what is seen to a file. Answered by `recording` messages. */
export interface Recording {
  state(): RecordingState;
  /** Throws an Error with one sentence when the file cannot be made. Never overwrites. */
  start(path: string): void;
  stop(): Promise<void>;
}

/** A line of commands for something behind the source (crash, on a vmcore); what it says comes in a log of `tab`. */
export interface CommandLine {
  readonly tab: string;
  /** Shown before what is typed. */
  readonly prompt: string;
  /** As the user typed it. */
  run(text: string): void;
  /** Stops what it is at; false where there is nothing to stop, or it was told so already. Absent where nothing takes long. */
  interrupt?(): boolean;
}

export interface Source {
  readonly host: HostInfo;
  /** Opens the monitor; snapshots follow every `options.interval_ms`. Opening an open one retunes it. */
  start(monitor: string, options: Options): void;
  stop(monitor: string): void;
  /** Asks for a `capabilities` message. */
  capabilities(): void;
  /** Asks for a `findings` message: what this kernel can do. Absent where it is not this kernel. */
  examine?(): void;
  subscribe(listener: (message: SourceMessage) => void): () => void;
  /** The monitors of a recording, in the order they were opened; absent of live sources. Others fail when started. */
  readonly recorded?: readonly Recorded[];
  /** Nothing changes any more: no intervals, no rates, nothing gets old. */
  readonly still?: boolean;
  /** Absent where nothing takes commands. */
  readonly commands?: CommandLine;
  /** Absent where time cannot be moved in. */
  readonly playback?: Playback;
  /** Absent where nothing can be recorded. */
  readonly recording?: Recording;
  /** Resolves when everything in the kernel is closed. */
  close(): Promise<void>;
}
