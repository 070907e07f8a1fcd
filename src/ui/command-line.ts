/** A line typed for what is behind the source: crash, on a vmcore. Up and Down bring back earlier ones. */
import type { Session } from './session.ts';
import type { Key } from './terminal/keys.ts';

const MOST_TEXT = 500;
const MOST_LINES = 200;

/** Shows the tab that the answers come in, and asks for a line. */
export function openCommandLine(session: Session, _key: string, now: number): void {
  const { commands } = session.source;
  if (commands === undefined) {
    session.say('there is nothing here that takes commands', now);
    return;
  }
  const { state } = session;
  session.toTab(
    session.monitors.findIndex(({ name }) => name === commands.tab),
    now,
  );
  state.command = { ...state.command, text: '', at: state.command.history.length };
  state.mode = 'command';
}

/** What a key does while a line is typed. Enter sends it and asks for the next. */
export function commandKey(session: Session, key: Key): void {
  const { state, source } = session;
  const { text, history, at } = state.command;
  const type = (next: string) => {
    state.command = { ...state.command, text: next.slice(0, MOST_TEXT) };
  };
  if (key.name === 'escape') state.mode = 'panels';
  else if (key.name === 'enter') {
    const line = text.trim();
    if (line === '') {
      state.mode = 'panels';
      return;
    }
    source.commands?.run(line);
    const kept = [...history.filter((each) => each !== line), line].slice(-MOST_LINES);
    state.command = { text: '', history: kept, at: kept.length };
  } else if (key.name === 'up' || key.name === 'down') {
    const next = Math.max(0, Math.min(history.length, at + (key.name === 'up' ? -1 : 1)));
    state.command = { text: history[next] ?? '', history, at: next };
  } else if (key.name === 'backspace') type([...text].slice(0, -1).join(''));
  else if (key.name === 'ctrl-u') type('');
  else if (key.name === 'ctrl-w') type(text.replace(/\S*\s*$/, ''));
  else if (key.text !== '') type(text + key.text.replace(/\s+/g, ' '));
}
