/** From a selected row or entry to its page. */
import { keyOf, type RowKey, viewTable } from '../panels/table-view.ts';
import { shownEntries } from './log-list.ts';
import type { Session } from './session.ts';
import { focusedPanel } from './state.ts';

/** Opens the page of the selected row, else of the top row or newest entry; after a failure tries again. */
export function openDetails(session: Session, _key: string, now: number): void {
  const { state, monitor, store } = session;
  if (store.failure(monitor.name) !== undefined) {
    session.open(now);
    return;
  }
  const focused = focusedPanel(monitor, session.view);
  if (focused === undefined || session.picture === undefined) return;
  if (!isInSight(session)) focused.view.selected = firstInSight(session);
  if (focused.view.selected === undefined) {
    session.say('no row to show', now);
    return;
  }
  state.subject = { panel: focused.index, key: focused.view.selected };
  state.mode = 'details';
  state.pageScroll = 0;
}

/** Whether there is a selected row or entry that the filter lets through. */
function isInSight({ monitor, view, picture }: Session): boolean {
  const focused = focusedPanel(monitor, view);
  const selected = focused?.view.selected;
  if (focused === undefined || selected === undefined || focused.panel.kind !== 'log') {
    return selected !== undefined;
  }
  const entries = shownEntries(picture?.logs.get(focused.panel.log) ?? [], focused.view);
  return entries.some(({ id }) => id === selected[0]);
}

function firstInSight(session: Session): RowKey | undefined {
  const focused = focusedPanel(session.monitor, session.view);
  const { picture } = session;
  if (focused === undefined || picture === undefined) return undefined;
  const { panel, view } = focused;
  if (panel.kind === 'log') {
    const newest = shownEntries(picture.logs.get(panel.log) ?? [], view).at(-1);
    return newest === undefined ? undefined : [newest.id];
  }
  const table = panel.kind === 'table' ? picture.snapshot.tables[panel.table] : undefined;
  if (panel.kind !== 'table' || table === undefined) return undefined;
  const top = viewTable(table, panel, view.query, picture.snapshot.interval_ms, 1, view.scroll).rows[0];
  return top === undefined ? undefined : keyOf(table, top);
}
