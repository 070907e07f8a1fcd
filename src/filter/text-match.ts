/** Globs, as the kernel's filters have them, and regular expressions, as far as they are safe. */
import { FilterError } from './expression.ts';

const LONGEST_PATTERN = 500;
/** A group that repeats, such as `(a+)+` or `(a|aa)*`, may take for ever on a text of a hundred characters. */
const RUNAWAY = /(?:^|[^\\])(?:\\\\)*\)[+*{]|[+*}][+*{]/;

/** `*` any text, `?` one character, `[a-z]`, `[!a-z]`, and `\` before any of them. */
export function globTest(pattern: string): (text: string) => boolean {
  const expression = new RegExp(`^${globSource(pattern)}$`, 'su');
  return (text) => expression.test(text);
}

function globSource(pattern: string): string {
  const chars = [...pattern];
  let source = '';
  for (let at = 0; at < chars.length; at += 1) {
    const char = chars[at] as string;
    if (char === '*') {
      // One star is as good as two, and cheaper.
      if (chars[at - 1] !== '*') source += '.*';
    } else if (char === '?') source += '.';
    else if (char === '[') {
      const set = setAt(chars, at);
      source += set === undefined ? '\\[' : set.source;
      if (set !== undefined) at = set.end;
    } else if (char === '\\' && at + 1 < chars.length) {
      at += 1;
      source += literal(chars[at] as string);
    } else source += literal(char);
  }
  return source;
}

/** `[a-z]` from `start` on: its source, and where its `]` stands; undefined when it has none. */
function setAt(
  chars: readonly string[],
  start: number,
): { readonly source: string; readonly end: number } | undefined {
  const inverted = chars[start + 1] === '!';
  const from = start + (inverted ? 2 : 1);
  // A ] that comes first is meant.
  const end = chars.indexOf(']', from + 1);
  if (end < 0) return undefined;
  let inside = '';
  for (let at = from; at < end; at += 1) {
    const low = chars[at] as string;
    if (chars[at + 1] !== '-' || at + 2 >= end) {
      inside += literal(low);
      continue;
    }
    const high = chars[at + 2] as string;
    // Backwards it holds nothing.
    if (low <= high) inside += `${literal(low)}-${literal(high)}`;
    at += 2;
  }
  return { source: inside === '' ? (inverted ? '.' : '(?!)') : `[${inverted ? '^' : ''}${inside}]`, end };
}

const literal = (char: string): string => `\\u{${(char.codePointAt(0) as number).toString(16)}}`;

/** Throws a FilterError for what is no regular expression, or may take too long. `at`: its place in the filter. */
export function regexTest(pattern: string, at: number): (text: string) => boolean {
  if (pattern.length > LONGEST_PATTERN)
    throw new FilterError(
      `the regular expression is longer than ${LONGEST_PATTERN} characters; shorten it`,
      at,
    );
  if (RUNAWAY.test(pattern))
    throw new FilterError('a group that repeats may take for ever; write it without', at);
  try {
    const expression = new RegExp(pattern);
    return (text) => expression.test(text);
  } catch (error) {
    const why = error instanceof Error ? (error.message.split(': ').at(-1) ?? '') : '';
    throw new FilterError(`"${pattern}" is no regular expression: ${why.toLowerCase()}`, at);
  }
}
