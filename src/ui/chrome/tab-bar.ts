/** Which tabs stand in the bar when not all fit. */
import type { Tab } from './chrome-view.ts';

/** Columns for the number of hidden tabs at either side, such as `12>`. */
const MARK = 3;

/**
 * As many tabs as fit, in their order: the pinned ones, the active one with a neighbour at either side where there
 * is room, and then what else fits. `before`, `after`: how many are hidden at either side.
 */
export function tabsThatFit(
  tabs: readonly Tab[],
  width: number,
): { readonly tabs: readonly Tab[]; readonly before: number; readonly after: number } {
  const free = tabs.filter(({ pinned }) => !pinned);
  const pinned = tabs.filter((tab) => tab.pinned);
  const room = width - widthOf(pinned);
  if (widthOf(free) <= room) return { tabs, before: 0, after: 0 };
  const active = free.findIndex((tab) => tab.active);
  // On a pinned tab the end of the bar is shown, next to it.
  const at = active < 0 ? free.length - 1 : active;
  let first = at;
  let end = at + 1;
  const fits = (from: number, to: number) =>
    widthOf(free.slice(from, to)) + (from > 0 ? MARK : 0) + (to < free.length ? MARK : 0) <= room;
  if (end < free.length && fits(first, end + 1)) end += 1;
  while (first > 0 && fits(first - 1, end)) first -= 1;
  while (end < free.length && fits(first, end + 1)) end += 1;
  return { tabs: [...free.slice(first, end), ...pinned], before: first, after: free.length - end };
}

/** The tab below a column of the bar. */
export function tabAt(tabs: readonly Tab[], width: number, column: number): Tab | undefined {
  const { tabs: shown, before, after } = tabsThatFit(tabs, width);
  let x = before > 0 ? `<${before}`.length : 0;
  for (const tab of shown) {
    if (tab.pinned && !shown[shown.indexOf(tab) - 1]?.pinned && after > 0) x += `${after}>`.length;
    const end = x + tab.label.length + 2;
    if (column >= x && column < end) return tab;
    x = end;
  }
  return undefined;
}

function widthOf(tabs: readonly Tab[]): number {
  return tabs.reduce((total, { label }) => total + label.length + 2, 0);
}
