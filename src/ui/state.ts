/** What the user has chosen. Changed only by commands; never holds data of the kernel but row identities. */
import type { Monitor, PanelSpec, TablePanel } from '../monitors/monitor.ts';
import { mainPanel } from '../panels/stack-layout.ts';
import type { FramePath } from '../panels/stack-tree.ts';
import { defaultQuery, type RowKey, type TableQuery } from '../panels/table-view.ts';
import type { Step } from './drill-down.ts';

/**
 * `links`: where a row leads; `incidents`: the list across tabs; `incident`: the card of one; `goto`: the picker of tabs;
 * `moment`: a time is typed; `command`: a line for what is behind the source;
 * `probe`: a definition, or an argument, of a probe.
 */
export type Mode =
  | 'panels'
  | 'help'
  | 'sort'
  | 'filter'
  | 'details'
  | 'goto'
  | 'links'
  | 'moment'
  | 'command'
  | 'probe'
  | 'incidents'
  | 'incident';

/** How an icicle is looked at. */
export interface StacksView {
  /** 0 = total, n = the n-th column of `panel.by`. */
  readonly by: number;
  /** The frame that has the whole width. */
  readonly zoom: FramePath;
  readonly selected: FramePath;
}

/** View of one panel. */
export interface PanelView {
  query: TableQuery;
  /** Identity of the selected row; of a log entry its id. */
  selected: RowKey | undefined;
  /** Where the selected row was last seen, for moving on when it has gone. */
  rank: number;
  /** First row shown. */
  scroll: number;
  /** Rows that were visible at the last paint. */
  page: number;
  /** Lines of the body that it had at the last paint, and where the column heads of a table were. */
  place: { readonly top: number; readonly height: number };
  heads: readonly { readonly id: string; readonly x: number; readonly width: number }[];
  /** Widest cells seen, see `TablePicture`. */
  readonly seen: Map<string, number>;
  /** Lines it wanted lately at most, and until when (time of the snapshots, ms) it keeps them; see `steadyWant`. */
  held: { readonly lines: number; readonly until: number } | undefined;
  stacks: StacksView;
}

export interface TabView {
  /** Index of the focused panel. */
  focus: number;
  zoom: boolean;
  readonly panels: readonly PanelView[];
}

/** The row or log entry a details page is about. */
export interface Subject {
  readonly panel: number;
  readonly key: RowKey;
}

export interface UiState {
  tab: number;
  mode: Mode;
  interval_ms: number;
  /** First line of the help or details page. */
  pageScroll: number;
  subject: Subject | undefined;
  /** Page of the help, see `HELP_PAGES`. */
  helpPage: number;
  /** What has been typed into the picker of tabs, and the highlighted match. */
  picker: { readonly text: string; readonly index: number };
  /** What has been typed of a time to go to, why it cannot be gone to, and the mode to return to. */
  moment: { readonly text: string; readonly problem: string; readonly from: Mode };
  /** The line that is typed, those entered before it, and which of them is shown. */
  command: { readonly text: string; readonly history: readonly string[]; readonly at: number };
  /** What is typed about a probe; `of`: the one that is edited. */
  probe: {
    readonly purpose: 'add' | 'edit' | 'count' | 'histogram' | 'use' | 'export';
    readonly text: string;
    readonly of: string;
    /** The last definition that was not taken in. */
    readonly refused: string;
  };
  /** The list of incidents, and the id of the one whose card is open. */
  readonly incidents: PanelView;
  incident: number;
  /** Highlighted item of the sort menu. */
  menu: number;
  /** Where the present view was come to from, oldest first; see drill-down.ts. */
  trail: readonly Step[];
  /** Filter as it was before editing, for Esc. */
  filterBefore: string;
  /** Mode to return to from the filter. */
  filterFrom: Mode;
  /** A word on what a key did, and until when (wall clock, ms). */
  message: { readonly text: string; readonly until: number } | undefined;
  readonly tabs: readonly TabView[];
}

/** The state a dashboard opens with. */
export function initialState(monitors: readonly Monitor[], tab: number, interval_ms: number): UiState {
  return {
    tab,
    mode: 'panels',
    interval_ms,
    pageScroll: 0,
    subject: undefined,
    helpPage: 0,
    picker: { text: '', index: 0 },
    moment: { text: '', problem: '', from: 'panels' },
    command: { text: '', history: [], at: 0 },
    probe: { purpose: 'add', text: '', of: '', refused: '' },
    incidents: newView(NO_QUERY),
    incident: 0,
    menu: 0,
    trail: [],
    filterBefore: '',
    filterFrom: 'panels',
    message: undefined,
    tabs: monitors.map((monitor) => ({
      focus: Math.max(0, mainPanel(monitor.panels)),
      zoom: false,
      panels: monitor.panels.map((panel) => newView(panel.kind === 'table' ? defaultQuery(panel) : NO_QUERY)),
    })),
  };
}

function newView(query: TableQuery): PanelView {
  return {
    query,
    selected: undefined,
    rank: 0,
    scroll: 0,
    page: 1,
    place: { top: 0, height: 0 },
    heads: [],
    seen: new Map(),
    held: undefined,
    stacks: { by: 0, zoom: [], selected: [] },
  };
}

const NO_QUERY: TableQuery = { sort: '', descending: true, filter: '', tree: false };

/** The panel that row keys act on, with its view: the focused one, if it has rows. */
export function focusedPanel(
  monitor: Monitor,
  view: TabView,
): { readonly panel: PanelSpec; readonly view: PanelView; readonly index: number } | undefined {
  const panel = monitor.panels[view.focus];
  const panelView = view.panels[view.focus];
  return panel === undefined || panelView === undefined
    ? undefined
    : { panel, view: panelView, index: view.focus };
}

/** The table that sorting and filtering act on: the focused one, else the first. */
export function activeTable(
  monitor: Monitor,
  view: TabView,
): { readonly panel: TablePanel; readonly view: PanelView; readonly index: number } | undefined {
  const focused = monitor.panels[view.focus];
  const index =
    focused?.kind === 'table' ? view.focus : monitor.panels.findIndex((panel) => panel.kind === 'table');
  const panel = monitor.panels[index];
  const panelView = view.panels[index];
  return panel?.kind === 'table' && panelView !== undefined ? { panel, view: panelView, index } : undefined;
}

/** The view that a filter acts on: of the focused table or log, else of the first table, else of the first log. */
export function filteredView(monitor: Monitor, view: TabView): PanelView | undefined {
  const kind = monitor.panels[view.focus]?.kind;
  if (kind === 'table' || kind === 'log') return view.panels[view.focus];
  const table = monitor.panels.findIndex((panel) => panel.kind === 'table');
  return view.panels[table >= 0 ? table : monitor.panels.findIndex((panel) => panel.kind === 'log')];
}

const INTERVALS_MS = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

/** The next longer (`direction` 1) or shorter (-1) interval; the same at the end of the scale. */
export function nextInterval(interval_ms: number, direction: 1 | -1): number {
  const next =
    direction > 0
      ? INTERVALS_MS.find((step) => step > interval_ms)
      : INTERVALS_MS.findLast((step) => step < interval_ms);
  return next ?? interval_ms;
}
