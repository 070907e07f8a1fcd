/** The panels of a tab, stacked on a region. */

import type { Monitor, PanelSpec } from '../monitors/monitor.ts';
import type { Region } from '../panels/grid.ts';
import { logFilterProblem } from '../panels/log-filter.ts';
import { layoutBars, paintBars } from '../panels/paint-bars.ts';
import { histogramLines, paintHistogram } from '../panels/paint-histogram.ts';
import { LINE_HEIGHT, paintLine } from '../panels/paint-line.ts';
import { paintLog } from '../panels/paint-log.ts';
import { paintStacks, STACKS_CHROME } from '../panels/paint-stacks.ts';
import { emptyLines, paintTable, TABLE_CHROME } from '../panels/paint-table.ts';
import { mainPanel, type PanelDemand, stackPanels } from '../panels/stack-layout.ts';
import { stackTree } from '../panels/stack-tree.ts';
import { DIM } from '../panels/style.ts';
import { viewTable } from '../panels/table-view.ts';
import type { Theme } from '../panels/theme.ts';
import { isScaled, type Table } from '../sources/snapshot.ts';
import { settleLog, shownEntries } from './log-list.ts';
import { locate } from './navigation.ts';
import { locateStacks, scrollToFrame } from './stack-commands.ts';
import type { PanelView, TabView } from './state.ts';
import type { Picture } from './store.ts';

/** A panel keeps the lines it wanted this long: rows that come and go must not move the panels below. */
const HOLD_MS = 10_000;

/** Paints a tab; remembers in the view what keys need to know (page sizes, where the selection is). */
export function paintTab(
  region: Region,
  monitor: Monitor,
  picture: Picture,
  view: TabView,
  stale: boolean,
  theme: Theme,
): void {
  const quiet = monitor.quiet?.(picture.snapshot.tables);
  // The sentence is about the tab as a whole: its main panel says it.
  const main = mainPanel(monitor.panels);
  const sayings = monitor.panels.map((panel, index) => emptyText(panel, index === main ? quiet : undefined));
  const demands = monitor.panels.map((panel, index) => {
    const panelView = view.panels[index] as PanelView;
    const demand = demandOf(panel, panelView, picture, region, sayings[index] as string, theme);
    return { ...demand, want: steadyWant(demand, panelView, picture.snapshot.time) };
  });
  const heights = stackPanels(demands, region.height, view.focus, view.zoom);
  let top = 0;
  for (const [index, panel] of monitor.panels.entries()) {
    const height = heights[index] ?? 0;
    const panelView = view.panels[index];
    if (panelView !== undefined) panelView.place = { top, height };
    if (height <= 0 || panelView === undefined) continue;
    const part = region.part(0, top, region.width, height);
    // With one panel there is nothing to choose: no focus mark.
    paintPanel(part, panel, sayings[index] as string, picture, panelView, index === view.focus, theme);
    top += height;
  }
  if (stale) {
    for (let y = 0; y < region.height; y += 1) region.restyle(0, y, region.width, (style) => style | DIM);
  }
}

/** Grows at once, shrinks when less has been enough for a while; at once too after a jump in time. */
function steadyWant({ kind, want }: PanelDemand, view: PanelView, time: number): number {
  // They do not change with what comes and goes.
  if (kind === 'bars' || kind === 'line') return want;
  const { held } = view;
  const holds = held !== undefined && time <= held.until && time >= held.until - HOLD_MS;
  if (!holds || want >= held.lines) view.held = { lines: want, until: time + HOLD_MS };
  return view.held?.lines ?? want;
}

/** What a panel without data says. */
function emptyText(panel: PanelSpec, quiet: string | undefined): string {
  if (quiet !== undefined && quiet !== '') return quiet;
  if (panel.kind === 'table' && panel.empty !== '') return panel.empty;
  if (panel.kind === 'log' && panel.empty !== undefined) return panel.empty;
  return panel.kind === 'log' ? 'nothing logged yet' : 'nothing in this interval';
}

