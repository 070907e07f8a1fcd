/** What the mouse does to a session, where it is on: the wheel moves, a click selects, sorts and opens tabs. */
import { keyOf, viewTable } from '../panels/table-view.ts';
import type { Theme } from '../panels/theme.ts';
import type { Rectangle, SurfaceName } from './chrome/chrome-view.ts';
import { tabAt } from './chrome/tab-bar.ts';
import { pressKey } from './commands.ts';
import { shownEntries } from './log-list.ts';
import { tabIndexOf, tabsOf } from './picture.ts';
import type { Session } from './session.ts';
import type { PanelView } from './state.ts';
import { reverse, sortBy } from './table-commands.ts';
import type { Key } from './terminal/keys.ts';

/** What was painted last. */
export interface Painted {
  readonly columns: number;
  readonly theme: Theme;
  readonly surfaces: ReadonlyMap<SurfaceName, Rectangle>;
}

/** Lines that a notch of the wheel moves by. */
const NOTCH = 3;
/** Where something is typed a click must not change what it is about. */
const TYPED = new Set(['filter', 'moment', 'command', 'probe']);

export function isMouse({ at }: Key): boolean {
  return at !== undefined;
}

/** Does what a click or the wheel means; nothing where it means nothing. */
export function pressMouse(session: Session, { name, at }: Key, painted: Painted, now: number): void {
  if (at === undefined || TYPED.has(session.state.mode)) return;
  const panel = panelAt(session, at, painted);
  if (name !== 'click') {
    if (panel !== undefined) session.view.focus = panel.index;
    const step = { name: name === 'wheel-up' ? 'up' : 'down', text: '' };
    for (let line = 0; line < NOTCH; line += 1) pressKey(session, step, now);
  } else if (at.y === 0) openTabAt(session, at.x, painted, now);
  else if (panel !== undefined) clickPanel(session, panel, now);
}

function openTabAt(session: Session, x: number, { columns, theme }: Painted, now: number): void {
  const tab = tabAt(tabsOf(session, theme), columns, x);
  if (tab === undefined) return;
  if (tab.pinned) session.state.mode = 'incidents';
  else session.toTab(tabIndexOf(session, tab, theme), now);
}

interface PanelHit {
  readonly index: number;
  readonly view: PanelView;
  /** From the left edge, and from the title of the panel on. */
  readonly x: number;
  readonly line: number;
}

/** The panel below a place of the screen; only where panels are shown. */
function panelAt(
  { state, view }: Session,
  at: { x: number; y: number },
  { surfaces }: Painted,
): PanelHit | undefined {
  const body = surfaces.get('body');
  if (state.mode !== 'panels' || body === undefined) return undefined;
  const [x, y] = [at.x - body.x, at.y - body.y];
  for (const [index, panel] of view.panels.entries()) {
    const { top, height } = panel.place;
    if (x >= 0 && y >= top && y < top + height) return { index, view: panel, x, line: y - top };
  }
  return undefined;
}

function clickPanel(session: Session, { index, view, x, line }: PanelHit, now: number): void {
  const panel = session.monitor.panels[index];
  const { picture } = session;
  session.view.focus = index;
  if (panel === undefined || picture === undefined || line === 0) return;
  if (panel.kind === 'log') {
    const entries = shownEntries(picture.logs.get(panel.log) ?? [], view);
    const entry = entries[view.scroll + line - 1];
    if (entry === undefined) return;
    view.rank = view.scroll + line - 1;
    view.selected = [entry.id];
    return;
  }
  const table = panel.kind === 'table' ? picture.snapshot.tables[panel.table] : undefined;
  if (panel.kind !== 'table' || table === undefined) return;
  if (line === 1) {
    sortAt(session, view, x, now);
    return;
  }
  const rank = view.scroll + line - 2;
  const { rows, offset } = viewTable(table, panel, view.query, picture.snapshot.interval_ms, 1, rank);
  // Below the last row there is none.
  if (rows[0] === undefined || offset !== rank) return;
  view.selected = keyOf(table, rows[0]);
  view.rank = rank;
}

/** A click on a column head sorts by it; on that which is sorted by, turns the order round. */
function sortAt(session: Session, view: PanelView, x: number, now: number): void {
  const head = view.heads.find((column) => x >= column.x && x <= column.x + column.width);
  const { table } = session;
  if (head === undefined || table === undefined) return;
  const isSorted = view.query.sort === head.id;
  session.say(
    isSorted
      ? reverse(table)
      : sortBy(
          table,
          table.columns.findIndex(({ id }) => id === head.id),
        ),
    now,
  );
}
