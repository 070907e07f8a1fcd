/** From the state of a session to what is drawn: the chrome as a value, the surfaces as cells. */

import type { Monitor } from '../monitors/monitor.ts';
import { clipText } from '../panels/char-width.ts';
import type { Region } from '../panels/grid.ts';
import { type PageLine, paintPage } from '../panels/paint-page.ts';
import { paintTimeline } from '../panels/paint-timeline.ts';
import { sanitise } from '../panels/sanitise.ts';
import { LOOK, type Theme } from '../panels/theme.ts';
import { timeOfDay } from '../panels/wall-time.ts';
import { type ChromeView, LEAST_COLUMNS, LEAST_ROWS, type SurfaceName } from './chrome/chrome-view.ts';
import { entryPage, rowPage } from './details-page.ts';
import { linksOf, wayHere } from './drill-down.ts';
import { footerOf } from './footer.ts';
import { HELP_PAGES, helpPage } from './help-page.ts';
import { openedIncident, paintIncidents } from './incidents.ts';
import { NOTE_LINES, noteLines, paintNotes, paintStatus } from './paint-status.ts';
import { paintTab } from './paint-tab.ts';
import type { Session } from './session.ts';
import type { Picture } from './store.ts';
import { pickerItems } from './tab-picker.ts';
import type { Size } from './terminal/terminal.ts';

/** A notice stands among the notes this long. */
const NOTICE_MS = 20_000;
/** Room that notes once took is kept this long. */
const NOTES_ROOM_MS = 15_000;
/** A picture is late when this many intervals have passed. */
const LATE_INTERVALS = 3;

export interface Frame {
  readonly size: Size;
  readonly theme: Theme;
  /** Wall clock, milliseconds. */
  readonly now: number;
  /** See `StatusFacts`. */
  readonly spacing_ms: number;
}

const FAILED = {
  usage: 'cannot work with these options',
  host: 'cannot run on this host',
  internal: 'has failed',
} as const;

/** Everything that React draws. */
export function chromeView(session: Session, { size, theme, now }: Frame): ChromeView {
  const { state, store, monitor, onIncidents } = session;
  const clean = (text: string) => sanitise(text, theme.ascii);
  const failure = store.failure(monitor.name);
  const message = state.message !== undefined && state.message.until > now ? state.message.text : '';
  return {
    columns: size.columns,
    rows: size.rows,
    ascii: theme.ascii,
    tabs: tabsOf(session, theme),
    timeline: hasTimeline(session),
    notesLines: notesHeight(session, currentNotes(session, { size, theme, now }).length, now),
    card:
      failure === undefined || session.shownMode === 'help' || onIncidents
        ? undefined
        : !session.isRecorded(monitor.name)
          ? {
              title: `${monitor.name}: not recorded`,
              text: clean(failure.text),
              hint: 'Tab goes on to what was recorded.',
            }
          : {
              title: `${monitor.name} ${failure.kind === 'host' && session.place === 'file' ? 'cannot be shown from this file' : FAILED[failure.kind]}`,
              text: clean(failure.text),
              hint: 'Enter tries again; the other tabs go on.',
            },
    menu: menuOf(session),
    footer: footerOf(session, theme, clean, message),
  };
}

/** All tabs; of a recording those it holds, and the one that is looked at. */
export function tabsOf(session: Session, theme: Theme): ChromeView['tabs'] {
  const { monitors, state, onIncidents } = session;
  const tabs = monitors.flatMap(({ name }, index) => {
    if (index !== state.tab && !session.isRecorded(name)) return [];
    return [
      { label: tabLabel(session, index, theme), active: index === state.tab && !onIncidents, pinned: false },
    ];
  });
  const count = session.incidents.length;
  if (count === 0 && !onIncidents) return tabs;
  return [...tabs, { label: `I Incidents ${count}`, active: onIncidents, pinned: true }];
}

function tabLabel({ monitors, store }: Session, index: number, theme: Theme): string {
  const { title, name } = monitors[index] as Monitor;
  const warn = store.failure(name) === undefined ? '' : theme.glyphs.warn;
  return `${index < 9 ? `${index + 1} ` : ''}${warn}${title}`;
}

