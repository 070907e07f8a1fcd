/** What every key does to a session. */
import type { Monitor } from '../monitors/monitor.ts';
import { foldedText } from '../panels/folded.ts';
import { commandKey, openCommandLine } from './command-line.ts';
import { followLink, moveLink, openLinks, stepBack } from './drill-down.ts';
import { HELP_PAGES, THIS_TAB } from './help-page.ts';
import { jumpToIncident, moveInIncidents, openIncident } from './incidents.ts';
import { type CommandId, commandOf } from './keymap.ts';
import { moveInLog, settleLog, shownEntries } from './log-list.ts';
import { type Motion, moveInTable } from './navigation.ts';
import { openDetails } from './open-details.ts';
import { PROBE_ACTIONS, probeKey } from './probe-commands.ts';
import { toggleRecording } from './record-command.ts';
import type { Session } from './session.ts';
import { type ActiveStacks, cycleBy, moveFrame, zoomIn, zoomOut } from './stack-commands.ts';
import { focusedPanel, nextInterval } from './state.ts';
import { openPicker, pickerKey } from './tab-picker.ts';
import {
  type ActiveTable,
  editFilter,
  moveSort,
  reverse,
  setFilter,
  sortBy,
  sortPosition,
  toggleTree,
} from './table-commands.ts';
import type { Key } from './terminal/keys.ts';
import { momentKey, TIME_ACTIONS } from './time-commands.ts';
import { TIME_COMMANDS } from './time-keys.ts';

/** Does something to the session; `key` is the key's name, `now` the wall clock in ms. */
type Action = (session: Session, key: string, now: number) => void;

/** Does what a key means in the present mode. */
export function pressKey(session: Session, key: Key, now: number): void {
  const { mode } = session.state;
  const command = commandOf(key.name, session.keyContexts);
  // At the prompt it is for what runs there; the second time, and where nothing does, it ends ktop as everywhere.
  if (mode === 'command' && key.name === 'ctrl-c' && session.source.commands?.interrupt?.() === true) return;
  if (command !== undefined && ALWAYS.has(command) && key.name !== 'q') run(session, command, key.name, now);
  else if (mode === 'filter') filterKey(session, key);
  else if (mode === 'goto') pickerKey(session, key, now);
  else if (mode === 'moment') momentKey(session, key, now);
  else if (mode === 'command') commandKey(session, key);
  else if (mode === 'probe') probeKey(session, key, now);
  else if (command === undefined) return;
  else if (mode === 'sort') menuCommand(session, command);
  else if (mode === 'links') linksCommand(session, command, now);
  else if (mode === 'panels') run(session, command, key.name, now);
  else if (mode === 'incidents') incidentsCommand(session, command, key.name, now);
  else pageCommand(session, command, key.name, now);
}

function run(session: Session, command: CommandId, key: string, now: number): void {
  ACTIONS[command](session, key, now);
}

/** Keys that mean the same everywhere, also while a filter is typed. */
const ALWAYS: ReadonlySet<CommandId> = new Set(['quit', 'suspend', 'redraw']);

/** Commands that work on the help and details pages as they do on panels. */
const ON_PAGES: ReadonlySet<CommandId> = new Set<CommandId>([
  ...TIME_COMMANDS,
  'record',
  'next-tab',
  'previous-tab',
  'tab',
  'pause',
  'slower',
  'faster',
  'help',
  'goto',
  'incidents',
  'return',
  'mouse',
]);

