// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are what is decoded here
/** Bytes from the terminal to keys. Pure: time comes in through `flush`. */
import { StringDecoder } from 'node:string_decoder';

/**
 * `name`: `a`, `ctrl-l`, `alt-x`, `up`, `shift-tab`, `f10`, `escape`, `paste`; `click`, `wheel-up`, `wheel-down`; `receipt`
 * (see receipt.ts). `text`: what it would type, if anything.
 */
export interface Key {
  readonly name: string;
  readonly text: string;
  /** Where the mouse was: column and line from 0. */
  readonly at?: { readonly x: number; readonly y: number };
}

/** Final letter of `CSI … letter` and `SS3 letter`. */
const LETTERS: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  E: 'center',
  F: 'end',
  H: 'home',
  P: 'f1',
  Q: 'f2',
  R: 'f3',
  S: 'f4',
  M: 'enter',
};

/** Number of `CSI number ~`. */
const NUMBERS: Readonly<Record<number, string>> = {
  1: 'home',
  2: 'insert',
  3: 'delete',
  4: 'end',
  5: 'pageup',
  6: 'pagedown',
  7: 'home',
  8: 'end',
  11: 'f1',
  12: 'f2',
  13: 'f3',
  14: 'f4',
  15: 'f5',
  17: 'f6',
  18: 'f7',
  19: 'f8',
  20: 'f9',
  21: 'f10',
  23: 'f11',
  24: 'f12',
};

const CODES: Readonly<Record<number, string>> = {
  8: 'backspace',
  9: 'tab',
  13: 'enter',
  27: 'escape',
  127: 'backspace',
};

/** Keypad letters of `SS3 letter` in application mode. */
const KEYPAD = 'jklmnopqrstuvwxy';
const KEYPAD_TEXT = '*+,-./0123456789';

