/** Moving about in an icicle. Frames are known by their path, so that a new snapshot changes nothing. */
import type { StacksPanel } from '../monitors/monitor.ts';
import {
  type Frame,
  frameAt,
  isWithin,
  level,
  pathOf,
  type StackTree,
  stackTree,
} from '../panels/stack-tree.ts';
import type { Table } from '../sources/snapshot.ts';
import type { PanelView } from './state.ts';

/** A stacks panel as it stands: its tree, the frame that has the width, the selected frame within it. */
export interface ActiveStacks {
  readonly panel: StacksPanel;
  readonly view: PanelView;
  readonly table: Table;
  readonly by: string | undefined;
  readonly tree: StackTree;
  readonly top: Frame;
  readonly selected: Frame;
}

export type FrameMotion = 'frame-up' | 'frame-down' | 'frame-left' | 'frame-right';

/** Finds zoom and selection of a view in a snapshot; what has gone is replaced by what is left of its path. */
export function locateStacks(panel: StacksPanel, view: PanelView, table: Table): ActiveStacks {
  const by = panel.by[view.stacks.by - 1];
  const tree = stackTree(table, panel, by);
  const top = frameAt(tree, view.stacks.zoom);
  const wanted = frameAt(tree, view.stacks.selected);
  const selected = isWithin(wanted, top) ? wanted : top;
  return { panel, view, table, by, tree, top, selected };
}

/** Selects the caller, the largest callee, or the neighbour of the same depth. */
export function moveFrame({ view, top, selected }: ActiveStacks, motion: FrameMotion): void {
  const next = target(top, selected, motion);
  if (next !== undefined) view.stacks = { ...view.stacks, selected: pathOf(next) };
}

function target(top: Frame, selected: Frame, motion: FrameMotion): Frame | undefined {
  if (motion === 'frame-up') return selected === top ? undefined : selected.parent;
  if (motion === 'frame-down') return selected.children[0];
  const row = level(top, selected.depth);
  return row[row.indexOf(selected) + (motion === 'frame-left' ? -1 : 1)];
}

/** Gives the selected frame the whole width. */
export function zoomIn({ view, selected }: ActiveStacks): void {
  view.stacks = { ...view.stacks, zoom: pathOf(selected), selected: pathOf(selected) };
  view.scroll = 0;
}

/** Gives the width back to the caller. False when there is none. */
export function zoomOut({ view, top }: ActiveStacks): boolean {
  if (top.parent === undefined) return false;
  view.stacks = { ...view.stacks, zoom: pathOf(top.parent) };
  view.scroll = 0;
  return true;
}

/** Total, then split by each column in turn. Returns a word for the footer. */
export function cycleBy({ panel, view }: ActiveStacks): string {
  if (panel.by.length === 0) return 'these stacks cannot be split';
  const by = (view.stacks.by + 1) % (panel.by.length + 1);
  view.stacks = { by, zoom: [], selected: [] };
  view.scroll = 0;
  const name = panel.by[by - 1];
  return name === undefined ? 'all stacks together' : `split by ${name}`;
}

/** Keeps the selected frame among `levels` lines, with its callees in sight where there is room. */
export function scrollToFrame({ view, top, selected }: ActiveStacks, levels: number): void {
  const at = selected.depth - top.depth;
  if (at < view.scroll) view.scroll = at;
  else if (at >= view.scroll + levels) view.scroll = at - levels + 1;
}