/** Position of a tab of the bar among the monitors. */
export function tabIndexOf(session: Session, tab: ChromeView['tabs'][number], theme: Theme): number {
  return session.monitors.findIndex((_, index) => tabLabel(session, index, theme) === tab.label);
}

function menuOf(session: Session): ChromeView['menu'] {
  const { state, table } = session;
  if (state.mode === 'sort' && table !== undefined) {
    return { title: 'Sort by', items: table.columns.map(({ title }) => title), index: state.menu };
  }
  if (state.mode === 'links') {
    const items = linksOf(session).map(({ label }) => sanitise(label, false));
    return { title: 'Follow to', items, index: Math.min(state.menu, items.length - 1) };
  }
  if (state.mode !== 'goto') return undefined;
  const items = pickerItems(session).map(({ label }) => label);
  return { title: 'Go to tab', items, index: Math.min(state.picker.index, items.length - 1) };
}

/** The line of time takes its line only where it says something. */
function hasTimeline({ playback, state }: Session): boolean {
  return playback !== undefined && (playback.place !== 'live' || state.mode === 'moment');
}

/** Notes that come and go must not make the panels jump: the room for them stays a while. */
function notesHeight(session: Session, lines: number, now: number): number {
  const kept = session.notesRoom;
  if (lines >= kept.lines || now > kept.until || kept.tab !== session.state.tab) {
    session.notesRoom = { lines, until: now + NOTES_ROOM_MS, tab: session.state.tab };
  }
  return session.notesRoom.lines;
}

function currentNotes(
  session: Session,
  { size, theme, now }: Pick<Frame, 'size' | 'theme' | 'now'>,
): string[] {
  const { store, monitor } = session;
  const notice = store.notices.at(-1);
  const way = wayHere(session);
  const notes = [
    ...(way === '' ? [] : [way]),
    ...(notice !== undefined && now - notice.time < NOTICE_MS ? [notice.text] : []),
    ...(session.playback?.damage ?? []),
    ...(store.picture(monitor.name)?.snapshot.notes ?? []),
  ];
  return noteLines(notes, size.columns, size.rows < 20 ? 1 : NOTE_LINES, theme);
}

/** Paints one surface. */
export function paintSurface(name: SurfaceName, region: Region, session: Session, frame: Frame): void {
  const { store, monitor, state, source } = session;
  const picture = store.picture(monitor.name);
  if (name === 'status') {
    paintStatus(
      region,
      {
        host: source.host,
        load: store.load,
        picture,
        totals: store.totals(monitor.name),
        interval_ms: state.interval_ms,
        paused: store.paused,
        spacing_ms: frame.spacing_ms,
        // What is held grows old, and nothing changes on the screen.
        age_s: store.paused ? 0 : ageOf(session, picture, frame.now),
        now: frame.now,
        playback: session.playback,
        recording: session.recording,
        file: session.file,
        still: source.still === true,
      },
      frame.theme,
    );
  } else if (name === 'timeline') paintTime(region, session, frame.theme);
  else if (name === 'notes') paintNotes(region, currentNotes(session, frame));
  else paintBody(region, session, picture, frame);
}

function paintTime(region: Region, { playback, overview, monitor }: Session, theme: Theme): void {
  if (playback === undefined) return;
  const { start, end, at, marks } = playback;
  const levels = (parts: number) => overview.levels(monitor.name, start, end, parts);
  paintTimeline(region, { start, end, at, marks, levels }, theme);
}

