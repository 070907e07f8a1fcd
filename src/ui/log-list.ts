/**
 * Moving about in a list of events. It follows the newest until an entry is selected; from then on that entry stays
 * where it is on the screen, whatever arrives and whatever falls out of the store.
 */
import { filterLog } from '../panels/log-filter.ts';
import type { KeptEntry } from '../panels/paint-log.ts';
import { type Motion, targetRank } from './navigation.ts';
import type { PanelView } from './state.ts';

/** Whether new entries come at the end (a log) or at the beginning (incidents). */
export type Order = 'newest-last' | 'newest-first';

/** The entries that a view shows. */
export function shownEntries<T extends KeptEntry>(entries: readonly T[], view: PanelView): readonly T[] {
  return filterLog(entries, view.query.filter);
}

/** Brings scroll and rank up to date for `page` lines. Returns the id of the selected entry, -1 when it follows. */
export function settleLog(
  view: PanelView,
  entries: readonly KeptEntry[],
  page: number,
  order: Order,
): number {
  view.page = Math.max(1, page);
  const bottom = Math.max(0, entries.length - view.page);
  const index = findEntry(entries, view.selected?.[0], order);
  if (index < 0) {
    view.scroll = order === 'newest-last' ? bottom : 0;
    return -1;
  }
  view.scroll += index - view.rank;
  view.rank = index;
  view.scroll = Math.max(0, index - view.page + 1, Math.min(view.scroll, index, bottom));
  return (entries[index] as KeptEntry).id;
}

/** Moves the selection; past the newest entry the list follows again. */
export function moveInLog(
  view: PanelView,
  entries: readonly KeptEntry[],
  motion: Motion,
  order: Order,
): void {
  if (entries.length === 0) return;
  const index = findEntry(entries, view.selected?.[0], order);
  const last = entries.length - 1;
  const toNewest =
    order === 'newest-last'
      ? motion === 'end' || (motion === 'down' && index === last)
      : motion === 'home' || (motion === 'up' && index === 0);
  if (toNewest) {
    view.selected = undefined;
    return;
  }
  const upwards = motion === 'up' || motion === 'page-up';
  const from = index >= 0 ? index : order === 'newest-last' && upwards ? entries.length : undefined;
  const target = Math.min(last, targetRank(motion, from, view.scroll, view.page));
  view.rank = target;
  view.selected = [(entries[target] as KeptEntry).id];
}

/** Index of an entry; where it has gone or is filtered away, of the one next to it that is newer, else the newest. */
function findEntry(entries: readonly KeptEntry[], id: unknown, order: Order): number {
  if (typeof id !== 'number' || entries.length === 0) return -1;
  const last = entries.length - 1;
  if (order === 'newest-last') {
    const found = entries.findIndex((entry) => entry.id >= id);
    return found < 0 ? last : found;
  }
  const found = entries.findLastIndex((entry) => entry.id >= id);
  return Math.max(0, found);
}