const ACTIONS: Readonly<Record<CommandId, Action>> = {
  ...TIME_ACTIONS,
  ...PROBE_ACTIONS,
  record: toggleRecording,
  'next-tab': (session, _key, now) => stepTab(session, 1, now),
  'previous-tab': (session, _key, now) => stepTab(session, -1, now),
  tab: (session, key, now) => session.toTab(Number(key) - 1, now),
  up: (session) => move(session, 'up'),
  down: (session) => move(session, 'down'),
  'page-up': (session) => move(session, 'page-up'),
  'page-down': (session) => move(session, 'page-down'),
  home: (session) => move(session, 'home'),
  end: (session) => move(session, 'end'),
  'next-panel': (session) => moveFocus(session, 1),
  'previous-panel': (session) => moveFocus(session, -1),
  zoom: ({ view, monitor }) => {
    view.zoom = !view.zoom && monitor.panels.length > 1;
  },
  details: openDetails,
  back,
  'sort-menu': ({ state, table }) => {
    if (table === undefined) return;
    state.menu = sortPosition(table);
    state.mode = 'sort';
  },
  'sort-left': (session, _key, now) => onTable(session, now, (table) => moveSort(table, -1)),
  'sort-right': (session, _key, now) => onTable(session, now, (table) => moveSort(table, 1)),
  reverse: (session, _key, now) => onTable(session, now, reverse),
  tree: (session, _key, now) => onTable(session, now, toggleTree),
  filter: (session, _key, now) => openFilter(session, now),
  pause: ({ store }) => store.setPaused(!store.paused),
  slower: (session, _key, now) => changeInterval(session, 1, now),
  faster: (session, _key, now) => changeInterval(session, -1, now),
  help: ({ state, source }) => {
    state.mode = 'help';
    state.helpPage = THIS_TAB;
    state.pageScroll = 0;
    source.capabilities();
  },
  goto: openPicker,
  incidents: ({ state }) => {
    state.mode = 'incidents';
  },
  jump: openLinks,
  return: stepBack,
  command: openCommandLine,
  'frame-up': (session) => onStacks(session, (stacks) => moveFrame(stacks, 'frame-up')),
  'frame-down': (session) => onStacks(session, (stacks) => moveFrame(stacks, 'frame-down')),
  'frame-left': (session) => onStacks(session, (stacks) => moveFrame(stacks, 'frame-left')),
  'frame-right': (session) => onStacks(session, (stacks) => moveFrame(stacks, 'frame-right')),
  'frame-in': (session) => onStacks(session, zoomIn),
  'frame-out': (session, key, now) => {
    const { stacks } = session;
    if (stacks === undefined || !zoomOut(stacks)) back(session, key, now);
  },
  split: (session, _key, now) => onStacks(session, (stacks) => session.say(cycleBy(stacks), now)),
  export: (session, _key, now) =>
    onStacks(session, ({ table, panel, by }) => {
      const text = foldedText(table, panel, by);
      session.say(session.effects.exportFile(session.monitor.name, 'folded', text, now), now);
    }),
  mouse: ({ effects }, _key, now) => effects.mouse(now),
  redraw: ({ effects }) => effects.redraw(),
  suspend: ({ effects }) => effects.suspend(),
  quit: ({ effects }, key) => {
    // What closes a page closes the last one too.
    if (key === 'q' && effects.leave !== undefined) effects.leave();
    else effects.quit();
  },
};

// ---------------------------------------------------------------- rows and panels

function move(session: Session, motion: Motion): void {
  const focused = focusedPanel(session.monitor, session.view);
  const { picture } = session;
  if (focused === undefined || picture === undefined) return;
  const { panel, view } = focused;
  if (panel.kind === 'table') moveInTable(view, panel, picture.snapshot, motion);
  else if (panel.kind === 'log') {
    const entries = shownEntries(picture.logs.get(panel.log) ?? [], view);
    // What arrived since the last paint must not be taken for what is on the screen.
    settleLog(view, entries, view.page, 'newest-last');
    moveInLog(view, entries, motion, 'newest-last');
  }
}

/** To the neighbouring tab that holds anything; the incidents stand after the last when there are any. */
function stepTab(session: Session, step: 1 | -1, now: number): void {
  const { monitors, state, onIncidents } = session;
  const count = monitors.length + (session.incidents.length > 0 || onIncidents ? 1 : 0);
  const from = onIncidents ? monitors.length : state.tab;
  let next = from;
  do next = (next + step + count) % count;
  while (next !== from && next < monitors.length && !session.isRecorded((monitors[next] as Monitor).name));
  if (next === monitors.length) state.mode = 'incidents';
  else session.toTab(next, now);
}

function onStacks({ stacks }: Session, change: (stacks: ActiveStacks) => void): void {
  if (stacks !== undefined) change(stacks);
}

function moveFocus({ view, monitor }: Session, step: 1 | -1): void {
  const count = monitor.panels.length;
  view.focus = (view.focus + step + count) % count;
}

/** Undoes one thing at a time: zoom, selection, filter; at last the dashboard, where it was opened from a list. */
function back({ view, monitor, filtered, effects }: Session, _key: string, _now: number): void {
  const focused = focusedPanel(monitor, view);
  if (view.zoom) view.zoom = false;
  else if (focused?.view.selected !== undefined) {
    focused.view.selected = undefined;
    focused.view.scroll = 0;
  } else if (filtered !== undefined && filtered.query.filter !== '') setFilter(filtered, '');
  else effects.leave?.();
}

// ---------------------------------------------------------------- pages, menu, filter, interval

