/** split-lock on this host: what it can see, or a plain word that it can see nothing. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { startKtop, sum } from '../helpers/ktop.ts';

describe('split-lock', () => {
  test('--test makes locks and says how many; what cannot be seen is said', { timeout: 30_000 }, async () => {
    const ktop = await startKtop(['split-lock', '--test', '-i', '500']);
    try {
      await ktop.more(3);
    } finally {
      await ktop.kill();
    }
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' ') ?? [];
    const reported = flags.includes('split_lock_detect') || flags.includes('bus_lock_detect');
    const seen = sum(ktop.pictures, 'count');
    for (const { notes = [] } of ktop.pictures)
      expect(notes.join('\n')).toMatch(/--test: [1-9]\d* split locks made by ktop itself/);
    const counted = !ktop.pictures.some(({ notes = [] }) => notes.join().includes('no hardware count'));
    if (counted || reported) {
      expect(seen).toBeGreaterThan(0);
      return;
    }
    expect(seen).toBe(0);
    for (const { notes = [] } of ktop.pictures) {
      expect(notes.join('\n')).toContain('no hardware count');
      expect(notes.join('\n')).toContain('nothing can be seen here');
    }
  });
});
