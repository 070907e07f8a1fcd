/** What was recorded against what happened: sums of ktop's counters against perf stat's. */
import { command } from '../helpers/command.ts';
import type { Picture } from '../helpers/ktop.ts';
import { paths } from '../helpers/paths.ts';

interface Listed {
  readonly name: string;
  /** Events with their alternatives joined by `|`, and files. */
  readonly needs: readonly string[];
}

/** The tracepoints a monitor opens here, as `sys:name`: of alternatives the first that this kernel has. */
export function eventsOf(monitor: string): string[] {
  const known = new Set(command('perf', ['list', '--no-desc', 'tracepoint']).match(/[\w-]+:[\w-]+/g));
  const listed = JSON.parse(command(paths.node(), [paths.ktop, 'list', '--json'])) as { monitors: Listed[] };
  const needs = listed.monitors.find(({ name }) => name === monitor)?.needs ?? [];
  const events = needs.flatMap((need) => need.split('|').find((name) => known.has(name)) ?? []);
  if (events.length === 0) throw new Error(`${monitor} opens no tracepoint here`);
  return events;
}

export const total = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((all, count) => all + count, 0);

/** Everything ktop gives account of: received, lost in the ring, counted but never seen. */
export const accounted = (pictures: readonly Picture[]): number =>
  pictures.reduce((all, { events, lost, unseen = 0 }) => all + events + lost + unseen, 0);
