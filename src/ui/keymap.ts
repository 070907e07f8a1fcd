/** Every key and what it does: the one table behind the keys, the footer and the help page. */
import type { ProbeCommandId } from './probe-commands.ts';
import { TIME_KEYS, type TimeCommandId } from './time-keys.ts';

export type CommandId =
  | TimeCommandId
  | ProbeCommandId
  | 'next-tab'
  | 'previous-tab'
  | 'tab'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'home'
  | 'end'
  | 'next-panel'
  | 'previous-panel'
  | 'zoom'
  | 'details'
  | 'back'
  | 'sort-menu'
  | 'sort-left'
  | 'sort-right'
  | 'reverse'
  | 'tree'
  | 'filter'
  | 'pause'
  | 'slower'
  | 'faster'
  | 'help'
  | 'goto'
  | 'incidents'
  | 'jump'
  | 'return'
  | 'command'
  | 'frame-up'
  | 'frame-down'
  | 'frame-left'
  | 'frame-right'
  | 'frame-in'
  | 'frame-out'
  | 'split'
  | 'export'
  | 'record'
  | 'mouse'
  | 'redraw'
  | 'suspend'
  | 'quit';

/**
 * Where a binding holds that is not for everywhere: on stacks, on the tab of probes and its tables, where time can be moved
 * in, where it is not now.
 */
export type KeyContext = 'stacks' | 'probes' | 'probe' | 'time' | 'elsewhen';

export interface Binding {
  readonly command: CommandId;
  /** Names as the key decoder gives them. */
  readonly keys: readonly string[];
  /** The keys as people write them. */
  readonly shown: string;
  readonly help: string;
  /** Only there; goes before the general meaning of the key. */
  readonly on?: KeyContext;
  /** Word in the footer; absent = only in the help. Earlier bindings are kept longest on a narrow screen. */
  readonly hint?: { readonly key: string; readonly text: string; readonly rank: number };
}

