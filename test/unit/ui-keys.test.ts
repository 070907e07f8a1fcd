import { expect, test } from 'vitest';
import { KeyDecoder } from '../../src/ui/terminal/keys.ts';

function names(...reads: string[]): string[] {
  const decoder = new KeyDecoder();
  return reads.flatMap((read) => decoder.push(Buffer.from(read))).map((key) => key.name);
}

test.each([
  ['jj typed fast', 'jj', ['j', 'j']],
  [
    'controls',
    '\x03\x0c\x1a\r\n\t\x7f\x08 ',
    'ctrl-c ctrl-l ctrl-z enter enter tab backspace backspace space'.split(' '),
  ],
  ['arrows, both modes', '\x1b[A\x1b[B\x1bOC\x1bOD', ['up', 'down', 'right', 'left']],
  [
    'home and end',
    '\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~\x1bOH',
    'home end home end home end home'.split(' '),
  ],
  ['pages', '\x1b[5~\x1b[6~', ['pageup', 'pagedown']],
  ['back tab', '\x1b[Z', ['shift-tab']],
  ['F1–F5 xterm', '\x1bOP\x1bOQ\x1bOR\x1bOS\x1b[15~', ['f1', 'f2', 'f3', 'f4', 'f5']],
  ['F1–F4 vt, rxvt', '\x1b[11~\x1b[12~\x1b[13~\x1b[14~', ['f1', 'f2', 'f3', 'f4']],
  ['F1–F5 console', '\x1b[[A\x1b[[B\x1b[[C\x1b[[D\x1b[[E', ['f1', 'f2', 'f3', 'f4', 'f5']],
  [
    'F6–F12',
    '\x1b[17~\x1b[18~\x1b[19~\x1b[20~\x1b[21~\x1b[23~\x1b[24~',
    'f6 f7 f8 f9 f10 f11 f12'.split(' '),
  ],
  ['modified', '\x1b[1;5A\x1b[1;2P\x1b[15;5~\x1b[5^', ['ctrl-up', 'shift-f1', 'ctrl-f5', 'ctrl-pageup']],
  ['kitty', '\x1b[113u\x1b[99;5u\x1b[27u', ['q', 'ctrl-c', 'escape']],
  ['modifyOtherKeys', '\x1b[27;5;108~', ['ctrl-l']],
  ['alt', '\x1bx', ['alt-x']],
  ['keypad', '\x1bOq\x1bOM\x1bOk', ['1', 'enter', '+']],
  ['unicode', 'ü名', ['ü', '名']],
  [
    'moves of the mouse, focus, replies are no keys',
    '\x1b[<0;1;1m\x1b[<35;1;1M\x1b[<2;1;1M\x1b[<0;0;1M\x1b[<;M\x1b[I\x1b[O\x1b[?62;c\x1b[M !!\x1b]11;rgb:0/0/0\x07\x1bP1$r\x1b\\q',
    ['q'],
  ],
  ['mouse', '\x1b[<0;300;2M\x1b[<64;1;1M\x1b[<69;1;1M', ['click', 'wheel-up', 'wheel-down']],
  ['a receipt', '\x1b[0n\x1b[3nq', ['receipt', 'q']],
  ['paste is one key', '\x1b[200~q\x1b[2J\x1b[201~j', ['paste', 'j']],
])('%s', (_name, input, expected) => {
  expect(names(input)).toEqual(expected);
});

test('sequences cut anywhere give the same keys', () => {
  const input = '\x1b[5~\x1bOP\x1b[1;5A\x1b[[A\x1b[200~x\x1b[201~\x1b[<0;1;1Mü';
  const whole = names(input);
  const bytes = Buffer.from(input);
  for (let cut = 1; cut < bytes.length; cut += 1) {
    const decoder = new KeyDecoder();
    const keys = [...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut))];
    expect(keys.map((key) => key.name)).toEqual(whole);
  }
});

test('a lone escape is a key once nothing follows', () => {
  const decoder = new KeyDecoder();
  expect(decoder.push(Buffer.from('\x1b'))).toEqual([]);
  expect(decoder.waiting).toBe(true);
  expect(decoder.flush().map((key) => key.name)).toEqual(['escape']);
  expect(decoder.waiting).toBe(false);
});

test('a broken sequence types nothing', () => {
  const decoder = new KeyDecoder();
  decoder.push(Buffer.from('\x1b[12;'));
  expect(decoder.flush()).toEqual([]);
  expect(decoder.waiting).toBe(false);
});

test('two escapes are two keys', () => {
  const decoder = new KeyDecoder();
  const keys = [...decoder.push(Buffer.from('\x1b\x1b')), ...decoder.flush()];
  expect(keys.map((key) => key.name)).toEqual(['escape', 'escape']);
});
