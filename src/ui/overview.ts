/** How much there was over time, as far as it has been seen: what the line of time shows of a tab. */
import type { Monitor } from '../monitors/monitor.ts';
import { lineValue } from '../panels/paint-line.ts';
import type { Snapshot } from '../sources/snapshot.ts';

/** Values kept per monitor; when there are more, neighbours are joined. */
const MOST = 8192;
const FINEST_MS = 100;

interface Track {
  step_ms: number;
  /** The largest value by `floor(time / step_ms)`. */
  values: Map<number, number>;
}

/** Fed with every snapshot, in any order, again and again; bounded however long it runs. */
export class Overview {
  readonly #tracks = new Map<string, Track>();

  /** Takes in the interval of a snapshot. */
  add(monitor: Monitor, snapshot: Snapshot): void {
    const value = mainValue(monitor, snapshot);
    if (!Number.isFinite(value)) return;
    const track = this.#tracks.get(monitor.name) ?? { step_ms: FINEST_MS, values: new Map() };
    this.#tracks.set(monitor.name, track);
    // A day in one interval is none that a line of time could show.
    const length = Math.max(0, Math.min(snapshot.interval_ms, track.step_ms * MOST));
    const last = Math.floor((snapshot.time - 1) / track.step_ms);
    const first = Math.floor((snapshot.time - Math.max(1, length)) / track.step_ms);
    for (let index = first; index <= last; index += 1) put(track.values, index, value);
    while (track.values.size > MOST) coarsen(track);
  }

  /** Largest value in each of `parts` equal parts of a span, as a share of the largest in all; NaN where none is known. */
  levels(monitor: string, start: number, end: number, parts: number): number[] {
    const found = new Array<number>(parts).fill(Number.NaN);
    const track = this.#tracks.get(monitor);
    if (track === undefined || end <= start) return found;
    const { step_ms, values } = track;
    const part_ms = (end - start) / parts;
    let most = 0;
    for (const [index, value] of values) {
      const from = Math.floor((index * step_ms - start) / part_ms);
      const to = Math.floor(((index + 1) * step_ms - 1 - start) / part_ms);
      for (let part = Math.max(0, from); part <= Math.min(parts - 1, to); part += 1) {
        const before = found[part] as number;
        found[part] = Number.isNaN(before) ? value : Math.max(before, value);
        most = Math.max(most, value);
      }
    }
    return found.map((value) => (most > 0 ? value / most : value));
  }

  /** Forgets what was before a time: a history that is bounded. */
  forgetBefore(time: number): void {
    for (const { values, step_ms } of this.#tracks.values())
      for (const index of values.keys()) if ((index + 1) * step_ms < time) values.delete(index);
  }
}

/** What the tab's chart shows; of a tab without one, events per second. */
function mainValue(monitor: Monitor, snapshot: Snapshot): number {
  for (const panel of monitor.panels)
    if (panel.kind === 'line') return lineValue(panel, snapshot.tables[panel.table]);
  return (snapshot.events * 1000) / Math.max(1, snapshot.interval_ms);
}

function put(values: Map<number, number>, index: number, value: number): void {
  values.set(index, Math.max(values.get(index) ?? 0, value));
}

function coarsen(track: Track): void {
  track.step_ms *= 2;
  const joined = new Map<number, number>();
  for (const [index, value] of track.values) put(joined, Math.floor(index / 2), value);
  track.values = joined;
}
