/** Messages between the main thread and the reader thread. Everything here survives a structured clone. */
import type { Options } from '../monitors/monitor.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import type { SourceMessage } from '../sources/source.ts';
import type { CustomSpec } from '../watch/custom.ts';

/** What the main thread asks for. */
export type ToReader =
  /** `run`: of a file, to tell what is of this start from what is of one before. */
  | { readonly type: 'start'; readonly monitor: string; readonly options: Options; readonly run?: number }
  | { readonly type: 'stop'; readonly monitor: string }
  /** The last snapshot of this monitor has been dealt with: the next may be taken. */
  | { readonly type: 'taken'; readonly monitor: string; readonly run?: number }
  | { readonly type: 'capabilities' }
  | { readonly type: 'examine' }
  | { readonly type: 'close' };

/** What the reader thread says. `closed` is its last word: nothing of it is left in the kernel. */
export type FromReader =
  | SourceMessage
  | { readonly type: 'closed' }
  /** The file it reads could be opened. It says this first, or that it could not: `failed`, of no monitor. */
  | { readonly type: 'input'; readonly facts: InputFacts }
  /** The next part of a file; `undefined`: there is no more. */
  | {
      readonly type: 'read';
      readonly monitor: string;
      readonly run: number;
      readonly snapshot: Snapshot | undefined;
    };

/** What a perf.data file says of itself. Everything in it is untrusted. */
export interface InputFacts {
  readonly host: string;
  readonly kernel: string;
  readonly cpus: number;
  /** The command that recorded it. */
  readonly command: string;
  /** As `sys:name`; with what they look like in the file. */
  readonly tracepoints: readonly string[];
  /** Samples per second of where each CPU was; 0 = none, or not at a steady rate. */
  readonly frequency: number;
  /** Its clock counts from about when the machine was started. */
  readonly since_boot: boolean;
  /** Wall clock, milliseconds since the epoch, when its clock was at 0. */
  readonly wall_offset_ms: number;
  /** What is missing or makes no sense, a sentence each. */
  readonly damage: readonly string[];
}

/** `workerData` of the reader thread. */
export interface ReaderData {
  /** Path of the native addon (or of a module that stands in for it in tests). */
  readonly addon: string;
  readonly settings: ReaderSettings;
  /** 0 for the first thread, 1 for the one that replaced it. */
  readonly life: number;
}

export interface ReaderSettings {
  /** Path of a perf.data file to read instead of this kernel. */
  readonly input?: string;
  /** Take the first snapshot of a monitor after this many ms if that is less than the interval (first paint). */
  readonly first_ms?: number;
  /** Monitors that the user has asked for, beside those that come with ktop. */
  readonly custom?: readonly CustomSpec[];
  /** Send `load` once a second. */
  readonly load: boolean;
}
