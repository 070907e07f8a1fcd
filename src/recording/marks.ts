/** What of a snapshot is worth returning to. */
import type { Monitor } from '../monitors/monitor.ts';
import type { LogEntry, Snapshot } from '../sources/snapshot.ts';
import type { Mark } from '../sources/source.ts';
import { CHUNK_MARKS } from './limits.ts';

const MOST_TEXT = 120;
/** Of the entries of one snapshot. */
const AT_ONCE = 4;

interface Before {
  /** Of the snapshot before: sources may repeat entries. */
  readonly logs: Snapshot['logs'];
  /** A loss that goes on is one. */
  readonly losing: boolean;
  /** Marks that the chunk has already. */
  readonly given: number;
}

/**
 * Entries of logs of incidents, and the beginning of a loss. Of many entries the first stand for the rest, fewer when the
 * chunk has many marks already: what comes later is to have some too. `time`: where on the time line they are shown.
 */
export function* marksOf(
  { monitor, lost, logs }: Snapshot,
  monitors: readonly Monitor[],
  before: Before,
  time: number,
): Generator<Mark> {
  const most = before.given < CHUNK_MARKS / 2 ? AT_ONCE : 1;
  for (const panel of monitors.find(({ name }) => name === monitor)?.panels ?? []) {
    if (panel.kind !== 'log' || panel.incidents !== true) continue;
    const known = new Set((before.logs[panel.log] ?? []).map(identity));
    const fresh = (logs[panel.log] ?? []).filter((entry) => !known.has(identity(entry)));
    for (const [index, { comm, text }] of fresh.slice(0, most).entries()) {
      const rest = index === most - 1 ? fresh.length - most : 0;
      const more = rest > 0 ? ` (and ${rest} more)` : '';
      const words = `${comm} ${text}`.slice(0, MOST_TEXT - more.length) + more;
      yield { time, kind: 'incident', monitor, text: words };
    }
  }
  if (lost > 0 && !before.losing) yield { time, kind: 'loss', monitor, text: `${lost} events lost` };
}

function identity(entry: LogEntry): string {
  return `${entry.at_ms} ${entry.cpu} ${entry.tid} ${entry.text}`;
}
