/** From a row to the other views of what it is about, and back: a way that can be walked either direction. */
import { quoteValue } from '../filter/expression.ts';
import type { Link, Monitor, TablePanel } from '../monitors/monitor.ts';
import { cellText, columnsFor } from '../panels/cell.ts';
import { findRow } from '../panels/table-view.ts';
import type { Table } from '../sources/snapshot.ts';
import { shownEntries } from './log-list.ts';
import type { Session } from './session.ts';
import { focusedPanel, type Mode, type PanelView, type Subject } from './state.ts';
import { setFilter } from './table-commands.ts';

/** Columns that mean the same wherever they stand. */
const SHARED = ['pid', 'tid', 'cpu', 'dev', 'device', 'task', 'lock', 'cgroup', 'module', 'cluster', 'comm'];
/** What every event of a list has. */
const OF_EVENTS = ['pid', 'tid', 'cpu', 'comm'];
/** What is asked of a process first: its files, sockets, system calls, and where it waits and works. */
const FIRST = ['files', 'conns', 'syscalls', 'offcpu', 'profile', 'strace'];
const MOST_STEPS = 20;

/** Where a row leads. */
export interface Target {
  /** `Locks  task=0xffff…` */
  readonly label: string;
  readonly tab: number;
  /** Panel of that tab, and what to filter it by. */
  readonly panel: number;
  readonly filter: string;
}

/** A view that was left, and what was done to the next. */
export interface Step {
  readonly tab: number;
  /** The tab it led to. */
  readonly to: number;
  readonly mode: Mode;
  readonly subject: Subject | undefined;
  readonly pageScroll: number;
  /** `Tasks pid=812` */
  readonly label: string;
  /** The view whose filter was replaced, and the filter it had. */
  readonly changed: PanelView;
  readonly filterBefore: string;
}

/** Other views of what the selected row is about; empty when no row of a table is selected. */
export function linksOf(session: Session): Target[] {
  const { monitor, view, picture, monitors, state } = session;
  const focused =
    state.mode === 'details' && state.subject !== undefined
      ? { panel: monitor.panels[state.subject.panel], key: state.subject.key }
      : { panel: focusedPanel(monitor, view)?.panel, key: focusedPanel(monitor, view)?.view.selected };
  const { panel, key } = focused;
  if (panel?.kind !== 'table' || key === undefined) return [];
  const table = picture?.snapshot.tables[panel.table];
  const row = table === undefined ? -1 : findRow(table, key);
  if (table === undefined || row < 0) return [];
  const interval = picture?.snapshot.interval_ms ?? 0;
  return linksFrom(panel, table, monitors, monitor)
    .filter(({ to }) => session.isRecorded(to))
    .flatMap((link) => targetOf(link, panel, table, row, interval, monitors));
}

function linksFrom(
  panel: TablePanel,
  table: Table,
  monitors: readonly Monitor[],
  here: Monitor,
): readonly Link[] {
  const names = columnsFor(panel, table, 'screen').map(({ id }) => id);
  // The first that a tab knows says most: the process rather than its name.
  const reached = new Set((panel.links ?? []).map(({ to }) => to));
  const isNamed = (from: string, to: string) =>
    (panel.links ?? []).some((link) => link.to === to && (link.column ?? link.from) === from);
  const shared = SHARED.filter((id) => names.includes(id)).flatMap((from) =>
    monitors
      .filter((monitor) => {
        if (monitor === here || panelFor(monitor, from) === undefined) return false;
        if (isNamed(from, monitor.name)) return false;
        if (from === 'comm' && reached.has(monitor.name)) return false;
        reached.add(monitor.name);
        return true;
      })
      .map(({ name }) => ({ from, to: name })),
  );
  const rank = ({ to }: Link) => (FIRST.includes(to) ? FIRST.indexOf(to) : FIRST.length);
  return [...(panel.links ?? []), ...shared.sort((a, b) => rank(a) - rank(b))];
}

/** The panel that a filter by a column is for: the first table, if it has it, else the first list of events. */
function panelFor(monitor: Monitor, column: string): number | undefined {
  const index = monitor.panels.findIndex((panel) => panel.kind === 'table');
  const panel = monitor.panels[index];
  if (panel?.kind === 'table' && panel.columns.some(({ id }) => id === column)) return index;
  const log = monitor.panels.findIndex((each) => each.kind === 'log' && each.nobodys !== true);
  return log >= 0 && OF_EVENTS.includes(column) ? log : undefined;
}

