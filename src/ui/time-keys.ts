/** The keys that move in time: part of the table of all keys. */
import type { Binding } from './keymap.ts';

export const TIME_COMMANDS = [
  'step-back',
  'step-forward',
  'minute-back',
  'minute-forward',
  'mark-next',
  'mark-previous',
  'moment',
  'play',
  'speed-down',
  'speed-up',
  'time-start',
  'time-end',
] as const;

export type TimeCommandId = (typeof TIME_COMMANDS)[number];

/** `time`: wherever time can be moved in. `elsewhen`: in a recording, or behind now. */
export const TIME_KEYS: readonly Binding[] = [
  {
    command: 'step-back',
    on: 'time',
    keys: ['left', '[', 'shift-left'],
    shown: '← [',
    help: 'one picture back; from now on into the past. On stacks ← is a frame: [ or Shift-← there',
    hint: { key: '←→', text: 'time', rank: 8 },
  },
  {
    command: 'step-forward',
    on: 'time',
    keys: ['right', ']', 'shift-right'],
    shown: '→ ]',
    help: 'one picture on; on stacks ] or Shift-→',
  },
  { command: 'minute-back', on: 'time', keys: ['{'], shown: '{', help: 'a minute back' },
  { command: 'minute-forward', on: 'time', keys: ['}'], shown: '}', help: 'a minute on' },
  {
    command: 'moment',
    on: 'time',
    keys: ['g'],
    shown: 'g',
    help: 'go to a time: 12:03:40, 2026-11-20 12:03, +5m, -30s, 40%, start, end',
    hint: { key: 'g', text: 'go to time', rank: 11 },
  },
  {
    command: 'mark-next',
    on: 'time',
    keys: ['m'],
    shown: 'm',
    help: 'to the next mark: incident, loss or damage',
    hint: { key: 'mM', text: 'marks', rank: 10 },
  },
  { command: 'mark-previous', on: 'time', keys: ['M'], shown: 'M', help: 'to the mark before' },
  {
    command: 'time-start',
    on: 'elsewhen',
    keys: ['home'],
    shown: 'Home',
    help: 'the start; rows have K',
  },
  {
    command: 'time-end',
    on: 'elsewhen',
    keys: ['end'],
    shown: 'End',
    help: 'the end, of a live kernel: now; rows have J',
    hint: { key: 'End', text: 'now', rank: 4 },
  },
  {
    command: 'play',
    on: 'elsewhen',
    keys: ['space', 'p'],
    shown: 'Space p',
    help: 'let time run, or hold it',
    hint: { key: 'Space', text: 'play/hold', rank: 4 },
  },
  {
    command: 'speed-down',
    on: 'elsewhen',
    keys: ['<'],
    shown: '<',
    help: 'slower, down to 0.1 times; the sort column has ,',
    hint: { key: '<>', text: 'speed', rank: 9 },
  },
  {
    command: 'speed-up',
    on: 'elsewhen',
    keys: ['>'],
    shown: '>',
    help: 'faster, up to 100 times; the sort column has .',
  },
];
