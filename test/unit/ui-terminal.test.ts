import { expect, test } from 'vitest';
import { detectCapabilities, hasScreen } from '../../src/ui/terminal/capabilities.ts';
import { Pacer } from '../../src/ui/terminal/pacer.ts';
import { QUESTION, Receipt } from '../../src/ui/terminal/receipt.ts';
import { applySgr, sgrBetween } from '../../src/ui/terminal/sgr.ts';

const AS_IS = { colour: 'auto', ascii: false, theme: 'default' } as const;

test.each([
  [
    { TERM: 'xterm-256color', LANG: 'C.UTF-8' },
    { colours: 256, ascii: false },
  ],
  [
    { TERM: 'xterm', LANG: 'en_US.utf8' },
    { colours: 16, ascii: false },
  ],
  [
    { TERM: 'screen', COLORTERM: 'truecolor', LANG: 'C.UTF-8' },
    { colours: 256, ascii: false },
  ],
  [
    { TERM: 'xterm-256color', NO_COLOR: '1', LANG: 'C.UTF-8' },
    { colours: 0, ascii: false },
  ],
  [
    { TERM: 'xterm', NO_COLOR: '', LANG: 'C.UTF-8' },
    { colours: 16, ascii: false },
  ],
  [
    { TERM: 'linux', LANG: 'C.UTF-8' },
    { colours: 16, ascii: true },
  ],
  [
    { TERM: 'vt100', LANG: 'C' },
    { colours: 0, ascii: true },
  ],
  [
    { TERM: 'xterm', LC_ALL: 'C', LANG: 'C.UTF-8' },
    { colours: 16, ascii: true },
  ],
  [{ TERM: 'xterm' }, { colours: 16, ascii: true }],
])('%j', (env, expected) => {
  expect(detectCapabilities(env, AS_IS)).toMatchObject(expected);
});

test('wishes win over the environment', () => {
  const env = { TERM: 'xterm', NO_COLOR: '1', LANG: 'C.UTF-8' };
  const wish = { ...AS_IS, colour: 'true', ascii: true } as const;
  expect(detectCapabilities(env, wish)).toMatchObject({ colours: 256, ascii: true });
});

test('a terminal that cannot move its cursor has no screen', () => {
  expect([{ TERM: 'dumb' }, { TERM: '' }, {}, { TERM: 'vt100' }].map(hasScreen)).toEqual([
    false,
    false,
    false,
    true,
  ]);
});

test('receipts: asked one at a time, due only from a terminal that answers, given up when lost', () => {
  const receipt = new Receipt();
  expect(receipt.ask(0, 1000)).toBe(QUESTION);
  // It may never answer: nothing waits for it.
  expect(receipt.isDue(1)).toBe(false);
  expect(receipt.ask(2, 1000)).toBe('');
  receipt.answer(300);
  expect(receipt.took_ms).toBe(300);
  expect(receipt.ask(400, 1000)).toBe(QUESTION);
  expect(receipt.isDue(20_000)).toBe(true);
  expect(receipt.isDue(22_000)).toBe(false);
  expect(receipt.ask(22_000, 10)).toBe(QUESTION);
  expect(receipt.isDue(22_001)).toBe(true);
  receipt.forget();
  expect(receipt.isDue(22_002)).toBe(false);
  // One that was not asked for.
  receipt.answer(22_003);
  expect(receipt.took_ms).toBeUndefined();
});

test('SGR there and back', () => {
  const styles = [0, 1, 9, 16, 201, 1 << 9, 1 << 10, (1 << 9) | (1 << 12) | 4, (1 << 11) | 100];
  for (const from of styles) {
    for (const to of styles) {
      const sequence = sgrBetween(from, to);
      const parameters = sequence === '' ? undefined : sequence.slice(2, -1).split(';').map(Number);
      expect(parameters === undefined ? from : applySgr(from, parameters)).toBe(to);
    }
  }
});

test('pacing: halves the rate of a link that does not keep up, recovers when it does', () => {
  const pacer = new Pacer();
  let now = 0;
  const run = (seconds: number, busy: boolean) => {
    for (let tick = 0; tick < seconds * 4; tick += 1) {
      now += 250;
      pacer.tick(now, busy ? 200 : 40, 250);
      // More that comes with it does not count, nor does a frame that has just left.
      pacer.tick(now + 1, busy ? 0 : 1, 250);
    }
  };
  run(11, false);
  expect(pacer.slow).toBe(false);
  run(11, true);
  expect(pacer.spacing_ms).toBeGreaterThanOrEqual(250);
  run(60, true);
  expect(pacer.spacing_ms).toBe(8000);
  run(120, false);
  expect(pacer.slow).toBe(false);
});
