/** "Go to tab": a list that shrinks as one types. */
import { looksLikeFilter } from '../panels/filter-of.ts';
import type { Session } from './session.ts';
import { setFilter } from './table-commands.ts';
import type { Key } from './terminal/keys.ts';

export interface PickerItem {
  readonly label: string;
  /** Position of the tab; one past the last stands for the incidents. */
  readonly tab: number;
}

const MOST_TEXT = 200;

/** Tabs that match what is typed: beginnings first, then anything that holds the letters in their order. */
export function pickerItems(session: Session): PickerItem[] {
  const { monitors, state } = session;
  const wanted = state.picker.text.toLowerCase();
  const all = [
    ...monitors.map(({ title, name }, tab) => ({
      label: `${tab + 1} ${title}${session.isRecorded(name) ? '' : ' (not recorded)'}`,
      words: [title, name],
      tab,
    })),
    { label: 'I Incidents', words: ['Incidents'], tab: monitors.length },
  ];
  const ranked = all.map((item) => ({ ...item, rank: rankOf(item.words, `${item.tab + 1}`, wanted) }));
  return ranked
    .filter(({ rank }) => rank < NO_MATCH)
    .sort((a, b) => a.rank - b.rank || a.tab - b.tab)
    .map(({ label, tab }) => ({ label, tab }));
}

const NO_MATCH = 4;

function rankOf(words: readonly string[], number: string, wanted: string): number {
  if (wanted === '' || wanted === number) return 0;
  const lower = words.map((word) => word.toLowerCase());
  if (lower.some((word) => word.startsWith(wanted))) return 1;
  if (lower.some((word) => word.includes(wanted))) return 2;
  return lower.some((word) => holdsInOrder(word, wanted)) ? 3 : NO_MATCH;
}

function holdsInOrder(word: string, letters: string): boolean {
  let at = 0;
  for (const letter of letters) {
    at = word.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

/** Opens the picker. */
export function openPicker({ state }: Session): void {
  state.picker = { text: '', index: 0 };
  state.mode = 'goto';
}

/** What a key does while the picker is open. */
export function pickerKey(session: Session, key: Key, now: number): void {
  const { state } = session;
  const items = pickerItems(session);
  const { text } = state.picker;
  const index = Math.max(0, Math.min(state.picker.index, items.length - 1));
  if (key.name === 'escape') state.mode = 'panels';
  else if (key.name === 'enter' && looksLikeFilter(text)) applyTyped(session, text, now);
  else if (key.name === 'enter') choose(session, items[index], now);
  else if (key.name === 'up' || key.name === 'shift-tab')
    state.picker = { text, index: Math.max(0, index - 1) };
  else if (key.name === 'down' || key.name === 'tab') {
    state.picker = { text, index: Math.min(items.length - 1, index + 1) };
  } else if (key.name === 'backspace') state.picker = { text: [...text].slice(0, -1).join(''), index: 0 };
  else if (key.name === 'ctrl-u') state.picker = { text: '', index: 0 };
  else if (key.text !== '') {
    state.picker = { text: (text + key.text.replace(/\s+/g, ' ')).slice(0, MOST_TEXT), index: 0 };
  }
}

/** What has been typed is a filter for the tab that is shown. */
function applyTyped(session: Session, text: string, now: number): void {
  session.state.mode = 'panels';
  if (session.filtered === undefined) session.say('nothing to filter here', now);
  else setFilter(session.filtered, text);
}

function choose(session: Session, item: PickerItem | undefined, now: number): void {
  if (item === undefined) return;
  if (item.tab === session.monitors.length) session.state.mode = 'incidents';
  else session.toTab(item.tab, now);
}
