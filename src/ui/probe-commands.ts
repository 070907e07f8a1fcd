/** Keys on the tab of probes: add, edit, delete, arm, live records, counts, histograms, stacks. */
import type { TablePanel } from '../monitors/monitor.ts';
import { findRow } from '../panels/table-view.ts';
import { textAt } from '../sources/snapshot.ts';
import type { ProbeDesk, Said } from './probe-desk.ts';
import type { Session } from './session.ts';
import { setFilter } from './table-commands.ts';
import type { Key } from './terminal/keys.ts';

export const PROBE_COMMANDS = [
  'probe-add',
  'probe-edit',
  'probe-delete',
  'probe-arm',
  'probe-records',
  'probe-count',
  'probe-histogram',
  'probe-stacks',
  'probe-use',
  'probe-export',
] as const;
export type ProbeCommandId = (typeof PROBE_COMMANDS)[number];

const MOST_TEXT = 500;

type Action = (session: Session, key: string, now: number) => void;

/** The selected row's probe; the only one where there is one only. */
function selected(session: Session): { readonly name: string; readonly source: string } | undefined {
  const { monitor, view, picture } = session;
  const index = monitor.panels.findIndex(({ id }) => id === 'rows');
  const table = picture?.snapshot.tables[(monitor.panels[index] as TablePanel | undefined)?.table ?? ''];
  if (table === undefined) return undefined;
  const key = view.panels[index]?.selected;
  const row = key === undefined ? (table.length === 1 ? 0 : -1) : findRow(table, key);
  if (row < 0) return undefined;
  return { name: textAt(table.columns.name, row), source: textAt(table.columns.source, row) };
}

function onSelected(
  use: (desk: ProbeDesk, one: { name: string; source: string }, session: Session, now: number) => void,
): Action {
  return (session, _key, now) => {
    const one = selected(session);
    if (session.probes === undefined) return;
    if (one === undefined) session.say('select a probe first', now);
    else use(session.probes, one, session, now);
  };
}

/** Says what came of it, and opens the tab anew where something has changed. */
function settle(session: Session, { done, text }: Said, now: number): void {
  // What is wrong takes more room and time than a word in the footer has.
  if (done) session.say(text, now);
  else session.store.notice(text, now);
  if (done && session.monitor.name === session.probes?.tab) session.open(now);
}

function ask(session: Session, purpose: Session['state']['probe']['purpose'], text: string, of = ''): void {
  session.state.probe = { ...session.state.probe, purpose, text, of };
  session.state.mode = 'probe';
}

export const PROBE_ACTIONS: Readonly<Record<ProbeCommandId, Action>> = {
  // What was refused is there to be corrected, or agreed to.
  'probe-add': (session) => ask(session, 'add', session.state.probe.refused),
  'probe-edit': onSelected((desk, { name }, session, now) => {
    const typed = desk.definition(name);
    if (typed === '') session.say(`${name} was not made here; a adds one of your own`, now);
    else ask(session, 'edit', typed, name);
  }),
  'probe-delete': onSelected((desk, { name, source }, session, now) =>
    settle(session, desk.remove(name, source), now),
  ),
  'probe-arm': onSelected((desk, { name, source }, session, now) =>
    settle(session, desk.toggle(name, source), now),
  ),
  'probe-records': onSelected((desk, { name, source }, session) => {
    const { monitor, view } = session;
    const log = monitor.panels.findIndex(({ id }) => id === 'log');
    const panel = view.panels[log];
    if (panel === undefined) return;
    setFilter(panel, desk.mark(name, source));
    view.focus = log;
    view.zoom = true;
  }),
  'probe-count': (session) => ask(session, 'count', ''),
  'probe-histogram': (session) => ask(session, 'histogram', ''),
  'probe-stacks': (session, _key, now) => {
    if (session.probes !== undefined) settle(session, session.probes.stacks(), now);
  },
  'probe-use': (session) => ask(session, 'use', ''),
  'probe-export': (session) => {
    const one = selected(session);
    // Only what was made here can be told elsewhere; without a selection all of that.
    const own = one !== undefined && session.probes?.definition(one.name) !== '' ? one.name : '';
    ask(session, 'export', `${own === '' ? 'probes' : own}.ktprobe`, own);
  },
};

/** Asked every second: a module that a recipe waits for may have been loaded. */
export function awaitProbes(session: Session, now: number): void {
  const said = session.probes?.awaited();
  if (said !== undefined) settle(session, said, now);
}

/** What a key does while a definition or an argument is typed. */
export function probeKey(session: Session, key: Key, now: number): void {
  const { state, probes } = session;
  const { purpose, text, of } = state.probe;
  const type = (next: string) => {
    state.probe = { ...state.probe, text: next.slice(0, MOST_TEXT) };
  };
  if (key.name === 'escape') state.mode = 'panels';
  else if (key.name === 'enter') {
    state.mode = 'panels';
    if (probes === undefined) return;
    const line = text.trim();
    if (purpose === 'count') settle(session, probes.count(line), now);
    else if (purpose === 'histogram') settle(session, probes.histogram(line), now);
    else if (line === '') return;
    else if (purpose === 'export')
      settle(session, probes.exportRecipe(line, of === '' ? undefined : of), now);
    else if (purpose === 'use') {
      session.say('trying it', now);
      void probes.takeRecipe(line).then((said) => settle(session, said, Date.now()));
    } else {
      session.say('trying it', now);
      void probes.add(line, of === '' ? undefined : of).then((said) => {
        state.probe = { ...state.probe, refused: said.done ? '' : line };
        settle(session, said, Date.now());
      });
    }
  } else if (key.name === 'backspace') type([...text].slice(0, -1).join(''));
  else if (key.name === 'ctrl-u') type('');
  else if (key.name === 'ctrl-w') type(text.replace(/\S*\s*$/, ''));
  else if (key.text !== '') type(text + key.text.replace(/\s+/g, ' '));
}

/** Label of the prompt, and what may be typed. */
export function probePrompt(session: Session): { readonly label: string; readonly about: string } {
  const { purpose } = session.state.probe;
  if (purpose === 'add' || purpose === 'edit')
    return {
      label: purpose === 'add' ? 'new probe' : 'probe',
      about: 'FUNC ARG…  PATH:FUNC  sys:event  [if FILTER]',
    };
  if (purpose === 'use') return { label: 'use recipe', about: 'a .ktprobe file; it must be of this build' };
  if (purpose === 'export') {
    const { of } = session.state.probe;
    return { label: of === '' ? 'recipe of all probes' : `recipe of ${of}`, about: 'a new file' };
  }
  const known = session.probes?.arguments() ?? [];
  const more = purpose === 'count' ? ['comm', 'pid', 'cpu', 'stack'] : [];
  return {
    label: purpose === 'count' ? 'count by' : 'histogram of',
    about: `${[...known, ...more].slice(0, 12).join('  ')}  (empty: none)`,
  };
}
