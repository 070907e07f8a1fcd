/** Globs on names as kernel filters. What the kernel makes of them is in test/live/signal.test.ts. */
import { expect, test } from 'vitest';
import { monitors } from '../../src/monitors/index.ts';
import { nameFilter } from '../../src/monitors/monitor.ts';

test.each([
  ['nginx', 'comm~"nginx"'],
  ['w-*', 'comm~"w-*"'],
  ['5*', 'comm~"[5]*"'],
  ['!x', 'comm~"\\!x"'],
  ['a"b"', `comm~'a"b"'`],
  [`a"b'`, `comm~'a"b?'`],
  ['[ab]?', 'comm~"[ab]?"'],
])('%s', (glob, filter) => expect(nameFilter('comm', glob)).toBe(filter));

test('what begins on one CPU may end on another: whoever keeps state takes events of all', () => {
  for (const { name, options, plan } of monitors) {
    const { operators, all_cpus } = plan({ interval_ms: 1000, cpus: [1] });
    const keeps = operators.some(({ op }) => ['pair', 'state', 'off', 'remember', 'track'].includes(op));
    if (options.includes('cpu') && keeps) expect(all_cpus, name).toBe(true);
  }
});
