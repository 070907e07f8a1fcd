/** The last line: what the keys do just now, or what is being typed. */
import { looksLikeFilter } from '../panels/filter-of.ts';
import { logFilterProblem } from '../panels/log-filter.ts';
import { filterProblem } from '../panels/table-filter.ts';
import type { Theme } from '../panels/theme.ts';
import type { ChromeView } from './chrome/chrome-view.ts';
import { linksOf } from './drill-down.ts';
import { footerHints } from './keymap.ts';
import { isOffered } from './offers.ts';
import { probePrompt } from './probe-commands.ts';
import type { Session } from './session.ts';
import type { PanelView } from './state.ts';

/** `clean` makes text fit to be drawn; `message`: a word on what a key did, or ''. */
export function footerOf(
  session: Session,
  theme: Theme,
  clean: (text: string) => string,
  message: string,
): ChromeView['footer'] {
  const { state, filtered } = session;
  if (state.mode === 'goto') {
    return {
      kind: 'prompt',
      label: 'go to',
      text: clean(state.picker.text),
      about: looksLikeFilter(state.picker.text) ? 'a filter for this tab' : 'a tab, or a filter for this one',
      hint: 'Enter goes  Esc stays',
    };
  }
  if (state.mode === 'moment') {
    return {
      kind: 'prompt',
      label: 'go to time',
      text: clean(state.moment.text),
      about: state.moment.problem === '' ? '12:03:40  +5m  -30s  40%' : state.moment.problem,
      hint: 'Enter goes  Esc stays',
    };
  }
  if (state.mode === 'command') {
    return {
      kind: 'prompt',
      label: session.source.commands?.prompt ?? '',
      text: clean(state.command.text),
      about: 'a line, as typed there; Up and Down: earlier ones',
      hint:
        session.source.commands?.interrupt === undefined
          ? 'Enter sends  Esc ends'
          : 'Enter sends  Ctrl-C interrupts  Esc ends',
    };
  }
  if (state.mode === 'probe') {
    const { label, about } = probePrompt(session);
    return { kind: 'prompt', label, text: clean(state.probe.text), about, hint: 'Enter takes it  Esc stays' };
  }
  if (state.mode === 'filter' && filtered !== undefined) {
    return {
      kind: 'prompt',
      label: 'filter',
      text: clean(filtered.query.filter),
      about: aboutFilter(session, filtered),
      hint: 'Enter keeps  Esc undoes',
    };
  }
  return { kind: 'hints', hints: hintsOf(session, theme), message: clean(message) };
}

/** What is wrong with the filter, or else where it runs; before anything is typed, what may be. */
function aboutFilter({ table }: Session, filtered: PanelView): string {
  const { filter } = filtered.query;
  const of = table?.view === filtered ? table.panel : undefined;
  if (filter === '')
    return of === undefined
      ? 'word  comm=nginx and cpu in (0,1)'
      : 'word  column=value and (number>10 or text~"a*")';
  const problem = of === undefined ? logFilterProblem(filter) : filterProblem(filter, of);
  return problem === '' ? 'in ktop, on what is shown' : problem;
}

function hintsOf(session: Session, theme: Theme) {
  const { mode } = session.state;
  const scroll = { key: theme.ascii ? 'Up/Down' : '↑↓', text: 'scroll' };
  const esc = { key: 'Esc', text: 'back' };
  if (mode === 'help') return [esc, { key: 'Tab', text: 'page' }, scroll];
  if (mode === 'details') {
    const on = linksOf(session).length > 0 ? [{ key: 'Enter', text: 'follow' }] : [];
    return [esc, ...on, scroll];
  }
  if (mode === 'links') return [{ key: 'Enter', text: 'go there' }, esc, scroll];
  if (mode === 'incident') return [esc, { key: 'Enter', text: 'to its tab' }, scroll];
  if (mode === 'incidents') {
    return [
      { key: '?', text: 'help' },
      esc,
      { key: 'Tab', text: 'tabs' },
      { key: 'Enter', text: 'show' },
      { key: 'o', text: 'to its tab' },
      { key: '/', text: 'filter' },
    ];
  }
  if (mode === 'sort')
    return [{ key: 'Enter', text: 'sort by it' }, { key: 'Esc', text: 'leave as it is' }, scroll];
  const hints = footerHints((command) => isOffered(session, command), session.keyContexts, theme.ascii);
  // Who answers stands in the prompt.
  const asked = session.source.commands?.prompt.replace(/\W+$/, '');
  return hints.map((hint) => {
    if (hint.key === 'q' && session.effects.leave !== undefined) return { key: 'Esc', text: 'list' };
    return hint.key === '!' && asked !== undefined ? { ...hint, text: asked } : hint;
  });
}
