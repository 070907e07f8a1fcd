/** Which columns of a table fit on a line, and how wide each is. */
import type { ColumnSpec } from '../monitors/monitor.ts';
import { textWidth } from './char-width.ts';

export interface PlacedColumn {
  readonly spec: ColumnSpec;
  readonly x: number;
  readonly width: number;
}

/** Before the first column: the selection mark and the first column's severity mark. */
const GUTTER = 1;
const GAP = 1;
const TEXT_MIN = 8;
/** A text column gets this much before a less important column is dropped in its favour. */
const TEXT_COMFORT = 16;

/**
 * Lays the columns out on `width`. `seen`: width of the widest cell so far, by column id; `sort`: the column
 * sorted by, which is always shown. Drops the columns of the highest priority number until the rest fits;
 * text columns shrink last and share what is left, up to what they want.
 */
export function fitColumns(
  columns: readonly ColumnSpec[],
  width: number,
  seen: ReadonlyMap<string, number>,
  sort = '',
): PlacedColumn[] {
  let kept = columns.map((spec) => ({
    spec,
    want: wantOf(spec, seen.get(spec.id) ?? 0),
    priority: spec.id === sort ? 0 : (spec.priority ?? 0),
  }));
  const room = width - GUTTER;
  const total = (size: (item: (typeof kept)[number]) => number) =>
    kept.reduce((sum, item) => sum + size(item) + GAP, -GAP);
  for (;;) {
    const droppable = Math.max(0, ...kept.map(({ priority }) => priority));
    if (droppable === 0 || total(({ spec, want }) => comfortOf(spec, want)) <= room) break;
    const index = kept.findLastIndex(({ priority }) => priority === droppable);
    kept = kept.filter((_, position) => position !== index);
  }
  // Where even that is too much, text gives way: a number is shown whole or not at all.
  const isTight = total(({ spec, want }) => leastOf(spec, want)) > room;
  const least = ({ spec, want }: (typeof kept)[number]) => {
    const size = leastOf(spec, want);
    return isTight && spec.format === 'text' ? Math.min(size, TEXT_MIN) : size;
  };
  let spare = room - total(least);
  const widths = new Map(kept.map((item) => [item.spec, least(item)]));
  // First everyone to comfort, then to what they want; columns of wide bounds come last.
  const texts = kept
    .filter(({ spec }) => spec.format === 'text')
    .sort((a, b) => boundOf(a.spec) - boundOf(b.spec));
  for (const goal of [comfortOf, (_: ColumnSpec, want: number) => want]) {
    for (const { spec, want } of texts) {
      const now = widths.get(spec) ?? 0;
      const more = Math.max(0, Math.min(spare, goal(spec, want) - now));
      widths.set(spec, now + more);
      spare -= more;
    }
  }
  let x = GUTTER;
  const placed: PlacedColumn[] = [];
  for (const { spec } of kept) {
    const wanted = widths.get(spec) ?? 0;
    const columnWidth = Math.min(wanted, width - x);
    if (columnWidth <= 0 || (spec.format !== 'text' && columnWidth < wanted && placed.length > 0)) break;
    placed.push({ spec, x, width: columnWidth });
    x += columnWidth + GAP;
  }
  return placed;
}

function boundOf(spec: ColumnSpec): number {
  return spec.max ?? Number.POSITIVE_INFINITY;
}

function wantOf(spec: ColumnSpec, seen: number): number {
  const title = textWidth(spec.title);
  return Math.min(Math.max(title, spec.min ?? 0, seen), Math.max(boundOf(spec), title));
}

function comfortOf(spec: ColumnSpec, want: number): number {
  return spec.format === 'text' ? Math.min(want, Math.max(TEXT_COMFORT, spec.min ?? 0)) : want;
}

function leastOf(spec: ColumnSpec, want: number): number {
  if (spec.format !== 'text') return want;
  return Math.min(want, Math.max(spec.min ?? TEXT_MIN, textWidth(spec.title)));
}