export const KEYMAP: readonly Binding[] = [
  {
    command: 'next-tab',
    keys: ['tab'],
    shown: 'Tab',
    help: 'next tab',
    hint: { key: 'Tab', text: 'tabs', rank: 3 },
  },
  { command: 'previous-tab', keys: ['shift-tab'], shown: 'Shift-Tab', help: 'previous tab' },
  { command: 'tab', keys: [...'123456789'], shown: '1 … 9', help: 'that tab' },
  {
    command: 'goto',
    keys: [':'],
    shown: ':',
    help: 'go to a tab by its name',
    hint: { key: ':', text: 'go to', rank: 14 },
  },
  {
    command: 'incidents',
    keys: ['I'],
    shown: 'I',
    help: 'all that exceeded a threshold, on any tab; Enter shows one, Enter again or o goes to its tab',
    hint: { key: 'I', text: 'incidents', rank: 15 },
  },
  {
    command: 'jump',
    keys: ['o'],
    shown: 'o',
    help: 'where the selected row leads: other tabs, filtered to what belongs to it; in a list of lines the marked one; from an incident to its tab',
    hint: { key: 'o', text: 'follow', rank: 16 },
  },
  {
    command: 'return',
    keys: ['backspace'],
    shown: 'Backspace',
    help: 'back along the way that was followed',
  },
  {
    command: 'command',
    keys: ['!'],
    shown: '!',
    help: 'a line for what is behind the picture: a command of crash, on a vmcore',
    hint: { key: '!', text: 'crash', rank: 8 },
  },
  { command: 'up', keys: ['up', 'k'], shown: '↑ k', help: 'row up' },
  { command: 'down', keys: ['down', 'j'], shown: '↓ j', help: 'row down; the selection follows its row' },
  { command: 'page-up', keys: ['pageup', 'ctrl-u', 'ctrl-b'], shown: 'PgUp Ctrl-U', help: 'page up' },
  { command: 'page-down', keys: ['pagedown', 'ctrl-d', 'ctrl-f'], shown: 'PgDn Ctrl-D', help: 'page down' },
  { command: 'home', keys: ['home', 'K', 'ctrl-home', 'g'], shown: 'Home K', help: 'first row' },
  {
    command: 'end',
    keys: ['end', 'J', 'G', 'ctrl-end'],
    shown: 'End J G',
    help: 'last row; in a list of events: follow the newest',
  },
  {
    command: 'details',
    keys: ['enter', 'e'],
    shown: 'Enter e',
    help: 'everything about the selected row: all columns, stack, its log entries',
    hint: { key: 'Enter', text: 'details', rank: 4 },
  },
  {
    command: 'back',
    keys: ['escape'],
    shown: 'Esc',
    help: 'back; first out of a page, then clear zoom, filter and selection',
  },
  {
    command: 'sort-menu',
    keys: ['s', 'f6'],
    shown: 's F6',
    help: 'choose the column to sort by',
    hint: { key: 's', text: 'sort', rank: 5 },
  },
  {
    command: 'sort-left',
    keys: ['<', ','],
    shown: '< ,',
    help: 'sort by the column to the left',
    hint: { key: '<>', text: 'column', rank: 11 },
  },
  { command: 'sort-right', keys: ['>', '.'], shown: '> .', help: 'sort by the column to the right' },
  {
    command: 'reverse',
    keys: ['r'],
    shown: 'r',
    help: 'reverse the order',
    hint: { key: 'r', text: 'reverse', rank: 10 },
  },
  {
    command: 'filter',
    keys: ['/', 'f3', 'f4'],
    shown: '/ F3 F4',
    help: 'show only rows or entries that match: words, column=value, column>number',
    hint: { key: '/', text: 'filter', rank: 6 },
  },
  {
    command: 'tree',
    keys: ['t', 'f5'],
    shown: 't F5',
    help: 'tree of parents and children, where the table has one',
    hint: { key: 't', text: 'tree', rank: 12 },
  },
  {
    command: 'next-panel',
    keys: ['w', 'right'],
    shown: 'w',
    help: 'next panel of the tab; → too where time cannot be moved in',
    hint: { key: 'w', text: 'panel', rank: 8 },
  },
  { command: 'previous-panel', keys: ['W', 'left'], shown: 'W', help: 'previous panel' },
  {
    command: 'zoom',
    keys: ['z'],
    shown: 'z',
    help: 'give the whole tab to the panel, and back',
    hint: { key: 'z', text: 'zoom', rank: 9 },
  },
  {
    command: 'pause',
    keys: ['p', 'space'],
    shown: 'p Space',
    help: 'freeze the picture; sorting, filter and details go on, so does the measuring',
    hint: { key: 'p', text: 'pause', rank: 7 },
  },
  {
    command: 'record',
    keys: ['R'],
    shown: 'R',
    help: 'record what is seen to a file here, and stop; tabs that are left stay open and are recorded too',
    hint: { key: 'R', text: 'record', rank: 12 },
  },
  {
    command: 'slower',
    keys: ['+', '='],
    shown: '+',
    help: 'longer interval',
    hint: { key: '+-', text: 'interval', rank: 13 },
  },
  { command: 'faster', keys: ['-', '_'], shown: '-', help: 'shorter interval' },
  {
    command: 'help',
    keys: ['?', 'h', 'f1'],
    shown: '? h F1',
    help: 'this page',
    hint: { key: '?', text: 'help', rank: 1 },
  },
  { command: 'frame-up', on: 'stacks', keys: ['up', 'k'], shown: '↑ k', help: 'to the caller' },
  { command: 'frame-down', on: 'stacks', keys: ['down', 'j'], shown: '↓ j', help: 'to the largest callee' },
  { command: 'frame-left', on: 'stacks', keys: ['left', 'h'], shown: '← h', help: 'frame to the left' },
  { command: 'frame-right', on: 'stacks', keys: ['right', 'l'], shown: '→ l', help: 'frame to the right' },
  {
    command: 'frame-in',
    on: 'stacks',
    keys: ['enter'],
    shown: 'Enter',
    help: 'give the frame the whole width',
    hint: { key: 'Enter', text: 'zoom in', rank: 4 },
  },
  {
    command: 'frame-out',
    on: 'stacks',
    keys: ['escape', 'backspace'],
    shown: 'Esc Bksp',
    help: 'give the width back to the caller',
    hint: { key: 'Esc', text: 'out', rank: 5 },
  },
  {
    command: 'split',
    on: 'stacks',
    keys: ['b'],
    shown: 'b',
    help: 'all stacks together, or by task, by CPU',
    hint: { key: 'b', text: 'by', rank: 6 },
  },
  {
    command: 'export',
    on: 'stacks',
    keys: ['e'],
    shown: 'e',
    help: 'write the folded stacks to a file here',
    hint: { key: 'e', text: 'export', rank: 7 },
  },
  {
    command: 'probe-add',
    on: 'probes',
    keys: ['a'],
    shown: 'a',
    help: 'a probe of your own: type its definition',
    hint: { key: 'a', text: 'add', rank: 2.1 },
  },
  {
    command: 'probe-records',
    on: 'probe',
    keys: ['enter'],
    shown: 'Enter',
    help: 'its records, live; Esc gives the room back',
    hint: { key: 'Enter', text: 'records', rank: 2.2 },
  },
  {
    command: 'probe-arm',
    on: 'probe',
    keys: ['space'],
    shown: 'Space',
    help: 'arm or disarm it; one that stays: watch it or not',
    hint: { key: 'Space', text: 'arm', rank: 2.3 },
  },
  {
    command: 'probe-delete',
    on: 'probe',
    keys: ['d'],
    shown: 'd',
    help: 'delete it; one that was added to stay too',
    hint: { key: 'd', text: 'delete', rank: 2.4 },
  },
  {
    command: 'probe-edit',
    on: 'probe',
    keys: ['e'],
    shown: 'e',
    help: 'edit its definition',
    hint: { key: 'e', text: 'edit', rank: 2.5 },
  },
  {
    command: 'probe-count',
    on: 'probes',
    keys: ['c'],
    shown: 'c',
    help: 'count by an argument',
    hint: { key: 'c', text: 'count', rank: 2.6 },
  },
  {
    command: 'probe-histogram',
    on: 'probes',
    keys: ['h'],
    shown: 'h',
    help: 'histogram of an argument',
    hint: { key: 'h', text: 'histogram', rank: 2.7 },
  },
  {
    command: 'probe-stacks',
    on: 'probes',
    keys: ['s'],
    shown: 's',
    help: 'call chains with the records, or none',
    hint: { key: 's', text: 'stacks', rank: 2.8 },
  },
  {
    command: 'probe-use',
    on: 'probes',
    keys: ['i'],
    shown: 'i',
    help: 'take in the probes of a recipe file (ktop recipe)',
    hint: { key: 'i', text: 'use recipe', rank: 2.85 },
  },
  {
    command: 'probe-export',
    on: 'probes',
    keys: ['x'],
    shown: 'x',
    help: 'write a recipe of the selected probe, or of all',
    hint: { key: 'x', text: 'export', rank: 2.9 },
  },
  ...TIME_KEYS,
  {
    command: 'mouse',
    keys: ['x'],
    shown: 'x',
    help: 'the mouse is for ktop, or for the terminal again, which selects text with it: wheel, click on a tab, a row, a column head',
  },
  {
    command: 'redraw',
    keys: ['ctrl-l'],
    shown: 'Ctrl-L',
    help: 'paint the screen anew; Ctrl-S holds all output, Ctrl-Q or any other key lets it go',
  },
  { command: 'suspend', keys: ['ctrl-z'], shown: 'Ctrl-Z', help: 'suspend; fg comes back' },
  {
    command: 'quit',
    keys: ['q', 'f10', 'ctrl-c'],
    shown: 'q F10 Ctrl-C',
    help: 'quit; q first closes help or details',
    hint: { key: 'q', text: 'quit', rank: 2 },
  },
];

