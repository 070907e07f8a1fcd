/**
 * The one message that travels from a reader to a screen, a pipe or a recording.
 * Everything downstream of the worker sees these types and nothing of the kernel.
 */

/** A column of text: `strings[ids[row]]`. One dictionary per column and snapshot. */
export interface TextColumn {
  readonly ids: Uint32Array;
  readonly strings: readonly string[];
}

/** Numbers (NaN = not known) or text. All columns of a table have the table's length. */
export type Column = Float64Array | TextColumn;

/** Columns of equal length; `key` names the columns that together identify a row across snapshots. */
export interface Table {
  readonly length: number;
  readonly key: readonly string[];
  readonly columns: Readonly<Record<string, Column>>;
}

/** log2 buckets, inclusive bounds, only the non-empty span; `label` tells several apart (one per CPU, say). */
export interface Histogram {
  readonly label: string;
  readonly unit: string;
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly count: Float64Array;
}

/** One decoded event, slow operation or finished offender. Text is untrusted: sanitise before drawing. */
export interface LogEntry {
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly at_ms: number;
  readonly cpu: number;
  readonly pid: number;
  readonly tid: number;
  readonly comm: string;
  readonly text: string;
  /** Where to look first: `o` in the list goes there. */
  readonly mark?: boolean;
  /** Innermost frame first. */
  readonly stack?: readonly string[];
  /** For slow pairs: what happened from start to end on that CPU and to that task, one event a line. */
  readonly between?: readonly string[];
}

/** What one monitor saw in one interval. */
export interface Snapshot {
  readonly monitor: string;
  /** 1, 2, 3 … since the monitor was opened. */
  readonly seq: number;
  /** Wall clock at the end of the interval, milliseconds since the epoch. */
  readonly time: number;
  /** CLOCK_MONOTONIC at the end of the interval, milliseconds. */
  readonly mono_ms: number;
  /** Length actually measured, milliseconds: divide by this, never by what was asked for. */
  readonly interval_ms: number;
  /** perf, tracefs, /proc … as shown to the user. */
  readonly backend: string;
  /** Events received in the interval. */
  readonly events: number;
  /** Events the kernel dropped (ring full) in the interval. */
  readonly lost: number;
  /** Events that arrived after the merge had passed their time. */
  readonly late: number;
  /** Events counted by the kernel for which neither a sample nor a loss was reported. */
  readonly unseen: number;
  /** What the reader of the numbers must know: fallback in use, data incomplete, filter in user space. */
  readonly notes: readonly string[];
  readonly tables: Readonly<Record<string, Table>>;
  readonly histograms: Readonly<Record<string, readonly Histogram[]>>;
  readonly logs: Readonly<Record<string, readonly LogEntry[]>>;
}

/** Text of a column at a row, `''` past the end. */
export function textAt(column: Column | undefined, row: number): string {
  if (column === undefined || column instanceof Float64Array) return '';
  return column.strings[column.ids[row] ?? 0] ?? '';
}

/** Number of a column at a row, NaN where there is none. */
export function numberAt(column: Column | undefined, row: number): number {
  return column instanceof Float64Array ? (column[row] ?? Number.NaN) : Number.NaN;
}

/** A column of these texts, one a row. */
export function textColumn(values: readonly string[]): TextColumn {
  const at = new Map<string, number>();
  const ids = Uint32Array.from(values, (text) => {
    const id = at.get(text) ?? at.size;
    at.set(text, id);
    return id;
  });
  return { ids, strings: [...at.keys()] };
}