function targetOf(
  { from, to, column = from }: Link,
  panel: TablePanel,
  table: Table,
  row: number,
  interval_ms: number,
  monitors: readonly Monitor[],
): Target[] {
  const spec = panel.columns.find(({ id }) => id === from);
  const tab = monitors.findIndex(({ name }) => name === to);
  const monitor = monitors[tab];
  const target = monitor === undefined ? undefined : panelFor(monitor, column);
  if (spec === undefined || monitor === undefined || target === undefined) return [];
  const value = cellText(table, spec, row, interval_ms).trim();
  if (value === '' || value === '-') return [];
  const filter = `${column}=${quoteValue(value)}`;
  return [{ label: `${monitor.title}  ${filter}`, tab, panel: target, filter }];
}

/** Shows where the selected row leads; goes there at once when there is but one place. */
export function openLinks(session: Session, _key: string, now: number): void {
  if (session.focusedKind === 'log' && session.state.mode === 'panels') {
    if (!toMark(session)) session.say('no line is marked here', now);
    return;
  }
  const targets = linksOf(session);
  if (targets.length === 0) session.say('select a row first; where it leads is shown then', now);
  else if (targets.length === 1) follow(session, targets[0] as Target, now);
  else {
    // The page of the row is no place to come back to: the row stays selected.
    selectSubject(session);
    session.state.mode = 'links';
    session.state.menu = 0;
  }
}

/** Selects the next marked entry of the list that has the focus, behind the last the first again. */
function toMark({ monitor, view, picture }: Session): boolean {
  const focused = focusedPanel(monitor, view);
  if (focused?.panel.kind !== 'log') return false;
  const entries = shownEntries(picture?.logs.get(focused.panel.log) ?? [], focused.view);
  const marked = entries.filter(({ entry }) => entry.mark === true);
  const at = Number(focused.view.selected?.[0] ?? -1);
  const next = marked.find(({ id }) => id > at) ?? marked[0];
  if (next === undefined) return false;
  focused.view.selected = [next.id];
  // In sight, with what led to it above.
  focused.view.rank = entries.indexOf(next);
  focused.view.scroll = Math.max(0, focused.view.rank - Math.floor(focused.view.page / 4));
  return true;
}

/** Moves the highlight of the list of links. */
export function moveLink(session: Session, by: number): void {
  const last = linksOf(session).length - 1;
  session.state.menu = Math.max(0, Math.min(last, session.state.menu + by));
}

/** Goes to the highlighted link. */
export function followLink(session: Session, now: number): void {
  const targets = linksOf(session);
  const target = targets[Math.min(session.state.menu, targets.length - 1)];
  session.state.mode = 'panels';
  if (target === undefined) session.say('the row is gone', now);
  else follow(session, target, now);
}

function selectSubject({ state, view }: Session): void {
  const panel = state.mode === 'details' ? state.subject?.panel : undefined;
  const panelView = panel === undefined ? undefined : view.panels[panel];
  if (panel === undefined || panelView === undefined || state.subject === undefined) return;
  view.focus = panel;
  panelView.selected = state.subject.key;
}

function follow(session: Session, target: Target, now: number): void {
  const { state, monitor } = session;
  const view = state.tabs[target.tab];
  const changed = view?.panels[target.panel];
  if (view === undefined || changed === undefined) return;
  const own = session.filtered?.query.filter ?? '';
  const step: Step = {
    tab: state.tab,
    to: target.tab,
    mode: state.mode === 'details' ? 'details' : 'panels',
    subject: state.subject,
    pageScroll: state.pageScroll,
    label: own === '' ? monitor.title : `${monitor.title} ${own}`,
    changed,
    filterBefore: changed.query.filter,
  };
  state.trail = [...state.trail, step].slice(-MOST_STEPS);
  setFilter(changed, target.filter);
  changed.selected = undefined;
  view.focus = target.panel;
  session.toTab(target.tab, now);
}

/** One step back along the way. */
export function stepBack(session: Session, _key: string, now: number): void {
  const { state } = session;
  const step = state.trail.at(-1);
  if (step === undefined) {
    session.say('no way was followed to here; o on a row shows where it leads', now);
    return;
  }
  state.trail = state.trail.slice(0, -1);
  setFilter(step.changed, step.filterBefore);
  session.toTab(step.tab, now);
  state.mode = step.mode;
  state.subject = step.subject;
  state.pageScroll = step.pageScroll;
}

/** `Tasks > Locks task=0x…; Backspace returns`, or '' when no way was followed to this tab. */
export function wayHere({ state, filtered, monitor }: Session): string {
  if (state.trail.at(-1)?.to !== state.tab) return '';
  const here = `${monitor.title} ${filtered?.query.filter ?? ''}`.trim();
  return `${[...state.trail.map(({ label }) => label), here].join(' > ')}; Backspace returns`;
}