const CSI = /^\x1b\[([\x30-\x3f]*)[\x20-\x2f]*([\x40-\x7e])/;
const RXVT = /^\x1b\[(\d+)([$^@])/;
const CONSOLE_F = /^\x1b\[\[([A-E])/;
const SS3 = /^\x1bO(\d*)([\x40-\x7e])/;
const STRING = /^\x1b[P\]X^_][^\x07\x1b]*(?:\x07|\x1b\\)/;
const OPEN = /^\x1b(?:\[(?:M.{0,2}|\[|[\x30-\x3f]*[\x20-\x2f]*)|O\d*|[P\]X^_][^\x07\x1b]*\x1b?)?$/s;
const PASTE_START = '\x1b[200~';
const PASTE_END = '\x1b[201~';
/** A reply or paste that never ends is dropped at this length. */
const MOST_PENDING = 1 << 16;

/** Decodes reads of any cut: sequences split across reads are joined. */
export class KeyDecoder {
  #pending = '';
  #text = new StringDecoder('utf8');

  /** Keys completed by these bytes. */
  push(bytes: Uint8Array): Key[] {
    this.#pending += this.#text.write(Buffer.from(bytes));
    return this.#drain(false);
  }

  /** Whether an unfinished sequence waits; call `flush` when nothing more came for 50 ms. */
  get waiting(): boolean {
    return this.#pending !== '';
  }

  /** What waits can only be a lone Escape, or a broken sequence, which is dropped. */
  flush(): Key[] {
    if (this.#pending.startsWith(PASTE_START)) return [];
    return this.#drain(true);
  }

  #drain(timedOut: boolean): Key[] {
    const keys: Key[] = [];
    while (this.#pending !== '') {
      const used = this.#next(keys, timedOut);
      if (used === 0) break;
      this.#pending = this.#pending.slice(used);
    }
    if (this.#pending.length > MOST_PENDING) this.#pending = '';
    return keys;
  }

  /** Length of what was understood at the start of the pending text; 0 when more is needed. */
  #next(keys: Key[], timedOut: boolean): number {
    const input = this.#pending;
    if (!input.startsWith('\x1b')) return plainKey(input, keys);
    if (input.startsWith(PASTE_START)) {
      const end = input.indexOf(PASTE_END);
      if (end < 0) return 0;
      keys.push({ name: 'paste', text: input.slice(PASTE_START.length, end) });
      return end + PASTE_END.length;
    }
    if (OPEN.test(input) && !timedOut) return 0;
    // X10 mouse report: three raw bytes follow.
    if (input.startsWith('\x1b[M') && input.length >= 6) return 6;
    return sequence(input, keys) || escaped(input, keys, timedOut);
  }
}

function sequence(input: string, keys: Key[]): number {
  let match = CONSOLE_F.exec(input);
  if (match !== null) {
    keys.push({ name: `f${'ABCDE'.indexOf(match[1] as string) + 1}`, text: '' });
    return match[0].length;
  }
  match = RXVT.exec(input);
  if (match !== null) {
    const name = NUMBERS[Number(match[1])];
    const prefix = { $: 'shift-', '^': 'ctrl-', '@': 'ctrl-shift-' }[match[2] as string] ?? '';
    if (name !== undefined) keys.push({ name: prefix + name, text: '' });
    return match[0].length;
  }
  match = SS3.exec(input);
  if (match !== null) {
    keypadKey(match[2] as string, Number(match[1] || 1), keys);
    return match[0].length;
  }
  match = CSI.exec(input);
  if (match !== null) {
    csiKey(match[1] as string, match[2] as string, keys);
    return match[0].length;
  }
  return STRING.exec(input)?.[0].length ?? 0;
}

function csiKey(parameters: string, final: string, keys: Key[]): void {
  if (parameters === '0' && final === 'n') keys.push({ name: 'receipt', text: '' });
  if (parameters.startsWith('<') && final === 'M') mouseKey(parameters.slice(1), keys);
  // Focus, cursor reports, other replies to queries and other reports of the mouse are not keys.
  if (/^[<=>?]/.test(parameters) || final === 'M' || (/^[IO]$/.test(final) && parameters === '')) return;
  const numbers = parameters.split(';').map((part) => Number.parseInt(part, 10) || 0);
  const [first = 0, second = 1, third = 0] = numbers;
  if (final === '~' && first === 27) codeKey(third, second, keys);
  else if (final === 'u') codeKey(first, second, keys);
  else if (final === 'Z') keys.push({ name: 'shift-tab', text: '' });
  else {
    const name = final === '~' ? NUMBERS[first] : LETTERS[final];
    if (name !== undefined) keys.push({ name: modifiers(second) + name, text: '' });
  }
}

/** Buttons as SGR reports give them, without what Shift, Alt and Ctrl add. */
const BUTTONS: Readonly<Record<number, string>> = { 0: 'click', 64: 'wheel-up', 65: 'wheel-down' };
const MODIFIERS = 4 | 8 | 16;

function mouseKey(parameters: string, keys: Key[]): void {
  const [button = -1, x = 0, y = 0] = parameters.split(';').map(Number);
  const name = BUTTONS[button & ~MODIFIERS];
  if (name !== undefined && x > 0 && y > 0) keys.push({ name, text: '', at: { x: x - 1, y: y - 1 } });
}

function keypadKey(letter: string, modifier: number, keys: Key[]): void {
  const name = LETTERS[letter];
  if (name !== undefined) keys.push({ name: modifiers(modifier) + name, text: '' });
  const digit = KEYPAD_TEXT[KEYPAD.indexOf(letter)];
  if (digit !== undefined && KEYPAD.includes(letter)) keys.push({ name: digit, text: digit });
}

/** A key sent as its code point (kitty protocol, modifyOtherKeys). */
function codeKey(code: number, modifier: number, keys: Key[]): void {
  if (code <= 0 || code > 0x10ffff) return;
  const named = CODES[code];
  const char = named ?? String.fromCodePoint(code);
  const prefix = modifiers(modifier);
  if (named === undefined && (prefix === '' || prefix === 'shift-')) keys.push({ name: char, text: char });
  else keys.push({ name: prefix + char, text: '' });
}

function modifiers(parameter: number): string {
  const bits = Math.max(0, parameter - 1);
  return `${bits & 4 ? 'ctrl-' : ''}${bits & 2 ? 'alt-' : ''}${bits & 1 ? 'shift-' : ''}`;
}

/** ESC that opens no known sequence: the Escape key, or Alt with the key that follows. */
function escaped(input: string, keys: Key[], timedOut: boolean): number {
  const next = input[1];
  if (next === undefined || next === '\x1b') {
    keys.push({ name: 'escape', text: '' });
    return 1;
  }
  // Broken or unknown: drop it whole rather than type its tail.
  if ('[OP]X^_'.includes(next) && timedOut && input.length > 2) return input.length;
  const following: Key[] = [];
  const used = plainKey(input.slice(1), following);
  for (const key of following) keys.push({ name: `alt-${key.name}`, text: '' });
  return used + 1;
}

function plainKey(input: string, keys: Key[]): number {
  const code = input.codePointAt(0) as number;
  const char = String.fromCodePoint(code);
  if (code >= 0x20 && code !== 0x7f) keys.push({ name: code === 0x20 ? 'space' : char, text: char });
  else keys.push({ name: controlName(code), text: '' });
  return char.length;
}

function controlName(code: number): string {
  if (code === 10) return 'enter';
  const named = CODES[code];
  if (named !== undefined) return named;
  return code === 0 ? 'ctrl-space' : `ctrl-${String.fromCharCode(code + 0x60)}`;
}
