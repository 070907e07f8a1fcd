import { expect, test } from 'vitest';
import type { ColumnSpec, Monitor } from '../../src/monitors/monitor.ts';
import { jsonObject } from '../../src/output/json.ts';
import { plainText } from '../../src/output/plain.ts';
import { profile, STACKS } from '../e2e/fake-monitors.ts';
import { DEFAULTS, World } from '../e2e/fake-source.ts';

const OPTIONS = { ...DEFAULTS, stacks: 50, frozen: true, monitors: [] };
const snapshot = new World(profile, OPTIONS).snapshot(1, 1000, 1000, 0);

test('JSON carries the stacks, largest first, with what they can be split by', () => {
  const { stacks } = jsonObject(profile, snapshot) as {
    stacks: { stack: string; count: number; pct: number }[];
  };
  expect(stacks).toHaveLength(50);
  expect(Object.keys(stacks[0] ?? {})).toEqual(['stack', 'count', 'pct', 'comm', 'cpu']);
  expect(stacks.map(({ count }) => count)).toEqual(stacks.map(({ count }) => count).sort((a, b) => b - a));
  expect(stacks.reduce((sum, { pct }) => sum + pct, 0)).toBeCloseTo(100, 0);
  // Innermost first, as in rows and logs.
  expect(stacks[0]?.stack).toMatch(
    /do_syscall_64;entry_SYSCALL_64_after_hwframe$|kthread;ret_from_fork$|apic_timer$/,
  );
});

test('a table that has the stacks in its rows is enough', () => {
  const column = (id: string): ColumnSpec => ({
    id,
    title: id,
    help: '',
    format: id === 'stack' ? 'text' : 'int',
  });
  const table = (columns: ColumnSpec[]): Monitor => ({
    ...profile,
    panels: [
      STACKS,
      {
        kind: 'table',
        id: 'rows',
        title: '',
        table: 'samples',
        columns,
        sort: { column: 'count', descending: true },
        empty: '',
      },
    ],
  });
  expect(jsonObject(table([column('stack'), column('count')]), snapshot)).not.toHaveProperty('stacks');
  expect(jsonObject(table([column('count')]), snapshot)).toHaveProperty('stacks');
});

test('plain prints the twenty largest, folded, outermost first', () => {
  const text = plainText(profile, snapshot);
  const lines = text.split('\n').filter((line) => /%/.test(line));
  expect(lines).toHaveLength(20);
  expect(lines[0]).toMatch(
    /^ *\d+ +\d+\.\d% {2}(?:entry_SYSCALL_64_after_hwframe|ret_from_fork|asm_sysvec_apic_timer);/,
  );
  expect(text).toMatch(/and \d+ more stacks/);
  expect(text.includes('\x1b') || text.includes('\u202e')).toBe(false);
});
