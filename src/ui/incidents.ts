/** The list of incidents, which stands in place of a tab, and the card of one. */

import type { PanelSpec } from '../monitors/monitor.ts';
import type { Region } from '../panels/grid.ts';
import { logFilterProblem } from '../panels/log-filter.ts';
import { paintLog } from '../panels/paint-log.ts';
import type { Theme } from '../panels/theme.ts';
import { moveInLog, settleLog, shownEntries } from './log-list.ts';
import type { Motion } from './navigation.ts';
import type { Session } from './session.ts';
import type { Incident } from './store.ts';

const EMPTY = 'Nothing has exceeded a threshold on any tab; set one with --than.';

/** Paints the list, newest first. */
export function paintIncidents(region: Region, { state, incidents, place }: Session, theme: Theme): void {
  const view = state.incidents;
  const entries = shownEntries(incidents, view);
  const selected = settleLog(view, entries, region.height - 1, 'newest-first');
  const { filter } = view.query;
  const fixed = {
    title:
      place === 'file' ? 'Incidents of the recording, newest first' : 'Incidents on all tabs, newest first',
    focused: true,
    newestLast: false,
    empty: EMPTY,
  };
  paintLog(
    region,
    { ...fixed, entries, filter, problem: logFilterProblem(filter), offset: view.scroll, selected },
    theme,
  );
}

/** Moves the selection of the list. */
export function moveInIncidents({ state, incidents }: Session, motion: Motion): void {
  moveInLog(state.incidents, shownEntries(incidents, state.incidents), motion, 'newest-first');
}

/**
 * Opens the card of the selected incident, else of the newest in sight. Of an incident of a recording a mark is all
 * that is known until its time is played: that is gone to.
 */
export function openIncident(session: Session, now: number): void {
  const { state, incidents, place } = session;
  const entries = shownEntries(incidents, state.incidents);
  const wanted = state.incidents.selected?.[0];
  const incident = entries.find(({ id }) => id === wanted) ?? entries[state.incidents.scroll];
  if (incident === undefined) {
    session.say('no incident to show', now);
    return;
  }
  state.incidents.selected = [incident.id];
  if (place !== 'live' && incident.log === '') jumpToIncident(session, now);
  state.incident = incident.id;
  state.pageScroll = 0;
  state.mode = 'incident';
}

/** The incident whose card is open; undefined when it has fallen out of the list. */
export function openedIncident({ state, incidents, store }: Session): Incident | undefined {
  const found = incidents.find(({ id }) => id === state.incident);
  return found?.log === '' ? (toldOf(found, store.incidents) ?? found) : found;
}

/** The entry of which a mark is what was kept, once its time has been played. */
function toldOf(mark: Incident, told: readonly Incident[]): Incident | undefined {
  const words = mark.entry.text.replace(/ \(and \d+ more\)$/, '');
  // The newest first; a mark stands at the end of the interval.
  return told.find(
    ({ monitor, time, entry }) =>
      monitor === mark.monitor && time <= mark.time + 1 && `${entry.comm} ${entry.text}`.startsWith(words),
  );
}

/** Goes to the tab of an incident, in a recording and behind now also to its time; to its entry where it is there. */
export function jumpToIncident(session: Session, now: number): void {
  const { state, incidents, monitors, place } = session;
  const wanted = state.mode === 'incident' ? state.incident : state.incidents.selected?.[0];
  const incident = incidents.find(({ id }) => id === wanted);
  const tab = monitors.findIndex(({ name }) => name === incident?.monitor);
  if (incident === undefined || tab < 0) {
    session.say('no incident selected', now);
    return;
  }
  if (place !== 'live') session.source.playback?.seek(momentOf(incident, session));
  session.toTab(tab, now);
  const { monitor, view } = session;
  const isItsLog = (spec: PanelSpec) =>
    spec.kind === 'log' && (incident.log === '' ? spec.incidents === true : spec.log === incident.log);
  const panel = monitor.panels.findIndex(isItsLog);
  const log = view.panels[panel];
  if (log === undefined) return;
  view.focus = panel;
  // Of a mark no more is known than its time, and there it is the newest.
  log.selected = incident.log === '' ? undefined : [incident.id];
}

/** The time whose picture holds an incident: that of its mark, which is the end of an interval. */
function momentOf({ time, log, monitor }: Incident, { playback }: Session): number {
  if (log === '') return time;
  const mark = playback?.marks.find((candidate) => candidate.monitor === monitor && candidate.time >= time);
  return mark?.time ?? time;
}