function demandOf(
  panel: PanelSpec,
  view: PanelView,
  { snapshot, logs }: Picture,
  region: Region,
  empty: string,
  theme: Theme,
): PanelDemand {
  switch (panel.kind) {
    case 'table': {
      const rows = snapshot.tables[panel.table]?.length ?? 0;
      const lines = rows > 0 ? rows : emptyLines(empty, region.width, theme).length;
      return { kind: 'table', want: lines + TABLE_CHROME };
    }
    case 'stacks': {
      const table = snapshot.tables[panel.table];
      // The tree that is shown: no other is built for the sake of its depth.
      const depth = table === undefined ? 0 : stackTree(table, panel, panel.by[view.stacks.by - 1]).depth;
      return { kind: 'stacks', want: depth + 1 + STACKS_CHROME };
    }
    case 'bars': {
      const count = snapshot.tables[panel.table]?.length ?? 0;
      const most = Math.max(1, Math.floor(region.height / 2) - 1);
      return { kind: 'bars', want: 1 + layoutBars(count, region.width, most).lines };
    }
    case 'histogram':
      return { kind: 'histogram', want: histogramLines(snapshot.histograms[panel.histogram] ?? []) };
    case 'line':
      return { kind: 'line', want: LINE_HEIGHT };
    case 'log':
      return { kind: 'log', want: 1 + Math.max(1, logs.get(panel.log)?.length ?? 0) };
  }
}

function paintPanel(
  region: Region,
  panel: PanelSpec,
  empty: string,
  picture: Picture,
  view: PanelView,
  focused: boolean,
  theme: Theme,
): void {
  const { snapshot } = picture;
  switch (panel.kind) {
    case 'table': {
      const table = snapshot.tables[panel.table] ?? NO_TABLE;
      view.page = Math.max(1, region.height - TABLE_CHROME);
      const selected = locate(view, panel, table, snapshot.interval_ms);
      const window = viewTable(table, panel, view.query, snapshot.interval_ms, view.page, view.scroll);
      view.scroll = window.offset;
      const columns = paintTable(
        region,
        {
          panel,
          table,
          interval_ms: snapshot.interval_ms,
          query: view.query,
          window,
          selected,
          focused,
          empty,
          seen: view.seen,
        },
        theme,
      );
      view.heads = columns.map(({ spec, x, width }) => ({ id: spec.id, x, width }));
      return;
    }
    case 'bars': {
      const table = snapshot.tables[panel.table];
      if (table !== undefined) paintBars(region, panel, table, focused, theme);
      return;
    }
    case 'histogram':
      paintHistogram(
        region,
        panel,
        snapshot.histograms[panel.histogram] ?? [],
        focused,
        theme,
        isScaled(snapshot),
      );
      return;
    case 'line': {
      const history = picture.history.get(panel.id) ?? [];
      paintLine(region, panel, history, snapshot.interval_ms, focused, theme);
      return;
    }
    case 'log': {
      const entries = shownEntries(picture.logs.get(panel.log) ?? [], view);
      const selected = settleLog(view, entries, region.height - 1, 'newest-last');
      const { title } = panel;
      const { filter } = view.query;
      const problem = logFilterProblem(filter);
      const fixed = { title, entries, filter, problem, focused, newestLast: true, empty };
      paintLog(region, { ...fixed, offset: view.scroll, selected, stamp: panel.stamp }, theme);
      return;
    }
    case 'stacks': {
      const table = snapshot.tables[panel.table] ?? NO_TABLE;
      const stacks = locateStacks(panel, view, table);
      view.page = Math.max(1, region.height - STACKS_CHROME);
      scrollToFrame(stacks, view.page);
      paintStacks(region, { ...stacks, scroll: view.scroll, focused, empty }, theme);
      return;
    }
  }
}

const NO_TABLE: Table = { length: 0, key: [], columns: {} };
