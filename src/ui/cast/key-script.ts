/** A script of keys: who presses what, when. */
import { KEYMAP } from '../keymap.ts';
import type { Key } from '../terminal/keys.ts';

export interface KeyStep {
  /** Milliseconds of the film. */
  readonly at_ms: number;
  readonly key: Key;
}

/** Keys that are needed beside those of the keymap. */
const EDITING = ['backspace', 'enter', 'escape', 'ctrl-u', 'ctrl-w', 'up', 'down', 'tab', 'space'];
const NAMES: ReadonlySet<string> = new Set([...KEYMAP.flatMap(({ keys }) => keys), ...EDITING]);
const MOST_STEPS = 10_000;
const TOKEN = /"((?:[^"\\]|\\.)*)"|(\S+)/g;

/**
 * Lines of `SECONDS KEY…`, such as `2.5 tab j j enter`, `+1 "comm=sshd"`: seconds since the start of the film, with `+`
 * since the line before; keys as the help page of the keys names them in small letters; a text in double quotes is typed.
 * `#` begins a comment. Throws an Error with one sentence that names the line.
 */
export function parseKeyScript(text: string): KeyStep[] {
  const steps: KeyStep[] = [];
  let before = 0;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const match = /^\s*(\+?)(\d+(?:\.\d+)?)\s+(.+)$/.exec(line);
    if (match === null) {
      if (/^\s*(?:#.*)?$/.test(line)) continue;
      throw new Error(`line ${index + 1}: ${short(line)} is not SECONDS KEY; write such as 2.5 tab`);
    }
    const [, plus, seconds, words] = match;
    const at_ms = (plus === '+' ? before : 0) + Math.round(Number(seconds) * 1000);
    if (at_ms < before)
      throw new Error(`line ${index + 1}: ${seconds} is before the line above; times go on`);
    before = at_ms;
    for (const key of keysOf(words as string, index + 1)) steps.push({ at_ms, key });
    if (steps.length > MOST_STEPS) throw new Error(`more than ${MOST_STEPS} keys; make it shorter`);
  }
  return steps;
}

function keysOf(words: string, line: number): Key[] {
  const keys: Key[] = [];
  for (const [token, quoted, word] of words.matchAll(TOKEN)) {
    if (quoted !== undefined) {
      for (const char of quoted.replace(/\\(.)/g, '$1')) keys.push(typed(char));
      continue;
    }
    // A comment behind the keys; # itself is written "#".
    if (token.startsWith('#')) break;
    keys.push(named(word as string, line));
  }
  return keys;
}

function named(word: string, line: number): Key {
  if ([...word].length === 1) return typed(word);
  if (!NAMES.has(word))
    throw new Error(
      `line ${line}: no key ${short(word)}; text goes in quotes, keys are such as tab, enter, shift-tab`,
    );
  return word === 'space' ? typed(' ') : { name: word, text: '' };
}

function typed(char: string): Key {
  return { name: char === ' ' ? 'space' : char, text: char };
}

function short(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
