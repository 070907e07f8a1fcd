/** Moving about in rows: selection by identity, scroll that keeps it in sight. */
import type { TablePanel } from '../monitors/monitor.ts';
import { findRow, keyOf, rankOf, viewTable } from '../panels/table-view.ts';
import type { Snapshot, Table } from '../sources/snapshot.ts';
import type { PanelView } from './state.ts';

export type Motion = 'up' | 'down' | 'page-up' | 'page-down' | 'home' | 'end';

/** Rank to go to from `rank` (undefined: nothing selected yet) by a motion; not clamped to the rows. */
export function targetRank(motion: Motion, rank: number | undefined, scroll: number, page: number): number {
  if (motion === 'home') return 0;
  if (motion === 'end') return Number.MAX_SAFE_INTEGER;
  // The first arrow selects the row at the top of what is shown.
  if (rank === undefined) return motion === 'page-down' ? scroll + page : scroll;
  const step = motion === 'up' ? -1 : motion === 'down' ? 1 : motion === 'page-up' ? -page : page;
  return Math.max(0, rank + step);
}

/** Moves the selection of a table. */
export function moveInTable(view: PanelView, panel: TablePanel, snapshot: Snapshot, motion: Motion): void {
  const table = snapshot.tables[panel.table];
  if (table === undefined) return;
  const rank = view.selected === undefined ? undefined : view.rank;
  const target = targetRank(motion, rank, view.scroll, view.page);
  const at = viewTable(table, panel, view.query, snapshot.interval_ms, 1, target);
  const row = at.rows[0];
  if (row === undefined) return;
  view.selected = keyOf(table, row);
  view.rank = at.offset;
  keepInSight(view);
}

/** Where the selected row is now: its row number, -1 when it is gone or filtered away. Updates rank and scroll. */
export function locate(view: PanelView, panel: TablePanel, table: Table, interval_ms: number): number {
  if (view.selected === undefined) return -1;
  const row = findRow(table, view.selected);
  if (row < 0) return -1;
  const rank = rankOf(table, panel, view.query, interval_ms, row);
  if (rank < 0) return -1;
  view.rank = rank;
  keepInSight(view);
  return row;
}

function keepInSight(view: PanelView): void {
  if (view.rank < view.scroll) view.scroll = view.rank;
  else if (view.rank >= view.scroll + view.page) view.scroll = view.rank - view.page + 1;
}
