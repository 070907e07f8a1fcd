import { expect, test } from 'vitest';
import { REPLACEMENT as R, sanitise } from '../../src/panels/sanitise.ts';

const HOSTILE: readonly (readonly [string, string, string])[] = [
  ['escape sequence', 'a\x1b[2Jb', `a${R}[2Jb`],
  ['C1 CSI', 'a\x9b2Jb', `a${R}2Jb`],
  ['DEL, NUL and newline', 'a\x7f\x00\nb', `a${R}${R}${R}b`],
  ['bidi override', 'a\u202eb', `a${R}b`],
  ['bidi isolate and marks', '\u2066a\u200f\u061c', `${R}a${R}${R}`],
  ['zero width', 'a\u200bb\u200d\ufeff', `a${R}b${R}${R}`],
  ['lone surrogates', 'a\ud800b\udc00', `a${R}b${R}`],
  ['line separator', 'a\u2028b', `a${R}b`],
  ['stacked combining marks', 'x\u0300\u0301', `x${R}${R}`],
  ['no-break space', 'a\u00a0b', 'a b'],
];

test.each(HOSTILE)('%s', (_name, text, expected) => {
  expect(sanitise(text)).toBe(expected);
});

test('leaves readable text alone', () => {
  for (const text of ['', 'kworker/0:1-events', 'Grüße', '名前', 'naïve ▲'])
    expect(sanitise(text)).toBe(text);
});

test('composes what can be composed', () => {
  expect(sanitise('e\u0301')).toBe('é');
});

test('ascii keeps printable ASCII only', () => {
  expect(sanitise('né\x1b名', true)).toBe('n???');
});
