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
  /** What adds up in it is scaled: a share of what there was has been watched. */
  readonly scaled?: true;
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

/** What was left out of an interval, as watching all of it would have cost too much. */
export interface Shed {
  /** Steps down from everything, at the end of the interval. */
  readonly level: number;
  /** Without secondary events and call chains; by a narrower filter; for part of the time; not at all; all (again). */
  readonly kind: 'full' | 'lean' | 'filter' | 'duty' | 'off';
  /** Share of what there was that has been watched; below 1 what adds up is scaled by 1 / share. 0 = nothing was. */
  readonly share: number;
  /** % of one CPU that watching all of it would take, as far as that is known. */
  readonly cost_pct: number;
  /** One sentence, also among the notes; '' = nothing to say. */
  readonly text: string;
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
  /** Absent when nothing was left out. */
  readonly shed?: Shed;
  /** What the reader of the numbers must know: fallback in use, data incomplete, filter in user space. */
  readonly notes: readonly string[];
  readonly tables: Readonly<Record<string, Table>>;
  readonly histograms: Readonly<Record<string, readonly Histogram[]>>;
  readonly logs: Readonly<Record<string, readonly LogEntry[]>>;
}

/** What adds up in it is scaled: not all was watched. */
export const isScaled = ({ shed }: { readonly shed?: Shed | undefined }): boolean =>
  shed !== undefined && shed.share < 1;

/** The tables of a snapshot, marked where they are scaled. */
export function markScaled(
  tables: Readonly<Record<string, Table>>,
  shed: Shed | undefined,
): Readonly<Record<string, Table>> {
  if (!isScaled({ shed })) return tables;
  return Object.fromEntries(
    Object.entries(tables).map(([name, table]) => [name, { ...table, scaled: true }]),
  );
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
