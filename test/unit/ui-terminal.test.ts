import { expect, test } from 'vitest';
import { detectCapabilities } from '../../src/ui/terminal/capabilities.ts';
import { Pacer } from '../../src/ui/terminal/pacer.ts';
import { applySgr, sgrBetween } from '../../src/ui/terminal/sgr.ts';

test.each([
  [
    { TERM: 'xterm-256color', LANG: 'C.UTF-8' },
    { colours: 256, ascii: false, dumb: false },
  ],
  [
    { TERM: 'xterm', LANG: 'en_US.utf8' },
    { colours: 16, ascii: false, dumb: false },
  ],
  [
    { TERM: 'screen', COLORTERM: 'truecolor', LANG: 'C.UTF-8' },
    { colours: 256, ascii: false, dumb: false },
  ],
  [
    { TERM: 'xterm-256color', NO_COLOR: '1', LANG: 'C.UTF-8' },
    { colours: 0, ascii: false, dumb: false },
  ],
  [
    { TERM: 'xterm', NO_COLOR: '', LANG: 'C.UTF-8' },
    { colours: 16, ascii: false, dumb: false },
  ],
  [
    { TERM: 'linux', LANG: 'C.UTF-8' },
    { colours: 16, ascii: true, dumb: false },
  ],
  [
    { TERM: 'vt100', LANG: 'C' },
    { colours: 0, ascii: true, dumb: false },
  ],
  [
    { TERM: 'dumb', LANG: 'C.UTF-8' },
    { colours: 0, ascii: false, dumb: true },
  ],
  [
    { TERM: 'xterm', LC_ALL: 'C', LANG: 'C.UTF-8' },
    { colours: 16, ascii: true, dumb: false },
  ],
  [{ TERM: 'xterm' }, { colours: 16, ascii: true, dumb: false }],
])('%j', (env, expected) => {
  expect(detectCapabilities(env, 'auto', false)).toMatchObject(expected);
});

test('wishes win over the environment, but not over a dumb terminal', () => {
  const env = { TERM: 'xterm', NO_COLOR: '1', LANG: 'C.UTF-8' };
  expect(detectCapabilities(env, 'true', true)).toMatchObject({ colours: 256, ascii: true });
  expect(detectCapabilities({ ...env, TERM: 'dumb' }, 'true', false).styleMask).toBe(0);
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
      pacer.tick(now, busy, 250);
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