function paintBody(region: Region, session: Session, picture: Picture | undefined, frame: Frame): void {
  const { state, store, monitor, view } = session;
  const { theme } = frame;
  if (session.shownMode === 'help') {
    const facts = {
      monitor,
      picture,
      monitors: session.monitors,
      capabilities: store.capabilities,
      failure: store.failure(monitor.name),
      notices: store.notices,
    };
    const bar = HELP_PAGES.map((name, index) => (index === state.helpPage ? `[${name}]` : ` ${name} `));
    const title = `Help: ${monitor.title}  ${bar.join(' ')}`;
    paintPager(region, session, title, helpPage(state.helpPage, facts, region.width, theme), theme);
  } else if (session.shownMode === 'incident') {
    const incident = openedIncident(session);
    const gone: PageLine[] = [[{ text: 'This incident has fallen out of the list.', style: LOOK.warn }]];
    const lines = incident === undefined ? gone : entryPage(incident, region.width, theme);
    paintPager(region, session, 'Incident', lines, theme);
  } else if (session.onIncidents) {
    paintIncidents(region, session, theme);
  } else if (picture === undefined) {
    if (store.failure(monitor.name) === undefined) {
      region.put(2, 1, `${monitor.summary}.`, LOOK.title);
      region.put(
        2,
        3,
        clipText(emptyText(session, theme), region.width - 3, theme.glyphs.ellipsis),
        LOOK.dim,
      );
    }
  } else if (session.shownMode === 'details' && state.subject !== undefined) {
    paintDetails(region, session, picture, theme);
  } else {
    const stale = !store.paused && ageOf(session, picture, frame.now) > 0;
    paintTab(region, monitor, picture, view, stale, theme);
  }
}

/** What a tab without a picture says. */
function emptyText({ place, playback }: Session, { glyphs }: Theme): string {
  if (place === 'live' || playback === undefined) return `Waiting for first data${glyphs.ellipsis}`;
  const when = timeOfDay(playback.at);
  if (place === 'file') return `Nothing of this tab was recorded up to ${when}.`;
  return `This tab was not open at ${when}; End returns to now.`;
}

/** The last page of a row that has gone, so that it can still be read. */
let lastPage:
  | { readonly key: string; readonly title: string; readonly lines: readonly PageLine[] }
  | undefined;

function paintDetails(region: Region, session: Session, picture: Picture, theme: Theme): void {
  const { state, monitor } = session;
  const { subject } = state;
  const panel = subject === undefined ? undefined : monitor.panels[subject.panel];
  if (subject === undefined || panel === undefined) return;
  const id = `${session.store.resets} ${monitor.name} ${subject.panel} ${subject.key.join(' ')}`;
  const lines =
    panel.kind === 'table'
      ? rowPage(panel, picture, subject.key, region.width, theme)
      : panel.kind === 'log'
        ? entryLines(picture, panel.log, subject.key[0], region.width, theme)
        : undefined;
  // Entries have no name but their number, which says nothing.
  const title = panel.kind === 'log' ? panel.title : `${panel.title}: ${subject.key.join(' ')}`;
  if (lines !== undefined) lastPage = { key: id, title, lines };
  if (lastPage?.key !== id) {
    paintPager(region, session, title, [[{ text: 'This row is gone.', style: LOOK.warn }]], theme);
    return;
  }
  const gone = `${theme.glyphs.warn} This row is gone; the values below are its last.`;
  const shown = lines ?? [[{ text: gone, style: LOOK.warn }], [], ...lastPage.lines];
  paintPager(region, session, lastPage.title, shown, theme);
}

function entryLines(
  picture: Picture,
  log: string,
  id: number | string | undefined,
  width: number,
  theme: Theme,
): PageLine[] | undefined {
  const kept = picture.logs.get(log)?.find((entry) => entry.id === id);
  return kept === undefined ? undefined : entryPage(kept, width, theme);
}

function paintPager(
  region: Region,
  session: Session,
  title: string,
  lines: readonly PageLine[],
  theme: Theme,
): void {
  session.pageHeight = Math.max(1, region.height - 1);
  session.state.pageScroll = paintPage(region, title, lines, session.state.pageScroll, theme);
}

/** Seconds since the picture was taken when that is too long ago or before the tab was opened, else 0. */
function ageOf(session: Session, picture: Picture | undefined, now: number): number {
  if (picture === undefined || session.source.still === true) return 0;
  const { playback, place } = session;
  const live = playback === undefined || place === 'live';
  const age = (live ? now : playback.at) - picture.received;
  const interval_ms = live ? session.state.interval_ms : picture.snapshot.interval_ms;
  const late = age > LATE_INTERVALS * interval_ms + 500;
  const before = live && picture.received < session.opened;
  return before || late ? Math.max(1, Math.floor(age / 1000)) : 0;
}

/** There is room for more than the card that says there is not. */
export function isUsable({ columns, rows }: Size): boolean {
  return columns >= LEAST_COLUMNS && rows >= LEAST_ROWS;
}
