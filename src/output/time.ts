/** Wall time of what was measured on the monotonic clock. */
import type { Snapshot } from '../sources/snapshot.ts';

/** Milliseconds since the epoch of `at_ms` (CLOCK_MONOTONIC), as the snapshot ties the two clocks together. */
export function wallTime(snapshot: Snapshot, at_ms: number): number {
  const time = snapshot.time - (snapshot.mono_ms - at_ms);
  return Number.isFinite(time) ? Math.max(0, Math.min(time, 8.64e15)) : snapshot.time;
}
