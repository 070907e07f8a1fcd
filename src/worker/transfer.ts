/** Which buffers of a snapshot can be handed over instead of copied. */
import type { Snapshot } from '../sources/snapshot.ts';

/**
 * Every distinct, non-empty ArrayBuffer of the snapshot, for `postMessage`'s transfer list.
 * Empty ones stay: a constant shared between snapshots would be detached by the first transfer.
 */
export function buffersOf(snapshot: Snapshot): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  const add = (array: Float64Array | Uint32Array) => {
    if (array.buffer instanceof ArrayBuffer && array.buffer.byteLength > 0) found.add(array.buffer);
  };
  for (const table of Object.values(snapshot.tables)) {
    for (const column of Object.values(table.columns))
      add(column instanceof Float64Array ? column : column.ids);
  }
  for (const histogram of Object.values(snapshot.histograms).flat()) {
    add(histogram.low);
    add(histogram.high);
    add(histogram.count);
  }
  return [...found];
}