function pageCommand(session: Session, command: CommandId, key: string, now: number): void {
  const { state } = session;
  const closes = command === 'back' || command === 'quit' || command === state.mode;
  const step = stepOf(command, Math.max(1, session.pageHeight - 1));
  const turn = state.mode === 'help' ? TURNS[command] : undefined;
  if (turn !== undefined) turnPage(session, turn);
  else if (state.mode === 'incident' && (command === 'details' || command === 'jump')) {
    jumpToIncident(session, now);
  } else if (state.mode === 'details' && (command === 'details' || command === 'jump')) {
    openLinks(session, key, now);
  } else if (closes) state.mode = state.mode === 'incident' ? 'incidents' : 'panels';
  else if (step !== undefined) state.pageScroll = Math.max(0, state.pageScroll + step);
  else if (ON_PAGES.has(command)) run(session, command, key, now);
}

/** Commands that turn the pages of the help. */
const TURNS: Readonly<Partial<Record<CommandId, 1 | -1>>> = {
  'next-tab': 1,
  'previous-tab': -1,
  'next-panel': 1,
  'previous-panel': -1,
};

function turnPage({ state }: Session, step: 1 | -1): void {
  state.helpPage = (state.helpPage + step + HELP_PAGES.length) % HELP_PAGES.length;
  state.pageScroll = 0;
}

/** Commands on the list of incidents; the rest is as on panels. */
function incidentsCommand(session: Session, command: CommandId, key: string, now: number): void {
  const { state } = session;
  if (stepOf(command, 1) !== undefined) moveInIncidents(session, command as Motion);
  else if (command === 'details') openIncident(session, now);
  else if (command === 'jump') jumpToIncident(session, now);
  else if (command === 'filter') openFilter(session, now);
  else if (command === 'back' && state.incidents.selected !== undefined) state.incidents.selected = undefined;
  else if (command === 'back' && state.incidents.query.filter !== '') setFilter(state.incidents, '');
  else if (command === 'back' || command === 'quit' || command === 'incidents') state.mode = 'panels';
  else if (ON_PAGES.has(command)) run(session, command, key, now);
}

function menuCommand({ state, table }: Session, command: CommandId): void {
  const last = (table?.columns.length ?? 1) - 1;
  const step = stepOf(command, 5);
  if (step !== undefined) {
    state.menu = Math.max(0, Math.min(last, state.menu + step));
    return;
  }
  if (command === 'details' && table !== undefined) sortBy(table, state.menu);
  state.mode = 'panels';
}

function linksCommand(session: Session, command: CommandId, now: number): void {
  const { state } = session;
  const step = stepOf(command, 5);
  if (step !== undefined) moveLink(session, step);
  else if (command === 'details' || command === 'jump') followLink(session, now);
  else if (command === 'back' || command === 'quit') state.mode = 'panels';
}

/** Lines that a motion moves by; undefined for other commands. */
function stepOf(command: CommandId, page: number): number | undefined {
  const far = 1e9;
  const steps = { up: -1, down: 1, 'page-up': -page, 'page-down': page, home: -far, end: far };
  return steps[command as Motion];
}

function openFilter(session: Session, now: number): void {
  const { filtered, state } = session;
  if (filtered === undefined) {
    session.say('nothing to filter here', now);
    return;
  }
  state.filterBefore = filtered.query.filter;
  state.filterFrom = state.mode;
  state.mode = 'filter';
}

function filterKey({ state, filtered }: Session, key: Key): void {
  const over = key.name === 'enter' || key.name === 'escape' || filtered === undefined;
  if (over) state.mode = state.filterFrom;
  if (filtered === undefined) return;
  if (key.name === 'escape') setFilter(filtered, state.filterBefore);
  else if (!over) editFilter(filtered, key);
}

/** Does something to the table and says what. */
function onTable(session: Session, now: number, change: (table: ActiveTable) => string): void {
  const { table } = session;
  session.say(table === undefined ? 'this tab has no table' : change(table), now);
}

function changeInterval(session: Session, direction: 1 | -1, now: number): void {
  if (session.place !== 'live') {
    const way = session.place === 'past' ? 'End returns there' : '< and > change the speed';
    session.say(`the interval is that of ${session.place === 'past' ? 'now' : 'the recording'}; ${way}`, now);
    return;
  }
  const next = nextInterval(session.state.interval_ms, direction);
  session.say(`interval ${next < 1000 ? `${next} ms` : `${next / 1000} s`}`, now);
  session.retune(next);
}
