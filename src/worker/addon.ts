/** What the native addon offers. Only the worker loads it. */
import type { Plan } from '../monitors/monitor.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import type { InputFacts } from './protocol.ts';

/** A native snapshot: what the kernel side knows. The worker adds monitor, seq and wall time. */
export type NativeSnapshot = Omit<Snapshot, 'monitor' | 'seq' | 'time'> & {
  /** There will be no more of it: the command that was watched has ended. */
  readonly ended?: boolean;
};

export interface HostProbe {
  /** Mount point of tracefs, '' when there is none. */
  readonly tracefs: string;
  /** ktop mounted it just now. */
  readonly mounted: boolean;
  readonly root: boolean;
  /** /proc/sys/kernel/perf_event_paranoid; -2 when unreadable. */
  readonly paranoid: number;
  readonly tracepoints: boolean;
  readonly hardware: boolean;
  readonly clock: boolean;
  /** perf drops samples taken while a CPU idles, silently. */
  readonly loses_idle: boolean;
  /** errno text of what failed. */
  readonly why: string;
}

/** What would happen if the plan were opened. Nothing stays open. */
export interface PlanCheck {
  readonly ok: boolean;
  readonly backend: string;
  /** Events that this kernel does not have, as `sys:name`, with the note of the optional ones. */
  readonly missing: readonly { readonly event: string; readonly optional: string }[];
  /** '' when ok: one sentence with the cause, then the remedy. */
  readonly why: string;
}

/** What only system calls tell: `''` = it works, else the kernel's reason. */
export interface HostFacts {
  /** Records of processes that end. */
  readonly taskstats: string;
  /** Loading a BPF program. */
  readonly bpf: string;
  /** PERF_FORMAT_LOST: how much a full ring dropped, per event. */
  readonly format_lost: string;
}

/** Errors thrown carry `kind`: 'usage' | 'host' | 'internal'. */
export interface Addon {
  /** `mount`: let root mount tracefs when it is not there. */
  probe(mount: boolean): HostProbe;
  facts(): HostFacts;
  check(plan: Plan): PlanCheck;
  /** Opens events and starts the reader; returns a handle. */
  open(plan: Plan): number;
  /** Everything up to now; clears the tables that are per interval. Buffers are fresh and may be transferred. */
  snapshot(handle: number): NativeSnapshot;
  /** Disables at once; the slow closing goes on in a native thread. Returns the last snapshot, exactly accounted. */
  close(handle: number): NativeSnapshot;
  /** Waits for all closing; call before the process ends. */
  finish(): void;

  /** Opens a perf.data file; the calls below are about it. */
  input(path: string): InputFacts;
  /** Whether the file has what the plan needs. */
  inputCheck(plan: Plan): PlanCheck;
  inputOpen(plan: Plan): number;
  /**
   * What the next `interval_ms` of the file hold; `ended` with the last. Undefined: `budget_ms` were spent without an end
   * in sight, call again.
   */
  inputNext(
    handle: number,
    interval_ms: number,
    budget_ms: number,
  ): { readonly snapshot: NativeSnapshot; readonly ended: boolean } | undefined;
  inputClose(handle: number): void;

  /** Bytes that malloc has handed out, of the whole process: for the soak test. */
  allocated(): number;
}