const byKey = (on: KeyContext | undefined) =>
  new Map(
    KEYMAP.filter((binding) => binding.on === on).flatMap(({ keys, command }) =>
      keys.map((key) => [key, command] as const),
    ),
  );
const BY_KEY = byKey(undefined);
const BY_CONTEXT: Readonly<Record<KeyContext, ReadonlyMap<string, CommandId>>> = {
  stacks: byKey('stacks'),
  probes: byKey('probes'),
  probe: byKey('probe'),
  time: byKey('time'),
  elsewhen: byKey('elsewhen'),
};

/** The command of a key, if any. `on`: where it is pressed, the closest first. */
export function commandOf(key: string, on: readonly KeyContext[] = []): CommandId | undefined {
  for (const context of on) {
    const command = BY_CONTEXT[context].get(key);
    if (command !== undefined) return command;
  }
  return BY_KEY.get(key);
}

export interface Hint {
  readonly key: string;
  readonly text: string;
}

/** Footer hints that fit on `width` columns, in the order of the keymap's ranks. */
export function fitHints(hints: readonly Hint[], width: number): Hint[] {
  const result: Hint[] = [];
  let used = 1;
  for (const hint of hints) {
    const size = hint.key.length + 1 + hint.text.length + 2;
    if (used + size > width) break;
    result.push(hint);
    used += size;
  }
  return result;
}

/** The footer's hints, most needed first. `has`: commands that make sense just now. */
export function footerHints(
  has: (command: CommandId) => boolean,
  on: readonly KeyContext[],
  ascii: boolean,
): Hint[] {
  return KEYMAP.filter((binding) => binding.on === undefined || on.includes(binding.on))
    .filter(({ command, keys }) => has(command) && commandOf(keys[0] ?? '', on) === command)
    .flatMap(({ hint, on: context }) =>
      hint === undefined ? [] : [{ hint, rank: rankOf(hint.rank, context, on) }],
    )
    .sort((a, b) => a.rank - b.rank)
    .map(({ hint: { key, text } }) => ({ key: ascii ? asciiKeys(key) : key, text }));
}

/** Help and quitting come first everywhere; where it is not now, time is next. */
function rankOf(rank: number, context: KeyContext | undefined, on: readonly KeyContext[]): number {
  const isTime = context === 'time' || context === 'elsewhen';
  return isTime && on.includes('elsewhen') ? 2 + rank / 100 : rank;
}

/** Names of keys without arrows. */
export function asciiKeys(shown: string): string {
  return shown
    .replace('←→', 'Left/Right')
    .replace('→', 'Right')
    .replace('←', 'Left')
    .replace('↑', 'Up')
    .replace('↓', 'Down')
    .replace('…', '-');
}
