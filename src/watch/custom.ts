/** Monitors that somebody has asked for: as plain data, so that the reader thread makes the same of them. */
import { type HistSpec, histMonitor } from '../monitors/hist.ts';
import type { Monitor } from '../monitors/monitor.ts';
import { type WatchSpec, watchMonitor } from './watch-monitor.ts';

export type CustomSpec =
  | { readonly kind: 'hist'; readonly spec: HistSpec }
  | { readonly kind: 'watch'; readonly spec: WatchSpec };

export function monitorOf(custom: CustomSpec): Monitor {
  return custom.kind === 'hist' ? histMonitor(custom.spec) : watchMonitor(custom.spec);
}

/** The tabs with those of the user: in place of one of the same name, else behind. */
export function withCustom(monitors: readonly Monitor[], customs: readonly CustomSpec[]): readonly Monitor[] {
  const made = customs.map(monitorOf);
  const own = new Map(made.map((monitor) => [monitor.name, monitor]));
  const known = new Set(monitors.map(({ name }) => name));
  return [
    ...monitors.map((monitor) => own.get(monitor.name) ?? monitor),
    ...made.filter(({ name }) => !known.has(name)),
  ];
}
